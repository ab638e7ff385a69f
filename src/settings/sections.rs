//! The sections of `config/default.toml`, which explains every key. A field reads its key and
//! holds the range that a number must be in.
//!
//! A key that says *live* follows a reload at once: see [`Live`](super::Live).

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

use super::accounts::AccountsSettings;
use super::audit::AuditSettings;
use super::budget::BudgetSettings;
use super::listen;
use super::notice::NoticeSettings;
use super::number::{count, millis, optional_secs, secs, whole};
use super::policy::PolicySettings;
use super::queue::QueueAddress;
use super::scope::ScopeSettings;
use super::sweep::SweepSettings;
use super::topic::TopicSettings;
use crate::domain::policy::Source;
use crate::telemetry::logs;

/// Everything that the daemon can be told, checked: a field for each section of
/// `config/default.toml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Which instances are exempt, and which policies there are besides.
    pub policy: PolicySettings,
    /// Where the events come from.
    pub queue: QueueSettings,
    /// Where the notices go.
    pub topic: TopicSettings,
    /// How many instances may be stopped in which time.
    pub budget: BudgetSettings,
    /// How fast the notices go.
    pub notice: NoticeSettings,
    /// Where the audit trail goes.
    pub audit: AuditSettings,
    /// Whose instances count.
    pub scope: ScopeSettings,
    /// Which other accounts' instances count, and how the daemon acts there.
    pub accounts: AccountsSettings,
    /// How often all instances are looked at.
    pub sweep: SweepSettings,
    /// How much waits, and how much is done at a time.
    pub sizes: Sizes,
    /// How much of EC2's rate limits is used.
    pub rate_limit: RateLimitSettings,
    /// How failures back off.
    pub retry: RetrySettings,
    /// What is logged.
    pub log: LogSettings,
    /// Where the admin port is.
    pub admin: AdminSettings,
    /// How the daemon ends.
    pub drain: DrainSettings,
    /// Whether the instance metadata service may be asked: `AWS_EC2_METADATA_DISABLED`, which is
    /// no key of ours.
    #[serde(skip)]
    pub asks_metadata: bool,
    /// The texts of the policies: of `policy.files`, and of `policy.inline`.
    #[serde(skip)]
    pub policy_texts: Vec<Source>,
}

/// The longest drain that can be asked for.
pub(crate) const LONGEST_DRAIN: Duration = Duration::from_secs(LONGEST_DRAIN_SECS as u64);

const LONGEST_DRAIN_SECS: u32 = 110;

/// The queue, and how it is polled.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// The URL, ARN or name.
    #[serde(rename = "url")]
    pub address: QueueAddress,
    /// How long a poll waits for a message.
    #[serde(rename = "wait_secs", deserialize_with = "secs::<1, 20, _>")]
    pub wait: Duration,
    /// The visibility timeout of every receive; `None`: the queue's own, at least 5 s.
    #[serde(rename = "visibility_timeout_secs", deserialize_with = "optional_secs::<5, 43200, _>")]
    pub visibility_timeout: Option<Duration>,
}

/// How much waits, and how much is done at a time.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Messages that are looked up together.
    #[serde(deserialize_with = "count::<1, 190, _>")]
    pub batch: usize,
    /// Instances in one `StopInstances` call.
    #[serde(deserialize_with = "count::<1, 190, _>")]
    pub stop_batch: usize,
    /// Messages that wait to be looked up.
    #[serde(deserialize_with = "count::<10, 10_000, _>")]
    pub inbox: usize,
    /// Violators that wait to be stopped.
    #[serde(deserialize_with = "count::<1, 100_000, _>")]
    pub stop_queue: usize,
    /// Tasks that poll the queue.
    #[serde(deserialize_with = "count::<1, 64, _>")]
    pub pollers: usize,
    /// Tasks that look up and judge, for each account and region.
    #[serde(deserialize_with = "count::<1, 64, _>")]
    pub evaluators: usize,
    /// Tasks that stop, for each account and region.
    #[serde(deserialize_with = "count::<1, 64, _>")]
    pub enforcers: usize,
    /// Tasks that publish notices.
    #[serde(deserialize_with = "count::<1, 64, _>")]
    pub notifiers: usize,
    /// Tasks that delete messages, and as many that hand them back.
    #[serde(deserialize_with = "count::<1, 64, _>")]
    pub settlers: usize,
}

impl Sizes {
    /// The most messages that are held: twice those that fit into the inbox and the stop queue, since
    /// as many again may be in work, or wait for their notice or to be settled.
    pub(crate) fn most_held(&self) -> usize {
        2 * (self.inbox + self.stop_queue)
    }
}

/// How much of EC2's rate limits is used.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitSettings {
    /// The share of EC2's token buckets, in percent. Live.
    #[serde(deserialize_with = "whole::<1, 100, _>")]
    pub share_percent: u32,
}

/// The back-off of the one retry layer.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// The back-off after the first failure; it doubles from there. Live.
    #[serde(rename = "first_ms", deserialize_with = "millis::<10, 5000, _>")]
    pub first: Duration,
    /// The longest back-off. Live.
    #[serde(rename = "cap_ms", deserialize_with = "millis::<100, 60_000, _>")]
    pub cap: Duration,
}

/// What is logged.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The filter, as `RUST_LOG` would say it; `None`: the default. `RUST_LOG` itself wins. Live.
    #[serde(deserialize_with = "filter")]
    pub filter: Option<String>,
}

/// Where the admin port is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// Its address; `None`: there is no port.
    #[serde(deserialize_with = "listen::deserialize")]
    pub listen: Option<SocketAddr>,
}

/// How the daemon ends.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DrainSettings {
    /// How long work in flight may go on after the first signal.
    #[serde(rename = "timeout_secs", deserialize_with = "secs::<3, LONGEST_DRAIN_SECS, _>")]
    pub timeout: Duration,
}

fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let filter = Option::<String>::deserialize(deserializer)?;
    let Some(filter) = filter.filter(|filter| !logs::is_blank(filter)) else { return Ok(None) };
    let Err(error) = logs::check(&filter) else { return Ok(Some(filter)) };
    let remedy = format!("{error}; give a level such as info, or TARGET=LEVEL with commas");
    Err(D::Error::invalid_value(Unexpected::Str(&filter), &&*remedy))
}
