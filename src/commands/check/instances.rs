//! The instances of each region: whether the role may describe them, may stop a violator, and may
//! not stop an exempt instance.

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
use crate::runtime::clock::Clock;

/// What EC2 answered about the instances of one region, and the instances for the dry runs.
struct Samples {
    /// The instances that carry the exception tag.
    tagged: Result<BTreeSet<InstanceId>, AwsError>,
    /// A running instance without the tag, which the daemon would stop.
    violator: Result<Option<InstanceId>, AwsError>,
    /// A running instance with the tag, which IAM should not let the daemon stop.
    exempt: Option<InstanceId>,
    /// Whether the instance that the operator named is known not to be in the region.
    is_elsewhere: bool,
}

/// Checks the instances of all regions. `wanted` is the instance that the operator named.
pub(super) async fn findings(
    connection: &Connection,
    names: &Names,
    wanted: Option<&InstanceId>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut missing = wanted;
    for region in &names.regions {
        let instances = Instances::new(connection, region);
        let samples = samples(&instances, names, wanted).await;
        missing = missing.filter(|_| samples.is_elsewhere);
        let of_region = of_region(&instances, names, &samples).await;
        findings.extend(of_region.into_iter().map(|finding| finding.within(region)));
    }
    findings.extend(missing.map(|id| unknown(id, &names.regions)));
    findings
}

/// Picks the instances for the dry runs. The violator is the instance that the operator named, if
/// it is one.
async fn samples(instances: &Instances, names: &Names, wanted: Option<&InstanceId>) -> Samples {
    let tagged = instances.tagged(&names.exception_tag).await;
    let ids = tagged.iter().flatten().chain(wanted).cloned().collect();
    let described = match describe(instances, ids).await {
        Ok(described) => described,
        Err(error) => {
            return Samples { tagged, violator: Err(error), exempt: None, is_elsewhere: false };
        }
    };
    let facts = described.as_ref().map(|described| &described.facts);
    let here = wanted.and_then(|id| Some((id, facts?.get(id)?)));
    let violates = |facts: &Facts| violates(facts, &names.exception_tag);
    let violator = match here {
        Some((id, facts)) if violates(facts) => Ok(Some(id.clone())),
        _ => instances.find_running(violates).await,
    };
    let policy = Policy::new(names.exception_tag.as_str());
    let is_exempt =
        |facts: &Facts| can_stop(facts) && policy.decide(&facts.tags) == Decision::Allow;
    let exempt = facts.into_iter().flatten().find(|(_, facts)| is_exempt(facts));
    let exempt = exempt.map(|(id, _)| id.clone());
    Samples { tagged, violator, exempt, is_elsewhere: here.is_none() }
}

/// Describes these instances, if there are any: EC2 takes no filter without a value.
async fn describe(
    instances: &Instances,
    ids: BTreeSet<InstanceId>,
) -> Result<Option<Described>, AwsError> {
    if ids.is_empty() { Ok(None) } else { instances.describe(&ids, Clock::System).await.map(Some) }
}

/// Whether the daemon, and IAM too, would take an instance for a violator. IAM compares tag keys
/// without case, so an instance whose tag differs in case alone shows nothing.
fn violates(facts: &Facts, exception_tag: &str) -> bool {
    let tag = exception_tag.to_lowercase();
    can_stop(facts) && !facts.tags.keys().any(|key| key.to_lowercase() == tag)
}

fn can_stop(facts: &Facts) -> bool {
    facts.state == InstanceState::Running && !facts.is_managed
}

async fn of_region(instances: &Instances, names: &Names, samples: &Samples) -> [Finding; 4] {
    let (stopping, is_proven) = stopping::stopping(instances, names, &samples.violator).await;
    let guard = match &samples.exempt {
        _ if !is_proven => {
            Finding::not_proven(Subject::Guard, "only a role that may stop shows it")
        }
        Some(exempt) => stopping::guard(instances, names, exempt).await,
        None => no_exempt_instance(&names.exception_tag),
    };
    [
        readable(Subject::Tags, &samples.tagged, names),
        readable(Subject::Instances, &samples.violator, names),
        stopping,
        guard,
    ]
}

fn readable<T>(subject: Subject, answer: &Result<T, AwsError>, names: &Names) -> Finding {
    match answer {
        Ok(_) => Finding::ok(subject, "can be read"),
        Err(error) => Finding::refused(subject, error, names.describing()),
    }
}

fn no_exempt_instance(tag: &str) -> Finding {
    Finding::not_proven(Subject::Guard, format!("no running instance carries {tag}"))
        .remedy(format!("start one that carries {tag}, and check again"))
}

fn unknown(id: &InstanceId, regions: &[Region]) -> Finding {
    let regions: Vec<_> = regions.iter().map(Region::as_str).collect();
    let found = format!("{id} is not in {}", regions.join(", "));
    Finding::failed(Subject::Stopping, found).remedy("name an instance of these regions")
}
