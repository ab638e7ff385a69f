//! The stays of a message. A stay begins when the message can be received, and ends when it is
//! deleted, when it is retried, or when the lease of the process that has it is lost. A message
//! that is retried twice and then deleted has three stays.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use super::evidence::Evidence;
use super::history::Sent;
use super::result::{has_effect, is_answered};

#[derive(Debug, Clone)]
pub(super) struct Stay<'r> {
    /// When the message became visible.
    pub since: Instant,
    /// The earliest time at which the process may have decided on the outcome. This is before
    /// `since` where the answer to a retry was lost, so that the process asked for the same retry
    /// again.
    pub decided: Instant,
    /// The process that received it, and when it got the answer.
    pub holder: Option<(&'r str, Instant)>,
    /// How often it had been received by then.
    pub receives: u32,
    /// When and how the stay ended. None if it had not when the world ended.
    pub end: Option<(Instant, End<'r>)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End<'r> {
    Deleted,
    Retried {
        by: &'r Call,
        after: Duration,
    },
    /// The visibility timeout passed, or the process ended.
    Lost,
}

/// Lists the stays of a message in order.
pub(super) fn stays<'r>(evidence: &Evidence<'r>, sent: &Sent) -> Vec<Stay<'r>> {
    let visibility = evidence.record.plan.visibility;
    let mut stays = Stays::from(sent.at);
    let calls = evidence.by_message.get(sent.message.as_str()).into_iter().flatten();
    for call in calls.copied().filter(|call| has_effect(call, &sent.message)) {
        let acted = call.acted.unwrap();
        match call.operation.as_str() {
            "ReceiveMessage" => stays.received(call, acted + visibility),
            "DeleteMessageBatch" => {
                stays.ends((acted, End::Deleted), acted);
                return stays.past;
            }
            "ChangeMessageVisibilityBatch" => {
                let (_, secs) = call.timeouts.iter().find(|(id, _)| *id == sent.message).unwrap();
                let after = Duration::from_secs(u64::try_from(*secs).unwrap());
                stays.hidden_until = acted + after;
                if after != visibility || stays.current.holder.is_none() {
                    stays.retried((acted, End::Retried { by: call, after }), acted + after);
                }
            }
            _ => {}
        }
    }
    stays.all(evidence)
}

struct Stays<'r> {
    past: Vec<Stay<'r>>,
    current: Stay<'r>,
    hidden_until: Instant,
}

impl<'r> Stays<'r> {
    fn from(since: Instant) -> Self {
        let current = Stay { since, decided: since, holder: None, receives: 0, end: None };
        Self { past: Vec::new(), current, hidden_until: since }
    }

    /// Ends the stay as lost if another process receives the message. If the same process does, it
    /// only gets a newer receipt handle.
    fn received(&mut self, call: &'r Call, hidden_until: Instant) {
        let caller = call.caller.as_str();
        let is_told = is_answered(call);
        if self.current.holder.is_some_and(|(holder, _)| holder != caller || !is_told) {
            self.ends((self.hidden_until, End::Lost), self.hidden_until);
        }
        self.current.receives += 1;
        self.hidden_until = hidden_until;
        if !is_told {
            self.current.since = hidden_until;
        } else if self.current.holder.is_none() {
            self.current.holder = Some((caller, call.answered.unwrap()));
        }
    }

    /// Ends the stay with a retry. If no process has the message, the call only moves the time at
    /// which it becomes visible: it repeats a retry or a renewal whose answer was lost.
    fn retried(&mut self, end: (Instant, End<'r>), visible_again: Instant) {
        if self.current.holder.is_some() {
            self.ends(end, visible_again);
        } else {
            self.current.since = visible_again;
        }
    }

    fn ends(&mut self, end: (Instant, End<'r>), visible_again: Instant) {
        let Stay { receives, decided, .. } = self.current;
        let again = matches!(end, (_, End::Retried { by, .. }) if !is_answered(by));
        let decided = if again { decided } else { visible_again };
        let next = Stay { since: visible_again, decided, holder: None, receives, end: None };
        let ended = std::mem::replace(&mut self.current, next);
        self.past.push(Stay { end: Some(end), ..ended });
    }

    fn all(mut self, evidence: &Evidence<'_>) -> Vec<Stay<'r>> {
        let over = |(holder, _): (&str, Instant)| evidence.process(holder).ended.is_some();
        if self.current.holder.is_some_and(over) {
            self.ends((self.hidden_until, End::Lost), self.hidden_until);
        }
        self.past.push(self.current);
        self.past
    }
}
