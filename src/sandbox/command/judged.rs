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
        let occasion = policies.occasion(UtcDateTime::from(SystemTime::now()), Trigger::Start);
        let mut decisions = BTreeMap::new();
        for ((account, region), ids) in by_place(instances) {
            let sdk = sandbox.in_account(account.as_str()).sdk_config();
            let connection = Connection::new(sdk, &Arc::default(), delays::AWS_CALLS);
            let client = Instances::new(&connection, &region, policies.reads());
            for batch in ids.chunks(BATCH) {
                let batch: BTreeSet<_> = batch.iter().cloned().collect();
                for (id, facts) in client.describe(&batch, Clock::System).await?.facts {
                    let subject = Subject { account: &account, region: &region, id: &id };
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

fn by_place(instances: &[Instance]) -> BTreeMap<(Account, Region), Vec<InstanceId>> {
    let mut ids = BTreeMap::<_, Vec<_>>::new();
    for instance in instances {
        let place = Account::parse(&instance.account).zip(Region::parse(&instance.region));
        if let Some((place, id)) = place.zip(InstanceId::parse(&instance.id)) {
            ids.entry(place).or_default().push(id);
        }
    }
    ids
}
