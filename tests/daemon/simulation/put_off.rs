//! Messages that are put off because their account and region cannot be called, or have their share
//! of what a process may hold.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;

use super::evidence::Evidence;
use super::members::Target;
use super::outages::OPERATIONS;
use super::plan::Instance;

/// Messages are put off 15 min at first, and 4 h at most, give or take 20 %.
const FIRST: Duration = Duration::from_mins(15);
const LONGEST: Duration = Duration::from_hours(4);
/// For how long calls must have failed before messages are put off.
const PAUSED: Duration = Duration::from_mins(1);
/// How many accounts and regions share all that a process may hold.
const SHARES: usize = 4;

impl<'r> Evidence<'r> {
    /// The account and the region of the instance that a message is about.
    pub(super) fn target_of(&self, message: &str) -> Option<Target<'r>> {
        let id = self.instance_of(message)?;
        let mut instances = self.record.plan.instances.iter();
        instances.find(|one| one.id == id).map(Instance::target)
    }

    /// Whether a call puts a message off, as it may: for as long as the receives of the message
    /// say, after calls in its account and region had failed for a minute.
    pub(super) fn is_put_off(&self, call: &Call, message: &str) -> bool {
        self.record.plan.members.is_some() && self.puts_off(call, message) && {
            let received = self.received(message, &call.caller);
            let (Some(target), Some(received)) = (self.target_of(message), received) else {
                return false;
            };
            self.may_use_its_share_up(target)
                || OPERATIONS.into_iter().any(|operation| {
                    let outages = self.outages.of(&call.caller, target, operation);
                    outages.iter().any(|(from, to)| {
                        *from + PAUSED <= call.at && to.is_none_or(|to| to >= received)
                    })
                })
        }
    }

    /// Whether a call hides a message for as long as one is put off with so many receives.
    pub(super) fn puts_off(&self, call: &Call, message: &str) -> bool {
        let Some((_, secs)) = call.timeouts.iter().find(|(id, _)| id == message) else {
            return false;
        };
        // A message that joined another one of its event is put off with that one.
        let receives = self.of_its_event(message).map(|one| self.receives(one, call));
        let receives = receives.max().unwrap_or(0).max(1);
        let doublings = u32::try_from(receives - 1).unwrap().min(4);
        let longest = (FIRST * 2_u32.pow(doublings)).min(LONGEST).mul_f64(1.2).as_secs() + 1;
        let shortest = FIRST.mul_f64(0.8).as_secs() - 1;
        u64::try_from(*secs).is_ok_and(|secs| (shortest..=longest).contains(&secs))
    }

    /// The messages of the event that a message is of.
    fn of_its_event(&self, message: &str) -> impl Iterator<Item = &'r str> {
        let this = self.all_copies().find(|(sent, ..)| sent.message == message);
        let key = this.map(|(_, copy, _)| &copy.key);
        let copies = self.all_copies().filter(move |(_, copy, _)| Some(&copy.key) == key);
        copies.map(|(sent, ..)| sent.message.as_str())
    }

    /// How often a message had been received before a call.
    fn receives(&self, message: &str, call: &Call) -> usize {
        let calls = self.by_message.get(message).into_iter().flatten();
        let before = calls.filter(|one| one.operation == "ReceiveMessage" && one.at <= call.at);
        before.filter(|one| one.effect.is_some()).count()
    }

    /// Whether there are so many messages about instances in an account and region that a process
    /// may hold no more of them.
    fn may_use_its_share_up(&self, target: Target<'_>) -> bool {
        let messages = self.all_copies().filter(|(_, _, instance)| instance.target() == target);
        messages.count() >= (self.record.plan.inbox / SHARES).max(1)
    }
}
