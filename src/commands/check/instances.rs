//! The instances of each region: whether the role may describe them, may stop a violator, and may
//! not stop an exempt instance.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::aws::connection::Connection;
use crate::aws::ec2::{Described, Instances};
use crate::aws::error::AwsError;
use crate::commands::check::finding::Finding;
use crate::commands::check::policy::pattern::fits;
use crate::commands::check::statement::{DATED, Names};
use crate::commands::check::stopping;
use crate::commands::check::subject::Subject;
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::Policies;
use crate::domain::policy::facts::{Facts, InstanceState};
use crate::runtime::clock::Clock;

/// What EC2 answered about the instances of one region, and the instances for the dry runs.
struct Samples {
    /// The instances that carry the exception tag.
    tagged: Result<BTreeSet<InstanceId>, AwsError>,
    /// A running instance without the tag, which the daemon would stop.
    violator: Result<Option<InstanceId>, AwsError>,
    /// A running instance with the tag, which IAM should not let the daemon stop. Where dates count,
    /// the tag has none.
    exempt: Option<InstanceId>,
    /// A running instance whose tag has a date that counts, so that IAM should let the daemon stop it.
    dated: Option<InstanceId>,
    /// Why the dry run is not about the instance that the operator named, if it is in the region.
    spared: Option<String>,
    /// Whether the instance that the operator named is known not to be in the region.
    is_elsewhere: bool,
}

/// Checks the instances of a region. `wanted` is the instance that the operator named; the second
/// value says whether it is known not to be in the region.
pub(super) async fn findings(
    connection: &Connection,
    names: &Names,
    region: &Region,
    wanted: Option<&InstanceId>,
) -> (Vec<Finding>, bool) {
    let policies = Policies::builtin(names.exception_tag.as_str());
    let instances = Instances::new(connection, region, policies.reads());
    let samples = samples(&instances, names, wanted).await;
    let findings = of_region(&instances, names, &samples).await;
    let findings = findings.into_iter().map(|finding| finding.within(region)).collect();
    (findings, samples.is_elsewhere)
}

/// Picks the instances for the dry runs: the one that the operator named, where it is fit for one.
async fn samples(instances: &Instances, names: &Names, wanted: Option<&InstanceId>) -> Samples {
    let tagged = instances.tagged(&names.exception_tag).await;
    let ids = tagged.iter().flatten().chain(wanted).cloned().collect();
    let described = match describe(instances, ids).await {
        Ok(described) => described,
        Err(error) => {
            let (exempt, dated, spared, is_elsewhere) = (None, None, None, false);
            let violator = Err(error);
            return Samples { tagged, violator, exempt, dated, spared, is_elsewhere };
        }
    };
    let facts = described.map(|described| described.facts).unwrap_or_default();
    let here = wanted.and_then(|id| Some((id, facts.get(id)?)));
    let spared =
        here.and_then(|(id, facts)| Some(format!("{id} {}", why_not_stopped(facts, names)?)));
    let violator = match here {
        Some((id, _)) if spared.is_none() => Ok(Some(id.clone())),
        _ => {
            let violates = |facts: &Facts| why_not_stopped(facts, names).is_none();
            instances.find_running(violates).await
        }
    };
    let tagged_and_dated = |dated: bool| {
        let is_fit = |(_, facts): &(&InstanceId, &Arc<Facts>)| {
            let value = facts.tags.get(&names.exception_tag).filter(|_| can_stop(facts));
            value.is_some_and(|value| (names.needs_expiry() && is_dated(value)) == dated)
        };
        here.into_iter().chain(&facts).find(is_fit).map(|(id, _)| id.clone())
    };
    let [exempt, dated] = [false, true].map(tagged_and_dated);
    Samples { tagged, violator, exempt, dated, spared, is_elsewhere: here.is_none() }
}

/// Describes these instances, if there are any: EC2 takes no filter without a value.
async fn describe(
    instances: &Instances,
    ids: BTreeSet<InstanceId>,
) -> Result<Option<Described>, AwsError> {
    if ids.is_empty() { Ok(None) } else { instances.describe(&ids, Clock::System).await.map(Some) }
}

