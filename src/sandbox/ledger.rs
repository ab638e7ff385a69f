//! The ledger: a record of every call, with what it asked for and how it ended. Tests assert on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::answer::Answer;
use super::call_details;
use super::ec2::details::Details;
use super::fault_rules::FaultId;
use super::shown::Shown;
use super::wire::request::Request;
use super::wire::service::Service;

/// One call to the sandbox.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its place in the order of arrival, from zero.
    pub number: usize,
    /// When it arrived.
    pub at: Instant,
    /// When it had its effect. None if it had none: a fault struck it before, or it was refused.
    pub acted: Option<Instant>,
    /// Its place in the order in which calls had their effects, from zero.
    pub effect: Option<usize>,
    /// When the answer was sent.
    pub answered: Option<Instant>,
    /// When it ended, with an answer or without.
    pub closed: Option<Instant>,
    pub service: Service,
    pub operation: String,
    pub region: String,
    /// The scheme, the host and the port that it was sent to, as its caller names them.
    pub origin: String,
    /// The access key that signed it. Each daemon of a simulated world has one of its own.
    pub caller: String,
    /// The account of that access key. Empty for credentials of a role that are not valid.
    pub account: String,
    /// Whether it asks for a further page of an answer.
    pub turns_page: bool,
    /// Whether its answer has a next page.
    pub has_more: bool,
    /// The injected faults that struck it.
    pub struck: Vec<FaultId>,
    /// What it is about: the ids of instances, the ids of messages that it received or whose
    /// receipt handles it has, the texts that it sends or publishes, the keys of the tags of a queue
    /// that it sets, removes or lists, and the ARN of the role that it assumes.
    pub subjects: Vec<String>,
    /// The attributes of the notices that it publishes, in the order of their texts.
    pub attributes: Vec<BTreeMap<String, String>>,
    /// The visibility timeouts that it asks for: message id and seconds.
    pub timeouts: Vec<(String, i64)>,
    /// The messages that a deletion left in the queue, although it was answered with success, since
    /// its receipt handle was not the newest one.
    pub kept: Vec<String>,
    /// The entries of a batch that failed: subject and error code.
    pub failed: Vec<(String, String)>,
    /// The places of these entries in the batch, from zero.
    pub failed_entries: Vec<usize>,
    /// The access key that an `AssumeRole` gave out.
    pub given_key: Option<String>,
    /// The tag keys in the answer of `DescribeTags` or `DescribeInstances`, by instance id.
    pub seen_tags: BTreeMap<String, Vec<String>>,
    /// What the answer of `DescribeTags` or `DescribeInstances` shows, by instance id.
    pub shown: BTreeMap<String, Shown>,
    /// The states in the answer of `DescribeInstances` or of a call that changes instances, by
    /// instance id.
    pub seen_states: BTreeMap<String, String>,
    /// The instances that were running before a `StopInstances` stopped them.
    pub stopped: Vec<String>,
    pub result: Outcome,
}

/// How a call ended for its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended yet.
    Open,
    Answered,
    Failed {
        code: String,
    },
    /// The connection broke, or the answer was cut off.
    Cut,
    /// It is never answered.
    Hung,
    /// The caller broke the connection before the answer.
    Abandoned,
}

impl Call {
    fn arriving(number: usize, at: Instant, request: &Request) -> Self {
        Self {
            number,
            at,
            acted: None,
            effect: None,
            answered: None,
            closed: None,
            service: request.service,
            operation: request.operation.clone(),
            region: request.region.clone(),
            origin: request.origin.clone(),
            caller: request.caller.clone(),
            account: request.account.clone(),
            turns_page: request.parameters().optional("NextToken").is_some(),
            has_more: false,
            struck: Vec::new(),
            subjects: call_details::subjects(request.parameters()),
            attributes: call_details::attributes(request.parameters()),
            timeouts: call_details::timeouts(request.parameters()),
            kept: Vec::new(),
            failed: Vec::new(),
            failed_entries: Vec::new(),
            given_key: None,
            seen_tags: BTreeMap::new(),
            shown: BTreeMap::new(),
            seen_states: BTreeMap::new(),
            stopped: Vec::new(),
            result: Outcome::Open,
        }
    }
}

/// All calls so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) calls: Vec<Call>,
    effects: usize,
}

/// What is recorded when a call has its effect.
pub(super) struct Effect<'call> {
    pub(super) at: Instant,
    pub(super) request: &'call Request,
    /// The answer, which may not reach the caller.
    pub(super) answer: &'call Answer,
    /// See [`Call::kept`].
    pub(super) kept: Vec<String>,
    /// The details that the answer of a `DescribeInstances` shows, by instance id.
    pub(super) details: BTreeMap<String, Arc<Details>>,
}

impl Ledger {
    /// Opens an entry for a call that has arrived.
    pub(super) fn open(&mut self, at: Instant, request: &Request) -> &mut Call {
        let call = Call::arriving(self.calls.len(), at, request);
        let number = call.number;
        self.calls.push(call);
        &mut self.calls[number]
    }

    /// Records the effect of a call. One that was refused has none.
    pub(super) fn act(&mut self, number: usize, effect: Effect<'_>) {
        let Effect { at, request, answer, kept, details } = effect;
        let (Some(call), Ok(fields)) = (self.calls.get_mut(number), answer) else { return };
        call.acted = Some(at);
        call.kept = kept;
        call.effect = Some(self.effects);
        self.effects += 1;
        call.has_more = call_details::has_more(fields);
        call.subjects.extend(call_details::received(fields));
        for (place, failed) in call_details::failed(request.parameters(), fields) {
            call.failed_entries.push(place);
            call.failed.push(failed);
        }
        call.given_key = call_details::given_key(fields);
        call.stopped.extend(call_details::stopped(request, fields));
        call.seen_states.extend(call_details::returned_states(fields));
        for (id, tags) in call_details::returned_tags(fields) {
            let keys = tags.iter().map(|(key, _)| key.clone());
            call.seen_tags.entry(id.clone()).or_default().extend(keys);
            call.shown.entry(id).or_default().tags.extend(tags);
        }
        for (id, details) in details {
            call.shown.entry(id).or_default().details = Some(details);
        }
    }

    /// Closes the entry of a call.
    pub(super) fn close(&mut self, number: usize, at: Instant, result: Outcome) {
        let Some(call) = self.calls.get_mut(number) else { return };
        let answered = matches!(result, Outcome::Answered | Outcome::Failed { .. });
        call.answered = answered.then_some(at);
        call.closed = Some(at);
        call.result = result;
    }
}
