//! What the daemon reports about its work: logs and metrics. May use [`crate::domain`].

pub mod logs;
pub mod metrics;
