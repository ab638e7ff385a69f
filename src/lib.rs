//! Stops EC2 instances that start without the exception tag, and tells their owners.
//!
//! The life of one message: a [`poller`] receives it from SQS, [`event`] reads it, and a
//! [`lease`] keeps it invisible. A [`worker`] looks up the tags of whatever waits and has the
//! [`policy`] judge it. Violators go down the stop line, where a [`stopper`] looks at them once
//! more ([`look`]) and stops them in one call ([`stop`]), at the [`pace`] that EC2 allows; who is
//! denied waits aside ([`denial`]).
//! An [`announcer`] publishes the [`notice`] that the [`outcome`] calls for. What is done with goes
//! over the [`desk`] to [`settle`], and only there is a message deleted.
//!
//! Before the first start, [`check`] asks AWS whether all of that can work.
//!
//! Invariants:
//! - no module outside [`aws`] names a type of the AWS SDK, save the `SdkConfig` that is handed in;
//! - the pure modules ([`event`], [`policy`], [`outcome`], [`notice`], [`aws::error`]) never await;
//! - nothing but [`settings`] (and the SDK and sd-notify, for their own variables) reads the
//!   environment;
//! - nothing is retried outside [`retry`] and [`pause`], which say when;
//! - nothing is deleted outside [`settle`], and no violation before its notice is accepted;
//! - no stop without a look at most 5 s old;
//! - no event id, instance id or other unbounded value is a metric label.

pub mod cli;
pub mod generate;
pub mod settings;
pub mod telemetry;
pub mod shutdown;
pub mod outside;
pub mod reload;
pub mod admin;
pub mod systemd;
pub mod healthcheck;
pub mod health;
pub mod daemon;
pub mod start;
pub mod crew;
pub mod hiring;
pub mod regions;
pub mod reach;
pub mod tasks;
pub mod alive;
pub mod contain;
pub mod poller;
pub mod event;
pub mod delivery;
pub mod lease;
pub mod memory;
pub mod line;
pub mod worker;
pub mod agenda;
pub mod policy;
pub mod stopper;
pub mod group;
pub mod look;
pub mod stop;
pub mod denial;
pub mod pace;
pub mod outcome;
pub mod announcer;
pub mod notice;
pub mod desk;
pub mod logbook;
pub mod settle;
pub mod tally;
pub mod metrics;
pub mod pause;
pub mod retry;
pub mod clock;
pub mod check;
pub mod layout;
pub mod aws;
#[cfg(feature = "sandbox")]
pub mod sandbox;
