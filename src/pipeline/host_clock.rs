//! The host's clock, compared with SQS's by the date of each poll's answer. The ages of events are
//! counted by SQS's clock, so that a wrong one of the host does not decide about instances; but AWS
//! refuses the signatures of a host whose clock is minutes off.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use crate::retry::delays;

/// How far the host's clock is off, in seconds: ahead of SQS's or, below 0, behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Skew(pub(crate) f64);

/// How far the host's clock is off.
#[derive(Debug, Default)]
pub(crate) struct HostClock {
    /// How far it was off at the last poll; `None` before that.
    skew: Mutex<Option<Skew>>,
}

impl HostClock {
    /// Compares the host's time of day with SQS's. Warns when the clock is found to be wrong for
    /// the first time, and says when it is right again.
    pub(crate) fn compare(&self, host: SystemTime, sqs: SystemTime) -> Skew {
        let skew = Skew::of(host, sqs);
        let mut last = self.last();
        let was_tolerable = last.is_none_or(Skew::is_tolerable);
        match (skew.is_tolerable(), was_tolerable) {
            (false, true) => warn!("{skew}; let it be set by the network, as by chrony"),
            (true, false) => info!("the host's clock is right again"),
            _ => {}
        }
        *last = Some(skew);
        skew
    }

    /// SQS's time of day, computed from the host's. Before the first poll they count as equal. Since
    /// a date is cut to whole seconds, the result is up to a second and the time of an answer
    /// behind.
    pub(crate) fn corrected(&self, host: SystemTime) -> SystemTime {
        let Some(Skew(ahead)) = *self.last() else { return host };
        let off = Duration::try_from_secs_f64(ahead.abs()).unwrap_or_default();
        let corrected = if ahead > 0.0 { host.checked_sub(off) } else { host.checked_add(off) };
        corrected.unwrap_or(host)
    }

    /// What is wrong with the clock; `None` while it is right.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.last().filter(|skew| !skew.is_tolerable()).map(|skew| format!("clock: {skew}"))
    }

    fn last(&self) -> MutexGuard<'_, Option<Skew>> {
        self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Skew {
    fn of(host: SystemTime, sqs: SystemTime) -> Self {
        match host.duration_since(sqs) {
            Ok(ahead) => Self(ahead.as_secs_f64()),
            Err(behind) => Self(-behind.duration().as_secs_f64()),
        }
    }

    fn is_tolerable(self) -> bool {
        self.0.abs() <= delays::TOLERATED_SKEW.as_secs_f64()
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.0 > 0.0 { "ahead of" } else { "behind" };
        write!(formatter, "the host's clock is {:.0} s {word} SQS's", self.0.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_corrected_by_what_the_last_poll_showed() {
        let (clock, sqs) = (HostClock::default(), SystemTime::now());
        assert_eq!(clock.corrected(sqs), sqs);
        let off = Duration::from_secs(90);
        for host in [sqs + off, sqs - off, sqs] {
            clock.compare(host, sqs);
            assert_eq!(clock.corrected(host + off), sqs + off);
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_until_it_is_right() {
        let (clock, sqs) = (HostClock::default(), SystemTime::now());
        clock.compare(sqs + Duration::from_secs(2), sqs);
        assert_eq!(clock.trouble(), None);
        for (host, said) in [
            (sqs + Duration::from_secs(301), "clock: the host's clock is 301 s ahead of SQS's"),
            (sqs - Duration::from_secs(45), "clock: the host's clock is 45 s behind SQS's"),
        ] {
            clock.compare(host, sqs);
            assert_eq!(clock.trouble().as_deref(), Some(said));
        }
        clock.compare(sqs, sqs);
        assert_eq!(clock.trouble(), None);
    }
}
