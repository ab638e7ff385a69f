//! The instances of each region: whether they can be read, may be stopped, and are spared.

use std::collections::BTreeSet;

use crate::aws::connection::Connection;
use crate::aws::ec2::{Described, Instances};
use crate::aws::error::AwsError;
use crate::commands::check::finding::Finding;
use crate::commands::check::statement::Names;
use crate::commands::check::stopping;
use crate::commands::check::subject::Subject;
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::facts::{Facts, InstanceState};
use crate::domain::policy::{Decision, Policy};
use crate::settings::Settings;

/// What EC2 is asked about in one region.
struct Subjects {
    /// Instances that carry the tag, running or not.
    tagged: Result<BTreeSet<InstanceId>, AwsError>,
    /// A running instance without the tag, which the daemon would stop.
    violator: Result<Option<InstanceId>, AwsError>,
    /// A running instance with the tag, which the guard should spare.
    exempt: Option<InstanceId>,
    /// Whether the instance that the operator named is known not to be here.
    missing: bool,
}

/// Everything about the instances of all regions; `wanted` is the one that the operator names.
pub async fn findings(
    settings: &Settings,
    connection: &Connection,
    names: &Names,
    wanted: Option<&InstanceId>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut missing = wanted;
    for region in &names.regions {
        let instances = Instances::new(connection, region);
        let subjects = subjects(settings, &instances, wanted).await;
        missing = missing.filter(|_| subjects.missing);
        let of_region = of_region(&instances, names, &subjects).await;
        findings.extend(of_region.into_iter().map(|finding| finding.within(region)));
    }
    findings.extend(missing.map(|id| unknown(id, &names.regions)));
    findings
}

/// Looks at the tagged instances and the named one, and finds a violator where that is none.
async fn subjects(
    settings: &Settings,
    instances: &Instances,
    wanted: Option<&InstanceId>,
) -> Subjects {
    let policy = Policy::new(settings.policy.exception_tag.as_str());
    let stoppable = |seen: &Facts| seen.state == InstanceState::Running && !seen.is_managed;
    // IAM compares tag keys without case, so the guard rightly spares a key in other case too.
    let tag = settings.policy.exception_tag.to_lowercase();
    let violates =
        |seen: &Facts| stoppable(seen) && !seen.tags.keys().any(|key| key.to_lowercase() == tag);
    let spared = |seen: &Facts| stoppable(seen) && policy.decide(&seen.tags) == Decision::Allow;
    let tagged = instances.tagged(&settings.policy.exception_tag).await;
    let ids = tagged.iter().flatten().chain(wanted).cloned().collect();
    let look = match look(instances, ids).await {
        Ok(look) => look,
        Err(error) => {
            return Subjects { tagged, violator: Err(error), exempt: None, missing: false };
        }
    };
    let seen = look.as_ref().map(|look| &look.facts);
    let here = wanted.and_then(|id| Some((id, seen?.get(id)?)));
    let violator = match here {
        Some((id, seen)) if violates(seen) => Ok(Some(id.clone())),
        _ => instances.find_running(violates).await,
    };
    let exempt = seen.into_iter().flatten().find(|(_, seen)| spared(seen));
    let (exempt, missing) = (exempt.map(|(id, _)| id.clone()), here.is_none());
    Subjects { tagged, violator, exempt, missing }
}

/// EC2 takes no filter without a value.
async fn look(
    instances: &Instances,
    ids: BTreeSet<InstanceId>,
) -> Result<Option<Described>, AwsError> {
    if ids.is_empty() { Ok(None) } else { instances.describe(&ids).await.map(Some) }
}

async fn of_region(instances: &Instances, names: &Names, subjects: &Subjects) -> [Finding; 4] {
    let tag = &names.exception_tag;
    let (stopping, proven) = stopping::stopping(instances, names, &subjects.violator).await;
    [
        match &subjects.tagged {
            Ok(_) => Finding::ok(Subject::Tags, "can be read"),
            Err(error) => Finding::refused(Subject::Tags, error, names.looks()),
        },
        match &subjects.violator {
            Ok(_) => Finding::ok(Subject::Instances, "can be read"),
            Err(error) => Finding::refused(Subject::Instances, error, names.looks()),
        },
        stopping,
        match subjects.exempt.as_ref().filter(|_| proven) {
            Some(exempt) => stopping::guard(instances, names, exempt).await,
            None if proven => {
                Finding::not_proven(Subject::Guard, format!("no running instance carries {tag}"))
                    .remedy(format!("start one that carries {tag}, and check again"))
            }
            None => Finding::not_proven(Subject::Guard, "only a role that may stop shows it"),
        },
    ]
}

fn unknown(id: &InstanceId, regions: &[Region]) -> Finding {
    let regions: Vec<_> = regions.iter().map(Region::as_str).collect();
    let found = format!("{id} is not in {}", regions.join(", "));
    Finding::failed(Subject::Stopping, found).remedy("name an instance of these regions")
}
