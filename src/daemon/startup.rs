//! First contact: whose credentials these are, where the queue is, and whether that fits the
//! settings.

use std::time::Duration;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::aws::connection::Connection;
use crate::aws::error::{AwsError, Class};
use crate::aws::sqs::Queue;
use crate::aws::sqs::attributes::Attributes;
use crate::aws::{imds, sts};
use crate::daemon::exit::Error;
use crate::domain::event::Scope;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::retry::backoff::{Intervals, Jitter};
use crate::retry::delays;
use crate::settings::{QueueAddress, Settings};

/// Fewer receives leave no room for an outage and a deploy.
pub(crate) const FEW_RECEIVES: u32 = 10;

/// What the daemon learned before its first poll.
#[derive(Debug)]
pub(crate) struct Discovered {
    /// The queue.
    pub queue: Queue,
    /// How long a received message is hidden.
    pub visibility: Duration,
    /// Whose events count.
    pub scope: Scope,
    /// The region that counts where the settings name none.
    pub home: Region,
    /// The instance that the daemon runs on, if it runs on one.
    pub own_host: Option<InstanceId>,
}

/// Makes contact; transient failures are tried again until `drain` is cancelled, which gives
/// `None`.
///
/// # Errors
/// For settings that contradict what AWS says, and for a queue that is missing or denied.
pub(super) async fn discover(
    settings: &Settings,
    connection: &Connection,
    jitter: &Jitter,
    drain: &CancellationToken,
) -> Result<Option<Discovered>, Error> {
    let discovered = Box::pin(try_discover(settings, connection, jitter));
    drain.run_until_cancelled(discovered).await.transpose()
}

async fn try_discover(
    settings: &Settings,
    connection: &Connection,
    jitter: &Jitter,
) -> Result<Discovered, Error> {
    let region = queue_region(settings, connection)?;
    let (queue, attributes) = find(settings, connection, jitter, &region).await?;
    let account = account(settings, connection, &region, &attributes).await?;
    let home = home(region.clone(), Some(&attributes));
    let regions = regions(settings, region, Some(&attributes));
    let scope = Scope { account, regions };
    let own = settings.queue.visibility_timeout.unwrap_or(attributes.visibility_timeout);
    let visibility = own.max(delays::SHORTEST_VISIBILITY);
    let asks = settings.asks_metadata;
    let own_host = if asks { imds::own_instance(connection).await } else { None };
    let discovered = Discovered { queue, visibility, scope, home, own_host };
    describe(&discovered, &attributes);
    Ok(discovered)
}

/// The regions whose instances count: the settings', else the queue's own.
pub(crate) fn regions(
    settings: &Settings,
    told: Region,
    attributes: Option<&Attributes>,
) -> Vec<Region> {
    match settings.scope.regions.as_slice() {
        [] => vec![home(told, attributes)],
        regions => regions.to_vec(),
    }
}

/// The region that the queue itself tells, else the one that it was reached in.
fn home(told: Region, attributes: Option<&Attributes>) -> Region {
    let own = attributes.and_then(|attributes| attributes.owner.clone());
    own.map_or(told, |(region, _)| region)
}

/// The region of the queue: from its URL or ARN, else the SDK's, else the topic's.
///
/// # Errors
/// For an `AWS_REGION` that is none.
pub(crate) fn queue_region(settings: &Settings, connection: &Connection) -> Result<Region, Error> {
    let told = match &settings.queue.address {
        QueueAddress::Url { region, .. } => region.clone(),
        QueueAddress::Arn { region, .. } => Some(region.clone()),
        QueueAddress::Name(_) => None,
    };
    if let Some(region) = told {
        return Ok(region);
    }
    let Some(configured) = connection.configured_region() else {
        return Ok(settings.topic.region.clone());
    };
    Region::parse(configured).ok_or_else(|| {
        Error::Settings(format!(
            "AWS_REGION = {configured:?} is no region; give one such as eu-central-1"
        ))
    })
}

async fn find(
    settings: &Settings,
    connection: &Connection,
    jitter: &Jitter,
    region: &Region,
) -> Result<(Queue, Attributes), Error> {
    let mut intervals = Intervals::new(settings.retry.first, settings.retry.cap);
    loop {
        match try_find(settings, connection, region).await {
            Ok(found) => return Ok(found),
            Err(failure) if may_pass(failure.class) => {
                let delay = jitter.full(intervals.advance());
                warn!(error = %failure, delay_ms = delay.as_millis(), "cannot reach the queue yet");
                tokio::time::sleep(delay).await;
            }
            Err(failure) => return Err(unreachable_queue(settings, &failure)),
        }
    }
}

