//! Dates in the values of tags, such as the end of a project: `resource.dates` in policies.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcDateTime};

/// The word before a date in a value with several words, such as `ticket=4711 until=2026-12-31`.
const UNTIL: &str = "until=";

/// The date that a tag's value is, or that stands behind `until=` in one of its words; of several,
/// the latest. A date without a time of day is the end of that day, UTC. `None` without a date.
pub fn date(value: &str) -> Option<UtcDateTime> {
    let whole = moment(value.trim());
    let words = value.split_whitespace().filter_map(|word| moment(word.strip_prefix(UNTIL)?));
    words.chain(whole).max()
}

/// Reads `2026-12-31`, which means the end of that day, or a time as in RFC 3339.
fn moment(text: &str) -> Option<UtcDateTime> {
    let beginning = beginning(text)?;
    let day = if is_day(text) { Duration::DAY } else { Duration::ZERO };
    Some(beginning.saturating_add(day))
}

/// Reads `2026-12-31`, which means the beginning of that day, or a time as in RFC 3339.
pub fn beginning(text: &str) -> Option<UtcDateTime> {
    let text = if is_day(text) { &format!("{text}T00:00:00Z") } else { text };
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    // An offset can lead beyond the last year that there is, or before the first that Cedar reads.
    match time.checked_to_utc() {
        Some(time) => (time.year() >= 0).then_some(time),
        None => (time.year() > 0).then_some(UtcDateTime::MAX),
    }
}

/// Whether a text has the form of a day, `2026-12-31`, even if there is no such day.
fn is_day(text: &str) -> bool {
    let digit_or_hyphen = |(place, byte): (usize, u8)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(digit_or_hyphen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<UtcDateTime> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::to_utc)
    }

    #[test]
    fn a_day_ends_with_it_and_a_time_is_taken_as_it_is() {
        let last_day = at("2027-01-01T00:00:00Z");
        assert_eq!(date("2026-12-31"), last_day);
        assert_eq!(date(" 2026-12-31 "), last_day);
        assert_eq!(date("2026-12-31T12:00:00+02:00"), at("2026-12-31T10:00:00Z"));
        assert_eq!(beginning("2026-12-31"), at("2026-12-31T00:00:00Z"));
    }

    #[test]
    fn the_word_until_is_found_among_others_and_the_latest_counts() {
        assert_eq!(date("ticket=1 until=2026-12-31 a"), at("2027-01-01T00:00:00Z"));
        let two = "until=2026-12-31 until=2026-01-01";
        assert_eq!(date(two), at("2027-01-01T00:00:00Z"));
    }

    #[test]
    fn the_last_day_that_there_is_never_ends() {
        for value in ["9999-12-31", "until=9999-12-31", "9999-12-31T23:59:59-01:00"] {
            assert!(date(value) > at("9999-12-31T00:00:00Z"), "{value}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for value in [
            "",
            "yes",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "31.12.2026",
            "until=tomorrow",
            "until=",
            "0000-01-01T00:00:00+02:00",
        ] {
            assert_eq!(date(value), None, "{value}");
        }
    }
}
