//! A call without the entries that `Fault::Entries` makes fail.

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::batch;
use super::fault::Fault;
use super::wire::request::Request;
use super::world::World;

/// The parameters that have entries which can fail.
const LISTS: [&str; 3] = ["Entries", "PublishBatchRequestEntries", "InstanceId"];

/// A call whose first entries are removed, and the results of the removed ones.
#[derive(Debug)]
pub(super) struct PartialCall {
    pub(super) request: Request,
    /// The results of the removed entries, for `Failed`.
    failed: Vec<Value>,
}

impl PartialCall {
    pub(super) fn of(request: &Request, faults: &[Fault]) -> Self {
        let (mut request, mut failed) = (request.clone(), Vec::new());
        for fault in faults {
            let Fault::Entries { count, code, sender_fault } = fault else { continue };
            let status = if *sender_fault { 400 } else { 500 };
            let failure = Failure::new(status, code, format!("{code}, as injected"));
            for list in LISTS {
                let Some(Value::Array(entries)) = request.body.get_mut(list) else { continue };
                let removed = entries.drain(..entries.len().min(*count));
                failed.extend(removed.map(|entry| result(&entry, &failure)));
            }
        }
        Self { request, failed }
    }

    /// Carries out the entries that are left, if any, and answers for all entries.
    pub(super) fn act(&self, world: &mut World) -> Answer {
        let nothing = self.nothing_left().filter(|_| !self.failed.is_empty());
        let mut answer = nothing.map_or_else(|| world.act(&self.request), Ok)?;
        if let Some(Value::Array(failed)) = answer.get_mut("Failed") {
            failed.extend(self.failed.iter().cloned());
        }
        Ok(answer)
    }

    /// The answer to a call that has no entries left, which AWS would refuse as empty.
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