/// Finds the queue and reads its attributes, in one attempt at each.
///
/// # Errors
/// What SQS or the connection answered instead.
pub(crate) async fn try_find(
    settings: &Settings,
    connection: &Connection,
    region: &Region,
) -> Result<(Queue, Attributes), AwsError> {
    let queue = Queue::find(connection, region, &settings.queue.address).await?;
    let attributes = queue.attributes().await?;
    Ok((queue, attributes))
}

fn may_pass(class: Class) -> bool {
    matches!(class, Class::Throttled | Class::Transient | Class::Unknown)
}

fn unreachable_queue(settings: &Settings, failure: &AwsError) -> Error {
    let remedy = queue_remedy(failure.class);
    let address = &settings.queue.address;
    Error::Failed(anyhow!("cannot read the queue {address}: {failure}; {remedy}"))
}

/// What to do about a queue that cannot be read.
pub(crate) fn queue_remedy(class: Class) -> &'static str {
    match class {
        Class::Gone => "check SQS_QUEUE_URL and the region",
        Class::Denied => "allow sqs:GetQueueAttributes and sqs:GetQueueUrl on the queue",
        Class::Credentials => "check the credentials",
        _ => "check SQS_QUEUE_URL",
    }
}

/// The account that the credentials belong to; without an answer of STS, the settings' or the
/// queue's.
async fn account(
    settings: &Settings,
    connection: &Connection,
    region: &Region,
    attributes: &Attributes,
) -> Result<Account, Error> {
    let told = settings.scope.account.clone();
    match sts::account(connection, region).await {
        Ok(own) if told.as_ref().is_some_and(|told| *told != own) => Err(Error::Settings(format!(
            "scope.account is not the credentials' account {own}; use credentials of that account, or leave the setting out"
        ))),
        Ok(own) => Ok(own),
        Err(failure) => {
            let account = likely_account(settings, Some(attributes));
            warn!(error = %failure, %account, "STS did not say whose credentials these are");
            Ok(account)
        }
    }
}

/// The account to go by where nobody says whose credentials these are: the settings', else the
/// queue's, else the topic's.
pub(crate) fn likely_account(settings: &Settings, attributes: Option<&Attributes>) -> Account {
    let of_queue = || attributes?.owner.as_ref().map(|(_, account)| account.clone());
    let told = settings.scope.account.clone().or_else(of_queue);
    told.unwrap_or_else(|| settings.topic.account.clone())
}

fn describe(discovered: &Discovered, attributes: &Attributes) {
    let Discovered { queue, visibility, scope, own_host, .. } = discovered;
    let regions: Vec<_> = scope.regions.iter().map(Region::as_str).collect();
    info!(
        queue.url = queue.url(),
        queue.visibility_secs = attributes.visibility_timeout.as_secs(),
        queue.retention_secs = attributes.retention.as_secs(),
        queue.max_receive_count = attributes.redrive.as_ref().map(|redrive| redrive.max_receives),
        queue.dead_letters = attributes.redrive.as_ref().map(|redrive| &*redrive.target),
        visibility_secs = visibility.as_secs(),
        account = %scope.account,
        regions = regions.join(","),
        own_host = own_host.as_ref().map(InstanceId::as_str),
        "the queue is reached"
    );
    match attributes.redrive.as_ref().map(|redrive| redrive.max_receives) {
        None => warn!(
            "the queue has no redrive policy: a rejected message comes again until its retention ends"
        ),
        Some(count) if count < FEW_RECEIVES => {
            warn!(
                count,
                "the queue's maxReceiveCount is under {FEW_RECEIVES}: an outage may move sound messages to the dead-letter queue"
            );
        }
        Some(_) => {}
    }
    if attributes.visibility_timeout < delays::SHORT_VISIBILITY {
        warn!("the queue's visibility timeout is under 10 s: leases are renewed every few seconds");
    }
    if attributes.owner.as_ref().is_some_and(|(_, account)| *account != scope.account) {
        warn!(
            "the queue belongs to another account than the credentials: its events may be rejected"
        );
    }
}
