//! The instances of one region: their tags, their facts, and stopping them.

mod attributes;
pub(crate) mod list;
mod markup;
mod on_demand;
mod probe;
mod skim;
mod sound;
pub(crate) mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ec2::operation::RequestId as _;
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
use aws_sdk_ec2::types::{
    DeviceType, Filter, Instance, InstanceLifecycleType, InstanceState, InstanceStateChange,
    InstanceStateName, OperatorResponse, Reservation,
};

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::deadline::Deadline;
use crate::aws::error::{AwsError, Service, table};
use crate::aws::sent::FirstSent;
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::facts::{Facts, InstanceState as State, Tags};
use crate::domain::policy::reads::Reads;
use crate::runtime::clock::{Clock, Moment};

use on_demand::OnDemand;

/// The most entries that DescribeTags and DescribeInstances give in a page.
const PAGE: i32 = 1000;

/// The most instances that DescribeTags is asked about when this is read: EC2 takes 200 values in
/// all filters of a call, and answers more with `FilterLimitExceeded`.
pub(crate) fn look_limit(reads: &Reads) -> usize {
    FILTER_VALUES.saturating_sub(reads.tags.len()).min(LOOK_LIMIT)
}

/// The most instances of a look.
const LOOK_LIMIT: usize = 190;
const FILTER_VALUES: usize = 200;

/// What DescribeInstances answered, and how old that is.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// When the call for the first page was sent. No fact is older.
    pub at: Moment,
    /// In how many pages the answer came, each by a call of its own.
    pub pages: usize,
    /// What is known of the instances; one that was asked about and is absent was not found.
    pub facts: BTreeMap<InstanceId, Arc<Facts>>,
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
    client: OnDemand,
    calls: Calls,
    /// What is read of the instances.
    reads: Arc<Reads>,
}

impl Instances {
    /// The instances of `region` in the credentials' account, of which this is read.
    pub(crate) fn new(connection: &Connection, region: &Region, reads: &Arc<Reads>) -> Self {
        let calls = Calls::new(connection, Service::Ec2, region);
        let sdk = connection.sdk_in(region);
        let http = sdk.http_client().map(skim::skimming).map(sound::requiring);
        let mut sdk = sdk.into_builder();
        sdk.set_http_client(http);
        Self { client: OnDemand::new(sdk.build()), calls, reads: Arc::clone(reads) }
    }

    /// The same instances, of which this is read.
    #[must_use]
    pub(crate) fn reading(&self, reads: &Arc<Reads>) -> Self {
        Self { reads: Arc::clone(reads), ..self.clone() }
    }

