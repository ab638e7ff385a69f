//! Starting and tagging instances, for the subcommand `undo` alone. The daemon can do neither: it
//! has no code that leads here, and its role allows neither.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::RequestId as _;
use aws_sdk_ec2::types::{Instance, InstanceStateName, Reservation, StateReason, Tag};
use time::UtcDateTime;

use super::{PAGE, facts, filter, repeated_page, sound};
use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::error::{AwsError, Service};
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::facts::Facts;
use crate::domain::policy::reads::Reads;

/// The instances of one region that may be started and tagged.
#[derive(Clone, Debug)]
pub(crate) struct Restarts {
    client: Client,
    calls: Calls,
    reads: Reads,
}

/// What DescribeInstances shows of an instance that may be started.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// EC2's word for its state, such as `stopping`, where [`Facts`] do not tell it from `stopped`.
    pub state: String,
    /// When it was last started, in whole seconds.
    pub launched: Option<UtcDateTime>,
    /// What policies read, and all tags.
    pub facts: Facts,
    /// Why it went into its state, as far as EC2 says it.
    pub reason: Option<String>,
}

/// What EC2 answered to a call that it carried out.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// AWS's id of the request, by which `CloudTrail` has the call.
    pub request_id: Option<String>,
    /// The instances that are tagged, or that are starting or running now.
    pub ids: BTreeSet<InstanceId>,
}

impl Restarts {
    /// The instances of `region`, of which this is read besides all tags.
    pub(crate) fn new(connection: &Connection, region: &Region, reads: &Reads) -> Self {
        let calls = Calls::new(connection, Service::Ec2, region);
        let sdk = connection.sdk_in(region);
        let http = sdk.http_client().map(sound::requiring);
        let mut sdk = sdk.into_builder();
        sdk.set_http_client(http);
        Self { client: Client::new(&sdk.build()), calls, reads: reads.clone() }
    }

    /// Describes up to 200 instances; one that EC2 does not know is absent.
    ///
    /// # Errors
    /// What EC2 answered instead of any page, or why it did not answer.
    pub(crate) async fn describe(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, Seen>, AwsError> {
        let list = self.client.describe_instances().filters(filter("instance-id", ids));
        let list = list.include_managed_resources(true).max_results(PAGE);
        let (mut seen, mut token) = (BTreeMap::new(), None);
        loop {
            let page = list.clone().set_next_token(token.clone()).send();
            let page = self.calls.attempt("DescribeInstances", page).await?;
            let instances = page.reservations().iter().flat_map(Reservation::instances);
            seen.extend(instances.filter_map(|instance| shown(instance, &self.reads)));
            match page.next_token.filter(|next| !next.is_empty()) {
                None => return Ok(seen),
                Some(next) if token.as_ref() == Some(&next) => return Err(repeated_page()),
                next => token = next,
            }
        }
    }

    /// Gives instances a tag, up to 1,000 in one call; one that they have gets the new value.
    ///
    /// # Errors
    /// What EC2 answered instead, or why it did not answer. Some may carry the tag even then.
    pub(crate) async fn tag(
        &self,
        ids: &BTreeSet<InstanceId>,
        (key, value): (&str, &str),
    ) -> Result<Accepted, AwsError> {
        let tag = Tag::builder().key(key).value(value).build();
        let call = self.client.create_tags().tags(tag).set_resources(Some(texts(ids)));
        let answer = self.calls.attempt("CreateTags", call.send()).await?;
        let request_id = answer.request_id().map(str::to_owned);
        Ok(Accepted { request_id, ids: ids.clone() })
    }

    /// Starts instances in one call.
    ///
    /// # Errors
    /// What EC2 answered instead, or why it did not answer. Even then some or all may have been
    /// started.
    pub(crate) async fn start(&self, ids: &BTreeSet<InstanceId>) -> Result<Accepted, AwsError> {
        let call = self.client.start_instances().set_instance_ids(Some(texts(ids)));
        // As a stop it can be slow and still take effect.
        let limit = self.calls.limits().stop;
        let answer = self.calls.attempt_within(limit, "StartInstances", call.send()).await?;
        let changes = answer.starting_instances().iter();
        let started = changes.filter(|change| {
            let state = change.current_state().and_then(|state| state.name());
            let is_up =
                |name| matches!(name, &InstanceStateName::Pending | &InstanceStateName::Running);
            state.is_none_or(is_up)
        });
        let ids = started.filter_map(|change| InstanceId::parse(change.instance_id()?)).collect();
        Ok(Accepted { request_id: answer.request_id().map(str::to_owned), ids })
    }
}

fn texts(ids: &BTreeSet<InstanceId>) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn shown(instance: &Instance, reads: &Reads) -> Option<(InstanceId, Seen)> {
    let (id, facts) = facts(instance, reads)?;
    let state = instance.state().and_then(|state| state.name());
    let launched = instance.launch_time().map(aws_sdk_ec2::primitives::DateTime::secs);
    let reason = instance.state_reason().and_then(StateReason::message);
    let seen = Seen {
        state: state.map_or("unknown", InstanceStateName::as_str).to_owned(),
        launched: launched.and_then(|secs| UtcDateTime::from_unix_timestamp(secs).ok()),
        facts,
        reason: reason.filter(|text| !text.is_empty()).map(str::to_owned),
    };
    Some((id, seen))
}
