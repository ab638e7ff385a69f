//! What the sandbox process reports of a trial.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::percentiles::Spread;

/// The figures of a scene. Times of an event count from when it became visible or, if it was in the
/// queue before, from the first `ReceiveMessage`. Where owners answer, the events are the changes of
/// tags.
#[derive(Debug, Serialize, Deserialize)]
pub struct Evidence {
    pub events: usize,
    /// That of the process, also if the scene is not its first.
    pub first_receive: SystemTime,
    /// The time until the last deletion.
    pub took: Duration,
    /// The time until the last violator was stopped.
    pub all_stopped_after: Duration,
    /// The CPU time of the sandbox. It slows the contender down if both use the same cores.
    pub sandbox_cpu: Duration,
    /// The number of calls by operation.
    pub calls: BTreeMap<String, usize>,
    pub throttled: usize,
    pub until: Until,
    /// What the contender did wrong. Empty if it fulfilled the contract.
    pub wrong: Vec<String>,
}

/// How long each thing took, of the events that led to it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Until {
    /// The time until the instance was stopped.
    pub stopped: Spread,
    /// The time until the message was deleted.
    pub deleted: Spread,
    /// The time from the owner's tag until SNS accepted the notice that calls the stop off.
    pub called_off: Spread,
}
