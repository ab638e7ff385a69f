//! What the daemon asks AWS before its first poll: which account its credentials belong to, where
//! the queue is and how it is set up, and on which instance the daemon itself runs.
//!
//! `check` asks the same questions with the functions of this file.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::aws::connection::Connection;
use crate::aws::error::{AwsError, Class};
use crate::aws::sqs::Queue;
use crate::aws::sqs::attributes::Attributes;
use crate::aws::{imds, sts};
use crate::daemon::budget;
use crate::daemon::exit::Error;
use crate::daemon::grace::QueueLimits;
use crate::daemon::site::Site;
use crate::domain::event::Scope;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::Policies;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::rule::span;
use crate::pipeline::budget::Budget;
use crate::pipeline::budget::tags::HoldTags;
use crate::retry::backoff::{Intervals, Jitter};
use crate::retry::delays;
use crate::settings::{Place, QueueAddress, Settings};
use crate::telemetry::logs;

/// The daemon warns of a `maxReceiveCount` below this. Each retry and each deploy may cost a
/// message one receive: with fewer than 10, SQS may move it to the dead-letter queue although
/// nothing is wrong with it.
pub(crate) const FEW_RECEIVES: u32 = 10;

/// What the daemon learned from AWS before its first poll.
#[derive(Debug)]
pub(crate) struct Discovered {
    /// What the AWS clients are made from.
    pub connection: Connection,
    /// The queue that events arrive in.
    pub queue: Queue,
    /// How long a received message stays invisible, unless its lease is renewed: the setting
    /// `queue.visibility_timeout_secs`, or else the queue's own timeout, but 5 s at least.
    pub visibility: Duration,
    /// How long and how often a message may wait in the queue.
    pub limits: QueueLimits,
    /// The account and the regions whose events count.
    pub scope: Scope,
    /// The queue's region, whose instances count where the setting `scope.regions` is empty.
    pub default_region: Region,
    /// The holds of stops that the queue's tags show.
    pub hold_tags: HoldTags,
    /// The instance that the daemon runs on; `None` where EC2's instance metadata names none.
    pub own_host: Option<InstanceId>,
}

impl Discovered {
    /// What policies are checked against.
    pub(super) fn site(&self) -> Site {
        let place = Place {
            account: Some(self.scope.account.clone()),
            default_region: self.default_region.clone(),
        };
        Site { place, limits: self.limits }
    }
}

/// Writes what the daemon is going to do, before it asks AWS anything.
pub(super) fn log_settings(settings: &Settings) {
    let Settings { policy, queue, topic, sizes, rate_limit, drain, .. } = settings;
    info!(
        exception_tag = policy.exception_tag,
        topic = topic.owners.arn,
        version = env!("CARGO_PKG_VERSION"),
        queue = %queue.address,
        rate_limit.share_percent = rate_limit.share_percent,
        sizes.batch = sizes.batch,
        sizes.stop_batch = sizes.stop_batch,
        sizes.inbox = sizes.inbox,
        sizes.stop_queue = sizes.stop_queue,
        drain.timeout_secs = drain.timeout.as_secs(),
        "starting"
    );
}

/// What is said at the start and at a reload of a daemon that stops nothing.
pub(super) const DRY_RUN: &str = "dry run: nothing is stopped and nobody is told; messages that are decided are deleted, so let \
     no enforcing daemon share this queue";

/// Writes what may happen and a line for each policy besides the built-in one, and warns of a dry
/// run.
pub(super) fn log_policies(policies: &Policies, settings: &Settings) {
    let policy = &settings.policy;
    if policy.mode.0 == Mode::DryRun {
        warn!("{DRY_RUN}");
    }
    if !policy.builtin {
        warn!("the built-in policy is off: instances without the exception tag may run");
    }
    if settings.audit.is_on() {
        let digest = policies.digest();
        info!(%digest, "the audit trail names these policies by their digest");
    }
    if policies.rules().any(|rule| rule.mode == Mode::Enforce) {
        info!("{}", budget::sentence(settings.budget));
    }
    if let Some(every) = settings.sweep.every.0 {
        info!(every_secs = every.as_secs(), "sweeps look at all running instances");
    }
    for rule in policies.rules().filter(|rule| !rule.is_builtin()) {
        info!(
            policy = rule.id,
            mode = rule.mode.label(),
            grace = rule.grace.map(|grace| span(grace.period)),
            place = rule.place,
            "loaded a policy"
        );
    }
}

