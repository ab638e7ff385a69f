//! Attributes as they are stored: by their names in policies, each in JSON's own kind.

use std::net::IpAddr;

use serde_json::Value as Json;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcDateTime};

use super::object::{Object, Wrong};
use crate::domain::policy::attribute::{Attribute, Attributes, Kind, Value};

/// Reads the attributes among the keys of an object.
///
/// # Errors
/// A value of another kind than the attribute has.
pub(super) fn read(facts: &Object<'_>) -> Result<Attributes, Wrong> {
    let mut attributes = Attributes::new();
    for attribute in Attribute::all() {
        if let Some(value) = value(facts, attribute)? {
            attributes.insert(attribute, value);
        }
    }
    Ok(attributes)
}

fn value(facts: &Object<'_>, attribute: Attribute) -> Result<Option<Value>, Wrong> {
    let name = attribute.name();
    let some = |text: &str| Some(text.to_owned());
    Ok(match attribute.kind() {
        Kind::Text => facts.read(name, some, "give a text in quotes")?.map(Value::Text),
        Kind::Texts => facts.texts(name)?.map(Value::Texts),
        Kind::Truth => facts.truth(name)?.map(Value::Truth),
        Kind::Time => facts.time(name)?.map(Value::Time),
        Kind::Address => {
            let address = |text: &str| text.parse::<IpAddr>().ok();
            facts.read(name, address, "give an address such as \"10.0.0.1\"")?.map(Value::Address)
        }
    })
}

/// The value of an attribute, as it is stored.
pub fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Texts(texts) => texts.clone().into(),
        Value::Truth(truth) => (*truth).into(),
        Value::Time(time) => rfc3339(*time).into(),
        Value::Address(address) => address.to_string().into(),
    }
}

/// A time as it is stored.
pub fn rfc3339(time: UtcDateTime) -> String {
    // A time beyond the year 9999 has no such form; none is read.
    OffsetDateTime::from(time).format(&Rfc3339).unwrap_or_default()
}
