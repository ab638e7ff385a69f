//! Whose credentials `undo` has, and which policies bind what it starts.

use std::path::Path;

use anyhow::anyhow;
use time::UtcDateTime;

use super::plan::{Candidate, Fate, Left};
use super::trail::Trail;
use crate::aws::connection::Connection;
use crate::aws::role::{self, RoleSession};
use crate::aws::sdk::Sdk;
use crate::aws::sts::{self, Caller};

use crate::cli::undo::UndoArguments;
use crate::commands::ended::Ended;
use crate::commands::loading::Loading;
use crate::domain::ids::{Account, Region};
use crate::domain::policy::Policies;
use crate::domain::policy::attribute::{Attribute, Value};
use crate::domain::policy::facts::{Facts, InstanceState, Tags};
use crate::domain::policy::mode::Mode;
use crate::domain::policy::occasion::Trigger;
use crate::domain::policy::reads::Reads;
use crate::domain::policy::subject::Subject;
use crate::retry::delays;
use crate::settings::SettingsError;

/// The account that is worked in, and the policies of the settings.
#[derive(Debug)]
pub(super) struct Site {
    pub connection: Connection,
    /// The account of the credentials.
    pub account: Account,
    /// Their ARN.
    pub by: String,
    pub policies: Policies,
}

impl Site {
    /// Loads the policies, and asks whose the credentials are.
    ///
    /// # Errors
    /// Policies that cannot work, and credentials or a role that AWS refuses.
    pub(super) async fn connect(
        arguments: &UndoArguments,
        sdk: Sdk,
        trail: &Trail,
    ) -> Result<Self, Ended> {
        let policies = policies(arguments.config.as_deref())?;
        // Nobody reads the metrics: the process ends with its output.
        let connection = Connection::new(sdk, &std::sync::Arc::default(), delays::AWS_CALLS);
        let region = region(&connection, trail)?;
        let connection = match &arguments.role {
            None => connection,
            Some(arn) => role::assume(&connection, &region, session(arn))
                .await
                .map_err(|error| anyhow!("cannot assume {arn}: {error}; let it trust you"))?,
        };
        let Caller { account, arn: by } =
            sts::caller(&connection, &region).await.map_err(|error| {
                anyhow!("STS does not say whose credentials these are: {error}; check them")
            })?;
        Ok(Self { connection, account, by, policies })
    }

    /// What is read of instances: all attributes, so that policies can be asked, and instances of a
    /// kind be started together.
    pub(super) fn all_reads(&self) -> Reads {
        let reads = Reads::clone(self.policies.reads());
        Reads { attributes: Attribute::all().collect(), ..reads }
    }

    /// Whether an instance with these tags is exempt at this time.
    pub(super) fn is_exempt(&self, tags: &Tags, now: UtcDateTime) -> bool {
        self.policies.exemption(tags, now).holds()
    }

    /// Leaves an instance that policies would stop again although it carries the exception tag.
    pub(super) fn judge(&self, candidate: &mut Candidate, now: UtcDateTime, tag: &str) {
        let Some(seen) = candidate.seen.as_ref().filter(|_| candidate.is_to_start()) else {
            return;
        };
        let mut facts = Facts { state: InstanceState::Running, ..seen.facts.clone() };
        if !self.is_exempt(&facts.tags, now) {
            facts.tags.insert(self.policies.exception_tag().to_owned(), tag.to_owned());
        }
        facts.attributes.insert(Attribute::LaunchTime, Value::Time(now));
        let (account, region, id) = &candidate.stop.key;
        let occasion = self.policies.occasion(now, Trigger::Start);
        let decision = self.policies.decide(Subject { account, region, id }, &facts, &occasion);
        let stopping = decision.denials.iter().filter(|rule| rule.mode == Mode::Enforce);
        let stopping: Vec<_> = stopping.map(|rule| rule.id.clone()).collect();
        if !stopping.is_empty() {
            candidate.fate = Fate::Left(Left::Ignored(stopping));
        }
    }
}

/// The session in which instances are started.
fn session(arn: &str) -> RoleSession {
    RoleSession { arn: arn.to_owned(), external_id: None, name: role::SESSION.to_owned() }
}

/// The policies of the settings. They may name any account: what is worked in may be another one than
/// the daemon's.
fn policies(config: Option<&Path>) -> Result<Policies, Ended> {
    Loading::of_settings(config, None)?.policies()
}

/// Where STS is called: in the region of the environment, else in that of a stop.
fn region(connection: &Connection, trail: &Trail) -> Result<Region, Ended> {
    if let Some(configured) = connection.configured_region() {
        return Region::parse(configured).ok_or_else(|| {
            let region = serde_json::Value::from(configured);
            let remedy = "give one such as eu-central-1";
            SettingsError::Sdk(format!("AWS_REGION = {region} is no region; {remedy}")).into()
        });
    }
    let first = trail.stops.keys().next().map(|(_, region, _)| region.clone());
    first.ok_or_else(|| anyhow!("there is no stop in the audit trail").into())
}
