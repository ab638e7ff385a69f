//! A message that SNS has accepted, and the texts in it for each kind of subscriber.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::attributes::MessageAttribute;
use super::topic::invalid;
use crate::sandbox::answer::Failure;
use crate::sandbox::wire::parameters::Parameters;

/// A message that SNS accepted and delivered: not a duplicate that a FIFO topic suppressed.
#[derive(Debug, Clone)]
pub struct Notice {
    pub at: Instant,
    pub message_id: String,
    pub topic_arn: String,
    pub subject: Option<String>,
    /// The text for every subscriber whose protocol has none of its own.
    pub message: String,
    /// With `MessageStructure=json`: the texts by protocol, such as `default`, `email` and `https`.
    /// Empty without it.
    pub texts: BTreeMap<String, String>,
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// Only with FIFO topics.
    pub group_id: Option<String>,
    /// Only with FIFO topics.
    pub deduplication_id: Option<String>,
}

impl Notice {
    /// Whether it was published with `MessageStructure=json`.
    #[must_use]
    pub fn is_structured(&self) -> bool {
        !self.texts.is_empty()
    }

    /// The text that a subscriber with this protocol gets, such as `email` or `sqs`.
    #[must_use]
    pub fn text_for(&self, protocol: &str) -> &str {
        self.texts.get(protocol).unwrap_or(&self.message)
    }

    /// The text of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(|one| one.value.as_str())
    }
}

/// Reads the texts by protocol of a message with `MessageStructure=json`, which must have a
/// `default`. Fields that are no texts are left out. Other messages have none.
pub(super) fn texts(parameters: Parameters<'_>) -> Result<BTreeMap<String, String>, Failure> {
    match parameters.optional("MessageStructure") {
        None | Some("") => return Ok(BTreeMap::new()),
        Some("json") => {}
        Some(_) => return Err(invalid("Message Structure - only json is supported")),
    }
    let message = parameters.optional("Message").unwrap_or_default();
    let parsed: Map<String, Value> = serde_json::from_str(message)
        .map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
    let texts = parsed.into_iter().filter_map(|(protocol, text)| match text {
        Value::String(text) => Some((protocol, text)),
        _ => None,
    });
    let texts: BTreeMap<_, _> = texts.collect();
    if texts.contains_key("default") {
        return Ok(texts);
    }
    Err(invalid("Message Structure - No default entry in JSON message body"))
}
