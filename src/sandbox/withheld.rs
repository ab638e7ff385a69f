//! Entries kept away from a call, so that a batch fails in part.

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::batch;
use super::faults::Fault;
use super::wire::request::Request;

/// The lists that a call can lose entries of.
const LISTS: [&str; 3] = ["Entries", "PublishBatchRequestEntries", "InstanceId"];

/// Takes the entries out of a request that the faults let fail, and says what becomes of them.
pub(super) fn withhold(request: &mut Request, faults: &[Fault]) -> Vec<Value> {
    let mut failed = Vec::new();
    for fault in faults {
        let Fault::Entries { count, code, sender_fault } = fault else { continue };
        let status = if *sender_fault { 400 } else { 500 };
        let failure = Failure::new(status, code, format!("{code}, as injected"));
        for list in LISTS {
            let Some(Value::Array(entries)) = request.body.get_mut(list) else { continue };
            let taken = entries.drain(..entries.len().min(*count));
            failed.extend(taken.map(|entry| result(&entry, &failure)));
        }
    }
    failed
}

/// Adds the entries that were withheld to an answer, as failed.
pub(super) fn report(answer: Answer, withheld: Vec<Value>) -> Answer {
    let mut answer = answer?;
    if let Some(Value::Array(failed)) = answer.get_mut("Failed") {
        failed.extend(withheld);
    }
    Ok(answer)
}

/// What a call comes to that has lost all of its entries.
pub(super) fn nothing_left(request: &Request) -> Option<Answer> {
    let emptied = |list: &&str| request.body.get(*list) == Some(&json!([]));
    let list = LISTS.into_iter().find(emptied)?;
    Some(Ok(match list {
        "InstanceId" => json!({ "instancesSet": [] }),
        _ => json!({ "Successful": [], "Failed": [] }),
    }))
}

fn result(entry: &Value, failure: &Failure) -> Value {
    let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
    batch::failed_entry(id, failure)
}
