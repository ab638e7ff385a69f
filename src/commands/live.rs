//! Live instances, read by the same calls as the daemon reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, anyhow};

use super::ended::Ended;
use super::judging::now;
use crate::aws;
use crate::aws::connection::Connection;
use crate::aws::ec2::{Instances, look_limit};
use crate::aws::sts;
use crate::daemon::startup;
use crate::domain::event::Scope;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::Policies;
use crate::domain::policy::attribute::Attribute;
use crate::domain::policy::occasion::Trigger;
use crate::domain::policy::reads::Reads;
use crate::domain::policy::stored::Stored;
use crate::retry::delays;
use crate::runtime::clock::Clock;
use crate::settings::{Place, Settings, SettingsError};

/// The account of the credentials, and the policies that bind in it.
#[derive(Debug)]
pub(super) struct Live {
    pub connection: Connection,
    /// The region in which STS is called.
    pub region: Region,
    /// The account and the regions whose instances count.
    pub scope: Scope,
    /// The policies of the settings.
    pub policies: Policies,
}

impl Live {
    /// Asks whose the credentials are, and loads the policies.
    ///
    /// # Errors
    /// Settings or policies that cannot work, and credentials that AWS refuses.
    pub(super) async fn connect(settings: &Settings) -> Result<Self, Ended> {
        let sdk = aws::sdk::load().await?;
        // Nobody reads the metrics: the process ends with its output.
        let connection = Connection::new(sdk, &Arc::default(), delays::AWS_CALLS);
        let region = startup::queue_region(settings, &connection);
        let region = region.map_err(|refused| SettingsError::Sdk(refused.to_string()))?;
        let account = account(settings, &connection, &region).await?;
        let place = Place { account: Some(account.clone()), default_region: region.clone() };
        let policies = settings.policies(&place)?;
        let regions = startup::regions(settings, region.clone(), None);
        let members = settings.accounts.members.clone();
        let scope = Scope { account, members, regions, tag_changes: false };
        Ok(Self { connection, region, scope, policies })
    }

    /// Looks at instances of a region twice, as the daemon does, but reads all attributes, so that
    /// other policies can decide by what was seen. One that EC2 does not know is absent.
    ///
    /// # Errors
    /// What EC2 answered instead, or why it did not answer.
    pub(super) async fn look(
        &self,
        region: &Region,
        ids: &BTreeSet<InstanceId>,
    ) -> anyhow::Result<BTreeMap<InstanceId, Stored>> {
        let reads = &self.reads();
        let instances = Instances::new(&self.connection, region, reads);
        let cannot = || format!("cannot look at instances in {region}");
        let mut seen = BTreeMap::new();
        let ids: Vec<_> = ids.iter().cloned().collect();
        for ids in ids.chunks(look_limit(reads)) {
            let ids = ids.iter().cloned().collect();
            let mut tags = instances.tags(&ids).await.with_context(cannot)?;
            let described = instances.describe(&ids, Clock::System).await.with_context(cannot)?;
            let (now, account) = (now(), &self.scope.account);
            seen.extend(described.facts.into_iter().map(|(id, facts)| {
                let stored = Stored {
                    account: account.clone(),
                    region: region.clone(),
                    instance: id.clone(),
                    first_tags: tags.remove(&id).unwrap_or_default(),
                    facts: Arc::unwrap_or_clone(facts),
                    now,
                    trigger: Trigger::Start,
                    started: None,
                    read_tags: Some(reads.tags.clone()),
                };
                (id, stored)
            }));
        }
        Ok(seen)
    }

    /// All attributes, and the tags that the policies mention.
    fn reads(&self) -> Arc<Reads> {
        let reads = Reads::clone(self.policies.reads());
        Arc::new(Reads { attributes: Attribute::all().collect(), ..reads })
    }
}

/// The account of the credentials, or the one of the settings if STS does not say.
async fn account(
    settings: &Settings,
    connection: &Connection,
    region: &Region,
) -> anyhow::Result<Account> {
    match (sts::account(connection, region).await, &settings.scope.account) {
        (Ok(account), _) => Ok(account),
        (Err(_), Some(account)) => Ok(account.clone()),
        (Err(error), None) => Err(anyhow!(
            "STS does not say whose credentials these are: {error}; check them, or set scope.account"
        )),
    }
}
