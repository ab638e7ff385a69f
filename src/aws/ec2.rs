//! The instances of one region.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    DeviceType, Filter, Instance, InstanceLifecycleType, InstanceState, InstanceStateName,
    OperatorResponse,
};
use tokio::time::Instant;

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::deadline::Deadline;
use crate::aws::error::{AwsError, Service};
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::facts::{Facts, InstanceState as State, Tags};

/// The most that DescribeTags and DescribeInstances return in a page.
pub(super) const PAGE: i32 = 1000;

/// What DescribeInstances said, and when.
#[derive(Clone, Debug)]
pub struct Described {
    /// When the first page was answered: the oldest moment that the look speaks of.
    pub at: Instant,
    /// What is known of the instances that were found.
    pub facts: BTreeMap<InstanceId, Facts>,
}

/// The instances of one region.
#[derive(Clone, Debug)]
pub struct Instances {
    pub(super) client: Client,
    pub(super) calls: Calls,
}

impl Instances {
    /// The instances of `region` in the credentials' account.
    pub fn new(connection: &Connection, region: &Region) -> Self {
        let calls = Calls::new(connection, Service::Ec2, region);
        Self { client: Client::new(&connection.sdk_in(region)), calls }
    }

    /// Reads the tag keys of up to 190 instances (EC2 takes 200 filter values) to the last page.
    ///
    /// # Errors
    /// What EC2 or the connection answered instead.
    pub async fn tags(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, Tags>, AwsError> {
        let mut tags: BTreeMap<InstanceId, Tags> = BTreeMap::new();
        let mut token = None;
        loop {
            let call = self
                .client
                .describe_tags()
                .filters(filter("resource-id", ids))
                .max_results(PAGE)
                .set_next_token(token);
            let page = self.calls.attempt("DescribeTags", call.send()).await?;
            for tag in page.tags() {
                let (Some(id), Some((key, value))) =
                    (tag.resource_id(), pair(tag.key(), tag.value()))
                else {
                    continue;
                };
                let Some(id) = InstanceId::parse(id) else { continue };
                tags.entry(id).or_default().insert(key, value);
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(tags);
            }
        }
    }

    /// Looks at instances, those that AWS manages included, to the last page. An id that EC2 does
    /// not know is simply absent: the filter is used, since the list of ids fails as a whole.
    ///
    /// # Errors
    /// What EC2 or the connection answered instead.
    pub async fn describe(&self, ids: &BTreeSet<InstanceId>) -> Result<Described, AwsError> {
        let mut look: Option<Described> = None;
        let mut token = None;
        loop {
            let call = self
                .client
                .describe_instances()
                .filters(filter("instance-id", ids))
                .include_managed_resources(true)
                .max_results(PAGE)
                .set_next_token(token);
            let page = self.calls.attempt("DescribeInstances", call.send()).await?;
            let look = look
                .get_or_insert_with(|| Described { at: Instant::now(), facts: BTreeMap::new() });
            let instances =
                page.reservations().iter().flat_map(aws_sdk_ec2::types::Reservation::instances);
            look.facts.extend(instances.filter_map(facts));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(look.clone());
            }
        }
    }

    /// Stops instances in one call, which is sent by then or not at all; the answer names those
    /// that are stopping or stopped now.
    ///
    /// # Errors
    /// What EC2 or the connection answered instead; then any, all or none may have been stopped.
    pub async fn stop(
        &self,
        ids: &BTreeSet<InstanceId>,
        by: Instant,
    ) -> Result<BTreeSet<InstanceId>, AwsError> {
        let ids = ids.iter().map(ToString::to_string).collect();
        let call = self.client.stop_instances().set_instance_ids(Some(ids));
        let call = call.customize().interceptor(Deadline(by));
        let limit = self.calls.limits().stop;
        let answer = self.calls.attempt_within(limit, "StopInstances", call.send()).await?;
        let stopped = answer.stopping_instances().iter();
        Ok(stopped.filter_map(|change| InstanceId::parse(change.instance_id()?)).collect())
    }
}

fn filter(name: &str, ids: &BTreeSet<InstanceId>) -> Filter {
    let values = ids.iter().map(ToString::to_string).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// What an instance of the answer is like; `None` without an id that can be read.
pub(super) fn facts(instance: &Instance) -> Option<(InstanceId, Facts)> {
    let id = InstanceId::parse(instance.instance_id()?)?;
    let facts = Facts {
        state: state(instance),
        tags: instance.tags().iter().filter_map(|tag| pair(tag.key(), tag.value())).collect(),
        is_spot: instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
        has_instance_store_root: instance.root_device_type() == Some(&DeviceType::InstanceStore),
        is_managed: instance.operator().and_then(OperatorResponse::managed) == Some(true),
    };
    Some((id, facts))
}

/// Without a state that can be read, nothing is done about an instance yet.
fn state(instance: &Instance) -> State {
    match instance.state().and_then(InstanceState::name) {
        Some(InstanceStateName::Running) => State::Running,
        Some(InstanceStateName::Stopping | InstanceStateName::Stopped) => State::Stopped,
        Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated) => State::Terminated,
        _ => State::Pending,
    }
}

/// A tag; its value may be empty or missing.
fn pair(key: Option<&str>, value: Option<&str>) -> Option<(String, String)> {
    Some((key?.to_owned(), value.unwrap_or_default().to_owned()))
}
