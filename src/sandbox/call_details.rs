//! What the ledger keeps of a call, read from its request and from its answer: ids, tags, states,
//! failed entries.

use std::collections::BTreeMap;

use serde_json::Value;

use super::sqs::receipt::Receipt;
use super::wire::parameters::Parameters;
use super::wire::request::Request;

/// The parameters with the entries of a batch: of SQS, and of SNS.
const ENTRIES: [&str; 2] = ["Entries", "PublishBatchRequestEntries"];

/// What a request is about: instance ids, ids of messages, texts that are sent or published, keys of
/// the tags of a queue, and the ARN of a role.
pub(super) fn subjects(parameters: Parameters<'_>) -> Vec<String> {
    let mut subjects = parameters.texts("InstanceId");
    subjects.extend(parameters.texts("ResourceId"));
    subjects.extend(parameters.texts("TagKeys"));
    subjects.extend(parameters.optional("RoleArn"));
    subjects.extend(parameters.map("Tags").map(|(key, _)| key));
    for filter in parameters.list("Filter") {
        if matches!(filter.optional("Name"), Some("resource-id" | "instance-id")) {
            subjects.extend(filter.texts("Value"));
        }
    }
    let entries = ENTRIES.into_iter().flat_map(|list| parameters.list(list));
    subjects.extend(entries.chain([parameters]).filter_map(subject));
    subjects.into_iter().map(str::to_owned).collect()
}

/// What an entry of a batch, or a call without entries, is about.
fn subject(entry: Parameters<'_>) -> Option<&str> {
    let received = entry.optional("ReceiptHandle").and_then(|handle| Receipt::parse(handle).ok());
    let message = received.map(|receipt| receipt.message_id);
    message.or_else(|| entry.optional("Message")).or_else(|| entry.optional("MessageBody"))
}

/// The visibility timeouts that a request asks for, in seconds, by message id.
pub(super) fn timeouts(parameters: Parameters<'_>) -> Vec<(String, i64)> {
    let entries = parameters.list("Entries").chain([parameters]);
    let timeout = |entry: Parameters<'_>| {
        Some((subject(entry)?.to_owned(), entry.number("VisibilityTimeout").ok().flatten()?))
    };
    entries.filter_map(timeout).collect()
}

/// The attributes of the notices that a request publishes, of each notice by name.
pub(super) fn attributes(parameters: Parameters<'_>) -> Vec<BTreeMap<String, String>> {
    let entries = parameters.list("PublishBatchRequestEntries").chain([parameters]);
    let notices = entries.filter(|entry| entry.optional("Message").is_some());
    let attributes = notices.map(|notice| {
        let attributes = notice.list("MessageAttributes").filter_map(|one| {
            let value = one.object("Value").optional("StringValue")?;
            Some((one.optional("Name")?.to_owned(), value.to_owned()))
        });
        attributes.collect()
    });
    attributes.collect()
}

/// The entries that failed: their places in the batch, from zero, with their subjects and codes.
pub(super) fn failed(parameters: Parameters<'_>, fields: &Value) -> Vec<(usize, (String, String))> {
    let code = |(place, entry): (usize, Parameters<'_>)| {
        let id = entry.optional("Id")?;
        let failed = Parameters::new(fields).list("Failed");
        let failed = failed.into_iter().find(|failed| failed.optional("Id") == Some(id))?;
        Some((place, (subject(entry)?.to_owned(), failed.optional("Code")?.to_owned())))
    };
    let entries = ENTRIES.into_iter().flat_map(|list| parameters.list(list));
    entries.enumerate().filter_map(code).collect()
}

/// The access key that an answer of `AssumeRole` gives out.
pub(super) fn given_key(fields: &Value) -> Option<String> {
    Parameters::new(fields).object("Credentials").optional("AccessKeyId").map(str::to_owned)
}

/// The instances that were running before a `StopInstances`.
pub(super) fn stopped(request: &Request, fields: &Value) -> Vec<String> {
    let listed = Parameters::new(fields).list("instancesSet");
    let ran =
        |one: &Parameters<'_>| one.object("previousState").optional("name") == Some("running");
    let ids = listed.filter(ran).filter_map(|one| one.optional("instanceId"));
    let stops = request.operation == "StopInstances";
    ids.filter(|_| stops).map(str::to_owned).collect()
}

/// The tags in an answer of `DescribeTags` or `DescribeInstances`, by instance id.
pub(super) fn returned_tags(fields: &Value) -> Vec<(String, Vec<(String, String)>)> {
    let fields = Parameters::new(fields);
    let tags = fields.list("tagSet").filter_map(|one| {
        Some((one.optional("resourceId")?.to_owned(), tag(one).into_iter().collect()))
    });
    let instances = described(fields).filter_map(|instance| {
        let tags = instance.list("tagSet").filter_map(tag).collect();
        Some((instance.optional("instanceId")?.to_owned(), tags))
    });
    tags.chain(instances).collect()
}

/// The ids of the instances in an answer of `DescribeInstances`.
pub(super) fn described_ids(fields: &Value) -> impl Iterator<Item = &str> {
    described(Parameters::new(fields)).filter_map(|one| one.optional("instanceId"))
}

fn described(fields: Parameters<'_>) -> impl Iterator<Item = Parameters<'_>> {
    fields.list("reservationSet").flat_map(|one| one.list("instancesSet"))
}

fn tag(one: Parameters<'_>) -> Option<(String, String)> {
    Some((one.optional("key")?.to_owned(), one.optional("value")?.to_owned()))
}

/// The states in an answer of `DescribeInstances` or of a call that changes instances, by instance
/// id.
pub(super) fn returned_states(fields: &Value) -> Vec<(String, String)> {
    let fields = Parameters::new(fields);
    let states = described(fields).chain(fields.list("instancesSet")).filter_map(|one| {
        let state = ["instanceState", "currentState"]
            .into_iter()
            .find_map(|field| one.object(field).optional("name"));
        Some((one.optional("instanceId")?.to_owned(), state?.to_owned()))
    });
    states.collect()
}

/// Whether an answer has a next page.
pub(super) fn has_more(fields: &Value) -> bool {
    Parameters::new(fields).optional("nextToken").is_some()
}

/// The ids of the messages in an answer of `ReceiveMessage`, and the keys of the tags in one of
/// `ListQueueTags`.
pub(super) fn received(fields: &Value) -> Vec<String> {
    let fields = Parameters::new(fields);
    let messages = fields.list("Messages").filter_map(|one| one.optional("MessageId"));
    messages.chain(fields.map("Tags").map(|(key, _)| key)).map(str::to_owned).collect()
}
