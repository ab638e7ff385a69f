//! Message attributes, which filter policies read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::sandbox::answer::Failure;
use crate::sandbox::wire::parameters::Parameters;

const MAX_NAME_BYTES: usize = 256;

/// A message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `String.Array`, `Number` or `Binary`.
    pub data_type: String,
    /// Its text; bytes are in base64, an array is JSON.
    pub value: String,
}

impl MessageAttribute {
    /// The value that a filter policy compares.
    fn compared(&self) -> Value {
        match self.data_type.as_str() {
            "String.Array" | "Number" => serde_json::from_str(&self.value).unwrap_or_default(),
            _ => self.value.clone().into(),
        }
    }
}

/// Reads the attributes of a message, and refuses those that SNS does not accept.
pub(super) fn read(
    parameters: Parameters<'_>,
) -> Result<BTreeMap<String, MessageAttribute>, Failure> {
    let entries = parameters.list("MessageAttributes");
    let attributes = entries.map(|entry| {
        let name = entry.optional("Name").unwrap_or_default();
        check_name(name)?;
        Ok((name.to_owned(), attribute(name, entry.object("Value"))?))
    });
    attributes.collect()
}

/// How many bytes attributes take of the limit on a message.
pub(super) fn bytes(attributes: &BTreeMap<String, MessageAttribute>) -> usize {
    let sizes =
        attributes.iter().map(|(name, one)| name.len() + one.data_type.len() + one.value.len());
    sizes.sum()
}

/// The attributes as an object of values, for a filter policy.
pub(super) fn compared(attributes: &BTreeMap<String, MessageAttribute>) -> Value {
    attributes.iter().map(|(name, one)| (name.clone(), one.compared())).collect()
}

/// The attributes as the envelope of a notice has them.
pub(super) fn enveloped(attributes: &BTreeMap<String, MessageAttribute>) -> Value {
    let pair = |one: &MessageAttribute| json!({ "Type": one.data_type, "Value": one.value });
    attributes.iter().map(|(name, one)| (name.clone(), pair(one))).collect::<Map<_, _>>().into()
}

/// The attributes as those of a message in a queue, for raw delivery.
pub(super) fn raw(attributes: &BTreeMap<String, MessageAttribute>) -> Value {
    let pair = |one: &MessageAttribute| {
        let field = if is_binary(&one.data_type) { "BinaryValue" } else { "StringValue" };
        json!({ "DataType": one.data_type, field: one.value })
    };
    attributes.iter().map(|(name, one)| (name.clone(), pair(one))).collect::<Map<_, _>>().into()
}

fn attribute(name: &str, given: Parameters<'_>) -> Result<MessageAttribute, Failure> {
    let data_type = given.optional("DataType").ok_or_else(|| no_type(name))?;
    let kind = data_type.split('.').next().unwrap_or_default();
    if !matches!(kind, "String" | "Number" | "Binary") || data_type.ends_with('.') {
        return Err(invalid(&format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of \
             supported type prefixes is Binary, Number, and String."
        )));
    }
    let field = if is_binary(data_type) { "Binary" } else { "String" };
    let other = if is_binary(data_type) { "StringValue" } else { "BinaryValue" };
    let value = given.optional(&format!("{field}Value")).unwrap_or_default();
    if value.is_empty() && given.optional(other).is_some_and(|value| !value.is_empty()) {
        return Err(invalid(&format!(
            "The message attribute '{name}' with type '{data_type}' must use field '{field}'."
        )));
    }
    if value.is_empty() {
        return Err(invalid(&format!(
            "The message attribute '{name}' must contain non-empty message attribute value for \
             message attribute type '{data_type}'."
        )));
    }
    check_value(name, data_type, value)?;
    Ok(MessageAttribute { data_type: data_type.to_owned(), value: value.to_owned() })
}

/// Refuses a number that is none, and an array that is not one of texts, numbers and keywords.
fn check_value(name: &str, data_type: &str, value: &str) -> Result<(), Failure> {
    let is_simple = |one: &Value| !one.is_array() && !one.is_object();
    let sound = match data_type {
        "String.Array" => {
            serde_json::from_str(value).is_ok_and(|items: Vec<Value>| items.iter().all(is_simple))
        }
        _ if data_type.starts_with("Number") => value.parse::<f64>().is_ok_and(f64::is_finite),
        _ => true,
    };
    if sound {
        return Ok(());
    }
    let message = format!("Could not cast message attribute '{name}' value to {data_type}.");
    Err(invalid(&message))
}

fn check_name(name: &str) -> Result<(), Failure> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(known) && !dots {
        return Ok(());
    }
    Err(invalid(&format!("Invalid message attribute name '{name}'.")))
}

fn is_binary(data_type: &str) -> bool {
    data_type.starts_with("Binary")
}

fn no_type(name: &str) -> Failure {
    let message = format!(
        "1 validation error detected: Value null at 'messageAttributes.{name}.member.dataType' \
         failed to satisfy constraint: Member must not be null"
    );
    Failure::refused("ValidationError", message)
}

fn invalid(message: &str) -> Failure {
    Failure::refused("ParameterValueInvalid", message)
}
