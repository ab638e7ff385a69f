//! Values of tags with dates in them, and what each means, worked out by hand. Every world begins
//! on 2026-01-01 at midnight.

use std::time::Duration;

/// When every world begins, as a time since 1970.
pub(in crate::simulation) const BEGAN: Duration = Duration::from_hours(490_896);

/// Values of tags, each with its date in seconds after the begin of the world; `None` without one.
pub(in crate::simulation) const DATES: [(&str, Option<i64>); 12] = [
    ("2025-12-30", Some(-DAY)),
    ("2025-12-31", Some(0)),
    ("2026-01-01", Some(DAY)),
    ("2026-01-01T00:00:30Z", Some(30)),
    ("2026-01-01T00:05:40Z", Some(340)),
    ("2026-01-01T02:00:00+02:00", Some(0)),
    ("until=2026-01-01", Some(DAY)),
    ("ticket=7 until=2025-12-31", Some(0)),
    ("until=2026-01-01 until=2025-12-30", Some(DAY)),
    ("2025-02-29", None),
    ("soon", None),
    ("", None),
];
const DAY: i64 = 24 * 60 * 60;

/// The date in the value of a tag. Values that no world draws have none.
pub(super) fn date(value: &str) -> Option<i64> {
    DATES.iter().find(|(text, _)| *text == value).and_then(|(_, date)| *date)
}
