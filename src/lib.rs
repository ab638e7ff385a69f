//! Stops EC2 instances that start without the exception tag, and tells their owners.
//!
//! # The life of one message
//! A poller receives it from SQS; [`domain::event`] reads it, and a lease (`inflight`) keeps it
//! invisible. An evaluator looks up the tags of all instances that wait, and deletes the messages
//! of those that carry the exception tag. The others go to an enforcer, which looks at them once
//! more, lets [`domain::policy`] give its verdict, and stops them in one call, within a share of
//! EC2's token buckets (`rate_limit`). A notifier publishes the `domain::notice` that the
//! [`domain::outcome`] calls for. Then a settler deletes the message. `pipeline` has the map of
//! these tasks.
//!
//! # The floors
//! Each folder is a floor of the house. Imports go down only, and no files import each other in a
//! circle (held by `tests/daemon/floors.rs`). From top to bottom:
//!
//! | floor | what lives there |
//! |---|---|
//! | [`story`] | a day with the daemon, played on the sandbox |
//! | [`commands`], [`sandbox`] | what a person runs besides `run`; a small AWS inside the process |
//! | [`daemon`] | one process: discovers the queue, starts the pipeline, drains |
//! | [`health`] | what the daemon tells about itself: admin port, systemd |
//! | `pipeline` | the stages that a message passes |
//! | `inflight`, `rate_limit` | what this process holds; what it may ask of EC2 |
//! | [`retry`] | when a failed call is made again |
//! | [`aws`] | the calls, their errors and their time limits |
//! | [`settings`] | what the operator wants, refused where it cannot work |
//! | [`telemetry`], [`cli`] | logs and metrics; the command line |
//! | [`domain`] | events, policy, outcomes and notices: pure |
//! | [`runtime`] | small tools over tokio |
//!
//! # Invariants
//! - No module outside [`aws`] names a type of the AWS SDK, except the `SdkConfig` that is handed
//!   in.
//! - Nothing under [`domain`] awaits, reads a clock, or names AWS's SDK.
//! - Nothing but [`settings`] (and the SDK and sd-notify, for their own variables) reads the
//!   environment.
//! - Nothing is retried outside [`retry`], and every delay and limit of time stands in its
//!   `delays`.
//! - Nothing is deleted outside `pipeline::settle`, and no violation before SNS accepted its
//!   notice.
//! - Nothing stops an instance outside `pipeline::enforce::stop`, and nothing without a look at
//!   most 5 s old.
//! - Nothing starts or tags an instance but the command `undo`, to which the daemon has no way.
//! - No event id, instance id or other unbounded value is a metric label.
//! - Metric labels and the values of log fields are words with underscores, not prose.

// `pub` is for main.rs, tests and benchmarks alone; then the compiler finds what is dead.
#![warn(unreachable_pub)]

pub mod cli;
#[cfg(feature = "sandbox")]
pub mod story;
pub mod commands;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod daemon;
pub mod health;
mod pipeline;
mod inflight;
mod rate_limit;
pub mod retry;
pub mod aws;
pub mod settings;
pub mod telemetry;
pub mod domain;
pub mod runtime;
