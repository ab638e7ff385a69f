//! The ledger: every call, what it was about and what it came to, as the AWS side saw it.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::answer::Answer;
use super::facts;
use super::faults::FaultId;
use super::wire::request::Request;
use super::wire::service::Service;

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Counts calls from zero, in the order of their arrival.
    pub number: usize,
    pub at: Instant,
    /// When it had its effect and its answer was settled; none if it was struck down before.
    pub acted: Option<Instant>,
    /// Counts effects from zero, in the order in which calls had them.
    pub effect: Option<usize>,
    /// When the answer left.
    pub answered: Option<Instant>,
    /// When AWS was done with it, however it ended.
    pub closed: Option<Instant>,
    pub service: Service,
    pub operation: String,
    pub region: String,
    /// The access key of whoever made it.
    pub caller: String,
    /// Whether it asks for the next page of an answer.
    pub turns_page: bool,
    /// Whether its answer has a next page.
    pub has_more: bool,
    /// The injected faults that struck it.
    pub struck: Vec<FaultId>,
    /// Instance ids that are named, message ids that are received or named by a receipt handle,
    /// texts that are sent or published.
    pub subjects: Vec<String>,
    /// Message id and seconds of each visibility timeout asked for.
    pub timeouts: Vec<(String, i64)>,
    /// Messages that a deletion named and that are still there: its receipt was an older one.
    pub kept: Vec<String>,
    /// Subject and code of each entry that failed.
    pub failed: Vec<(String, String)>,
    /// The tag keys that a describing call told of each instance that it mentioned.
    pub seen_tags: BTreeMap<String, Vec<String>>,
    /// The state that a describing or stopping call told of each instance that it mentioned.
    pub seen_states: BTreeMap<String, String>,
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
            effect: None,
            answered: None,
            closed: None,
            service: request.service,
            operation: request.operation.clone(),
            region: request.region.clone(),
            caller: request.caller.clone(),
            turns_page: request.parameters().optional("NextToken").is_some(),
            has_more: false,
            struck: Vec::new(),
            subjects: facts::subjects(request.parameters()),
            timeouts: facts::timeouts(request.parameters()),
            kept: Vec::new(),
            failed: Vec::new(),
            seen_tags: BTreeMap::new(),
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

/// The effect of a call.
pub(super) struct Effect<'call> {
    /// When it had its effect.
    pub(super) at: Instant,
    /// What was asked for.
    pub(super) request: &'call Request,
    /// What is answered, be it to nobody.
    pub(super) answer: &'call Answer,
    /// The messages that SQS keeps although it says that they are deleted.
    pub(super) kept: Vec<String>,
}

impl Ledger {
    /// Opens an entry for a call that has arrived.
    pub(super) fn open(&mut self, at: Instant, request: &Request) -> &mut Call {
        let call = Call::arriving(self.calls.len(), at, request);
        let number = call.number;
        self.calls.push(call);
        &mut self.calls[number]
    }

    /// Notes the effect of a call.
    pub(super) fn act(&mut self, number: usize, effect: Effect<'_>) {
        let Effect { at, request, answer, kept } = effect;
        let (Some(call), Ok(fields)) = (self.calls.get_mut(number), answer) else { return };
        call.acted = Some(at);
        call.kept = kept;
        call.effect = Some(self.effects);
        self.effects += 1;
        call.has_more = facts::has_more(fields);
        call.subjects.extend(facts::received(fields));
        call.failed.extend(facts::failed(request.parameters(), fields));
        call.stopped.extend(facts::stopped(request, fields));
        call.seen_states.extend(facts::told_states(fields));
        for (id, key) in facts::told_tags(fields) {
            call.seen_tags.entry(id).or_default().extend(key);
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
