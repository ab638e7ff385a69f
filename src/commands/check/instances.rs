//! The instances of each region: whether they can be read, may be stopped, and are spared.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_config::SdkConfig;

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
use crate::telemetry::metrics::Metrics;

/// What EC2 is asked about in one region.
struct Subjects {
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
    sdk: &SdkConfig,
    metrics: &Arc<Metrics>,
    names: &Names,
    wanted: Option<&InstanceId>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut missing = wanted;
    for region in &names.regions {
        let instances = Instances::new(sdk, region, metrics);
        let tagged = instances.tagged(&settings.exception_tag).await;
        let subjects = subjects(settings, &instances, &tagged, wanted).await;
        missing = missing.filter(|_| subjects.missing);
        let of_region = of_region(settings, &instances, names, &tagged, &subjects).await;
        findings.extend(of_region.into_iter().map(|finding| finding.within(region)));
    }
    findings.extend(missing.map(|id| unknown(id, &names.regions)));
    findings
}

/// Looks at the tagged instances and the named one, and finds a violator where that is none.
async fn subjects(
    settings: &Settings,
    instances: &Instances,
    tagged: &Result<BTreeSet<InstanceId>, AwsError>,
    wanted: Option<&InstanceId>,
) -> Subjects {
    let policy = Policy::new(settings.exception_tag.as_str());
    let stoppable = |seen: &Facts| seen.state == InstanceState::Running && !seen.is_managed;
    // IAM compares tag keys without case, so the guard rightly spares a key in other case too.
    let tag = settings.exception_tag.to_lowercase();
    let violates =
        |seen: &Facts| stoppable(seen) && !seen.tags.keys().any(|key| key.to_lowercase() == tag);
    let spared = |seen: &Facts| stoppable(seen) && policy.decide(&seen.tags) == Decision::Allow;
    let tagged = tagged.iter().flatten();
    let look = match look(instances, tagged.chain(wanted).cloned().collect()).await {
        Ok(look) => look,
        Err(failure) => return Subjects { violator: Err(failure), exempt: None, missing: false },
    };
    let seen = look.as_ref().map(|look| &look.facts);
    let here = wanted.and_then(|id| Some((id, seen?.get(id)?)));
    let violator = match here {
        Some((id, seen)) if violates(seen) => Ok(Some(id.clone())),
        _ => instances.find_running(violates).await,
    };
    let exempt = seen.into_iter().flatten().find(|(_, seen)| spared(seen));
    Subjects { violator, exempt: exempt.map(|(id, _)| id.clone()), missing: here.is_none() }
}

/// EC2 takes no filter without a value.
async fn look(
    instances: &Instances,
    ids: BTreeSet<InstanceId>,
) -> Result<Option<Described>, AwsError> {
    if ids.is_empty() { Ok(None) } else { instances.describe(&ids).await.map(Some) }
}

async fn of_region(
    settings: &Settings,
    instances: &Instances,
    names: &Names,
    tagged: &Result<BTreeSet<InstanceId>, AwsError>,
    subjects: &Subjects,
) -> [Finding; 4] {
    let tag = &settings.exception_tag;
    let (stopping, proven) = stopping::stopping(instances, names, tag, &subjects.violator).await;
    [
        match tagged {
            Ok(_) => Finding::ok(Subject::Tags, "can be read"),
            Err(failure) => Finding::refused(Subject::Tags, failure, names.looks()),
        },
        match &subjects.violator {
            Ok(_) => Finding::ok(Subject::Instances, "can be read"),
            Err(failure) => Finding::refused(Subject::Instances, failure, names.looks()),
        },
        stopping,
        match subjects.exempt.as_ref().filter(|_| proven) {
            Some(exempt) => stopping::guard(instances, names, tag, exempt).await,
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
