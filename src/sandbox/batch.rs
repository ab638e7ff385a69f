//! Batches of SQS and SNS: up to ten entries, each of which succeeds or fails on its own.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Failure};
use super::wire::parameters::Parameters;

const MAX_ENTRIES: usize = 10;

/// Calls `one` for each entry of the list and answers with `Successful` and `Failed`, as AWS does.
/// `prefix` is put before the codes of errors that refuse the whole batch: SQS has one, SNS none.
pub(super) fn for_each_entry(
    parameters: Parameters<'_>,
    list: &str,
    prefix: &str,
    mut one: impl FnMut(Parameters<'_>) -> Answer,
) -> Answer {
    if let Err((code, message)) = check(parameters, list) {
        return Err(Failure::refused(&format!("{prefix}{code}"), message));
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in parameters.list(list) {
        let id = entry.text("Id")?;
        match one(entry) {
            Ok(fields) => successful.push(with_id(id, fields)),
            Err(failure) => failed.push(failed_entry(id, &failure)),
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

/// Writes what `Failed` says of an entry.
pub(super) fn failed_entry(id: &str, failure: &Failure) -> Value {
    json!({
        "Id": id,
        "Code": failure.code,
        "Message": failure.message,
        "SenderFault": failure.is_senders(),
    })
}

fn with_id(id: &str, fields: Value) -> Value {
    let mut entry = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    entry.insert("Id".to_owned(), id.into());
    Value::Object(entry)
}

/// Refuses the whole batch, with a code and a message, if it is empty or too large or its ids are
/// not valid.
fn check(parameters: Parameters<'_>, list: &str) -> Result<(), (&'static str, String)> {
    let ids: Vec<_> = parameters.list(list).map(|one| one.optional("Id").unwrap_or("")).collect();
    let sent = ids.len();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    if sent == 0 {
        let message = "There should be at least one entry in the request.".to_owned();
        Err(("EmptyBatchRequest", message))
    } else if sent > MAX_ENTRIES {
        let message = format!(
            "Maximum number of entries per request are {MAX_ENTRIES}. You have sent {sent}."
        );
        Err(("TooManyEntriesInBatchRequest", message))
    } else if !ids.into_iter().all(is_sound) {
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and \
                       underscores. It can be at most 80 letters long.";
        Err(("InvalidBatchEntryId", message.to_owned()))
    } else if distinct.len() < sent {
        let message = "Two or more batch entries in the request have the same Id.".to_owned();
        Err(("BatchEntryIdsNotDistinct", message))
    } else {
        Ok(())
    }
}

fn is_sound(id: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=80).contains(&id.len()) && id.chars().all(known)
}
