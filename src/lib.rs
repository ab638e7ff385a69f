//! Stops EC2 instances that start without the exception tag, and tells their owners.
//!
//! # The life of one message
//! A poller receives it from SQS, [`domain::event`] reads it, and a lease ([`inflight`]) keeps it
//! invisible. An evaluator looks up the tags of all messages that wait, and [`domain::policy`]
//! judges them. Violators go to an enforcer ([`pipeline::enforce`]), which looks at their instances
//! once more and stops them in one call, within a share of EC2's token buckets ([`rate_limit`]). A
//! notifier publishes the [`domain::notice`] that the [`domain::outcome`] calls for. Finished
//! messages go to [`pipeline::settle`], and only there is a message deleted.
//!
//! # Invariants
//! - no module outside [`aws`] names a type of the AWS SDK, except the `SdkConfig` that is handed in;
//! - the modules of [`domain`] never await;
//! - nothing but [`settings`] (and the SDK and sd-notify, for their own variables) reads the
//!   environment;
//! - nothing is retried outside [`retry`], which says when;
//! - nothing is deleted outside [`pipeline::settle`], and no violation before its notice is accepted;
//! - no stop without a look at most 5 s old;
//! - no event id, instance id or other unbounded value is a metric label.

pub mod cli;
pub mod commands;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod daemon;
pub mod health;
pub mod pipeline;
pub mod inflight;
pub mod rate_limit;
pub mod retry;
pub mod aws;
pub mod settings;
pub mod telemetry;
pub mod domain;
pub mod runtime;
