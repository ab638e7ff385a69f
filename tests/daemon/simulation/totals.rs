//! How much was played.

use ec2_policy_enforcer::sandbox::Call;

use super::diary::Nature;
use super::drive::Record;
use super::evidence::Evidence;

#[derive(Debug, Default)]
pub(super) struct Totals {
    pub worlds: usize,
    pub messages: usize,
    pub calls: usize,
    /// By faults, latency aside.
    pub calls_struck: usize,
    pub processes: usize,
    /// The other processes were killed.
    pub drained: usize,
    pub stopped: usize,
    pub notices: usize,
}

impl Totals {
    pub(super) fn add(&mut self, record: &Record) {
        self.worlds += 1;
        self.messages += record.diary.sent.len();
        self.calls += record.calls.len();
        let evidence = Evidence::of(record);
        let is_struck = |call: &&Call| {
            [Nature::Passing, Nature::Poison].iter().any(|one| evidence.is_struck(call, *one))
        };
        self.calls_struck += record.calls.iter().filter(is_struck).count();
        self.processes += record.diary.processes.len();
        let drained = record.diary.processes.iter().filter(|one| one.signalled.is_some());
        self.drained += drained.count();
        self.stopped += record.calls.iter().map(|call| call.stopped.len()).sum::<usize>();
        self.notices += record.notices.len();
    }
}
