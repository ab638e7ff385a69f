//! When stops that owners are told of beforehand take place, by AWS's clock, and until when their
//! messages are hidden.

use std::sync::Arc;
use std::time::Duration;

use time::UtcDateTime;
use tokio::time::Instant;

use crate::inflight::message::Arrival;
use crate::inflight::plans::Plans;
use crate::pipeline::host_clock::HostClock;
use crate::pipeline::in_flight::InFlight;
use crate::retry::delays;
use crate::runtime::clock::Clock;

/// What enforcers and notifiers need to plan stops.
#[derive(Debug)]
pub(crate) struct Planner {
    /// Which owners were told.
    pub(crate) plans: Arc<Plans>,
    /// Knows how far the host's clock is off.
    pub(crate) host_clock: Arc<HostClock>,
    /// How many messages are hidden, so that they wait for their stops, or held.
    pub(crate) in_flight: InFlight,
    /// How long before a stop its owner is told at least.
    min_notice: Duration,
    /// The host's time of day.
    clock: Clock,
}

impl Planner {
    /// A planner that has told nobody.
    pub(crate) fn new(clock: Clock, min_notice: Duration) -> Self {
        let (plans, host_clock) = (Arc::default(), Arc::default());
        Self { plans, host_clock, in_flight: InFlight::default(), min_notice, clock }
    }

    /// The time of day: SQS's, as far as it is known.
    pub(crate) fn now(&self) -> UtcDateTime {
        self.host_clock.corrected(self.clock.wall(Instant::now())).into()
    }

    /// The earliest time of a stop that an owner is told of now.
    pub(crate) fn earliest_stop(&self) -> UtcDateTime {
        self.now() + self.min_notice
    }

    /// When a message is to come again that waits for a stop: at the time of the stop, or when SQS
    /// hides it no longer, whichever is sooner.
    pub(crate) fn returns(&self, stop: UtcDateTime, arrival: &Arrival) -> Instant {
        let left = Duration::try_from(stop - self.now()).unwrap_or_default();
        let due = Instant::now() + left + delays::DATE_PRECISION;
        due.min(arrival.at + delays::LONGEST_HIDING)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn a_message_comes_again_at_its_stop_or_when_sqs_hides_it_no_longer() {
        let now = SystemTime::now();
        let planner = Planner::new(Clock::tied(now), delays::MIN_NOTICE);
        let arrival = Arrival::now(now, "a".into(), 1, [None, None]);
        let returns = |hours: u32| planner.returns((now + HOUR * hours).into(), &arrival);
        assert_eq!(returns(4) - arrival.at, 4 * HOUR + delays::DATE_PRECISION);
        assert_eq!(returns(20) - arrival.at, Duration::from_mins(12 * 60 - 1));
        tokio::time::sleep(2 * HOUR).await;
        assert_eq!(returns(1) - arrival.at, 2 * HOUR + delays::DATE_PRECISION);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_day_is_that_of_sqs() {
        let host = SystemTime::now();
        let planner = Planner::new(Clock::tied(host), delays::MIN_NOTICE);
        planner.host_clock.compare(host, host - HOUR);
        assert_eq!(planner.now(), UtcDateTime::from(host - HOUR));
        assert_eq!(planner.earliest_stop(), UtcDateTime::from(host - HOUR + delays::MIN_NOTICE));
    }
}
