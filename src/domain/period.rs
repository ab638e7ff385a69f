//! The time that a sweep answers for: from the sweep before it to itself. What is due at a moment is
//! done by the sweep in whose period the moment falls, and by no other.

use sha2::{Digest, Sha256};
use time::{Duration, UtcDateTime};

use crate::domain::ids::InstanceId;

const WEEK: Duration = Duration::WEEK;
/// How many hours a week has.
const HOURS: u64 = 7 * 24;

/// How long before the end of an exemption its owner is told.
const AHEAD: [(Duration, &str); 2] = [(WEEK, "7 days"), (Duration::DAY, "1 day")];

/// A time with its end, but not its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// When the sweep before it began.
    pub after: UtcDateTime,
    /// When the sweep began.
    pub until: UtcDateTime,
}

impl Period {
    /// Whether a moment falls into it.
    pub fn has(self, moment: UtcDateTime) -> bool {
        self.after < moment && moment <= self.until
    }

    /// The same time and as long before it: as an earlier process may have left it.
    #[must_use]
    pub fn and_before(self) -> Self {
        Self { after: self.after - (self.until - self.after), ..self }
    }

    /// Whether the beginning of an instance's own hour of the week falls into it. What goes on about
    /// an instance is told once a week, then: so the reminders of an owner of many are spread.
    ///
    /// An instance whose hour is the 10th of a week, for example, is due in the sweep of 10:00 of the
    /// first day where sweeps begin at each full hour, and in that of 12:00 where they begin every
    /// four hours.
    pub fn has_hour_of(self, instance: &InstanceId) -> bool {
        let hour = Duration::hours(own_hour(instance).into());
        let weeks = |at: UtcDateTime| {
            let since = at - UtcDateTime::UNIX_EPOCH - hour;
            since.whole_seconds().div_euclid(WEEK.whole_seconds())
        };
        weeks(self.after) < weeks(self.until)
    }

    /// How long ahead of the end of an exemption its owner is to be told in this period; `None` if
    /// not in this one.
    pub fn warns_of(self, end: UtcDateTime) -> Option<&'static str> {
        let is_due = |ahead: Duration| end.checked_sub(ahead).is_some_and(|at| self.has(at));
        AHEAD.into_iter().rev().find(|(ahead, _)| is_due(*ahead)).map(|(_, words)| words)
    }
}

/// Which of the times has come at which the owner of an exemption is told that it ends; `None` if it
/// lasts for longer, or has ended.
pub fn ahead(left: Duration) -> Option<&'static str> {
    let has_come = |ahead: &Duration| left > Duration::ZERO && left <= *ahead;
    AHEAD.into_iter().rev().find(|(ahead, _)| has_come(ahead)).map(|(_, words)| words)
}

/// The hour of the week that is an instance's own: 0 to 167, of a week that begins on a Thursday, as
/// Unix time does.
fn own_hour(instance: &InstanceId) -> u8 {
    let digest = Sha256::digest(instance.as_str());
    let first: [u8; 8] = std::array::from_fn(|place| digest[place]);
    u8::try_from(u64::from_be_bytes(first) % HOURS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> UtcDateTime {
        UtcDateTime::UNIX_EPOCH + Duration::hours(hours)
    }

    fn period(after: i64, until: i64) -> Period {
        Period { after: at(after), until: at(until) }
    }

    fn instance(number: u32) -> InstanceId {
        InstanceId::parse(&format!("i-{number:08x}")).unwrap()
    }

    #[test]
    fn an_exemption_ends_soon_within_a_week_or_a_day() {
        let rows = [(169, None), (168, Some("7 days")), (24, Some("1 day")), (1, Some("1 day"))];
        for (hours, expected) in rows.into_iter().chain([(0, None), (-1, None)]) {
            assert_eq!(ahead(Duration::hours(hours)), expected, "{hours}");
        }
    }

    #[test]
    fn an_instance_has_one_hour_in_each_week_however_the_week_is_cut() {
        for every in [1, 4, 24] {
            for number in 0..200 {
                let due = (0..2 * 168 / every)
                    .filter(|sweep| {
                        period(sweep * every, (sweep + 1) * every).has_hour_of(&instance(number))
                    })
                    .count();
                assert_eq!(due, 2, "{every} {number}");
            }
        }
    }

    #[test]
    fn the_hours_of_many_instances_are_spread_over_the_week() {
        let in_hour = |hour| {
            let due = |number: &u32| period(hour, hour + 1).has_hour_of(&instance(*number));
            (0..16_800).filter(due).count()
        };
        for hour in 0..168 {
            assert!((50..150).contains(&in_hour(hour)), "{hour}: {}", in_hour(hour));
        }
    }

    #[test]
    fn the_time_before_a_period_is_as_long() {
        assert_eq!(period(4, 6).and_before(), period(2, 6));
    }

    #[test]
    fn the_end_of_an_exemption_is_told_a_week_and_a_day_ahead() {
        let end = at(1000);
        let rows = [
            ((1000 - 169, 1000 - 168), Some("7 days")),
            ((1000 - 168, 1000 - 167), None),
            ((1000 - 25, 1000 - 24), Some("1 day")),
            // After a long time without a sweep, the later one counts.
            ((1000 - 200, 1000 - 20), Some("1 day")),
            ((1000 - 10, 1000 - 9), None),
        ];
        for ((after, until), expected) in rows {
            assert_eq!(period(after, until).warns_of(end), expected, "{after}");
        }
    }
}
