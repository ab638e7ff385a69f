//! A pause of one operation: who may try it next, and when.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::retry::backoff::Intervals;
use crate::retry::delays;

/// Why an operation pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PauseReason {
    /// The credentials are refused.
    Credentials,
    /// The role lacks the permission.
    Denied,
    /// The queue, the topic or its key cannot be used.
    Gone,
    /// Nothing but failures of other kinds.
    Failing,
}

impl PauseReason {
    /// Every reason.
    pub(super) const ALL: [Self; 4] = [Self::Credentials, Self::Denied, Self::Gone, Self::Failing];

    /// The label that the reason has in the metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Credentials => "credentials_refused",
            Self::Denied => "access_denied",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// The reason in words, as operators read it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials refused",
            Self::Denied => "access denied",
            Self::Gone => "queue, topic or key gone",
            Self::Failing => "keeps failing",
        }
    }
}

impl From<Class> for PauseReason {
    fn from(class: Class) -> Self {
        match class {
            Class::Credentials => Self::Credentials,
            Class::Denied => Self::Denied,
            Class::Gone => Self::Gone,
            _ => Self::Failing,
        }
    }
}

/// Tells one series of attempts from all others of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesId(pub(super) u64);

/// Where a series stands in the line of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In front: it probes the operation at this time.
    Probe(Instant),
    /// Behind another one.
    Behind,
}

/// An open breaker: the operation keeps failing, so one series at a time probes it.
#[derive(Debug)]
pub(super) struct Pause {
    pub(super) since: Instant,
    pub(super) reason: PauseReason,
    /// The code of the failure that began it.
    pub(super) code: String,
    /// Whether nothing is received meanwhile. A region's EC2 holds up its own messages only, even
    /// if it refuses the credentials: a region that the account is not opted in to does so, and SQS
    /// answers for itself.
    pub(super) stops_receiving: bool,
    /// The series that failed or waited here and are not over yet: they will try again.
    members: BTreeSet<SeriesId>,
    /// The series that wait, in the order of their coming; the first one is the probe. A series
    /// whose probe failed comes back behind all others, so that a message for which AWS always
    /// fails does not keep them from probing.
    line: VecDeque<SeriesId>,
    next_probe: Instant,
    intervals: Intervals,
    /// When it was logged last.
    logged: Instant,
}

impl Pause {
    /// Begins because of `failure`, with the first probe after 1 s, or after `cap` if that is less.
    pub(super) fn because_of(failure: &AwsError, operation: &Operation, cap: Duration) -> Self {
        let mut intervals = Intervals::new(delays::FIRST_PROBE, cap);
        Self {
            since: Instant::now(),
            reason: failure.class.into(),
            code: failure.code.clone(),
            stops_receiving: operation.target().is_none() && operation.holds_messages(),
            members: BTreeSet::new(),
            line: VecDeque::new(),
            next_probe: Instant::now() + intervals.up_to(cap).advance(),
            intervals,
            logged: Instant::now(),
        }
    }

    /// Counts on a series to try again.
    pub(super) fn admit(&mut self, series: SeriesId) {
        self.members.insert(series);
    }

    /// Where a series stands in the line; one that is not in it yet goes to its end.
    pub(super) fn line_up(&mut self, series: SeriesId) -> Place {
        self.admit(series);
        if !self.line.contains(&series) {
            self.line.push_back(series);
        }
        if self.is_probe(series) { Place::Probe(self.next_probe) } else { Place::Behind }
    }

    /// Whether it is this series that probes.
    pub(super) fn is_probe(&self, series: SeriesId) -> bool {
        self.line.front() == Some(&series)
    }

    /// Notes that the probe failed: the next one, by whoever is behind it, comes after the next
    /// interval, which is at most `cap`.
    pub(super) fn probe_failed(&mut self, cap: Duration) {
        self.line.pop_front();
        self.next_probe = Instant::now() + self.intervals.up_to(cap).advance();
    }

    /// Whether it is time to log that the pause lasts, which is then taken for done.
    pub(super) fn reminds(&mut self) -> bool {
        let reminds = self.logged.elapsed() >= delays::PAUSE_REMINDER;
        if reminds {
            self.logged = Instant::now();
        }
        reminds
    }

    /// Takes a series out of the line. The time of the next probe stays, so that one that is due
    /// is made by the next series at once. Says whether the series was in the line.
    pub(super) fn leave_line(&mut self, series: SeriesId) -> bool {
        let before = self.line.len();
        self.line.retain(|waiting| *waiting != series);
        self.line.len() < before
    }

    /// Forgets a series that is over. Says whether it was the last one that would have tried
    /// again.
    pub(super) fn forget(&mut self, series: SeriesId) -> bool {
        self.members.remove(&series) && self.members.is_empty()
    }
}
