//! What this process holds: a lease for each message, and a claim for each event.

pub mod lease;
mod table;
mod renewal;
pub mod dedup;
