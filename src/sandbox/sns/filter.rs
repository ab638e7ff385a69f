//! Filter policies of subscriptions, by which a subscriber gets some messages alone.

use serde_json::Value;

use super::attributes;
use super::notice::Notice;
use crate::sandbox::events::pattern;

/// SNS's limit on the keys of a policy.
const MAX_KEYS: usize = 5;
/// SNS's limit on the product of the numbers of values of all keys.
const MAX_COMBINATIONS: usize = 150;

/// The filter of a subscription. By default every message passes.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    policy: Option<Value>,
    /// `FilterPolicyScope` is `MessageBody`: the policy is about the text and not the attributes.
    pub(super) reads_body: bool,
}

impl Filter {
    /// Sets the policy. An empty one lets every message pass. The error says what is wrong.
    pub(super) fn set(&mut self, policy: &str) -> Result<(), &'static str> {
        let parsed: Value =
            serde_json::from_str(policy).map_err(|_| "FilterPolicy: failed to parse JSON")?;
        let fields = parsed.as_object().ok_or("FilterPolicy: must be a JSON object")?;
        if fields.len() > MAX_KEYS {
            return Err("FilterPolicy: Filter policy can not have more than 5 keys");
        }
        if combinations(&parsed) > MAX_COMBINATIONS {
            return Err("FilterPolicy: Filter policy is too complex");
        }
        let is_sound = pattern::parse(policy).is_ok() && (self.reads_body || !is_nested(&parsed));
        if !is_sound {
            return Err("FilterPolicy: every key must have an array of values");
        }
        self.policy = (!fields.is_empty()).then_some(parsed);
        Ok(())
    }

    /// The policy as it was set.
    pub(super) fn policy(&self) -> Option<String> {
        self.policy.as_ref().map(Value::to_string)
    }

    /// Whether a subscriber with this protocol gets a message.
    pub(super) fn passes(&self, notice: &Notice, protocol: &str) -> bool {
        let Some(policy) = &self.policy else { return true };
        if self.reads_body {
            let body = serde_json::from_str(notice.text_for(protocol));
            return body.is_ok_and(|body: Value| pattern::matches(policy, &body));
        }
        pattern::matches(policy, &attributes::compared(&notice.attributes))
    }
}

fn is_nested(policy: &Value) -> bool {
    policy.as_object().is_some_and(|fields| fields.values().any(Value::is_object))
}

fn combinations(policy: &Value) -> usize {
    match policy {
        Value::Object(fields) => fields.values().map(combinations).product(),
        Value::Array(values) => values.len(),
        _ => 1,
    }
}
