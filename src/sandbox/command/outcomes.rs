//! The outcome of each event, as the sandbox saw it: the rows of the report.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fleet::Fleet;
use super::judged::Judged;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::mode::Mode;
use crate::sandbox::{Instance, Message, Notice, Sandbox, State};

/// A row of the report: one event and its outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) account: String,
    pub(super) instance: String,
    pub(super) tags: String,
    pub(super) outcome: &'static str,
    /// The policies that decided, with commas between them.
    pub(super) policies: String,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) notice: String,
}

/// Lists the instances, then the events for which no instance was looked up.
pub(super) fn rows(sandbox: &Sandbox, fleet: &Fleet, judged: Option<&Judged>) -> Vec<Row> {
    let (waiting, rejected): (Vec<Message>, Vec<Message>) =
        sandbox.messages().into_iter().partition(|message| !fleet.unusable.contains(&message.id));
    let ignored =
        fleet.other_states.iter().filter(|id| !waiting.iter().any(|left| left.id == **id));
    let own = sandbox.resources().account;
    let bare_row = |instance: String, outcome| bare_row(&own, instance, outcome);
    let ignored = ignored.map(|_| bare_row("(another state)".to_owned(), "ignored"));
    let waiting: BTreeSet<String> = waiting.iter().map(named_by).collect();
    let notices = by_instance(&sandbox.notices());
    let row = |before: &Instance| {
        let notice = notices.get(&before.id).map_or("", String::as_str);
        let now = sandbox.in_account(&before.account).instance(&before.id);
        let after = now.map_or(before.state, |instance| instance.state);
        let decision = judged.and_then(|judged| judged.decision(&before.id));
        let outcome = outcome(after, notice, waiting.contains(&before.id), decision);
        Row {
            account: before.account.clone(),
            instance: before.id.clone(),
            tags: tags(before),
            outcome,
            policies: or_dash(&policies(outcome, decision)),
            before: before.state.to_string(),
            after: after.to_string(),
            notice: or_dash(notice.strip_prefix(&format!("EC2 {} ", before.id)).unwrap_or(notice)),
        }
    };
    let rejected = rejected.iter().map(|message| bare_row(named_by(message), "rejected"));
    fleet.instances.iter().map(row).chain(ignored).chain(rejected).collect()
}

/// The row of an event for which no instance was looked up.
fn bare_row(account: &str, instance: String, outcome: &'static str) -> Row {
    Row {
        account: account.to_owned(),
        instance,
        tags: or_dash(""),
        outcome,
        policies: or_dash(""),
        before: or_dash(""),
        after: or_dash(""),
        notice: or_dash(""),
    }
}

/// Names the outcome that the notices and the queue show for an instance, and where they show none
/// the decision about it.
fn outcome(after: State, notice: &str, waits: bool, decision: Option<&Decision>) -> &'static str {
    match after {
        _ if waits => "open",
        _ if notice.ends_with(" Stopped") => "stopped",
        _ if notice.contains(" violates ") => "warned",
        _ if notice.contains(" will be stopped at ") => "planned",
        _ if !notice.is_empty() => "refused",
        State::ShuttingDown | State::Terminated => "gone",
        State::Pending | State::Running => silent(decision),
        State::Stopping | State::Stopped => "unannounced",
    }
}

/// Names the outcome of an instance that runs, and of which nobody was told.
fn silent(decision: Option<&Decision>) -> &'static str {
    match decision {
        Some(decision) if decision.mode() == Some(Mode::DryRun) => "would_stop",
        Some(decision) if !decision.exemption.holds() => "compliant",
        _ => "exempt",
    }
}

/// The policies that decided, which are those with the strongest mode.
fn policies(outcome: &str, decision: Option<&Decision>) -> String {
    let Some(decision) = decision.filter(|_| outcome != "gone") else { return String::new() };
    let decided = decision.denials.iter().filter(|rule| Some(rule.mode) == decision.mode());
    decided.map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// The first line of each notice, which is `EC2 <id> …`, by instance id.
fn by_instance(notices: &[Notice]) -> BTreeMap<String, String> {
    let about = |notice: &Notice| notice.message.split(' ').nth(1).unwrap_or("").to_owned();
    let line = |notice: &Notice| notice.message.lines().next().unwrap_or_default().to_owned();
    notices.iter().map(|notice| (about(notice), line(notice))).collect()
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
    use std::sync::Arc;

    use super::*;
    use crate::domain::policy::exemption::Exemption;
    use crate::domain::policy::rule::Rule;

    #[test]
    fn an_outcome_follows_from_the_notice_the_queue_and_the_state() {
        for (after, notice, waits, said) in [
            (State::Stopped, "EC2 i-1 Stopped", false, "stopped"),
            (State::Running, "EC2 i-1 NOT stopped: why", false, "refused"),
            (State::Running, "EC2 i-1 violates owner", false, "warned"),
            (State::Running, "EC2 i-1 will be stopped at 2026-12-02T10:00Z", false, "planned"),
            (State::Running, "", false, "exempt"),
            (State::Terminated, "", false, "gone"),
            (State::Stopped, "", false, "unannounced"),
            (State::Stopped, "EC2 i-1 Stopped", true, "open"),
        ] {
            assert_eq!(outcome(after, notice, waits, None), said, "{notice}");
        }
    }

    /// A decision by policies with these modes.
    fn violating(modes: &[Mode]) -> Decision {
        let rule = |mode: &Mode| Rule { id: mode.to_string(), ..Rule::builtin(*mode, None) };
        let denials = modes.iter().map(|mode| Arc::new(rule(mode))).collect();
        Decision { denials, ..Decision::allow() }
    }

    #[test]
    fn where_nobody_was_told_the_decision_names_the_outcome() {
        let exempt = Decision::exempted(Exemption::Endless);
        for (decision, said) in [
            (violating(&[Mode::DryRun]), "would_stop"),
            (Decision::allow(), "compliant"),
            (exempt, "exempt"),
        ] {
            assert_eq!(outcome(State::Running, "", false, Some(&decision)), said);
        }
    }

    #[test]
    fn the_policies_with_the_strongest_mode_decide() {
        let decision = violating(&[Mode::DryRun, Mode::Warn]);
        assert_eq!(policies("warned", Some(&decision)), "warn");
        assert_eq!(policies("gone", Some(&decision)), "");
        assert_eq!(policies("exempt", None), "");
    }
}
