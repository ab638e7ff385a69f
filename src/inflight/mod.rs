//! What this process holds: a lease for each message, and a claim for each event.
//!
//! A lease keeps a message invisible to other receivers until it is settled. A claim is the sole
//! right to work on an event; a second message of the same event joins the first. May use
//! [`crate::retry`] and what lies below.

pub(crate) mod message;
pub(crate) mod lease;
mod table;
mod renewal;
pub(crate) mod dedup;
