//! What this process holds: a lease for each message, and a claim for each event.
//!
//! A lease keeps a message invisible to other receivers until it is settled. A claim is the sole
//! right to work on an event; a second message of the same event joins the first one.
//!
//! - [`message`]: a message that is held, and how it arrived;
//! - [`lease`]: the right to settle a message, with the life of a lease as an example;
//! - [`table`]: what is known of each lease, and the states that a lease passes through;
//! - [`renewal`]: the task that renews leases;
//! - [`busy`]: which instances are being worked on, by events or by a sweep;
//! - [`dedup`]: claims, and which events were stopped or announced;
//! - [`plans`]: which owners were told of a stop to come;
//! - [`launches`]: what owners were told of an instance since it was started;
//! - [`starts`]: of which instances a start event came;
//! - [`fingerprint`]: short stand-ins for the keys of what is remembered.
//!
//! May use [`crate::retry`] and what lies below.

pub(crate) mod message;
pub(crate) mod lease;
mod table;
mod renewal;
mod fingerprint;
mod busy;
pub(crate) mod dedup;
pub(crate) mod plans;
pub(crate) mod launches;
pub(crate) mod starts;
