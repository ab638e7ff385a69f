//! `check`, the preflight that an operator runs before the first start.
//!
//! Its calls to AWS change nothing. What such calls cannot show is reported as not proven. A failed
//! call is not retried: the operator can run the check again.

mod caller;
mod clock;
mod denial;
mod encryption;
mod finding;
mod instances;
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
use crate::retry::delays;
use crate::settings::{self, Settings};

pub use finding::Finding;
pub use report::{Printer, Report};
pub use subject::{State, Subject};

use statement::Names;

/// What the preflight is given.
struct Check<'check> {
    settings: &'check Settings,
    connection: Connection,
    /// The instance that the operator named, to ask EC2 about.
    wanted: Option<&'check InstanceId>,
}

/// The findings that come from one endpoint of AWS.
struct Part {
    /// The place in the report: parts end in any order.
    place: usize,
    findings: Vec<Finding>,
}

/// Checks everything that the daemon needs. `wanted` is an instance to ask EC2 about; `None` takes
/// one that runs untagged. `show` is given the findings of each part of AWS as they come.
pub async fn inspect(
    settings: &Settings,
    sdk: &SdkConfig,
    wanted: Option<&InstanceId>,
    show: impl FnMut(&[Finding]),
) -> Report {
    // Nobody reads the metrics: the process ends with its report.
    let connection = Connection::new(sdk.clone(), &Arc::default(), delays::AWS_CALLS);
    let check = Check { settings, connection, wanted };
    Report { findings: check.findings(show).await }
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
        let (mut findings, account) = self.caller(&region).await;
        show(&findings);
        let Ok(account) = account else { return findings };
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
        let ((), all) = tokio::join!(self.resources(&region, account, send), collected);
        findings.extend(all.into_iter().flat_map(|part| part.findings));
        findings
    }

    /// Checks the credentials. With the findings comes the account, if STS tells it; an error is
    /// that the credentials are refused, so that nothing else can be checked.
    async fn caller(&self, region: &Region) -> (Vec<Finding>, Result<Option<Account>, ()>) {
        let (connection, watch) = self.connection.watched();
        let caller = sts::caller(&connection, region).await;
        let mut findings = vec![caller::settings(self.settings, &caller)];
        findings.extend(caller::unread(&settings::unread_variables()));
        findings.push(caller::credentials(&caller).by(&watch));
        findings.push(clock::skew(watch.dated()).by(&watch));
        let account = match caller {
            Err(error) if error.class == Class::Credentials => Err(()),
            caller => Ok(caller.ok().map(|caller| caller.account)),
        };
        (findings, account)
    }

    /// Checks the queue, the topic and the instances, at the same time, as a caller of this
    /// account. The findings of each are sent as they come. Where no regions are set, they are told
    /// by the queue, so that the instances come after it.
    async fn resources(
        &self,
        region: &Region,
        account: Option<Account>,
        send: UnboundedSender<Part>,
    ) {
        let names = self.names(region, account.clone(), None);
        let knows_regions = !self.settings.scope.regions.is_empty();
        let queue = async {
            let told = self.queue(region, account, &send).await;
            if !knows_regions {
                self.instances(&told, &send).await;
            }
        };
        let instances = async {
            if knows_regions {
                self.instances(&names, &send).await;
            }
        };
        tokio::join!(queue, self.topic(&names, &send), instances);
    }

    /// Checks the queue, and returns the names that it tells.
    async fn queue(
        &self,
        region: &Region,
        account: Option<Account>,
        send: &UnboundedSender<Part>,
    ) -> Names {
        let (connection, watch) = self.connection.watched();
        let found = startup::try_find(self.settings, &connection, region).await;
        let names = self.names(region, account, found.as_ref().ok().map(|(_, told)| told));
        let findings = queue::findings(self.settings, &found, &names).await;
        Part { place: 0, findings }.by(&watch).send(send);
        names
    }

    async fn topic(&self, names: &Names, send: &UnboundedSender<Part>) {
        let (connection, watch) = self.connection.watched();
        let topic = &self.settings.topic;
        let asked = Topic::new(&connection, topic);
        let (attributes, subscribers) =
            tokio::join!(asked.attributes(), Box::pin(asked.subscribers()));
        let findings = topic::findings(topic, &attributes, &subscribers, names);
        Part { place: 1, findings }.by(&watch).send(send);
    }

    /// Checks the instances of all regions at the same time.
    async fn instances(&self, names: &Names, send: &UnboundedSender<Part>) {
        let regions = names.regions.iter().enumerate().map(|(at, region)| async move {
            let (connection, watch) = self.connection.watched();
            let (findings, is_elsewhere) =
                instances::findings(&connection, names, region, self.wanted).await;
            Part { place: at + 2, findings }.by(&watch).send(send);
            is_elsewhere
        });
        let elsewhere = join_all(regions).await;
        if let Some(id) = self.wanted.filter(|_| !elsewhere.contains(&false)) {
            let findings = vec![instances::unknown(id, &names.regions)];
            Part { place: usize::MAX, findings }.send(send);
        }
    }

    fn names(
        &self,
        region: &Region,
        account: Option<Account>,
        attributes: Option<&Attributes>,
    ) -> Names {
        let account = account.unwrap_or_else(|| startup::likely_account(self.settings, attributes));
        Names::of(self.settings, account, region.clone(), attributes)
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
