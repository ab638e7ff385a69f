//! The instances of one region: their tags, their facts, and stopping them.

mod probe;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::RequestId as _;
use aws_sdk_ec2::types::{
    DeviceType, Filter, Instance, InstanceLifecycleType, InstanceState, InstanceStateChange,
    InstanceStateName, OperatorResponse, Reservation,
};
use tokio::time::Instant;

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::deadline::Deadline;
use crate::aws::error::{AwsError, Service, table};
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::facts::{Facts, InstanceState as State, Tags};

/// The most entries that DescribeTags and DescribeInstances give in a page.
const PAGE: i32 = 1000;

/// What DescribeInstances answered, and how old that is.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// When the first page was answered. Later pages are younger, so that every fact is at most
    /// this old.
    pub at: Instant,
    /// What is known of the instances; one that was asked about and is absent was not found.
    pub facts: BTreeMap<InstanceId, Facts>,
}

/// What StopInstances answered.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    /// AWS's id of the request, by which `CloudTrail` has the call.
    pub request_id: Option<String>,
    /// The instances that EC2 says are stopping or stopped now, each with its state before the
    /// call, in EC2's words, such as `running`.
    pub previous_states: BTreeMap<InstanceId, String>,
}

/// The instances of one region, and the client that calls EC2 there.
#[derive(Clone, Debug)]
pub(crate) struct Instances {
    client: Client,
    calls: Calls,
}

impl Instances {
    /// The instances of `region` in the credentials' account.
    pub(crate) fn new(connection: &Connection, region: &Region) -> Self {
        let calls = Calls::new(connection, Service::Ec2, region);
        Self { client: Client::new(&connection.sdk_in(region)), calls }
    }

    /// Reads the tag `key` of up to 190 instances (EC2 takes 200 filter values in all). Real
    /// instances have a dozen others: left out, the answer is one page instead of three. An instance
    /// without the tag, or that EC2 does not know, is absent from the answer. `key` has none of `*`,
    /// `?` and `\`, which EC2 would read as wildcards: the settings refuse them.
    ///
    /// # Errors
    /// What EC2 answered instead of any page, or why it did not answer.
    pub(crate) async fn tags(
        &self,
        ids: &BTreeSet<InstanceId>,
        key: &str,
    ) -> Result<BTreeMap<InstanceId, Tags>, AwsError> {
        let list = self.client.describe_tags().filters(filter("resource-id", ids));
        let list = list.filters(filter("key", [key]));
        let mut pages = list.into_paginator().page_size(PAGE).send();
        let (mut tags, mut next) = (BTreeMap::<_, Tags>::new(), None);
        while let Some(page) = self.calls.next_page("DescribeTags", pages.next()).await? {
            for tag in page.tags() {
                let (Some(id), Some((key, value))) =
                    (tag.resource_id(), pair(tag.key(), tag.value()))
                else {
                    continue;
                };
                let Some(id) = InstanceId::parse(id) else { continue };
                tags.entry(id).or_default().insert(key, value);
            }
            next = page.next_token;
        }
        whole(next).map(|()| tags)
    }

    /// Describes up to 190 instances, those that AWS manages included. The ids are a filter and not
    /// the list of ids that DescribeInstances takes too: one id that EC2 does not know fails such a
    /// list as a whole, while the filter leaves it out.
    ///
    /// # Errors
    /// What EC2 answered instead of any page, or why it did not answer.
    pub(crate) async fn describe(&self, ids: &BTreeSet<InstanceId>) -> Result<Described, AwsError> {
        let list = self.client.describe_instances().filters(filter("instance-id", ids));
        let list = list.include_managed_resources(true);
        let mut pages = list.into_paginator().page_size(PAGE).send();
        let (mut at, mut facts, mut next) = (None, BTreeMap::new(), None);
        while let Some(page) = self.calls.next_page("DescribeInstances", pages.next()).await? {
            at.get_or_insert_with(Instant::now);
            facts.extend(page.reservations().iter().flat_map(described));
            next = page.next_token;
        }
        whole(next)?;
        let no_page = || AwsError::of(&table::UNANSWERED, "EC2 sent no page at all");
        Ok(Described { at: at.ok_or_else(no_page)?, facts })
    }

    /// Stops instances in one call, which is sent before `by` or not at all.
    ///
    /// # Errors
    /// What EC2 answered instead, or why it did not answer. Even then some or all of the instances
    /// may have been stopped.
    pub(crate) async fn stop(
        &self,
        ids: &BTreeSet<InstanceId>,
        by: Instant,
    ) -> Result<Stopped, AwsError> {
        let ids = ids.iter().map(ToString::to_string).collect();
        let call = self.client.stop_instances().set_instance_ids(Some(ids));
        let call = call.customize().interceptor(Deadline(by));
        let limit = self.calls.limits().stop;
        let answer = self.calls.attempt_within(limit, "StopInstances", call.send()).await?;
        Ok(Stopped {
            request_id: answer.request_id().map(str::to_owned),
            previous_states: answer.stopping_instances().iter().filter_map(previous).collect(),
        })
    }
}

/// A filter that lets through what has one of the values.
fn filter(name: &str, values: impl IntoIterator<Item: ToString>) -> Filter {
    let values = values.into_iter().map(|value| value.to_string()).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// Checks that a list ended with a page that names no further one. The SDK ends it without an error
/// where a page names itself as the next one. An instance that is missing from such a half list
/// would be taken for one without tags, or for one that is gone.
fn whole(next: Option<String>) -> Result<(), AwsError> {
    match next.filter(|token| !token.is_empty()) {
        None => Ok(()),
        Some(_) => Err(AwsError::of(&table::REPEATED_PAGE, "EC2 sent the same page token twice")),
    }
}

/// The instances of a reservation: those that were launched together.
fn described(reservation: &Reservation) -> impl Iterator<Item = (InstanceId, Facts)> + '_ {
    reservation.instances().iter().filter_map(facts)
}

/// Reads the facts of an instance; `None` without an id that can be read.
fn facts(instance: &Instance) -> Option<(InstanceId, Facts)> {
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

/// The instance of a state change, and its state before.
fn previous(change: &InstanceStateChange) -> Option<(InstanceId, String)> {
    let id = InstanceId::parse(change.instance_id()?)?;
    let state = change.previous_state().and_then(InstanceState::name);
    Some((id, state.map_or("unknown", InstanceStateName::as_str).to_owned()))
}

/// Reads the state of an instance. One without a known state counts as pending, which is looked at
/// again later.
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

#[cfg(test)]
mod tests;
