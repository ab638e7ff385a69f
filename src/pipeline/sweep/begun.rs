//! A sweep that has begun: what it looks at, and what it knows.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::unread::Unread;
use crate::domain::event::EventKey;
use crate::domain::ids::InstanceId;
use crate::domain::period::Period;
use crate::inflight::dedup::Dedup;
use crate::inflight::launches::Launches;
use crate::inflight::starts::Starts;
use crate::pipeline::context::Context;
use crate::pipeline::evaluator::Evaluator;
use crate::pipeline::held::Counted;
use crate::pipeline::target::Target;

/// What the sweeps of all targets share.
#[derive(Clone, Debug)]
pub(crate) struct SweepMemory {
    /// The events and instances that are being worked on.
    pub(crate) dedup: Arc<Dedup>,
    /// What owners were told.
    pub(crate) launches: Arc<Launches>,
    /// Of which instances a start event came.
    pub(crate) starts: Arc<Starts>,
    /// Places for deliveries that wait for their first look.
    pub(crate) room: Arc<Semaphore>,
    /// Places for notices of what sweeps found, so that those of events need not wait behind thousands.
    pub(crate) notices: Arc<Semaphore>,
    /// Which accounts and regions could not be read.
    pub(crate) unread: Unread,
}

/// How many instances that sweeps found may wait for their notice at a time: SNS takes nine notices a
/// second where it sends e-mails, so that an event's notice waits six seconds behind them.
const NOTICES: usize = 50;

impl SweepMemory {
    /// The places for the notices of sweeps.
    pub(crate) fn places_for_notices() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(NOTICES))
    }
}

/// A sweep of an account and region.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// The stage that looks at what is found, with the target.
    pub(crate) evaluator: Arc<Evaluator>,
    /// What sweeps share with the stages that events pass.
    pub(crate) memory: SweepMemory,
    /// The time that it answers for.
    pub(crate) period: Period,
    /// The time since the last sweep that read all instances.
    pub(crate) unread: Period,
    /// Whether it is the first one of this process.
    pub(crate) is_first: bool,
    /// Keeps the target from being closed.
    pub(crate) _held: Counted,
}

impl Sweep {
    /// What all stages share.
    pub(super) fn context(&self) -> &Context {
        &self.evaluator.context
    }

    /// The account and region.
    pub(super) fn target(&self) -> &Target {
        &self.evaluator.target
    }

    /// The key by which an instance is worked on. There is no event.
    pub(super) fn key(&self, instance: InstanceId) -> EventKey {
        let key = &self.target().key;
        let (account, region) = (key.account.clone(), key.region.clone());
        EventKey { account, region, instance, event_id: "".into() }
    }
}