    /// Reads the tags of up to [`LOOK_LIMIT`] instances, those that are read at all. Real instances
    /// have a dozen others: left out, the answer is one page instead of three. An instance without
    /// any of the tags, or that EC2 does not know, is absent from the answer. The keys have none of
    /// `*`, `?` and `\`, which EC2 would read as wildcards: settings and policies with them are
    /// refused.
    ///
    /// # Errors
    /// What EC2 answered instead of any page, or why it did not answer.
    pub(crate) async fn tags(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, Tags>, AwsError> {
        let ec2 = self.client.client();
        let list = ec2.describe_tags().filters(filter("resource-id", ids));
        let list = list.filters(filter("key", &self.reads.tags));
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
    pub(crate) async fn describe(
        &self,
        ids: &BTreeSet<InstanceId>,
        clock: Clock,
    ) -> Result<Described, AwsError> {
        let ec2 = self.client.client();
        let list = ec2.describe_instances().filters(filter("instance-id", ids));
        let list = list.include_managed_resources(true).max_results(PAGE);
        let sent = FirstSent::none_yet(clock, &self.reads);
        let (mut pages, mut facts, mut token) = (0, BTreeMap::new(), None);
        loop {
            let page = list.clone().set_next_token(token.clone()).customize();
            let page = page.interceptor(sent.clone()).send();
            let page = self.calls.attempt("DescribeInstances", page).await?;
            pages += 1;
            for (id, found) in self.described(&page) {
                add(&mut facts, id, found);
            }
            match page.next_token.filter(|next| !next.is_empty()) {
                None => break,
                Some(next) if token.as_ref() == Some(&next) => return Err(repeated_page()),
                next => token = next,
            }
        }
        let unsent = || AwsError::of(&table::UNANSWERED, "no call was sent");
        let facts = facts.into_iter().map(|(id, facts)| (id, Arc::new(facts))).collect();
        Ok(Described { at: sent.at().ok_or_else(unsent)?, pages, facts })
    }

    /// Stops instances in one call, which is sent by the deadline or not at all.
    ///
    /// # Errors
    /// What EC2 answered instead, or why it did not answer. Even then some or all of the instances
    /// may have been stopped.
    pub(crate) async fn stop(
        &self,
        ids: &BTreeSet<InstanceId>,
        by: Deadline,
    ) -> Result<Stopped, AwsError> {
        let ids = ids.iter().map(ToString::to_string).collect();
        let ec2 = self.client.client();
        let call = ec2.stop_instances().set_instance_ids(Some(ids));
        let call = call.customize().interceptor(by);
        let limit = self.calls.limits().stop;
        let answer = self.calls.attempt_within(limit, "StopInstances", call.send()).await?;
        Ok(Stopped {
            request_id: answer.request_id().map(str::to_owned),
            previous_states: answer.stopping_instances().iter().filter_map(previous).collect(),
        })
    }
}

impl Instances {
    /// The instances of a page, in the reservations by which they were launched.
    fn described<'p>(
        &'p self,
        page: &'p DescribeInstancesOutput,
    ) -> impl Iterator<Item = (InstanceId, Facts)> + 'p {
        let instances = page.reservations().iter().flat_map(Reservation::instances);
        instances.filter_map(|instance| facts(instance, &self.reads))
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
        Some(_) => Err(repeated_page()),
    }
}

fn repeated_page() -> AwsError {
    AwsError::of(&table::REPEATED_PAGE, "EC2 sent the same page token twice")
}

/// Adds what a page says of an instance. Where several pages have it, the last one counts, but a
/// tag that any of them shows is there: it may exempt.
fn add(facts: &mut BTreeMap<InstanceId, Facts>, id: InstanceId, mut found: Facts) {
    if let Some(earlier) = facts.remove(&id) {
        for (key, value) in earlier.tags {
            found.tags.entry(key).or_insert(value);
        }
    }
    facts.insert(id, found);
}

/// Reads the facts of an instance; `None` without an id that can be read. What is read here must be
/// named in [`skim`].
fn facts(instance: &Instance, reads: &Reads) -> Option<(InstanceId, Facts)> {
    let id = InstanceId::parse(instance.instance_id()?)?;
    let facts = Facts {
        state: state(instance.state()),
        tags: instance.tags().iter().filter_map(|tag| pair(tag.key(), tag.value())).collect(),
        attributes: attributes::of(instance, &reads.attributes),
        is_spot: instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
        has_instance_store_root: instance.root_device_type() == Some(&DeviceType::InstanceStore),
        is_managed: instance.operator().and_then(OperatorResponse::managed) == Some(true),
        stopped: instance.state_transition_reason().and_then(attributes::stopped_at),
    };
    Some((id, facts))
}

/// The instance of a state change and its state before; `None` if it is neither stopping nor
/// stopped now.
fn previous(change: &InstanceStateChange) -> Option<(InstanceId, String)> {
    // An answer without the state, as an emulator may send, still names what the call stopped.
    let is_stopped = change.current_state().is_none_or(|now| state(Some(now)) == State::Stopped);
    let id = InstanceId::parse(change.instance_id()?).filter(|_| is_stopped)?;
    let before = change.previous_state().and_then(InstanceState::name);
    Some((id, before.map_or("unknown", InstanceStateName::as_str).to_owned()))
}

/// Reads the state of an instance. A state that is missing or not known counts as pending, which is
/// looked at again later.
fn state(state: Option<&InstanceState>) -> State {
    match state.and_then(InstanceState::name) {
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
