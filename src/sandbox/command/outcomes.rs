//! The outcome of each event, as the sandbox saw it: the rows of the report.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fleet::Fleet;
use crate::sandbox::{Instance, Message, Notice, Sandbox, State};

/// A row of the report: one event and its outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) instance: String,
    pub(super) tags: String,
    pub(super) outcome: &'static str,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) notice: String,
}

/// Lists the instances, then the events for which no instance was looked up.
pub(super) fn rows(sandbox: &Sandbox, fleet: &Fleet) -> Vec<Row> {
    let (waiting, rejected): (Vec<Message>, Vec<Message>) =
        sandbox.messages().into_iter().partition(|message| !fleet.unusable.contains(&message.id));
    let ignored =
        fleet.other_states.iter().filter(|id| !waiting.iter().any(|left| left.id == **id));
    let ignored = ignored.map(|_| bare_row("(another state)".to_owned(), "ignored"));
    let waiting: BTreeSet<String> = waiting.iter().map(named_by).collect();
    let notices = by_instance(sandbox.notices());
    let row = |before: &Instance| {
        let notice = notices.get(&before.id).map_or("", String::as_str);
        let after = sandbox.instance(&before.id).map_or(before.state, |instance| instance.state);
        let outcome = outcome(after, notice, waiting.contains(&before.id));
        Row {
            instance: before.id.clone(),
            tags: tags(before),
            outcome,
            before: before.state.to_string(),
            after: after.to_string(),
            notice: or_dash(notice.strip_prefix(&format!("EC2 {} ", before.id)).unwrap_or(notice)),
        }
    };
    let rejected = rejected.iter().map(|message| bare_row(named_by(message), "rejected"));
    fleet.instances.iter().map(row).chain(ignored).chain(rejected).collect()
}

/// The row of an event for which no instance was looked up.
fn bare_row(instance: String, outcome: &'static str) -> Row {
    Row {
        instance,
        tags: or_dash(""),
        outcome,
        before: or_dash(""),
        after: or_dash(""),
        notice: or_dash(""),
    }
}

/// Names the outcome that the notices and the queue show for an instance.
fn outcome(after: State, notice: &str, waits: bool) -> &'static str {
    match after {
        _ if waits => "open",
        _ if notice.ends_with(" Stopped") => "stopped",
        _ if !notice.is_empty() => "refused",
        State::ShuttingDown | State::Terminated => "gone",
        State::Pending | State::Running => "exempt",
        State::Stopping | State::Stopped => "unannounced",
    }
}

/// The text of each notice, which is `EC2 <id> …`, by instance id.
fn by_instance(notices: Vec<Notice>) -> BTreeMap<String, String> {
    let about = |notice: &Notice| notice.message.split(' ').nth(1).unwrap_or("").to_owned();
    notices.into_iter().map(|notice| (about(&notice), notice.message)).collect()
}

/// The instance id in the event of a message.
fn named_by(message: &Message) -> String {
    let event: Value = serde_json::from_str(&message.body).unwrap_or_default();
    or_dash(event["detail"]["instance-id"].as_str().unwrap_or_default())
}

fn tags(instance: &Instance) -> String {
    let tags: Vec<_> = instance.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    or_dash(&tags.join(", "))
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_follows_from_the_notice_the_queue_and_the_state() {
        assert_eq!(outcome(State::Stopped, "EC2 i-1 Stopped", false), "stopped");
        assert_eq!(outcome(State::Running, "EC2 i-1 NOT stopped: why", false), "refused");
        assert_eq!(outcome(State::Running, "", false), "exempt");
        assert_eq!(outcome(State::Terminated, "", false), "gone");
        assert_eq!(outcome(State::Stopped, "", false), "unannounced");
        assert_eq!(outcome(State::Stopped, "EC2 i-1 Stopped", true), "open");
    }
}
