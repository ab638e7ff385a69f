//! Counts what was played: worlds, messages, calls, processes.

use ec2_policy_enforcer::sandbox::Call;

use super::drive::Record;
use super::evidence::Evidence;
use super::history::Nature;
use super::invariants::answers;
use super::policies::Policies;

#[derive(Debug, Default)]
pub(super) struct Totals {
    pub worlds: usize,
    pub messages: usize,
    pub calls: usize,
    /// Calls that an injected fault struck, without those that only took longer.
    pub calls_struck: usize,
    /// Calls at which a batch panicked.
    pub panics: usize,
    pub processes: usize,
    /// Processes that got a signal. The others were killed.
    pub drained: usize,
    pub stopped: usize,
    pub notices: usize,
    /// Worlds in which policies give owners time.
    pub with_graces: usize,
    /// Notices of stops to come.
    pub planned: usize,
    /// Notices that such stops are called off.
    pub called_off: usize,
    /// Changes of tags, and those of them that had to call a planned stop off at once.
    pub tag_changes: usize,
    pub answers: usize,
}

impl Totals {
    pub(super) fn add(&mut self, record: &Record) {
        self.worlds += 1;
        self.messages += record.history.sent.len();
        self.calls += record.calls.len();
        let evidence = Evidence::of(record);
        let natures = [Nature::Passing, Nature::Regional, Nature::Poison, Nature::Panicking];
        let is_struck = |call: &&Call| natures.iter().any(|one| evidence.is_struck(call, *one));
        self.calls_struck += record.calls.iter().filter(is_struck).count();
        let panics = |call: &&Call| evidence.is_struck(call, Nature::Panicking);
        self.panics += record.calls.iter().filter(panics).count();
        self.processes += record.history.processes.len();
        let drained = record.history.processes.iter().filter(|one| one.signalled.is_some());
        self.drained += drained.count();
        self.stopped += record.calls.iter().map(|call| call.stopped.len()).sum::<usize>();
        self.notices += record.notices.len();
        let policies = record.plan.policies.as_ref();
        self.with_graces += usize::from(policies.is_some_and(Policies::give_grace));
        self.planned += evidence.told.len();
        self.called_off += evidence.called_off.len();
        self.tag_changes += record.plan.tag_events.len();
        self.answers += answers::count(&evidence);
    }
}
