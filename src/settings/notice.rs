//! Reads how many notices may go out in a second: a number, or `auto`.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const AUTO: &str = "auto";
const REMEDY: &str = "give auto, or 1 to 30000";
const RANGE: &str = "give 1 to 30000";

/// How many notices may go out in any second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerSecond {
    /// As many as the topic's subscribers stand: few where there are e-mail subscribers.
    Auto,
    /// This many, whoever is subscribed.
    AtMost(usize),
}

/// The section `[notice]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeSettings {
    /// How many notices may go out in any second.
    pub per_second: PerSecond,
}

impl PerSecond {
    /// Takes SNS's quotas of publishing as the upper limit.
    fn at_most<E: Error>(number: i64) -> Result<Self, E> {
        let number_in_range = usize::try_from(number).ok().filter(|it| (1..=30_000).contains(it));
        let refused = || E::invalid_value(Unexpected::Signed(number), &RANGE);
        number_in_range.map(Self::AtMost).ok_or_else(refused)
    }
}

impl Serialize for PerSecond {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::AtMost(number) => number.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PerSecondVisitor)
    }
}

struct PerSecondVisitor;

impl Visitor<'_> for PerSecondVisitor {
    type Value = PerSecond;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REMEDY)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<PerSecond, E> {
        PerSecond::at_most(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PerSecond, E> {
        if text == AUTO {
            return Ok(PerSecond::Auto);
        }
        let refused = || E::invalid_value(Unexpected::Str(text), &REMEDY);
        PerSecond::at_most(text.parse().map_err(|_| refused())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsError;
    use crate::settings::tests;

    #[test]
    fn auto_and_numbers_are_taken() {
        let read = |text| PerSecondVisitor.visit_str::<SettingsError>(text).unwrap();
        assert_eq!(read("auto"), PerSecond::Auto);
        assert_eq!(read("2"), PerSecond::AtMost(2));
        assert_eq!(PerSecondVisitor.visit_i64::<SettingsError>(9).unwrap(), PerSecond::AtMost(9));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for wrong in ["0", "30001", "1.5", "Auto"] {
            let refusal = tests::refusal("ENFORCER_NOTICE__PER_SECOND", wrong);
            assert!(refusal.ends_with("1 to 30000"), "{refusal}");
        }
    }
}
