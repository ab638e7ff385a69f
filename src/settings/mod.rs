//! Loads the settings and refuses those that cannot work; nothing else reads the environment.

mod changes;
mod layers;
mod listen;
mod queue;
mod error;
mod tag;
#[cfg(test)]
mod tests;
mod topic;

use std::env;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::domain::ids::{Account, Region};
use crate::telemetry::logs;

use layers::{List, Number, Written};

pub use error::SettingsError;
pub use queue::QueueAddress;
pub use topic::TopicArn;

/// The polls that one poller asks for bring at most this many messages, and need that much room.
const MESSAGES_PER_POLL: usize = 10;

/// Everything that the daemon can be told, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tag key that exempts an instance, whatever its value.
    pub exception_tag: String,
    /// Where the events come from.
    pub queue: QueueSettings,
    /// Where the notices go.
    pub topic: TopicArn,
    /// Whose events count.
    pub scope: ScopeSettings,
    /// How much is done at a time.
    pub sizes: Sizes,
    /// How failures back off.
    pub retry: RetrySettings,
    /// How much of EC2's token buckets may be used, in percent: 1 to 100.
    pub share_percent: u32,
    /// How long a denied stop is tried again before the refusal is announced.
    pub denial_timeout: Duration,
    /// How long work in flight may go on after the first signal.
    pub drain_timeout: Duration,
    /// What is logged; `None`: the default. `RUST_LOG` wins.
    pub log_filter: Option<String>,
    /// Where the admin port is; `None`: nowhere.
    pub admin_listen: Option<SocketAddr>,
    /// Whether the instance metadata service may be asked: `AWS_EC2_METADATA_DISABLED`.
    pub asks_metadata: bool,
}

/// The queue, and how it is polled.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// The URL, ARN or name.
    pub address: QueueAddress,
    /// The visibility timeout of every receive; `None`: the queue's own, at least 5 s.
    pub visibility_timeout: Option<Duration>,
    /// How long a poll waits for a message.
    pub wait: Duration,
}

/// The account and the regions whose instances count.
#[derive(Clone, Debug)]
pub struct ScopeSettings {
    /// `None`: the credentials' account.
    pub account: Option<Account>,
    /// Empty: the queue's region.
    pub regions: Vec<Region>,
}

/// How much waits, and how much is done at a time.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Messages that are looked up together.
    pub batch: usize,
    /// Instances in one `StopInstances` call.
    pub stop_batch: usize,
    /// Messages that wait to be looked up.
    pub inbox: usize,
    /// Violators that wait to be stopped.
    pub stop_queue: usize,
    /// Tasks that poll the queue.
    pub pollers: usize,
    /// Tasks that look up and judge.
    pub evaluators: usize,
    /// Tasks that stop.
    pub enforcers: usize,
    /// Tasks that publish notices.
    pub notifiers: usize,
    /// Tasks that delete messages or hand them back.
    pub settlers: usize,
}

/// What a running daemon follows.
#[derive(Clone, Debug)]
pub struct Live {
    /// How failures back off.
    pub retry: RetrySettings,
    /// How much of EC2's token buckets may be used, in percent: 1 to 100.
    pub share_percent: u32,
    /// The regions whose instances count. Empty: the queue's region.
    pub regions: Vec<Region>,
}

/// The back-off of the one retry layer.
#[derive(Clone, Copy, Debug)]
pub struct RetrySettings {
    /// The back-off after the first failure; it doubles from there.
    pub first: Duration,
    /// The longest back-off.
    pub cap: Duration,
}

impl Settings {
    /// Loads the built-in settings, then `file`, then the environment, and checks the result.
    ///
    /// # Errors
    ///
    /// Says which key is wrong and what would be right; the process should end with 78.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::from_layers(file, environment())
    }

    /// Loads the settings as [`Settings::load`] does, from an environment that is handed in.
    ///
    /// # Errors
    ///
    /// As for [`Settings::load`].
    pub fn from_layers(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let environment: Vec<_> = environment.into_iter().collect();
        let asks_metadata = !environment.iter().any(disables_metadata);
        Self::checked(layers::read(file, environment)?, asks_metadata)
    }

    fn checked(written: Written, asks_metadata: bool) -> Result<Self, SettingsError> {
        let Written { policy, queue, topic, scope, sizes, rate_limit, retry, log, admin, drain } =
            written;
        let settings = Self {
            exception_tag: tag::checked(policy.exception_tag)?,
            queue: QueueSettings::checked(&queue)?,
            topic: TopicArn::read(topic.arn.as_deref())?,
            scope: ScopeSettings::checked(scope)?,
            sizes: Sizes::checked(&sizes)?,
            share_percent: within("rate_limit.share_percent", rate_limit.share_percent, 1..=100)?,
            retry: RetrySettings::checked(&retry)?,
            denial_timeout: secs(
                "policy.denial_timeout_secs",
                policy.denial_timeout_secs,
                1..=3600,
            )?,
            drain_timeout: secs("drain.timeout_secs", drain.timeout_secs, 3..=110)?,
            log_filter: log_filter_of(log)?,
            admin_listen: listen::checked(&admin.listen)?,
            asks_metadata,
        };
        settings.one_account()?;
        Ok(settings)
    }

    /// Refuses a queue or a topic of another account than the one that was named.
    fn one_account(&self) -> Result<(), SettingsError> {
        let Some(account) = &self.scope.account else { return Ok(()) };
        let owners =
            [("queue", self.queue.address.account()), ("topic", Some(&self.topic.account))];
        for (what, owner) in owners {
            if let Some(owner) = owner.filter(|owner| *owner != account) {
                let remedy = format!("the {what} belongs to {owner}; correct one of them");
                return Err(SettingsError::text("scope.account", account.as_str(), remedy));
            }
        }
        Ok(())
    }
}

