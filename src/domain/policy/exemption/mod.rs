//! The exemption of an instance: whether it carries the exception tag, and until when that counts.
//!
//! With the setting `policy.exception_expires`, a date in the tag's value ends the exemption:
//!
//! | value | the instance is exempt |
//! |---|---|
//! | `2026-12-31`, `ticket-4711 until=2026-12-31` | until the end of that day, UTC |
//! | `until=2026-12-31T18:00:00+01:00` | until that time |
//! | `yes`, ``, `ticket-4711` | without end |
//! | `until=tomorrow`, `2026-02-30`, `3d`, `approved 2026-12-31` | without end, and it is logged |
//!
//! A value that may be meant as a date and cannot be read as one never ends an exemption: a wrong
//! stop is worse than a forgotten exemption.

#[cfg(test)]
mod verdicts;

use time::UtcDateTime;

use super::dates;

/// The beginning of a word that says until when the exemption lasts.
const UNTIL: &str = "until=";

/// What the exception tag does for an instance. The order is that of their worth: where two readings
/// of the tags differ, the greater one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exemption {
    /// The instance does not carry the tag.
    #[default]
    None,
    /// The tag exempted it until this time, which is past.
    Ended(UtcDateTime),
    /// The tag exempts it until this time, and no longer.
    Until(UtcDateTime),
    /// The tag exempts it without end.
    Endless,
    /// The same, although this value of the tag looks as if a date was meant.
    Unclear(String),
}

impl Exemption {
    /// The exemption by a value of the tag whose dates count.
    pub(super) fn by(value: &str, now: UtcDateTime) -> Self {
        match term(value) {
            // A moment belongs to what begins with it: the first one after a day to the next day.
            Term::End(end) if end <= now => Self::Ended(end),
            Term::End(end) => Self::Until(end),
            Term::Endless => Self::Endless,
            Term::Unclear => Self::Unclear(value.to_owned()),
        }
    }

    /// Whether the instance is exempt now.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Until(_) | Self::Endless | Self::Unclear(_))
    }

    /// When the exemption ended; `None` if it did not, or there was none.
    pub fn ended(&self) -> Option<UtcDateTime> {
        match self {
            Self::Ended(end) => Some(*end),
            _ => None,
        }
    }

    /// When the exemption will end; `None` if that is not known, or there is none.
    pub fn ends(&self) -> Option<UtcDateTime> {
        match self {
            Self::Until(end) => Some(*end),
            _ => None,
        }
    }

    /// The value of the tag that looks like a date and is none.
    pub fn unclear(&self) -> Option<&str> {
        match self {
            Self::Unclear(value) => Some(value),
            _ => None,
        }
    }
}

/// What a value of the tag says about the end of the exemption.
enum Term {
    End(UtcDateTime),
    Endless,
    Unclear,
}

fn term(value: &str) -> Term {
    let mut untils = value.split_whitespace().filter(|word| word.starts_with(UNTIL));
    if untils.any(|word| dates::date(word).is_none()) {
        return Term::Unclear;
    }
    match dates::date(value) {
        Some(end) => Term::End(end),
        None if looks_like_a_date(value) => Term::Unclear,
        None => Term::Endless,
    }
}

/// Whether a value without a date may be meant to have one.
fn looks_like_a_date(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let mut words = value.split_whitespace();
    is_year(value.trim())
        || is_span(&value.split_whitespace().collect::<String>())
        || words.any(|word| is_dated(word) || says_until(word))
}

/// Whether a word begins as a date does: `2026-12-31`, `2026/12`, `31.12.2026`, `20261231`.
fn is_dated(word: &str) -> bool {
    let is_separator = |one: char| matches!(one, '-' | '/' | '.');
    let parts: Vec<_> = word.split(is_separator).take(3).collect();
    let is_short = |part: &str| matches!(part.len(), 1 | 2) && is_number(part);
    match parts.as_slice() {
        [day] => is_number(day) && day.len() == 8 && is_day(day.split_at(4)),
        [year, rest, ..] if is_year(year) => rest.starts_with(|one: char| one.is_ascii_digit()),
        [one, other, rest] => {
            is_short(one) && is_short(other) && rest.get(..4).is_some_and(is_year)
        }
        _ => false,
    }
}

fn is_day((year, day): (&str, &str)) -> bool {
    let number = |part: &str| part.parse().unwrap_or(0_u32);
    let (month, day) = day.split_at(2);
    is_year(year) && (1..=12).contains(&number(month)) && (1..=31).contains(&number(day))
}

/// Whether a word is `until`, alone or before something, as in `until:2026-12-31`.
fn says_until(word: &str) -> bool {
    let rest = word.strip_prefix("until");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ':']))
}

/// Whether a text is a span of time, such as `3d`, `2weeks` or `P3D`.
fn is_span(text: &str) -> bool {
    const UNITS: [&str; 15] = [
        "s", "sec", "second", "m", "min", "minute", "h", "hour", "d", "day", "w", "week", "month",
        "y", "year",
    ];
    let number = text.trim_start_matches('+');
    let unit = number.trim_start_matches(|one: char| one.is_ascii_digit());
    let one = unit.strip_suffix('s').unwrap_or(unit);
    let has_unit = UNITS.contains(&unit) || UNITS.contains(&one);
    let iso = text.strip_prefix('p').map(|rest| rest.strip_prefix('t').unwrap_or(rest));
    let is_iso = iso.is_some_and(|rest| {
        rest.starts_with(|one: char| one.is_ascii_digit())
            && rest.chars().all(|one| one.is_ascii_digit() || "ymwdths.".contains(one))
            && rest.ends_with(['y', 'm', 'w', 'd', 'h', 's'])
    });
    (unit.len() < number.len() && has_unit) || is_iso
}

