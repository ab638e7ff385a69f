//! The ledger: every call, what it was about and what it came to, as the AWS side saw it.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::Instant;

use super::answer::Answer;
use super::sqs::receipt::Receipt;
use super::wire::parameters::Parameters;
use super::wire::request::Request;
use super::wire::service::Service;

/// The lists of entries that batches carry.
const ENTRIES: [&str; 2] = ["Entries", "PublishBatchRequestEntries"];

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Counts calls from zero, in the order of their arrival.
    pub number: usize,
    pub at: Instant,
    /// When it had its effect and its answer was settled; none if it was struck down before.
    pub acted: Option<Instant>,
    /// When the answer left.
    pub answered: Option<Instant>,
    pub service: Service,
    pub operation: String,
    pub region: String,
    /// Instance ids that are named, message ids that are received or named by a receipt handle,
    /// texts that are sent or published.
    pub subjects: Vec<String>,
    /// Message id and seconds of each visibility timeout asked for.
    pub timeouts: Vec<(String, i64)>,
    /// Subject and code of each entry that failed.
    pub failed: Vec<(String, String)>,
    /// The tag keys that a describing call told of each instance that it mentioned.
    pub seen_tags: BTreeMap<String, Vec<String>>,
    /// The instances that `StopInstances` found running.
    pub stopped: Vec<String>,
    pub result: Outcome,
}

/// What a call came to, seen from the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is not answered yet.
    Open,
    Answered,
    Failed {
        code: String,
    },
    /// The connection broke.
    Cut,
    /// It is never answered.
    Hung,
    /// The caller left before the answer.
    Abandoned,
}

impl Call {
    fn arriving(number: usize, at: Instant, request: &Request) -> Self {
        Self {
            number,
            at,
            acted: None,
            answered: None,
            service: request.service,
            operation: request.operation.clone(),
            region: request.region.clone(),
            subjects: subjects(request.parameters()),
            timeouts: timeouts(request.parameters()),
            failed: Vec::new(),
            seen_tags: BTreeMap::new(),
            stopped: Vec::new(),
            result: Outcome::Open,
        }
    }
}

/// All calls so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) calls: Vec<Call>,
}

impl Ledger {
    /// Opens an entry for a call that has arrived.
    pub(super) fn open(&mut self, at: Instant, request: &Request) -> &Call {
        let call = Call::arriving(self.calls.len(), at, request);
        self.calls.push(call);
        &self.calls[self.calls.len() - 1]
    }

    /// Notes the effect of a call.
    pub(super) fn act(&mut self, number: usize, at: Instant, request: &Request, answer: &Answer) {
        let (Some(call), Ok(fields)) = (self.calls.get_mut(number), answer) else { return };
        call.acted = Some(at);
        call.subjects.extend(texts(fields, "Messages", "MessageId"));
        call.failed.extend(failed(request.parameters(), fields));
        call.stopped.extend(stopped(request, fields));
        for (id, key) in told_tags(fields) {
            call.seen_tags.entry(id).or_default().extend(key);
        }
    }

    /// Closes the entry of a call.
    pub(super) fn close(&mut self, number: usize, at: Instant, result: Outcome) {
        let Some(call) = self.calls.get_mut(number) else { return };
        let answered = matches!(result, Outcome::Answered | Outcome::Failed { .. });
        call.answered = answered.then_some(at);
        call.result = result;
    }
}

fn subjects(parameters: Parameters<'_>) -> Vec<String> {
    let mut subjects = parameters.texts("InstanceId");
    subjects.extend(parameters.texts("ResourceId"));
    for filter in parameters.list("Filter") {
        if matches!(filter.optional("Name"), Some("resource-id" | "instance-id")) {
            subjects.extend(filter.texts("Value"));
        }
    }
    let entries = ENTRIES.into_iter().flat_map(|list| parameters.list(list));
    subjects.extend(entries.chain([parameters]).filter_map(subject));
    subjects.into_iter().map(str::to_owned).collect()
}

/// What an entry, or a call without entries, is about.
fn subject(entry: Parameters<'_>) -> Option<&str> {
    let received = entry.optional("ReceiptHandle").and_then(|handle| Receipt::parse(handle).ok());
    let message = received.map(|receipt| receipt.message_id);
    message.or_else(|| entry.optional("Message")).or_else(|| entry.optional("MessageBody"))
}

fn timeouts(parameters: Parameters<'_>) -> Vec<(String, i64)> {
    let entries = parameters.list("Entries").chain([parameters]);
    let timeout = |entry: Parameters<'_>| {
        Some((subject(entry)?.to_owned(), entry.number("VisibilityTimeout").ok().flatten()?))
    };
    entries.filter_map(timeout).collect()
}

fn failed(parameters: Parameters<'_>, fields: &Value) -> Vec<(String, String)> {
    let code = |entry: Parameters<'_>| {
        let id = entry.optional("Id")?;
        let failed = Parameters::new(fields).list("Failed");
        let failed = failed.into_iter().find(|failed| failed.optional("Id") == Some(id))?;
        Some((subject(entry)?.to_owned(), failed.optional("Code")?.to_owned()))
    };
    let entries = ENTRIES.into_iter().flat_map(|list| parameters.list(list));
    entries.filter_map(code).collect()
}

fn stopped(request: &Request, fields: &Value) -> Vec<String> {
    let listed = Parameters::new(fields).list("instancesSet");
    let ran =
        |one: &Parameters<'_>| one.object("previousState").optional("name") == Some("running");
    let ids = listed.filter(ran).filter_map(|one| one.optional("instanceId"));
    let stops = request.operation == "StopInstances";
    ids.filter(|_| stops).map(str::to_owned).collect()
}

/// Instance ids with the keys told of them, from either describing call.
fn told_tags(fields: &Value) -> Vec<(String, Vec<String>)> {
    let fields = Parameters::new(fields);
    let key = |tag: Parameters<'_>| tag.optional("key").map(str::to_owned);
    let tags = fields.list("tagSet").filter_map(|tag| {
        Some((tag.optional("resourceId")?.to_owned(), key(tag).into_iter().collect()))
    });
    let instances = fields.list("reservationSet").flat_map(|one| one.list("instancesSet"));
    let instances = instances.filter_map(|instance| {
        let keys = instance.list("tagSet").filter_map(key).collect();
        Some((instance.optional("instanceId")?.to_owned(), keys))
    });
    tags.chain(instances).collect()
}

fn texts(fields: &Value, list: &str, name: &str) -> Vec<String> {
    let items = Parameters::new(fields).list(list);
    items.filter_map(|item| item.optional(name)).map(str::to_owned).collect()
}
