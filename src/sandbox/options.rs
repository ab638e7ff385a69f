//! The options of a sandbox.

use std::time::{Duration, SystemTime};

/// The options of a sandbox. Every delay is zero by default: states follow one another at once.
#[derive(Debug, Clone)]
pub struct Options {
    /// The account that owns all resources and makes all calls, unless others are added: 12 digits.
    pub account: String,
    /// The region of `set_up`'s resources, of the SDK configuration, and of instances that are
    /// launched without one.
    pub region: String,
    /// The time of day at the start. None stands for the real one.
    pub began: Option<SystemTime>,
    /// The seed from which all ids are drawn.
    pub seed: u64,
    /// How long an instance is `pending` before it is `running`.
    pub pending: Duration,
    /// How long an instance is `stopping` before it is `stopped`.
    pub stopping: Duration,
    /// How long an instance is `shutting-down` before it is `terminated`.
    pub shutting_down: Duration,
    /// How long after a change of tags its event is sent.
    pub tag_event_delay: Duration,
    /// Whether EC2, and SQS for the tags of queues, throttle calls by the token buckets that they
    /// document.
    pub token_buckets: bool,
    /// The longest lifetime of the credentials of a role, even if a call asks for more.
    pub session_lifetime: Option<Duration>,
    /// The most entries on a page of `DescribeTags` or `DescribeInstances`, even if a call asks for
    /// more.
    pub page_size: Option<usize>,
    /// A guard in the IAM policy: `StopInstances` is denied (`UnauthorizedOperation`) for an
    /// instance with this tag key, compared without case.
    pub guard_tag: Option<String>,
    /// The instance id that the metadata service returns: that of the daemon's own host. Without it
    /// there is no metadata service.
    pub host: Option<String>,
    /// How far the `Date` headers of answers are ahead of the time of day. Without it, only answers
    /// of the HTTP server have a date.
    pub date_ahead: Option<Duration>,
    /// Whether a long poll goes on when its client has broken the connection, as in AWS. The
    /// messages that it receives are then lost to everyone until their visibility timeouts end.
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
            tag_event_delay: Duration::ZERO,
            token_buckets: false,
            session_lifetime: None,
            page_size: None,
            guard_tag: None,
            host: None,
            date_ahead: None,
            abandoned_polls: true,
        }
    }
}