/// Whether a text is a year of this century.
fn is_year(text: &str) -> bool {
    text.len() == 4 && text.starts_with("20") && is_number(text)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

    use super::*;

    fn at(text: &str) -> UtcDateTime {
        OffsetDateTime::parse(text, &Rfc3339).unwrap().to_utc()
    }

    fn by(value: &str) -> Exemption {
        Exemption::by(value, at("2026-12-02T10:00:00Z"))
    }

    #[test]
    fn a_date_ends_the_exemption_with_its_day_and_a_time_at_once() {
        let last_day = at("2027-01-01T00:00:00Z");
        for value in ["2026-12-31", "ticket-4711 until=2026-12-31 me", " until=2026-12-31 "] {
            assert_eq!(by(value), Exemption::Until(last_day), "{value}");
        }
        let now = "2026-12-02T11:00:00+01:00";
        for value in [now, &format!("until={now}")] {
            assert_eq!(by(value), Exemption::Ended(at(now)), "{value}");
        }
        assert_eq!(by("until=2026-12-01"), Exemption::Ended(at("2026-12-02T00:00:00Z")));
    }

    #[test]
    fn of_two_dates_the_later_counts() {
        let two = "until=2026-12-31 until=2020-01-01";
        assert_eq!(by(two), Exemption::Until(at("2027-01-01T00:00:00Z")));
        let bare = "2020-01-01 until=2026-12-31";
        assert_eq!(by(bare), Exemption::Until(at("2027-01-01T00:00:00Z")));
    }

    #[test]
    fn a_value_without_a_date_exempts_without_end() {
        for value in [
            "",
            " ",
            "yes",
            "true",
            "4711",
            "ticket-4711",
            "ticket 12345678",
            "v2.10.1",
            "10.0.0.1",
            "budget 2026",
            "me@example.com",
            "untilted",
            "3D printer",
            "password",
            "pts",
            "PROD",
            "d",
            "20-20",
            "aüüüb",
        ] {
            assert_eq!(by(value), Exemption::Endless, "{value}");
        }
    }

    #[test]
    fn what_looks_like_a_date_and_is_none_exempts_without_end_and_is_unclear() {
        for value in [
            "until=2026-13-01",
            "until=tomorrow",
            "until=3d",
            "until=",
            "2026-02-30",
            "2026-12-31 ticket-4711",
            "approved 2026-12-31",
            "2026-12-31T18:00",
            "2026-12-31T18:00Z",
            "until=2026-12-31T18:00:00",
            "Until=2026-12-31",
            "UNTIL: 2026-12-31",
            "until 2026-12-31",
            "until:2026-12-31",
            "2026/12/31",
            "31.12.2026",
            "12/31/2026",
            "20261231",
            "2026-12",
            "2026",
            "3d",
            "+12h",
            "2 weeks",
            "90days",
            "P3D",
            "PT12H",
            "until=2030-01-01 until=tomorrow",
            "2020-01-01 until=tomorrow",
        ] {
            assert_eq!(by(value), Exemption::Unclear(value.to_owned()), "{value}");
        }
    }

    #[test]
    fn the_last_day_that_there_is_never_ends() {
        let end = by("until=9999-12-31").ends();
        assert!(end > Some(at("9999-12-31T23:59:59Z")), "{end:?}");
    }

    #[test]
    fn of_two_readings_the_one_that_exempts_longer_counts() {
        let [past, future] = ["2026-01-01", "2027-01-01"].map(by);
        let ascending = [
            Exemption::None,
            by("2025-01-01"),
            past,
            by("2026-12-31"),
            future,
            by("yes"),
            by("3d"),
        ];
        assert!(ascending.is_sorted());
        let holding = ascending.iter().map(Exemption::holds);
        assert_eq!(holding.collect::<Vec<_>>(), [false, false, false, true, true, true, true]);
    }

    proptest! {
        #[test]
        fn an_exemption_holds_to_the_last_nanosecond_of_its_day(
            day in 1_u32..28, month in 1_u8..=12, year in 2000..2100, words in "[a-z]{0,4}",
        ) {
            let value = format!("{words} until={year}-{month:02}-{day:02} {words}");
            let next = at(&format!("{year}-{month:02}-{:02}T00:00:00Z", day + 1));
            let just_before = next - Duration::NANOSECOND;
            prop_assert_eq!(Exemption::by(&value, just_before), Exemption::Until(next));
            prop_assert_eq!(Exemption::by(&value, next), Exemption::Ended(next));
        }

        #[test]
        fn no_value_ends_an_exemption_but_one_with_a_date(value in "(until=|20|[ 0-9a-zT:.=-]){0,24}") {
            if dates::date(&value).is_none() {
                prop_assert!(by(&value).holds());
            }
        }
    }
}
