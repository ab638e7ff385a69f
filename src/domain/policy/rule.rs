//! What is known of a policy beside its condition: its id, its mode, and how it treats owners.

use time::{Duration, UtcDateTime};

use super::mode::Mode;

/// A policy without its condition: what its annotations say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name in logs, metrics and notices: 1 to 64 of `a-z`, `0-9` and `-`, unique.
    pub id: String,
    /// How far it goes: the mode that is written, or that of the setting `policy.mode`, whichever
    /// is weaker.
    pub mode: Mode,
    /// How long the owner has before the stop, and since when the policy binds; `None`: the
    /// instance is stopped at once.
    pub grace: Option<Grace>,
    /// Whether it binds instances with the exception tag, too.
    pub ignores_exception: bool,
    /// One line for the owner, at most 200 characters.
    pub description: Option<String>,
    /// Where it is written, as `FILE:LINE:COLUMN`; empty for the built-in policy.
    pub place: String,
}

/// How long an owner has before the stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// The time between the violation and the stop: up to 7 days.
    pub period: Duration,
    /// When the policy began to bind. The grace of an instance that ran before that begins then.
    pub since: UtcDateTime,
}

/// The id of the built-in policy.
pub const BUILTIN: &str = "builtin";

/// The longest grace. SQS keeps a message for at most 14 days, and it waits there.
pub const LONGEST_GRACE: Duration = Duration::days(7);

impl Rule {
    /// The built-in policy: an instance without the exception tag must not run.
    pub fn builtin(mode: Mode, grace: Option<Grace>) -> Self {
        Self {
            id: BUILTIN.to_owned(),
            mode,
            grace,
            ignores_exception: false,
            description: None,
            place: String::new(),
        }
    }

    /// Whether this is the built-in policy.
    pub fn is_builtin(&self) -> bool {
        self.id == BUILTIN
    }

    /// Whether this is the built-in policy, and stops at once, as by default.
    pub fn is_plain(&self) -> bool {
        self.is_builtin() && self.mode == Mode::Enforce && self.grace.is_none()
    }
}

/// Reads a grace such as `30m`, `4h` or `2d`; `None` for any other text, and for one of nothing or
/// of more than 7 days.
pub fn grace(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| number.parse::<i64>().ok()).flatten()?;
    let grace = Duration::seconds(number.checked_mul(secs)?);
    (grace > Duration::ZERO && grace <= LONGEST_GRACE).then_some(grace)
}

/// Writes a time span in the largest unit that it is a whole number of, such as `4h`.
pub fn span(time: Duration) -> String {
    let secs = time.whole_seconds();
    let units = [("d", 24 * 3600), ("h", 3600), ("m", 60)];
    let unit = units.into_iter().find(|(_, size)| secs > 0 && secs % size == 0);
    let (unit, size) = unit.unwrap_or(("s", 1));
    format!("{}{unit}", secs / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_a_number_and_a_unit_of_at_most_seven_days() {
        for (text, secs) in [("30m", 1800), ("4h", 14_400), ("2d", 172_800), ("7d", 604_800)] {
            assert_eq!(grace(text), Some(Duration::seconds(secs)));
            assert_eq!(span(Duration::seconds(secs)), text);
        }
        let wrong = ["", "h", "0h", "8d", "4", "4 h", "-4h", "+4h", "4.5h", "4H", "4ü", "169h"];
        for text in wrong.into_iter().chain(["99999999999999999999d"]) {
            assert_eq!(grace(text), None, "{text}");
        }
    }

    #[test]
    fn a_span_is_written_in_its_largest_unit() {
        for (secs, text) in [(0, "0s"), (90, "90s"), (5400, "90m"), (36_000, "10h")] {
            assert_eq!(span(Duration::seconds(secs)), text);
        }
    }
}
