//! Reads how often all instances are looked at.

use std::time::Duration;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::policy::rule;

const OFF: &str = "off";
const REMEDY: &str = "give \"off\", or a number and m or h, from 15m to 24h, such as \"1h\"";
/// More often, what is left to events because it has just started would be most of what is found.
const SHORTEST: Duration = Duration::from_mins(15);
/// What events missed is to be found within a day.
const LONGEST: Duration = Duration::from_hours(24);

/// The section `[sweep]`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SweepSettings {
    /// How often all running instances are looked at, in each account and region.
    pub every: SweepEvery,
}

/// How often there is a sweep, from 15 minutes to a day; `None`: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepEvery(pub Option<Duration>);

impl SweepSettings {
    /// Whether there are sweeps.
    pub fn is_on(&self) -> bool {
        self.every.0.is_some()
    }
}

impl<'de> Deserialize<'de> for SweepEvery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == OFF {
            return Ok(Self(None));
        }
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &REMEDY);
        let every = rule::grace(&text).and_then(|every| Duration::try_from(every).ok());
        let every = every.filter(|every| (SHORTEST..=LONGEST).contains(every));
        every.map(|every| Self(Some(every))).ok_or_else(wrong)
    }
}

impl Serialize for SweepEvery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.and_then(|every| time::Duration::try_from(every).ok()) {
            None => serializer.serialize_str(OFF),
            Some(every) => serializer.serialize_str(&rule::span(every)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::settings::tests;

    #[test]
    fn there_are_no_sweeps_by_default() {
        assert!(!tests::load(None, &[]).unwrap().sweep.is_on());
    }

    #[test]
    fn sweeps_may_come_every_quarter_of_an_hour_to_every_day() {
        for (text, mins) in [("15m", 15), ("1h", 60), ("90m", 90), ("24h", 1440), ("1d", 1440)] {
            let settings = tests::load(None, &[("ENFORCER_SWEEP__EVERY", text)]).unwrap();
            assert_eq!(settings.sweep.every.0, Some(Duration::from_mins(mins)), "{text}");
        }
        for text in ["14m", "25h", "60", "1 h", "hourly", "Off"] {
            let error = tests::load(None, &[("ENFORCER_SWEEP__EVERY", text)]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("sweep.every") && error.contains("from 15m to 24h"), "{error}");
        }
    }
}
