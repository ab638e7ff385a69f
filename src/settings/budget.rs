//! Reads how many instances may be stopped, and in which time.

use std::time::Duration;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number::count;
use crate::domain::policy::rule;

const REMEDY: &str = "give a number and s, m or h, at most 24h, such as \"10m\"";

/// The section `[budget]`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSettings {
    /// How many instances may be stopped within a window in one account and region; 0: no limit.
    #[serde(deserialize_with = "count::<0, 10_000, _>")]
    pub stops: usize,
    /// How long a window is.
    pub window: BudgetWindow,
}

/// How long a window is: up to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetWindow(pub Duration);

impl<'de> Deserialize<'de> for BudgetWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &REMEDY);
        let window = rule::grace(&text).filter(|window| *window <= time::Duration::DAY);
        let window = window.and_then(|window| Duration::try_from(window).ok());
        window.map(Self).ok_or_else(wrong)
    }
}

impl Serialize for BudgetWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let window = time::Duration::try_from(self.0).unwrap_or_default();
        serializer.serialize_str(&rule::span(window))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::settings::tests;

    #[test]
    fn there_is_no_limit_by_default() {
        let budget = tests::load(None, &[]).unwrap().budget;
        assert_eq!((budget.stops, budget.window.0), (0, Duration::from_mins(10)));
    }

    #[test]
    fn a_window_of_up_to_a_day_is_taken() {
        for (text, secs) in [("1s", 1), ("90m", 5400), ("24h", 86_400), ("1d", 86_400)] {
            let settings = tests::load(None, &[("ENFORCER_BUDGET__WINDOW", text)]).unwrap();
            assert_eq!(settings.budget.window.0, Duration::from_secs(secs), "{text}");
        }
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_remedy() {
        for text in ["0s", "25h", "2d", "10", "ten minutes", "-1m"] {
            let message = tests::refusal("ENFORCER_BUDGET__WINDOW", text);
            assert!(message.starts_with("budget.window"), "{message}");
            assert!(message.ends_with(super::REMEDY), "{message}");
        }
        let message = tests::refusal("ENFORCER_BUDGET__STOPS", "10001");
        assert!(message.starts_with("budget.stops"), "{message}");
    }
}
