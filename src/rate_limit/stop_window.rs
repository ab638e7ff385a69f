//! A sliding window over stops: which instances count towards the budget now.
//!
//! An instance counts from the beginning of its StopInstances call until a window after the answer:
//! EC2 stops it at some time between the two, so that in no window more instances are stopped than
//! count here. It counts once, however often its stop is tried meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use time::UtcDateTime;
use tokio::time::Instant;

use crate::domain::ids::InstanceId;

/// An instance, and since when it runs, as far as that is known. One that was stopped and started
/// again counts anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Launch {
    /// The instance.
    pub(crate) instance: InstanceId,
    /// When it was last started; `None` where that was not read.
    pub(crate) launched: Option<UtcDateTime>,
}

/// The instances that count in one account and region.
#[derive(Debug)]
pub(crate) struct StopWindow {
    /// How many may count.
    most: usize,
    /// How long one counts after the answer to its call.
    length: Duration,
    counted: BTreeMap<Launch, Counted>,
    /// No instance stops counting before; `None` if that is not known.
    next_end: Option<Instant>,
}

/// What a call that has ended says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallEnd {
    /// The call stopped it.
    Stopped,
    /// The call may have stopped it: it was not answered.
    Unknown,
    /// EC2 refused the call, for an instance that it does not name: the next call tells.
    RefusedForSome,
    /// The call did not stop it. One before may have.
    NotByThisCall,
    /// EC2 refuses to stop it, so that no call before has.
    Refused,
}

/// How an instance counts.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    /// How many calls for it have not been answered.
    in_flight: usize,
    /// Until when it counts after those that were.
    until: Option<Instant>,
    /// Whether a call is known to have stopped it.
    was_stopped: bool,
    /// Whether it counts only until the next call tells.
    is_open: bool,
}

impl StopWindow {
    /// A window of this length in which nothing counts, and at most `most` instances may.
    pub(crate) fn new(most: usize, length: Duration) -> Self {
        Self { most, length, counted: BTreeMap::new(), next_end: None }
    }

    /// How many further instances may be stopped.
    pub(crate) fn room(&mut self, now: Instant) -> usize {
        self.forget(now);
        self.most.saturating_sub(self.counted.len())
    }

    /// Whether as many instances as may were stopped, so that no answer to a call that is in flight
    /// makes room for another.
    pub(crate) fn is_used_up(&mut self, now: Instant) -> bool {
        self.forget(now);
        let is_used = |counted: &&Counted| counted.until.is_some() && !counted.is_open;
        self.counted.values().filter(is_used).count() >= self.most
    }

    /// Whether an instance counts, so that another try to stop it needs no further place.
    pub(crate) fn counts(&mut self, launch: &Launch, now: Instant) -> bool {
        self.forget(now);
        self.counted.contains_key(launch)
    }

    /// Counts an instance whose stop is about to begin. Says whether it may begin: one that counts
    /// already always may.
    pub(crate) fn take(&mut self, launch: &Launch, now: Instant) -> bool {
        let room = self.room(now);
        if room == 0 && !self.counted.contains_key(launch) {
            return false;
        }
        self.counted.entry(launch.clone()).or_default().in_flight += 1;
        true
    }

    /// Ends a call for an instance, which goes on counting unless it was certainly not stopped.
    pub(crate) fn end(&mut self, launch: &Launch, end: CallEnd, now: Instant) {
        let Some(counted) = self.counted.get_mut(launch) else { return };
        counted.in_flight = counted.in_flight.saturating_sub(1);
        match end {
            CallEnd::Stopped | CallEnd::Unknown => {
                counted.until = Some(now + self.length);
                counted.was_stopped |= end == CallEnd::Stopped;
                counted.is_open = false;
            }
            CallEnd::RefusedForSome => {
                counted.is_open |= counted.until.is_none();
                counted.until = Some(now + self.length);
            }
            CallEnd::Refused if !counted.was_stopped => counted.until = None,
            CallEnd::Refused | CallEnd::NotByThisCall => {}
        }
        if counted.in_flight == 0 && counted.until.is_none() {
            self.counted.remove(launch);
        }
        self.next_end = None;
    }

    /// Begins a new window: only calls in flight count in it.
    pub(crate) fn begin_anew(&mut self) {
        self.counted.retain(|_, counted| {
            counted.until = None;
            counted.in_flight > 0
        });
    }

