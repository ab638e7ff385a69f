//! A call without the entries that its faults let fail.

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::batch;
use super::fault::Fault;
use super::wire::request::Request;
use super::world::World;

/// The lists that a call can lose entries of.
const LISTS: [&str; 3] = ["Entries", "PublishBatchRequestEntries", "InstanceId"];

/// What is left of a call.
#[derive(Debug)]
pub(super) struct Remainder {
    pub(super) request: Request,
    /// The results of the entries that were withheld.
    failed: Vec<Value>,
}

impl Remainder {
    pub(super) fn of(request: &Request, faults: &[Fault]) -> Self {
        let (mut request, mut failed) = (request.clone(), Vec::new());
        for fault in faults {
            let Fault::Entries { count, code, sender_fault } = fault else { continue };
            let status = if *sender_fault { 400 } else { 500 };
            let failure = Failure::new(status, code, format!("{code}, as injected"));
            for list in LISTS {
                let Some(Value::Array(entries)) = request.body.get_mut(list) else { continue };
                let withheld = entries.drain(..entries.len().min(*count));
                failed.extend(withheld.map(|entry| result(&entry, &failure)));
            }
        }
        Self { request, failed }
    }

    /// Acts on the entries that are left, if any, and answers for all of them.
    pub(super) fn act(&self, world: &mut World) -> Answer {
        let nothing = self.nothing_left().filter(|_| !self.failed.is_empty());
        let mut answer = nothing.map_or_else(|| world.act(&self.request), Ok)?;
        if let Some(Value::Array(failed)) = answer.get_mut("Failed") {
            failed.extend(self.failed.iter().cloned());
        }
        Ok(answer)
    }

    /// The answer to a call that has lost all of its entries.
    fn nothing_left(&self) -> Option<Value> {
        let emptied = |list: &&str| self.request.body.get(*list) == Some(&json!([]));
        Some(match LISTS.into_iter().find(emptied)? {
            "InstanceId" => json!({ "instancesSet": [] }),
            _ => json!({ "Successful": [], "Failed": [] }),
        })
    }
}

fn result(entry: &Value, failure: &Failure) -> Value {
    let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
    batch::failed_entry(id, failure)
}
