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

use crate::aws::connection::Connection;
use crate::aws::error::Class;
use crate::aws::sns::Topic;
use crate::aws::sts;
use crate::daemon::startup;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::retry::delays;
use crate::settings::Settings;

pub use finding::Finding;
pub use report::Report;
pub use subject::{State, Subject};

use statement::Names;

/// What the preflight is given.
struct Check<'check> {
    settings: &'check Settings,
    connection: Connection,
    /// The instance that the operator named, to ask EC2 about.
    wanted: Option<&'check InstanceId>,
}

/// Checks everything that the daemon needs. `wanted` is an instance to ask EC2 about; `None` takes
/// one that runs untagged.
pub async fn inspect(settings: &Settings, sdk: &SdkConfig, wanted: Option<&InstanceId>) -> Report {
    // Nobody reads the metrics: the process ends with its report.
    let connection = Connection::new(sdk.clone(), &Arc::default(), delays::AWS_CALLS);
    let check = Check { settings, connection, wanted };
    Report { findings: check.findings().await }
}

impl Check<'_> {
    async fn findings(&self) -> Vec<Finding> {
        let region = match startup::queue_region(self.settings, &self.connection) {
            Ok(region) => region,
            Err(error) => return vec![Finding::failed(Subject::Settings, error.to_string())],
        };
        let (caller, dated) = sts::caller(&self.connection, &region).await;
        let mut findings = vec![
            caller::settings(self.settings, &caller),
            caller::credentials(&caller),
            clock::skew(dated),
        ];
        let refused = caller.as_ref().is_err_and(|error| error.class == Class::Credentials);
        if !refused {
            let account = caller.ok().map(|caller| caller.account);
            findings.extend(self.resources(region, account).await);
        }
        findings
    }

    /// Checks the queue, the topic and the instances, as a caller of this account.
    async fn resources(&self, region: Region, account: Option<Account>) -> Vec<Finding> {
        let Self { settings, connection, wanted } = self;
        let queue = startup::try_find(settings, connection, &region).await;
        let attributes = queue.as_ref().ok().map(|(_, attributes)| attributes);
        let account = account.unwrap_or_else(|| startup::likely_account(settings, attributes));
        let names = Names::of(settings, account, region, attributes);
        let mut findings = queue::findings(settings, &queue, &names).await;
        let topic = Topic::new(connection, &settings.topic).attributes().await;
        findings.extend(topic::findings(&settings.topic, &topic, &names));
        findings.extend(instances::findings(connection, &names, *wanted).await);
        findings
    }
}