/// Asks AWS for what the daemon must know before its first poll. Passing failures are retried until
/// `drain` is cancelled; then the result is `None`.
///
/// # Errors
/// For settings that contradict what AWS says, and for a queue that does not exist or that the role
/// may not read.
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
    let (queue, attributes) = find_queue(settings, connection, jitter, &region).await?;
    let account = account(settings, connection, jitter, &region).await?;
    let default_region = default_region(region.clone(), Some(&attributes));
    let regions = regions(settings, region, Some(&attributes));
    let tag_changes = settings.policy.tag_changes;
    let members = settings.accounts.members.clone();
    let scope = Scope { account, members, regions, tag_changes };
    let wanted = settings.queue.visibility_timeout.unwrap_or(attributes.visibility_timeout);
    let visibility = wanted.max(delays::SHORTEST_VISIBILITY);
    let asks = settings.asks_metadata;
    let own_host = if asks { imds::own_instance(connection).await } else { None };
    let limits = QueueLimits::of(&attributes);
    let hold_tags = hold_tags(settings, &queue, limits).await?;
    let discovered = Discovered {
        connection: connection.clone(),
        queue,
        visibility,
        limits,
        scope,
        default_region,
        hold_tags,
        own_host,
    };
    log_discovered(&discovered, &attributes);
    Ok(discovered)
}

/// The holds of stops, which are read before the first of them where there is a budget.
///
/// # Errors
/// For a queue in which messages cannot wait for a person to let stops go on.
async fn hold_tags(
    settings: &Settings,
    queue: &Queue,
    limits: QueueLimits,
) -> Result<HoldTags, Error> {
    if let Some(misfit) = budget::misfit(settings.budget, limits) {
        return Err(Error::Policies(misfit));
    }
    let budget = Arc::new(Budget::new(settings.budget));
    let hold_tags = HoldTags { budget, queue: queue.clone() };
    if hold_tags.budget.is_on() {
        hold_tags.read_first().await;
    }
    Ok(hold_tags)
}

/// The regions whose instances count: those of the settings, or else the queue's region.
/// `called_region` is the region in which the queue is called.
pub(crate) fn regions(
    settings: &Settings,
    called_region: Region,
    attributes: Option<&Attributes>,
) -> Vec<Region> {
    match settings.scope.regions.as_slice() {
        [] => vec![default_region(called_region, attributes)],
        regions => regions.to_vec(),
    }
}

/// The queue's region: the one in the ARN among its attributes, or else the one in which it is
/// called.
fn default_region(called_region: Region, attributes: Option<&Attributes>) -> Region {
    let owner = attributes.and_then(|attributes| attributes.owner.clone());
    owner.map_or(called_region, |(region, _)| region)
}

/// The region in which the queue is called: the one in its URL or ARN, or else the SDK's, or else
/// the topic's.
///
/// # Errors
/// For an `AWS_REGION` that has not the form of a region.
pub(crate) fn queue_region(settings: &Settings, connection: &Connection) -> Result<Region, Error> {
    let in_address = match &settings.queue.address {
        QueueAddress::Url { region, .. } => region.clone(),
        QueueAddress::Arn { region, .. } => Some(region.clone()),
        QueueAddress::Name(_) => None,
    };
    if let Some(region) = in_address {
        return Ok(region);
    }
    let Some(configured) = connection.configured_region() else {
        return Ok(settings.topic.owners.region.clone());
    };
    Region::parse(configured).ok_or_else(|| {
        Error::Settings(format!(
            "AWS_REGION = {configured:?} is no region; give one such as eu-central-1"
        ))
    })
}

/// Finds the queue and reads its attributes; tries again, for ever, while failures are passing
/// ones.
async fn find_queue(
    settings: &Settings,
    connection: &Connection,
    jitter: &Jitter,
    region: &Region,
) -> Result<(Queue, Attributes), Error> {
    let mut intervals = Intervals::new(settings.retry.first, settings.retry.cap);
    loop {
        match try_find(settings, connection, region).await {
            Ok(found) => return Ok(found),
            Err(failure) if is_passing(failure.class) => {
                let delay = jitter.full(intervals.advance());
                warn!(error = %failure, delay_ms = logs::ms(delay), "cannot reach the queue yet");
                tokio::time::sleep(delay).await;
            }
            Err(failure) => return Err(unreachable_queue(settings, &failure)),
        }
    }
}

