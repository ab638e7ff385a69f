//! Batches of SQS and SNS: up to ten entries, each with a fate of its own.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Failure};
use super::wire::parameters::Parameters;

const MAX_ENTRIES: usize = 10;

/// Does `one` for each entry of a list and answers `Successful` and `Failed` as AWS does.
/// `prefix` stands before the codes that refuse a whole batch.
pub(super) fn each(
    parameters: Parameters<'_>,
    list: &str,
    prefix: &str,
    mut one: impl FnMut(Parameters<'_>) -> Answer,
) -> Answer {
    check(parameters, list)
        .map_err(|(code, message)| Failure::refused(&format!("{prefix}{code}"), message))?;
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

/// The result of an entry that failed.
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

fn check(parameters: Parameters<'_>, list: &str) -> Result<(), (&'static str, String)> {
    let ids: Vec<&str> =
        parameters.list(list).map(|entry| entry.optional("Id").unwrap_or("")).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    let sound = |id: &&str| {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=80).contains(&id.len()) && id.chars().all(known)
    };
    if ids.is_empty() {
        let message = "There should be at least one entry in the request.".to_owned();
        return Err(("EmptyBatchRequest", message));
    }
    if ids.len() > MAX_ENTRIES {
        let message = format!(
            "Maximum number of entries per request are {MAX_ENTRIES}. You have sent {}.",
            ids.len()
        );
        return Err(("TooManyEntriesInBatchRequest", message));
    }
    if !ids.iter().all(sound) {
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
        return Err(("InvalidBatchEntryId", message.to_owned()));
    }
    if distinct.len() < ids.len() {
        return Err((
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries have the same Id.".to_owned(),
        ));
    }
    Ok(())
}
