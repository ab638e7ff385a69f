//! What is to be done about each instance, decided from its stop and from what EC2 shows now.

use std::collections::BTreeMap;
use std::fmt;

use time::UtcDateTime;

use super::trail::{Key, Stop};
use crate::aws::ec2::undo::Seen;
use crate::domain::ids::InstanceId;
use crate::domain::policy::attribute::{Attribute, Value};

/// An instance that the daemon stopped.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub stop: Stop,
    /// What EC2 shows of it; `None` where it was not asked, or does not know it.
    pub seen: Option<Seen>,
    pub fate: Fate,
}

/// What is to be done about an instance, or what was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is stopped, and is to be started.
    Start,
    /// It is to be started as soon as it is stopped.
    Stopping,
    /// It is not to be started.
    Left(Left),
    /// It was started.
    Started,
    /// It could not be started, for this reason.
    Failed(String),
}

/// Why an instance is not to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Left {
    OtherAccount,
    /// It was not `running` before the stop, but this.
    WasNotRunning(String),
    NoLaunchTime,
    Unknown,
    Terminated,
    RunsAgain,
    StartedByUndo(UtcDateTime),
    StartedSince,
    /// Policies that ignore the exception tag would stop it again.
    Ignored(Vec<String>),
    /// Its state is this, which no stopped instance has.
    State(String),
}

impl fmt::Display for Left {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherAccount => formatter.write_str("in another account"),
            Self::WasNotRunning(state) => write!(formatter, "not sure: it was {state} at the stop"),
            Self::NoLaunchTime => formatter.write_str("not sure: no launch time in the trail"),
            Self::Unknown => formatter.write_str("EC2 does not know it"),
            Self::Terminated => formatter.write_str("terminated"),
            Self::RunsAgain => formatter.write_str("runs again: somebody started it"),
            Self::StartedByUndo(time) => write!(formatter, "started by undo at {}", minute(*time)),
            Self::StartedSince => formatter.write_str("stopped by somebody after a new start"),
            Self::Ignored(policies) => {
                write!(formatter, "would be stopped again by {}", policies.join(", "))
            }
            Self::State(state) => write!(formatter, "not sure: its state is {state}"),
        }
    }
}

impl Candidate {
    /// Its id.
    pub(super) fn id(&self) -> &InstanceId {
        &self.stop.key.2
    }

    /// Whether it is to be started.
    pub(super) fn is_to_start(&self) -> bool {
        matches!(self.fate, Fate::Start | Fate::Stopping)
    }

    /// Its name, as its tag says.
    pub(super) fn name(&self) -> &str {
        let tags = self.seen.as_ref().map(|seen| &seen.facts.tags);
        tags.and_then(|tags| tags.get("Name")).map_or("", String::as_str)
    }

    /// What instances are ordered by for their start: those of one type in one subnet, which lack
    /// capacity together, stand together.
    pub(super) fn kind(&self) -> [String; 2] {
        let attributes = self.seen.as_ref().map(|seen| &seen.facts.attributes);
        [Attribute::InstanceType, Attribute::SubnetId].map(|attribute| {
            match attributes.and_then(|known| known.get(&attribute)) {
                Some(Value::Text(text)) => text.clone(),
                _ => String::new(),
            }
        })
    }

    /// Takes over what EC2 shows now. One that is no longer to be started stays as it is.
    pub(super) fn look(&mut self, seen: Option<Seen>, started: &BTreeMap<Key, UtcDateTime>) {
        if self.is_to_start() {
            self.fate = fate(&self.stop, seen.as_ref(), started.get(&self.stop.key));
            self.seen = seen;
        }
    }
}

