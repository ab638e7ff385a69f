//! What the sandbox saw of a trial.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::percentiles::Spread;

/// Events count from the moment they are visible, those that wait from the first ReceiveMessage.
#[derive(Debug, Serialize, Deserialize)]
pub struct Evidence {
    pub events: usize,
    pub first_receive: SystemTime,
    /// Until the last deletion.
    pub took: Duration,
    /// Until the last violator was stopped.
    pub all_stopped_after: Duration,
    /// What the sandbox itself took: two cores that it keeps busy hold the contender up.
    pub sandbox_cpu: Duration,
    /// By operation.
    pub calls: BTreeMap<String, usize>,
    pub throttled: usize,
    pub until_stopped: Spread,
    pub until_deleted: Spread,
    /// What should not be, in words.
    pub wrong: Vec<String>,
}
