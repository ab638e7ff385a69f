//! The stays of a message: from when it can be received until it is deleted, returned or lost.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use super::diary::Sent;
use super::evidence::Evidence;
use super::result::{has_effect, is_answered};

#[derive(Debug, Clone)]
pub(super) struct Stay<'r> {
    /// When it became visible.
    pub since: Instant,
    /// From when on its process may have decided: earlier, where the answer to a return was lost
    /// and the same is done again.
    pub decided: Instant,
    /// The process that was told of it, and when.
    pub holder: Option<(&'r str, Instant)>,
    /// How often it had been received by then.
    pub receives: u32,
    /// Nothing if it goes on.
    pub end: Option<(Instant, End<'r>)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End<'r> {
    Deleted,
    Returned {
        by: &'r Call,
        after: Duration,
    },
    /// Its time was over, or its process.
    Lost,
}

/// Lists the stays of a message.
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
                    stays.returned((acted, End::Returned { by: call, after }), acted + after);
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

    /// What is received again was lost before, save that its process is told of a newer receipt.
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

    /// A return whose answer is lost is made again, or the lease renewed, when nobody has the
    /// message any more.
    fn returned(&mut self, end: (Instant, End<'r>), visible_again: Instant) {
        if self.current.holder.is_some() {
            self.ends(end, visible_again);
        } else {
            self.current.since = visible_again;
        }
    }

    fn ends(&mut self, end: (Instant, End<'r>), visible_again: Instant) {
        let Stay { receives, decided, .. } = self.current;
        let again = matches!(end, (_, End::Returned { by, .. }) if !is_answered(by));
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