/// What is to be done about an instance. It is started only if nobody has started it since its stop:
/// then EC2 shows the launch time that it had before.
pub(super) fn fate(
    stop: &Stop,
    seen: Option<&Seen>,
    started_by_undo: Option<&UtcDateTime>,
) -> Fate {
    if !stop.was_running() {
        return Fate::Left(Left::WasNotRunning(stop.previous_state.clone()));
    }
    let Some(launched) = stop.launched else { return Fate::Left(Left::NoLaunchTime) };
    let Some(seen) = seen else { return Fate::Left(Left::Unknown) };
    let is_first_start = seen.launched == Some(launched);
    Fate::Left(match seen.state.as_str() {
        "stopped" if is_first_start => return Fate::Start,
        "stopping" if is_first_start => return Fate::Stopping,
        "stopped" | "stopping" => Left::StartedSince,
        "terminated" | "shutting-down" => Left::Terminated,
        "running" | "pending" => match started_by_undo.filter(|at| **at >= stop.time) {
            Some(at) => Left::StartedByUndo(*at),
            None => Left::RunsAgain,
        },
        other => Left::State(other.to_owned()),
    })
}

/// A time in whole minutes, as RFC 3339 allows it to be shortened for people.
pub(super) fn minute(time: UtcDateTime) -> String {
    let (date, hour, minute) = (time.date(), time.hour(), time.minute());
    format!("{date}T{hour:02}:{minute:02}Z")
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::domain::ids::{Account, Region};
    use crate::domain::policy::facts::Facts;

    fn at(secs: i64) -> UtcDateTime {
        UtcDateTime::from_unix_timestamp(secs).unwrap()
    }

    fn stop() -> Stop {
        let key = (
            Account::parse("123456789012").unwrap(),
            Region::parse("us-east-1").unwrap(),
            InstanceId::parse("i-0123456789abcdef0").unwrap(),
        );
        let (previous_state, policies) = ("running".to_owned(), vec!["builtin".to_owned()]);
        Stop { time: at(2_000), key, previous_state, launched: Some(at(1_000)), policies }
    }

    fn seen(state: &str, launched: i64) -> Seen {
        let (state, launched) = (state.to_owned(), Some(at(launched)));
        Seen { state, launched, facts: Facts::running(), reason: None }
    }

    fn left(stop: &Stop, seen: Option<&Seen>) -> String {
        match fate(stop, seen, None) {
            Fate::Left(why) => why.to_string(),
            _ => panic!("not left"),
        }
    }

    #[test]
    fn what_is_stopped_with_the_launch_time_of_its_stop_is_started() {
        assert_eq!(fate(&stop(), Some(&seen("stopped", 1_000)), None), Fate::Start);
        assert_eq!(fate(&stop(), Some(&seen("stopping", 1_000)), None), Fate::Stopping);
    }

    #[test]
    fn everything_else_is_left_with_its_reason() {
        let reason = |state, launched| left(&stop(), Some(&seen(state, launched)));
        assert_eq!(reason("stopped", 1_001), "stopped by somebody after a new start");
        assert_eq!(reason("stopping", 3_000), "stopped by somebody after a new start");
        assert_eq!(reason("running", 3_000), "runs again: somebody started it");
        assert_eq!(reason("pending", 3_000), "runs again: somebody started it");
        assert_eq!(reason("terminated", 1_000), "terminated");
        assert_eq!(reason("shutting-down", 1_000), "terminated");
        assert_eq!(reason("frozen", 1_000), "not sure: its state is frozen");
        assert_eq!(left(&stop(), None), "EC2 does not know it");
        let unsure = Stop { launched: None, ..stop() };
        let stopped = seen("stopped", 1_000);
        assert_eq!(left(&unsure, Some(&stopped)), "not sure: no launch time in the trail");
        let again = Stop { previous_state: "stopping".to_owned(), ..stop() };
        assert_eq!(left(&again, Some(&stopped)), "not sure: it was stopping at the stop");
    }

    #[test]
    fn an_instance_without_a_launch_time_now_is_not_started() {
        let seen = Seen { launched: None, ..seen("stopped", 0) };
        assert_eq!(left(&stop(), Some(&seen)), "stopped by somebody after a new start");
    }

    #[test]
    fn a_start_by_undo_is_told_apart_unless_the_instance_was_stopped_later() {
        let running = seen("running", 3_000);
        let fate = |started| fate(&stop(), Some(&running), Some(&started));
        assert_eq!(fate(at(3_000)), Fate::Left(Left::StartedByUndo(at(3_000))));
        assert_eq!(fate(at(1_500)), Fate::Left(Left::RunsAgain));
        assert_eq!(minute(at(3_000) + Duration::HOUR), "1970-01-01T01:50Z");
    }
}