impl QueueSettings {
    fn checked(written: &layers::Queue) -> Result<Self, SettingsError> {
        let visibility_timeout = written
            .visibility_timeout_secs
            .map(|number| secs("queue.visibility_timeout_secs", number, 5..=43200));
        Ok(Self {
            address: QueueAddress::read(written.url.as_deref())?,
            visibility_timeout: visibility_timeout.transpose()?,
            wait: secs("queue.wait_secs", written.wait_secs, 1..=20)?,
        })
    }
}

impl ScopeSettings {
    fn checked(written: layers::Scope) -> Result<Self, SettingsError> {
        let wrong =
            |text: &str| SettingsError::text("scope.account", text, "give 12 digits in quotes");
        let account = written.account.map(|text| Account::parse(&text).ok_or_else(|| wrong(&text)));
        Ok(Self { account: account.transpose()?, regions: regions(&written.regions)? })
    }
}

fn regions(List(written): &List) -> Result<Vec<Region>, SettingsError> {
    let mut regions = Vec::new();
    for text in written {
        let wrong = |remedy: &str| SettingsError::text("scope.regions", text, remedy);
        let region =
            Region::parse(text).ok_or_else(|| wrong("give regions such as eu-central-1"))?;
        if regions.contains(&region) {
            return Err(wrong("name each region once"));
        }
        regions.push(region);
    }
    Ok(regions)
}

impl Sizes {
    fn checked(written: &layers::Sizes) -> Result<Self, SettingsError> {
        let sizes = Self {
            batch: count("sizes.batch", written.batch, 1..=190)?,
            stop_batch: count("sizes.stop_batch", written.stop_batch, 1..=190)?,
            inbox: count("sizes.inbox", written.inbox, 10..=10_000)?,
            stop_queue: count("sizes.stop_queue", written.stop_queue, 1..=100_000)?,
            pollers: count("sizes.pollers", written.pollers, 1..=64)?,
            evaluators: count("sizes.evaluators", written.evaluators, 1..=64)?,
            enforcers: count("sizes.enforcers", written.enforcers, 1..=64)?,
            notifiers: count("sizes.notifiers", written.notifiers, 1..=64)?,
            settlers: count("sizes.settlers", written.settlers, 1..=64)?,
        };
        sizes.room_for_every_poller()
    }

    /// An idle poller holds the room for a full poll, so the inbox must have it for all of them.
    fn room_for_every_poller(self) -> Result<Self, SettingsError> {
        let needed = self.pollers * MESSAGES_PER_POLL;
        if needed <= self.inbox {
            return Ok(self);
        }
        let remedy = format!("{} pollers need an inbox of at least {needed}", self.pollers);
        Err(SettingsError::value("sizes.inbox", self.inbox, remedy))
    }
}

impl RetrySettings {
    fn checked(written: &layers::Retry) -> Result<Self, SettingsError> {
        let first = millis("retry.first_ms", written.first_ms, 10..=5000)?;
        let cap = millis("retry.cap_ms", written.cap_ms, 100..=60_000)?;
        if cap < first {
            let remedy = format!("give at least retry.first_ms, which is {}", written.first_ms.0);
            return Err(SettingsError::value("retry.cap_ms", written.cap_ms.0, remedy));
        }
        Ok(Self { first, cap })
    }
}

fn log_filter_of(written: layers::Log) -> Result<Option<String>, SettingsError> {
    let Some(filter) = written.filter else { return Ok(None) };
    let Err(error) = logs::check(&filter) else { return Ok(Some(filter)) };
    let remedy = format!("{error}; give a level such as info, or TARGET=LEVEL with commas");
    Err(SettingsError::text("log.filter", &filter, remedy))
}

/// The SDK's own variable, with the meaning that it has there.
fn disables_metadata((name, value): &(String, String)) -> bool {
    name == "AWS_EC2_METADATA_DISABLED" && value.eq_ignore_ascii_case("true")
}

fn secs(key: &str, number: Number, range: RangeInclusive<u32>) -> Result<Duration, SettingsError> {
    within(key, number, range).map(|secs| Duration::from_secs(secs.into()))
}

fn millis(
    key: &str,
    number: Number,
    range: RangeInclusive<u32>,
) -> Result<Duration, SettingsError> {
    within(key, number, range).map(|millis| Duration::from_millis(millis.into()))
}

fn count(key: &str, number: Number, range: RangeInclusive<u32>) -> Result<usize, SettingsError> {
    within(key, number, range).map(|count| count as usize)
}

fn within(
    key: &str,
    Number(given): Number,
    range: RangeInclusive<u32>,
) -> Result<u32, SettingsError> {
    let remedy = || format!("give {} to {}", range.start(), range.end());
    let number = u32::try_from(given).ok().filter(|number| range.contains(number));
    number.ok_or_else(|| SettingsError::value(key, given, remedy()))
}

/// Where the admin port is, by the same layers; what else they say or lack makes no difference.
///
/// # Errors
///
/// The layers cannot be read, or the address cannot work.
pub fn admin_listen(file: Option<&Path>) -> Result<Option<SocketAddr>, SettingsError> {
    listen::checked(&layers::read(file, environment().collect())?.admin.listen)
}

/// What is not Unicode turns into a character that no setting allows.
fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().map(|(name, value)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    })
}

/// The filter for the logs, `RUST_LOG`; `None` where it is unset or empty.
#[must_use]
pub fn log_filter() -> Option<String> {
    let filter = env::var_os("RUST_LOG")?.to_string_lossy().into_owned();
    (!filter.is_empty()).then_some(filter)
}
