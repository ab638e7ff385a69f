//! The machine's clock against the date of an answer of AWS.

use crate::aws::watch::Dated;
use crate::commands::check::finding::Finding;
use crate::commands::check::subject::Subject;
use crate::retry::delays;

const REMEDY: &str = "let the machine's clock be set by the network (chrony)";

/// Compares the machine's clock with the date of an answer; `None`: no answer of
/// AWS had a date.
pub(super) fn skew(dated: Option<Dated>) -> Finding {
    let Some(Dated { sent, came }) = dated else {
        return Finding::not_proven(Subject::Clock, "no answer of AWS told the date");
    };
    let (skew, word) = match came.duration_since(sent) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if skew <= delays::HARMLESS_SKEW {
        return Finding::ok(Subject::Clock, "within a minute of AWS's");
    }
    let found = format!("{} s {word} AWS's", skew.as_secs());
    let finding = if skew < delays::REFUSED_SKEW { Finding::warning } else { Finding::failed };
    finding(Subject::Clock, found).remedy(REMEDY)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use super::*;
    use crate::commands::check::subject::State;

    fn found(sent: SystemTime, came: SystemTime) -> (State, String) {
        let finding = skew(Some(Dated { sent, came }));
        (finding.state, finding.found)
    }

    #[test]
    fn without_a_date_nothing_is_proven() {
        assert_eq!(skew(None).state, State::NotProven);
    }

    #[test]
    fn a_clock_that_is_right_is_ok() {
        let now = SystemTime::now();
        assert_eq!(found(now, now + Duration::from_secs(2)).0, State::Ok);
    }

    #[test]
    fn a_clock_that_is_minutes_off_is_warned_of_and_the_direction_told() {
        let now = SystemTime::now();
        let two = Duration::from_mins(2);
        assert_eq!(found(now, now + two), (State::Warning, "120 s ahead of AWS's".into()));
        assert_eq!(found(now, now - two), (State::Warning, "120 s behind AWS's".into()));
    }

    #[test]
    fn a_clock_whose_signatures_are_refused_has_failed() {
        let now = SystemTime::now();
        assert_eq!(found(now, now + Duration::from_mins(5)).0, State::Failed);
    }
}
