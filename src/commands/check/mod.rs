//! `check`, the preflight that an operator runs before the first start.
//!
//! Its calls to AWS change nothing, but for a test notice that the operator asks for. What such calls
//! cannot show is reported as not proven. A failed
//! call is not retried: the operator can run the check again.

mod brakes;
mod caller;
mod clock;
mod denial;
mod encryption;
mod finding;
mod instances;
mod members;
mod policies;
mod policy;
mod queue;
mod report;
mod rule;
mod statement;
mod stopping;
mod subject;
mod topic;

use std::sync::Arc;

use aws_config::SdkConfig;
use futures_util::future::join_all;
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::aws::connection::Connection;
use crate::aws::error::Class;
use crate::aws::sns::Topic;
use crate::aws::sqs::attributes::Attributes;
use crate::aws::sts;
use crate::aws::watch::Watch;
use crate::daemon::startup;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::Policies;
use crate::retry::delays;
use crate::settings::{self, Place, Settings, SettingsError};

pub use finding::Finding;
pub use report::{Printer, Report};
pub use subject::{State, Subject};

use statement::Names;

/// What the preflight is given.
struct Check<'check> {
    settings: &'check Settings,
    connection: Connection,
    wanted: Wanted<'check>,
}

/// What the operator wants besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'check> {
    /// The instance to ask EC2 about; `None` takes one that runs untagged.
    pub instance: Option<&'check InstanceId>,
    /// Whether a test notice is published.
    pub notify: bool,
    /// The member account whose role is proven; `None`: all that the settings list.
    pub account: Option<&'check Account>,
}

impl<'check> From<Option<&'check InstanceId>> for Wanted<'check> {
    fn from(instance: Option<&'check InstanceId>) -> Self {
        Self { instance, ..Self::default() }
    }
}

/// What is known once AWS has accepted the credentials.
struct Known {
    /// The region in which the queue is called.
    region: Region,
    /// The account of the credentials, if STS tells it.
    account: Option<Account>,
    /// The policies; `None` where they are refused.
    policies: Option<Box<Policies>>,
    /// The policies that may stop an instance with the exception tag, too, by their ids.
    ignoring: Vec<String>,
}

/// The findings that come from one endpoint of AWS.
struct Part {
    /// The place in the report: parts end in any order.
    place: usize,
    findings: Vec<Finding>,
}

/// Checks everything that the daemon needs. `show` is given the findings of each part of AWS as they
/// come.
pub async fn inspect<'check>(
    settings: &Settings,
    sdk: &SdkConfig,
    wanted: impl Into<Wanted<'check>>,
    show: impl FnMut(&[Finding]),
) -> Report {
    // Nobody reads the metrics: the process ends with its report.
    let connection = Connection::new(sdk.clone(), &Arc::default(), delays::AWS_CALLS);
    let check = Check { settings, connection, wanted: wanted.into() };
    Report { findings: Box::pin(check.findings(show)).await }
}

