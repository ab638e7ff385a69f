//! Whole numbers, each within the range that stands where its field is declared:
//! `#[serde(deserialize_with = "count::<1, 64, _>")]` takes 1 to 64.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Reads a number of things.
pub(super) fn count<'de, const MIN: u32, const MAX: u32, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<usize, D::Error> {
    whole::<MIN, MAX, D>(deserializer).map(|count| count as usize)
}

/// Reads a time in seconds.
pub(super) fn secs<'de, const MIN: u32, const MAX: u32, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    whole::<MIN, MAX, D>(deserializer).map(|secs| Duration::from_secs(secs.into()))
}

/// Reads a time in seconds that may be left out.
pub(super) fn optional_secs<'de, const MIN: u32, const MAX: u32, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    number.within(MIN, MAX).map(|secs| Some(Duration::from_secs(secs.into())))
}

/// Reads a time in milliseconds.
pub(super) fn millis<'de, const MIN: u32, const MAX: u32, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    whole::<MIN, MAX, D>(deserializer).map(|millis| Duration::from_millis(millis.into()))
}

/// Reads a number from `MIN` to `MAX`.
pub(super) fn whole<'de, const MIN: u32, const MAX: u32, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<u32, D::Error> {
    Number::deserialize(deserializer)?.within(MIN, MAX)
}

/// A whole number, written as such or (in the environment) as text; `config` itself would round
/// fractions and take `true` for 1.
struct Number(i64);

impl Number {
    fn within<E: Error>(self, min: u32, max: u32) -> Result<u32, E> {
        let number = u32::try_from(self.0).ok().filter(|number| (min..=max).contains(number));
        let remedy = || format!("give {min} to {max}");
        number.ok_or_else(|| E::invalid_value(Unexpected::Signed(self.0), &&*remedy()))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let wrong = || E::invalid_value(Unexpected::Str(text), &"give a whole number");
        text.parse().map(Number).map_err(|_| wrong())
    }
}
