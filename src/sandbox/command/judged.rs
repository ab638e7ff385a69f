//! Which policies the instances violate: the decision that the daemon makes, for the report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use time::UtcDateTime;

use crate::aws::connection::Connection;
use crate::aws::ec2::Instances;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::Policies;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::occasion::Trigger;
use crate::domain::policy::subject::Subject;
use crate::retry::delays;
use crate::runtime::clock::Clock;
use crate::sandbox::{Instance, Sandbox};

/// The most instances that one call describes.
const BATCH: usize = 190;

/// The decision about each instance, as it was before the daemon started.
#[derive(Debug)]
pub(super) struct Judged {
    decisions: BTreeMap<InstanceId, Decision>,
    /// How many calls it took.
    calls: usize,
}

impl Judged {
    /// Describes the instances, and decides.
    ///
    /// # Errors
    /// The sandbox does not answer.
    pub(super) async fn of(
        sandbox: &Sandbox,
        instances: &[Instance],
        policies: &Policies,
    ) -> anyhow::Result<Self> {
        let connection = Connection::new(sandbox.sdk_config(), &Arc::default(), delays::AWS_CALLS);
        let occasion = policies.occasion(UtcDateTime::from(SystemTime::now()), Trigger::Start);
        let account = Account::parse(&sandbox.resources().account);
        let mut decisions = BTreeMap::new();
        for (region, ids) in by_region(instances) {
            let client = Instances::new(&connection, &region, policies.reads());
            for batch in ids.chunks(BATCH) {
                let batch: BTreeSet<_> = batch.iter().cloned().collect();
                for (id, facts) in client.describe(&batch, Clock::System).await?.facts {
                    let Some(account) = &account else { continue };
                    let subject = Subject { account, region: &region, id: &id };
                    let decision = policies.decide(subject, &facts, &occasion);
                    decisions.insert(id, decision);
                }
            }
        }
        Ok(Self { decisions, calls: sandbox.ledger().len() })
    }

    /// The decision about an instance.
    pub(super) fn decision(&self, id: &str) -> Option<&Decision> {
        self.decisions.get(&InstanceId::parse(id)?)
    }

    /// How many of the sandbox's first calls were made for this, and not by the daemon.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }
}

fn by_region(instances: &[Instance]) -> BTreeMap<Region, Vec<InstanceId>> {
    let mut ids = BTreeMap::<_, Vec<_>>::new();
    for instance in instances {
        let region = Region::parse(&instance.region);
        if let Some((region, id)) = region.zip(InstanceId::parse(&instance.id)) {
            ids.entry(region).or_default().push(id);
        }
    }
    ids
}