    /// Forgets the instances that count no longer.
    fn forget(&mut self, now: Instant) {
        if self.next_end.is_some_and(|end| now < end) {
            return;
        }
        self.counted.retain(|_, counted| {
            counted.until = counted.until.filter(|until| *until > now);
            counted.in_flight > 0 || counted.until.is_some()
        });
        self.next_end = self.counted.values().filter_map(|counted| counted.until).min();
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    use super::*;

    const WINDOW: Duration = Duration::from_mins(10);
    const SECOND: Duration = Duration::from_secs(1);

    fn launch(number: u64) -> Launch {
        let instance = InstanceId::parse(&format!("i-{number:017x}")).unwrap();
        Launch { instance, launched: None }
    }

    #[test]
    fn an_instance_counts_until_a_window_after_the_answer() {
        let (mut window, now) = (StopWindow::new(1, WINDOW), Instant::now());
        assert!(window.take(&launch(1), now));
        assert!(!window.is_used_up(now));
        window.end(&launch(1), CallEnd::Stopped, now + SECOND);
        assert!(window.is_used_up(now + WINDOW));
        assert!(!window.take(&launch(2), now + WINDOW));
        assert!(window.take(&launch(2), now + WINDOW + SECOND));
    }

    #[test]
    fn an_instance_counts_once_however_often_it_is_tried() {
        let (mut window, now) = (StopWindow::new(2, WINDOW), Instant::now());
        for _ in 0..5 {
            assert!(window.take(&launch(1), now));
            window.end(&launch(1), CallEnd::Stopped, now);
        }
        assert_eq!(window.room(now), 1);
        assert!(window.take(&launch(2), now));
        assert!(window.take(&launch(1), now));
        let again = Launch { launched: Some(UtcDateTime::UNIX_EPOCH), ..launch(1) };
        assert!(!window.take(&again, now), "a new launch counts anew");
    }

    #[test]
    fn one_that_was_not_stopped_gives_its_place_back_unless_an_earlier_call_may_have() {
        let (mut window, now) = (StopWindow::new(1, WINDOW), Instant::now());
        assert!(window.take(&launch(1), now));
        window.end(&launch(1), CallEnd::NotByThisCall, now);
        assert_eq!(window.room(now), 1);
        assert!(window.take(&launch(2), now));
        window.end(&launch(2), CallEnd::Stopped, now);
        assert!(window.take(&launch(2), now));
        window.end(&launch(2), CallEnd::NotByThisCall, now);
        assert_eq!(window.room(now), 0);
    }

    #[test]
    fn a_refusal_gives_the_place_of_a_call_that_may_have_stopped_it_back() {
        let (mut window, now) = (StopWindow::new(1, WINDOW), Instant::now());
        for (first, counts) in [(CallEnd::Unknown, false), (CallEnd::Stopped, true)] {
            for end in [first, CallEnd::NotByThisCall, CallEnd::Refused] {
                assert!(window.take(&launch(1), now));
                window.end(&launch(1), end, now);
            }
            assert_eq!(window.counts(&launch(1), now), counts);
        }
    }

    #[test]
    fn a_call_that_was_refused_for_another_instance_takes_places_and_uses_nothing_up() {
        let (mut window, now) = (StopWindow::new(2, WINDOW), Instant::now());
        for number in [1, 2] {
            assert!(window.take(&launch(number), now));
            window.end(&launch(number), CallEnd::RefusedForSome, now);
        }
        assert_eq!((window.room(now), window.is_used_up(now)), (0, false));
        for (number, end) in [(1, CallEnd::Refused), (2, CallEnd::Stopped)] {
            assert!(window.take(&launch(number), now));
            window.end(&launch(number), end, now);
        }
        assert_eq!((window.room(now), window.is_used_up(now)), (1, false));
    }

    #[test]
    fn a_new_window_counts_the_calls_in_flight_alone() {
        let (mut window, now) = (StopWindow::new(2, WINDOW), Instant::now());
        assert!(window.take(&launch(1), now) && window.take(&launch(2), now));
        window.end(&launch(1), CallEnd::Stopped, now);
        window.begin_anew();
        assert_eq!(window.room(now), 1);
        window.end(&launch(2), CallEnd::Stopped, now);
        assert_eq!(window.room(now), 1);
    }

    proptest! {
        /// Each step begins the stop of an instance, or ends one with a result, a minute after the
        /// step before at most.
        #[test]
        fn in_no_window_are_more_instances_stopped_than_may_be(
            steps in vec((0u64..12, 0u64..60, 0u8..3), 1..200), most in 1usize..5
        ) {
            let (mut window, mut now) = (StopWindow::new(most, WINDOW), Instant::now());
            let (mut in_flight, mut stopped) = (Vec::new(), Vec::<(Instant, u64)>::new());
            for (number, secs, step) in steps {
                now += SECOND * u32::try_from(secs).unwrap();
                if step == 0 {
                    if window.take(&launch(number), now) {
                        in_flight.push((number, now));
                    }
                } else if let Some((number, began)) = in_flight.pop() {
                    let end = if step == 1 { CallEnd::Unknown } else { CallEnd::NotByThisCall };
                    window.end(&launch(number), end, now);
                    if step == 1 {
                        stopped.push((began, number));
                    }
                }
            }
            for (from, _) in &stopped {
                let within = stopped.iter().filter(|(at, _)| at >= from && *at < *from + WINDOW);
                let instances: std::collections::BTreeSet<_> =
                    within.map(|(_, number)| number).collect();
                prop_assert!(instances.len() <= most, "{:?}", instances);
            }
        }
    }
}
