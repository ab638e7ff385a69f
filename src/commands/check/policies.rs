//! The policies: whether they can be loaded, how far each goes, and what the settings take from them.

use std::time::SystemTime;

use crate::aws::sqs::attributes::Attributes;
use crate::commands::check::finding::Finding;
use crate::commands::check::subject::Subject;
use crate::daemon::grace::{self, QueueLimits};
use crate::domain::policy::mode::Mode;
use crate::domain::policy::rule::{Rule, span};
use crate::domain::policy::{Policies, Refusal, Refusals};
use crate::settings::{Settings, SettingsError};

/// Names each policy with its mode, or says what is wrong with them.
pub(super) fn findings(
    settings: &Settings,
    policies: &Result<Policies, SettingsError>,
) -> Vec<Finding> {
    match policies {
        Ok(policies) => {
            let weakened = [weak(settings), without_builtin(settings)];
            [loaded(policies)].into_iter().chain(weakened.into_iter().flatten()).collect()
        }
        Err(SettingsError::Policies(Refusals(refusals))) => refusals.iter().map(refused).collect(),
        Err(other) => vec![Finding::failed(Subject::Policies, other.to_string())],
    }
}

/// Says which grace is too long for the queue; `None` if none is.
pub(super) fn waiting(policies: &Policies, queue: &Attributes) -> Option<Finding> {
    let now = SystemTime::now().into();
    let misfit = grace::misfit(policies, QueueLimits::of(queue), now)?;
    Some(Finding::failed(Subject::Policies, misfit.to_string()))
}

/// The ids of the policies that may stop an instance with the exception tag, too.
pub(super) fn ignoring(policies: &Policies) -> impl Iterator<Item = String> {
    let stops = |rule: &&Rule| rule.ignores_exception && rule.mode == Mode::Enforce;
    policies.rules().map(AsRef::as_ref).filter(stops).map(|rule| rule.id.clone())
}

fn loaded(policies: &Policies) -> Finding {
    let named: Vec<_> = policies.rules().map(|rule| named(rule)).collect();
    let word = if named.len() == 1 { "policy" } else { "policies" };
    Finding::ok(Subject::Policies, format!("{} {word}: {}", named.len(), named.join(", ")))
}

/// A policy with its mode, and its grace, such as `small-only enforce after 4h`.
fn named(rule: &Rule) -> String {
    let grace = rule.grace.filter(|_| rule.mode == Mode::Enforce);
    let grace = grace.map(|grace| format!(" after {}", span(grace.period)));
    format!("{} {}{}", rule.id, rule.mode, grace.unwrap_or_default())
}

/// Warns of a setting under which nothing is stopped.
fn weak(settings: &Settings) -> Option<Finding> {
    let (found, remedy) = match settings.policy.mode.0 {
        Mode::Enforce => return None,
        Mode::Warn => (
            "policy.mode is warn: owners are told, and nothing is stopped",
            "give policy.mode = \"enforce\" when instances shall be stopped",
        ),
        Mode::DryRun => (
            "policy.mode is dry-run: nothing is stopped and nobody is told",
            "let no enforcing daemon share the queue, since decided messages are deleted; give \
             policy.mode = \"enforce\" when instances shall be stopped",
        ),
    };
    Some(Finding::warning(Subject::Policies, found).remedy(remedy))
}

fn without_builtin(settings: &Settings) -> Option<Finding> {
    let policy = &settings.policy;
    (!policy.builtin).then(|| {
        let found = format!(
            "policy.builtin is false: instances without {} may run, unless another policy stops \
             them",
            policy.exception_tag
        );
        Finding::warning(Subject::Policies, found).remedy("give true, unless that is intended")
    })
}

fn refused(Refusal { place, wrong, remedy }: &Refusal) -> Finding {
    Finding::failed(Subject::Policies, format!("{place}: {wrong}")).remedy(remedy)
}