impl Check<'_> {
    async fn findings(&self, mut show: impl FnMut(&[Finding])) -> Vec<Finding> {
        let region = match startup::queue_region(self.settings, &self.connection) {
            Ok(region) => region,
            Err(error) => {
                let finding = [Finding::failed(Subject::Settings, error.to_string())];
                show(&finding);
                return finding.into();
            }
        };
        let (mut findings, known) = self.caller(region).await;
        show(&findings);
        let Some(known) = known else { return findings };
        let (send, mut parts) = mpsc::unbounded_channel::<Part>();
        let collected = async {
            let mut all = Vec::new();
            while let Some(part) = parts.recv().await {
                show(&part.findings);
                all.push(part);
            }
            all.sort_by_key(|part| part.place);
            all
        };
        let ((), all) = tokio::join!(self.resources(&known, send), collected);
        findings.extend(all.into_iter().flat_map(|part| part.findings));
        findings
    }

    /// Checks the settings, the policies and the credentials. If the credentials are refused, nothing
    /// else can be checked, and nothing is known.
    async fn caller(&self, region: Region) -> (Vec<Finding>, Option<Known>) {
        let (connection, watch) = self.connection.watched();
        let caller = sts::caller(&connection, &region).await;
        let mut findings = vec![caller::settings(self.settings, &caller)];
        findings.extend(caller::unread(&settings::unread_variables()));
        findings.extend(caller::audit(self.settings));
        let is_refused = matches!(&caller, Err(error) if error.class == Class::Credentials);
        let credentials = caller::credentials(&caller).by(&watch);
        let account = caller.ok().map(|caller| caller.account);
        let policies = self.policies(account.clone(), region.clone());
        findings.extend(policies::findings(self.settings, &policies));
        let brakes = policies.iter().flat_map(|it| brakes::findings(self.settings, it));
        findings.extend(brakes);
        findings.extend([credentials, clock::skew(watch.dated()).by(&watch)]);
        let ignoring = policies.iter().flat_map(policies::ignoring).collect();
        let policies = policies.ok().map(Box::new);
        (findings, (!is_refused).then_some(Known { region, account, policies, ignoring }))
    }

    /// Reads the policies as the daemon does that works for this account. Where STS does not tell
    /// it, the setting counts.
    fn policies(
        &self,
        account: Option<Account>,
        default_region: Region,
    ) -> Result<Policies, SettingsError> {
        let account = account.or_else(|| self.settings.scope.account.clone());
        self.settings.policies(&Place { account, default_region })
    }

    /// Checks the queue, the topic and the instances, at the same time. The findings of each are
    /// sent as they come. Where no regions are set, they are told by the queue, so that the
    /// instances come after it.
    async fn resources(&self, known: &Known, send: UnboundedSender<Part>) {
        let names = self.names(known, None);
        let knows_regions = !self.settings.scope.regions.is_empty();
        let queue = async {
            let told = self.queue(known, &send).await;
            if !knows_regions {
                self.instances(&told, &send).await;
                self.members(&told, known, &send).await;
            }
        };
        let instances = async {
            if knows_regions {
                self.instances(&names, &send).await;
                self.members(&names, known, &send).await;
            }
        };
        tokio::join!(queue, self.topic(&names, &send), instances);
    }

    /// Checks the queue, and returns the names that it tells.
    async fn queue(&self, known: &Known, send: &UnboundedSender<Part>) -> Names {
        let (connection, watch) = self.connection.watched();
        let found = startup::try_find(self.settings, &connection, &known.region).await;
        let names = self.names(known, found.as_ref().ok().map(|(_, told)| told));
        let mut findings = queue::findings(self.settings, &found, &names).await;
        if let (Some(policies), Ok((_, attributes))) = (&known.policies, &found) {
            findings.extend(policies::waiting(policies, attributes));
        }
        if let Ok((queue, attributes)) = &found {
            findings.extend(brakes::holds(self.settings, (queue, attributes), &names).await);
        }
        Part { place: 0, findings }.by(&watch).send(send);
        names
    }

    async fn topic(&self, names: &Names, send: &UnboundedSender<Part>) {
        let (connection, watch) = self.connection.watched();
        let topic = &self.settings.topic.owners;
        let asked = Topic::new(&connection, topic);
        let (attributes, subscribers) =
            tokio::join!(asked.attributes(), Box::pin(asked.subscribers()));
        let mut findings = topic::findings(topic, &attributes, &subscribers, names);
        let test = self.wanted.notify.then(|| topic::test_notice(self.settings, names));
        let published = Box::pin(topic::publishing(&asked, test, names)).await;
        findings.insert(1, published);
        Part { place: 1, findings }.by(&watch).send(send);
    }

    /// Checks the instances of all regions at the same time.
    async fn instances(&self, names: &Names, send: &UnboundedSender<Part>) {
        let regions = names.regions.iter().enumerate().map(|(at, region)| async move {
            let (connection, watch) = self.connection.watched();
            let (findings, is_elsewhere) =
                instances::findings(&connection, names, region, self.wanted.instance).await;
            Part { place: at + 2, findings }.by(&watch).send(send);
            is_elsewhere
        });
        let elsewhere = join_all(regions).await;
        if let Some(id) = self.wanted.instance.filter(|_| !elsewhere.contains(&false)) {
            let findings = vec![instances::unknown(id, &names.regions)];
            Part { place: usize::MAX, findings }.send(send);
        }
    }

    /// Checks the member accounts, whose findings come behind those of the own one.
    async fn members(&self, names: &Names, known: &Known, send: &UnboundedSender<Part>) {
        let first = names.regions.len() + 2;
        let accounts = members::accounts(self.settings, self.wanted.account);
        if accounts.is_empty() {
            if let Some(finding) = members::unnamed(self.settings) {
                Part { place: first, findings: vec![finding] }.send(send);
            }
            return;
        }
        let by = (&self.connection, &known.region);
        let show = |at, findings| Part { place: first + at, findings }.send(send);
        members::check(self.settings, by, (accounts, names), show).await;
    }

    fn names(&self, known: &Known, attributes: Option<&Attributes>) -> Names {
        let account = known.account.clone();
        let account = account.unwrap_or_else(|| startup::likely_account(self.settings, attributes));
        let names = Names::of(self.settings, account, known.region.clone(), attributes);
        names.with_ignoring(&known.ignoring)
    }
}

impl Part {
    /// Adds the host that was asked.
    fn by(self, watch: &Watch) -> Self {
        let findings = self.findings.into_iter().map(|finding| finding.by(watch)).collect();
        Self { findings, ..self }
    }

    fn send(self, parts: &UnboundedSender<Self>) {
        // The receiver stays until the last sender is gone.
        let _ = parts.send(self);
    }
}
