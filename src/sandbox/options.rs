//! What a sandbox is made with.

use std::time::{Duration, SystemTime};

/// The settings of a sandbox. Every delay is zero by default, which means "at once".
#[derive(Debug, Clone)]
pub struct Options {
    /// The account that owns everything and makes every call, 12 digits.
    pub account: String,
    /// The region of `set_up`'s resources, of the SDK configuration and of plain launches.
    pub region: String,
    /// The time of day at the start; the real one if none is given.
    pub began: Option<SystemTime>,
    /// What every id is drawn from.
    pub seed: u64,
    /// From `pending` to `running`.
    pub pending: Duration,
    /// From `stopping` to `stopped`.
    pub stopping: Duration,
    /// From `shutting-down` to `terminated`.
    pub shutting_down: Duration,
    /// Whether EC2's documented token buckets throttle.
    pub token_buckets: bool,
    /// The most entries on a page of `DescribeTags` or `DescribeInstances`, even if more were
    /// asked for.
    pub page_size: Option<usize>,
    /// An IAM guard: stopping an instance that carries this tag key, compared without case, is
    /// an `UnauthorizedOperation`.
    pub guard_tag: Option<String>,
    /// The instance that the metadata service names as the client's own machine; without one
    /// there is no such service.
    pub host: Option<String>,
    /// How far the dates of answers are ahead of the time of day; without it they carry none,
    /// save what a server adds.
    pub date_ahead: Option<Duration>,
    /// Whether a long poll goes on when its client has gone, and hands messages out to nobody.
    pub abandoned_polls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            began: None,
            seed: 0,
            pending: Duration::ZERO,
            stopping: Duration::ZERO,
            shutting_down: Duration::ZERO,
            token_buckets: false,
            page_size: None,
            guard_tag: None,
            host: None,
            date_ahead: None,
            abandoned_polls: false,
        }
    }
}