/// Finds the queue and reads its attributes, without retries.
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

/// Whether a failure may pass by itself, so that the start waits for that.
fn is_passing(class: Class) -> bool {
    matches!(class, Class::Throttled | Class::Transient | Class::Unknown)
}

fn unreachable_queue(settings: &Settings, failure: &AwsError) -> Error {
    let remedy = queue_remedy(failure.class);
    let address = &settings.queue.address;
    Error::Failed(anyhow!("cannot read the queue {address}: {failure}; {remedy}"))
}

/// What the operator is told to do about a queue that cannot be read.
pub(crate) fn queue_remedy(class: Class) -> &'static str {
    match class {
        Class::Gone => "check SQS_QUEUE_URL and the region",
        Class::Denied => "allow sqs:GetQueueAttributes and sqs:GetQueueUrl on the queue",
        Class::Credentials => "check the credentials",
        _ => "check SQS_QUEUE_URL",
    }
}

/// The account that the credentials belong to, according to STS. Where it does not answer, the
/// setting `scope.account` counts; without that, STS is asked again, for ever, while failures are
/// passing ones: with a guess, the queue's account for example, sound events would be rejected.
///
/// # Errors
/// For a setting `scope.account` that is another account than STS says, and for an STS that refuses
/// to answer.
async fn account(
    settings: &Settings,
    connection: &Connection,
    jitter: &Jitter,
    region: &Region,
) -> Result<Account, Error> {
    let configured = settings.scope.account.as_ref();
    let mut intervals = Intervals::new(settings.retry.first, settings.retry.cap);
    loop {
        let failure = match sts::account(connection, region).await {
            Ok(own) if configured.is_some_and(|account| *account != own) => {
                return Err(other_account(&own));
            }
            Ok(own) => return Ok(own),
            Err(failure) => failure,
        };
        if let Some(account) = configured {
            warn!(error = %failure, %account, "STS did not say whose credentials these are");
            return Ok(account.clone());
        }
        if !is_passing(failure.class) {
            return Err(Error::Failed(anyhow!(
                "STS does not say whose credentials these are: {failure}; check them, or set scope.account"
            )));
        }
        let delay = jitter.full(intervals.advance());
        warn!(
            error = %failure,
            delay_ms = logs::ms(delay),
            "STS does not say yet whose credentials these are; without it, set scope.account"
        );
        tokio::time::sleep(delay).await;
    }
}

fn other_account(own: &Account) -> Error {
    Error::Settings(format!(
        "scope.account is not the credentials' account {own}; use credentials of that account, or leave the setting out"
    ))
}

/// The account whose instances count where STS does not say whose the credentials are: the setting
/// `scope.account`, or else the queue's account, or else the topic's.
pub(crate) fn likely_account(settings: &Settings, attributes: Option<&Attributes>) -> Account {
    let of_queue = || attributes?.owner.as_ref().map(|(_, account)| account.clone());
    let account = settings.scope.account.clone().or_else(of_queue);
    account.unwrap_or_else(|| settings.topic.owners.account.clone())
}

/// Writes the log line of the start, and warns of a queue whose attributes may lead to trouble.
fn log_discovered(discovered: &Discovered, attributes: &Attributes) {
    let Discovered { queue, visibility, limits, scope, own_host, .. } = discovered;
    let max_receives = limits.max_receives;
    let regions: Vec<_> = scope.regions.iter().map(Region::as_str).collect();
    info!(
        queue.url = queue.url(),
        queue.endpoint = queue.endpoint(),
        queue.visibility_secs = visibility.as_secs(),
        queue.retention_secs = attributes.retention.as_secs(),
        queue.max_receive_count = max_receives,
        queue.dead_letters = attributes.redrive.as_ref().map(|redrive| &*redrive.target),
        account = %scope.account,
        regions = regions.join(","),
        own_host = own_host.as_ref().map(InstanceId::as_str),
        "the queue is reached"
    );
    match max_receives {
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
