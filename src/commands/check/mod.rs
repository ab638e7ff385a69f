//! The preflight: what an operator runs before the first start.
//!
//! It asks AWS nothing that changes anything: what cannot be shown that way is said to be not
//! proven. Every call is made once; whoever reads the report is the retry.

mod caller;
mod clock;
mod finding;
mod instances;
mod queue;
mod report;
mod rule;
mod statement;
mod stopping;
mod subject;
mod topic;

use std::sync::Arc;

use aws_config::SdkConfig;

use crate::aws::error::Class;
use crate::aws::sns::Topic;
use crate::aws::sts;
use crate::daemon::startup;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::settings::Settings;
use crate::telemetry::metrics::Metrics;

pub use finding::Finding;
pub use report::Report;
pub use subject::{State, Subject};

use statement::Names;

/// Looks at everything that the daemon needs; `wanted` is an instance to ask EC2 about.
pub async fn inspect(settings: &Settings, sdk: &SdkConfig, wanted: Option<&InstanceId>) -> Report {
    let region = match startup::queue_region(settings, sdk) {
        Ok(region) => region,
        Err(error) => {
            let finding = Finding::failed(Subject::Settings, error.to_string());
            return Report { findings: vec![finding] };
        }
    };
    // Counted for nobody: the process ends with its report.
    let metrics = Arc::default();
    let (caller, dated) = sts::caller(sdk, &region, &metrics).await;
    let mut findings =
        vec![caller::settings(settings, &caller), caller::credentials(&caller), clock::skew(dated)];
    let refused = caller.as_ref().is_err_and(|failure| failure.class == Class::Credentials);
    if !refused {
        let account = caller.ok().map(|caller| caller.account);
        findings
            .extend(Box::pin(resources(settings, sdk, &metrics, region, account, wanted)).await);
    }
    Report { findings }
}

async fn resources(
    settings: &Settings,
    sdk: &SdkConfig,
    metrics: &Arc<Metrics>,
    region: Region,
    account: Option<Account>,
    wanted: Option<&InstanceId>,
) -> Vec<Finding> {
    let queue = startup::try_find(settings, sdk, &region, metrics).await;
    let attributes = queue.as_ref().ok().map(|(_, attributes)| attributes);
    let account = account.unwrap_or_else(|| startup::likely_account(settings, attributes));
    let regions = startup::regions(settings, region.clone(), attributes);
    let names = Names::of(settings, account, &region, attributes, regions);
    let mut findings = queue::findings(settings, &queue, &names).await;
    let topic = Topic::new(sdk, &settings.topic, metrics).attributes().await;
    findings.extend(topic::findings(&settings.topic, &topic, &names));
    findings.extend(instances::findings(settings, sdk, metrics, &names, wanted).await);
    findings
}
