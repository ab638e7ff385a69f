//! Questions that only the preflight asks, and that change nothing: which instances there are, and
//! whether one may be stopped.

use std::collections::BTreeSet;

use crate::aws::ec2::{Instances, PAGE, filter};
use crate::aws::error::{AwsError, table};
use crate::domain::ids::InstanceId;
use crate::domain::policy::facts::Facts;

/// Up to ten thousand entries are searched. Operators whose fleets are larger can name an instance.
const PAGES: usize = 10;
/// The most instances that [`Instances::describe`] takes.
const DESCRIBED: usize = 190;

impl Instances {
    /// Asks EC2 by a dry run whether the caller may stop an instance. Nothing is stopped.
    ///
    /// # Errors
    /// What EC2 answered instead of a yes, or why it did not answer.
    pub(crate) async fn may_stop(&self, id: &InstanceId) -> Result<(), AwsError> {
        let ec2 = self.client.client();
        let call = ec2.stop_instances().instance_ids(id.as_str()).dry_run(true);
        let limit = self.calls.limits().stop;
        match self.calls.attempt_within(limit, "StopInstances", call.send()).await {
            Err(error) if error.code == "DryRunOperation" => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(AwsError::of(
                &table::NO_DRY_RUN,
                "the answer to a dry run reads as if the instance was stopped",
            )),
        }
    }

    /// Finds a running instance that `suits`, among the first ten thousand.
    ///
    /// # Errors
    /// What EC2 answered instead, or why it did not answer.
    pub(crate) async fn find_running(
        &self,
        suits: impl Fn(&Facts) -> bool,
    ) -> Result<Option<InstanceId>, AwsError> {
        let ec2 = self.client.client();
        let list = ec2.describe_instances();
        let list = list.filters(filter("instance-state-name", ["running"]));
        let mut pages = list.into_paginator().page_size(PAGE).send();
        for _ in 0..PAGES {
            let page = self.calls.next_page("DescribeInstances", pages.next()).await?;
            let Some(page) = page else { break };
            if let Some((id, _)) = self.described(&page).find(|(_, facts)| suits(facts)) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Lists instances that carry the tag `key`, no more than [`Instances::describe`] takes.
    ///
    /// # Errors
    /// What EC2 answered instead, or why it did not answer.
    pub(crate) async fn tagged(&self, key: &str) -> Result<BTreeSet<InstanceId>, AwsError> {
        let ec2 = self.client.client();
        let list = ec2.describe_tags().filters(filter("key", [key]));
        let list = list.filters(filter("resource-type", ["instance"]));
        let mut pages = list.into_paginator().page_size(PAGE).send();
        let mut ids = BTreeSet::new();
        for _ in 0..PAGES {
            let page = self.calls.next_page("DescribeTags", pages.next()).await?;
            let Some(page) = page else { break };
            ids.extend(page.tags().iter().filter_map(|tag| InstanceId::parse(tag.resource_id()?)));
            if ids.len() >= DESCRIBED {
                break;
            }
        }
        Ok(ids.into_iter().take(DESCRIBED).collect())
    }
}
