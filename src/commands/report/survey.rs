//! Reads the running instances of an account and region, and judges them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::standing::Standing;
use crate::aws::connection::Connection;
use crate::aws::ec2::Instances;
use crate::aws::error::AwsError;
use crate::aws::role;
use crate::commands::judging::now;
use crate::commands::live::Live;
use crate::daemon::accounts::Accounts;
use crate::domain::ids::{Account, InstanceId};
use crate::domain::policy::facts::Facts;
use crate::domain::policy::occasion::Trigger;
use crate::domain::policy::reads::Reads;
use crate::domain::policy::stored::Stored;
use crate::domain::target::TargetKey;
use crate::retry::backoff::Jitter;
use crate::retry::patience::Patience;
use crate::settings::Settings;

/// What instances are read and judged by.
pub(super) struct Survey<'live> {
    live: &'live Live,
    /// The way to each account.
    accounts: Mutex<Accounts>,
    reads: Arc<Reads>,
    owner_tags: &'live [String],
    jitter: Arc<Jitter>,
}

impl<'live> Survey<'live> {
    pub(super) fn new(live: &'live Live, settings: &'live Settings) -> Self {
        let own = live.scope.account.clone();
        let accounts = Accounts::new(own, &live.connection, &live.region, settings);
        let owner_tags = settings.notice.owner_tags.as_slice();
        let mut reads = Reads::clone(live.policies.reads());
        reads.tags.extend(owner_tags.iter().cloned());
        Self {
            live,
            accounts: Mutex::new(accounts),
            reads: Arc::new(reads),
            owner_tags,
            jitter: Arc::new(Jitter::seeded(fastrand::u64(..))),
        }
    }

    /// Reads all running instances of an account and region. Nothing is told of them unless all pages
    /// could be read.
    ///
    /// # Errors
    /// What AWS answered instead, in words.
    pub(super) async fn read(&self, target: &TargetKey) -> Result<Vec<Standing>, String> {
        let connection =
            self.connection(&target.account).await.map_err(|error| error.to_string())?;
        let instances = Instances::new(&connection, &target.region, &self.reads);
        let found = self.pages(&instances).await.map_err(|error| error.to_string())?;
        let policies = &self.live.policies;
        let standing = |(instance, facts): (InstanceId, Facts)| {
            let stored = stored(target, instance, facts, &self.reads);
            Standing::of(policies, &stored, self.owner_tags)
        };
        Ok(found.into_iter().map(standing).collect())
    }

    /// The way to an account. A role that cannot be assumed is found out now, and not by the first
    /// call that needs it.
    async fn connection(&self, account: &Account) -> Result<Connection, AwsError> {
        let session = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            if *account == accounts.own {
                return Ok(accounts.connection(account));
            }
            accounts.session_in(account)
        };
        role::assume(&self.live.connection, &self.live.region, session).await
    }

    /// All pages of the running instances. One that fails for a reason that may pass is read again.
    async fn pages(&self, instances: &Instances) -> Result<BTreeMap<InstanceId, Facts>, AwsError> {
        let mut patience = Patience::new(Arc::clone(&self.jitter));
        let (mut found, mut token) = (BTreeMap::new(), None::<String>);
        loop {
            match instances.running(token.as_deref()).await {
                Ok(page) => {
                    patience.succeeded();
                    found.extend(page.instances);
                    token = page.next;
                    if token.is_none() {
                        return Ok(found);
                    }
                }
                Err(error) if patience.again_after(&error).await => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is judged of an instance.
fn stored(target: &TargetKey, instance: InstanceId, facts: Facts, reads: &Reads) -> Stored {
    Stored {
        account: target.account.clone(),
        region: target.region.clone(),
        instance,
        first_tags: facts.tags.clone(),
        facts,
        now: now(),
        trigger: Trigger::Start,
        started: None,
        read_tags: Some(reads.tags.clone()),
    }
}
