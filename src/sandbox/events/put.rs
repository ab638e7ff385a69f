//! `PutEvents`: events that a client sends.

use serde_json::{Value, json};

use super::event::Event;
use super::route;
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::dates::rfc3339;
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

const MAX_ENTRIES: usize = 10;

pub(super) fn put_events(world: &mut World, request: &Request) -> Answer {
    let entries: Vec<_> = request.parameters().list("Entries").collect();
    if entries.is_empty() || entries.len() > MAX_ENTRIES {
        let message = format!("Entries must have length from 1 to {MAX_ENTRIES}.");
        return Err(Failure::refused("ValidationException", message));
    }
    let results: Vec<Value> = entries.into_iter().map(|entry| put(world, request, entry)).collect();
    let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
    Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
}

fn put(world: &mut World, request: &Request, entry: Parameters<'_>) -> Value {
    match event(world, request, entry) {
        Ok(event) => {
            route(world, &event);
            json!({ "EventId": event.id })
        }
        Err(failure) => json!({ "ErrorCode": failure.code, "ErrorMessage": failure.message }),
    }
}

fn event(world: &mut World, request: &Request, entry: Parameters<'_>) -> Result<Event, Failure> {
    let source = entry.text("Source")?;
    if source.starts_with("aws.") {
        let message = format!("Not authorized for the source: {source}");
        return Err(Failure::refused("NotAuthorizedForSourceException", message));
    }
    let malformed = |_| Failure::refused("MalformedDetail", "Detail is malformed.");
    let detail = serde_json::from_str(entry.text("Detail")?).map_err(malformed)?;
    Ok(Event {
        version: "0",
        id: world.ids.uuid().to_string(),
        detail_type: entry.text("DetailType")?.to_owned(),
        source: source.to_owned(),
        account: world.options.account.clone(),
        time: rfc3339(world.wall_clock()),
        region: request.region.clone(),
        resources: entry.texts("Resources").into_iter().map(str::to_owned).collect(),
        detail,
    })
}