/// Why a dry run about an instance would not show whether the role may stop violators: the daemon
/// would not stop it, or IAM might take it for an exempt one, since it compares tag keys without
/// case.
fn why_not_stopped(facts: &Facts, names: &Names) -> Option<String> {
    let exception_tag = names.exception_tag.as_str();
    let tag = exception_tag.to_lowercase();
    let key = facts.tags.keys().find(|key| key.to_lowercase() == tag);
    match (facts.state, key) {
        (InstanceState::Pending, _) => Some("is still pending".to_owned()),
        (InstanceState::Stopped, _) => Some("is stopping or stopped".to_owned()),
        (InstanceState::Terminated, _) => Some("is terminated, or will be at once".to_owned()),
        (InstanceState::Running, _) if facts.is_managed => {
            Some("is managed by an AWS service, so that the daemon does not stop it".to_owned())
        }
        (InstanceState::Running, Some(key)) if key == exception_tag => {
            let is_dated = names.needs_expiry() && is_dated(&facts.tags[key]);
            if is_dated || !names.ignoring.is_empty() {
                return Some(format!("carries {key}, which the guard is about"));
            }
            Some(format!("carries {key}, so that the daemon does not stop it"))
        }
        (InstanceState::Running, Some(key)) => Some(format!(
            "carries {key}, which IAM takes for {exception_tag}, and the daemon does not"
        )),
        (InstanceState::Running, None) => None,
    }
}

/// Whether IAM takes a value of the exception tag for one that has a date.
fn is_dated(value: &str) -> bool {
    DATED.iter().any(|pattern| fits(pattern, value))
}

fn can_stop(facts: &Facts) -> bool {
    facts.state == InstanceState::Running && !facts.is_managed
}

async fn of_region(instances: &Instances, names: &Names, samples: &Samples) -> Vec<Finding> {
    let (mut stopping, is_proven) = stopping::stopping(instances, names, &samples.violator).await;
    if let Some(spared) = &samples.spared {
        stopping.found = format!("{spared}; {}", stopping.found);
    }
    let guard = match &samples.exempt {
        _ if !is_proven => {
            Finding::not_proven(Subject::Guard, "only a role that may stop shows it")
        }
        Some(exempt) => stopping::guard(instances, names, exempt).await,
        None => no_exempt_instance(names),
    };
    let mut expiry = None;
    if names.needs_expiry() {
        let asked = samples.dated.as_ref().filter(|_| is_proven);
        let found = match asked {
            Some(dated) => stopping::expiry(instances, names, dated).await,
            None => no_dated_instance(names, is_proven),
        };
        // The statement of a guard alone would deny what the next one allows.
        let lacks_guard = stopping.statement.is_some() || guard.statement.is_some();
        expiry = Some(if lacks_guard { found.allow(names.stopping_of_dated()) } else { found });
    }
    let readable = [
        readable(Subject::Tags, &samples.tagged, names),
        readable(Subject::Instances, &samples.violator, names),
    ];
    readable.into_iter().chain([stopping, guard]).chain(expiry).collect()
}

fn readable<T>(subject: Subject, answer: &Result<T, AwsError>, names: &Names) -> Finding {
    match answer {
        Ok(_) => Finding::ok(subject, "can be read"),
        Err(error) => Finding::refused(subject, error, names.describing()),
    }
}

fn no_exempt_instance(names: &Names) -> Finding {
    let tag = &names.exception_tag;
    let asked = names.ignoring_policies();
    let asked = asked.map(|policies| format!(", to ask whether IAM lets {policies} stop it"));
    let date = if names.needs_expiry() { " without a date" } else { "" };
    let found = format!("no running instance carries {tag}{date}{}", asked.unwrap_or_default());
    Finding::not_proven(Subject::Guard, found)
        .remedy(format!("start one that carries {tag}{date}, and check again"))
}

fn no_dated_instance(names: &Names, is_proven: bool) -> Finding {
    if !is_proven {
        return Finding::not_proven(Subject::Expiry, "only a role that may stop shows it");
    }
    let tag = &names.exception_tag;
    let found = format!("no running instance carries {tag} with a date, to ask about");
    let remedy = format!("start one that carries {tag}, such as until=2030-12-31, and check again");
    Finding::not_proven(Subject::Expiry, found).remedy(remedy)
}

/// The finding for a named instance that is in none of the regions.
pub(super) fn unknown(id: &InstanceId, regions: &[Region]) -> Finding {
    let regions: Vec<_> = regions.iter().map(Region::as_str).collect();
    let found = format!("{id} is not in {}", regions.join(", "));
    Finding::failed(Subject::Stopping, found).remedy("name an instance of these regions")
}
