//! Stops EC2 instances that start without the exception tag, and tells their owners.
//!
//! The life of one message: a [`poller`] receives it from SQS, [`event`] reads it, and a
//! [`lease`] keeps it invisible. A [`worker`] looks up the tags of whatever waits and has the
//! [`policy`] judge it. Violators go down the stop line, where a [`stopper`] looks at them once
//! more and stops them in one call ([`stop`]). An [`announcer`] publishes the [`notice`] that the
//! [`outcome`] calls for. Only then does [`settle`] delete the message.
//!
//! Invariants:
//! - no module outside [`aws`] names a type of the AWS SDK, save the `SdkConfig` that is handed in;
//! - the pure modules ([`event`], [`policy`], [`outcome`], [`notice`], [`aws::error`]) never await;
//! - nothing but [`settings`] (and the SDK, for its own variables) reads the environment;
//! - nothing is retried outside [`retry`] and [`pause`], which say when;
//! - nothing is deleted outside [`settle`], and no violation before its notice is accepted;
//! - no stop without a look at most 5 s old;
//! - no event id, instance id or other unbounded value is a metric label.

pub mod announcer;
pub mod aws;
pub mod cli;
pub mod daemon;
pub mod delivery;
pub mod event;
pub mod lease;
pub mod line;
pub mod memory;
pub mod notice;
pub mod outcome;
pub mod pace;
pub mod pause;
pub mod policy;
pub mod poller;
pub mod retry;
pub mod alive;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod settings;
pub mod settle;
pub mod shutdown;
pub mod start;
pub mod stop;
pub mod stopper;
pub mod telemetry;
pub mod worker;
