//! What a policy mentions: the keys of tags, and attributes. They are collected from its text when
//! it is loaded, so that nothing else has to be read of an instance.

use cedar_policy::Policy;
use serde_json::Value;

use super::refusal::Refusal;
use super::source::{Source, offset};
use crate::domain::policy::attribute::Attribute;
use crate::domain::policy::reads::{AUTO_SCALING_GROUP, Reads};

/// The type of Auto Scaling groups, whose members are known by a tag.
const GROUP: &str = "AutoScalingGroup";

/// The most characters of a tag key in EC2.
const KEY_CHARACTERS: usize = 128;

/// What is collected of a policy.
#[derive(Default)]
struct Mentions {
    reads: Reads,
    /// Whether a tag key is computed, so that it is not known before.
    has_computed_key: bool,
}

/// What a policy reads of an instance.
pub(super) fn of(policy: &Policy) -> Reads {
    collected(policy).reads
}

/// What is wrong with the tag keys of a policy.
pub(super) fn check(policy: &Policy, source: &Source) -> Vec<Refusal> {
    let Mentions { reads, has_computed_key } = collected(policy);
    let refusal = |wrong: String, remedy| Refusal::at(source, offset(policy), wrong, remedy);
    let mut refusals = Vec::new();
    if has_computed_key {
        let wrong = "computes the key of a tag".to_owned();
        refusals.push(refusal(wrong, "write the key in quotes, since only that tag is read"));
    }
    for key in reads.tags.iter().filter(|key| !is_key(key)) {
        let remedy = "use 1 to 128 letters, digits, spaces and + - = . _ : / @, as tag keys do";
        refusals.push(refusal(
            format!("mentions the tag \"{key}\", which no instance can have"),
            remedy,
        ));
    }
    refusals
}

/// Whether an instance can have a tag of this key. EC2's filters would take other characters for
/// wildcards.
fn is_key(key: &str) -> bool {
    let is_valid = |character: char| character.is_alphanumeric() || " +-=._:/@".contains(character);
    (1..=KEY_CHARACTERS).contains(&key.chars().count()) && key.chars().all(is_valid)
}

fn collected(policy: &Policy) -> Mentions {
    let mut mentions = Mentions::default();
    // A static policy can always be written as JSON.
    if let Ok(json) = policy.to_json() {
        mentions.read(&json);
    }
    mentions
}

impl Mentions {
    /// Walks through a policy in Cedar's JSON format, in which an object has one key for each
    /// operator.
    fn read(&mut self, node: &Value) {
        match node {
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::Object(fields) => {
                for (name, content) in fields {
                    self.read_operator(name, content);
                    self.read(content);
                }
            }
            _ => {}
        }
    }

    fn read_operator(&mut self, name: &str, content: &Value) {
        match name {
            "hasTag" | "getTag" => match content.pointer("/right/Value").and_then(Value::as_str) {
                Some(key) => drop(self.reads.tags.insert(key.to_owned())),
                None => self.has_computed_key = true,
            },
            "." | "has" => self.read_attribute(content),
            "type" | "entity_type" if content == GROUP => {
                self.reads.tags.insert(AUTO_SCALING_GROUP.to_owned());
            }
            _ => {}
        }
    }

    fn read_attribute(&mut self, content: &Value) {
        let Some(name) = content.get("attr").and_then(Value::as_str) else { return };
        self.reads.attributes.extend(Attribute::parse(name));
        self.reads.dates |= name == "dates";
    }
}
