//! What a budget needs of the queue, and what is said of it at the start.

use crate::daemon::grace::{QueueLimits, days};
use crate::domain::policy::rule::span;
use crate::retry::delays;
use crate::settings::{BudgetSettings, SettingsError};

/// The lowest `maxReceiveCount` with which messages can wait while stops are held: at 12 h for each
/// receive two days, and six for the event itself, retries and deploys, and the last look.
const LEAST_RECEIVES: u32 = 10;

/// Refuses a budget whose held messages the queue cannot keep; `None` if it can.
pub(crate) fn misfit(budget: BudgetSettings, limits: QueueLimits) -> Option<SettingsError> {
    if budget.stops == 0 {
        return None;
    }
    let trouble = few_receives(limits).or_else(|| short_retention(limits))?;
    Some(SettingsError::value("budget.stops", budget.stops, trouble))
}

fn few_receives(limits: QueueLimits) -> Option<String> {
    let count = limits.max_receives.filter(|count| *count < LEAST_RECEIVES)?;
    Some(format!(
        "messages wait in the queue while stops are held and are received twice a day, and its \
         maxReceiveCount is {count}; raise it to {LEAST_RECEIVES} at least, better 50, or set 0"
    ))
}

fn short_retention(limits: QueueLimits) -> Option<String> {
    let needed = delays::HOLD_RESERVE + delays::HOLD_USE;
    (limits.retention < needed).then(|| {
        format!(
            "messages wait in the queue while stops are held, and it keeps them for {}; raise its \
             retention to {} at least, better 14 d, or set 0",
            days(limits.retention),
            days(needed)
        )
    })
}

/// What may happen, in one sentence.
pub(crate) fn sentence(budget: BudgetSettings) -> String {
    let BudgetSettings { stops, window } = budget;
    if stops == 0 {
        return "may stop any number of instances: there is no budget".to_owned();
    }
    let window = span(time::Duration::try_from(window.0).unwrap_or_default());
    let instances = if stops == 1 { "instance" } else { "instances" };
    format!(
        "may stop at most {stops} {instances} in {window} in each account and region, per process"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::settings::BudgetWindow;

    const DAY: Duration = Duration::from_hours(24);

    fn budget(stops: usize) -> BudgetSettings {
        BudgetSettings { stops, window: BudgetWindow(Duration::from_mins(10)) }
    }

    fn misfit_of(stops: usize, retention: Duration, max_receives: Option<u32>) -> String {
        let misfit = misfit(budget(stops), QueueLimits { retention, max_receives });
        misfit.map(|refusal| refusal.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_may_happen_is_said_in_a_sentence() {
        assert_eq!(
            sentence(budget(20)),
            "may stop at most 20 instances in 10m in each account and region, per process"
        );
        assert_eq!(sentence(budget(0)), "may stop any number of instances: there is no budget");
    }

    #[test]
    fn a_budget_needs_a_queue_in_which_messages_can_wait() {
        assert_eq!(misfit_of(20, 4 * DAY, Some(10)), "");
        assert_eq!(misfit_of(20, 2 * DAY, None), "");
        assert_eq!(misfit_of(0, DAY, Some(1)), "");
        let few = misfit_of(20, 4 * DAY, Some(9));
        assert!(few.starts_with("budget.stops = 20: "), "{few}");
        assert!(few.contains("maxReceiveCount is 9; raise it to 10"), "{few}");
        let short = misfit_of(20, DAY, None);
        assert!(short.contains("keeps them for 1 d; raise its retention to 2 d"), "{short}");
    }
}
