//! The brakes: what keeps a policy that is wrong from stopping much before somebody looks.

use crate::aws::error::{AwsError, Class};
use crate::aws::sqs::Queue;
use crate::aws::sqs::attributes::Attributes;
use crate::commands::check::finding::{Finding, one_line};
use crate::commands::check::statement::Names;
use crate::commands::check::subject::Subject;
use crate::daemon::budget;
use crate::daemon::grace::QueueLimits;
use crate::domain::hold::Hold;
use crate::domain::policy::Policies;
use crate::domain::policy::mode::Mode;
use crate::settings::{AuditTo, Settings};

/// Says which brake is missing: a dry run or warnings, a budget, a grace, and an audit trail by which
/// a mistake can be undone.
pub(super) fn findings(settings: &Settings, policies: &Policies) -> Vec<Finding> {
    let mut enforced = policies.rules().filter(|rule| rule.mode == Mode::Enforce).peekable();
    if enforced.peek().is_none() {
        return vec![Finding::ok(Subject::Brakes, "no policy stops anything")];
    }
    let at_once = enforced.filter(|rule| rule.grace.is_none());
    let at_once: Vec<_> = at_once.map(|rule| rule.id.as_str()).collect();
    let missing: Vec<_> =
        [without_budget(settings), without_grace(&at_once), without_audit(settings)]
            .into_iter()
            .flatten()
            .collect();
    if missing.is_empty() {
        return vec![Finding::ok(Subject::Brakes, budget::sentence(settings.budget))];
    }
    missing
}

fn without_budget(settings: &Settings) -> Option<Finding> {
    (settings.budget.stops == 0).then(|| {
        let found = "no budget: a policy that is wrong may stop any number of instances";
        Finding::warning(Subject::Brakes, found).remedy("set budget.stops, such as 20")
    })
}

fn without_grace(at_once: &[&str]) -> Option<Finding> {
    (!at_once.is_empty()).then(|| {
        let found = format!("no grace: owners hear of stops by {} afterwards", at_once.join(", "));
        let remedy = "set policy.grace, such as \"1h\", or @grace in the policy";
        Finding::warning(Subject::Brakes, found).remedy(remedy)
    })
}

fn without_audit(settings: &Settings) -> Option<Finding> {
    (settings.audit.to == AuditTo::Off).then(|| {
        let found = "no audit trail: what is stopped by mistake cannot be undone by a command";
        Finding::warning(Subject::Brakes, found).remedy("set audit.to")
    })
}

/// Checks, where there is a budget, whether the queue can hold stops, and whether it does.
pub(super) async fn holds(
    settings: &Settings,
    (queue, attributes): (&Queue, &Attributes),
    names: &Names,
) -> Vec<Finding> {
    if settings.budget.stops == 0 {
        return Vec::new();
    }
    let misfit = budget::misfit(settings.budget, QueueLimits::of(attributes));
    let misfit = misfit.map(|misfit| Finding::failed(Subject::Settings, misfit.to_string()));
    let tags = queue.tags().await;
    let reading = match &tags {
        Ok(tags) => held(tags.keys().filter(|key| Hold::read(key).is_some())),
        Err(error) => unreadable(error, names),
    };
    let setting = Finding::not_proven(Subject::Holds, "sqs:TagQueue: not tried on the queue")
        .remedy("compare the role with deploy/iam/daemon.json");
    [reading, setting].into_iter().chain(misfit).collect()
}

fn held<'key>(keys: impl Iterator<Item = &'key String>) -> Finding {
    let keys: Vec<_> = keys.map(String::as_str).collect();
    if keys.is_empty() {
        return Finding::ok(Subject::Holds, "no stops are held");
    }
    let found = format!("stops are held by tags of the queue: {}", keys.join(", "));
    Finding::warning(Subject::Holds, found).remedy("ec2-policy-enforcer resume lets them go on")
}

/// The daemon works without these tags, and a hold is then in its memory alone.
fn unreadable(error: &AwsError, names: &Names) -> Finding {
    let found = format!("tags of the queue cannot be read: {}", one_line(error));
    let finding = Finding::warning(Subject::Holds, found);
    if error.class != Class::Denied {
        return finding;
    }
    let remedy = "add the statement below, or hold/all does not bind".to_owned();
    finding.denied(error, remedy, names.holding())
}
