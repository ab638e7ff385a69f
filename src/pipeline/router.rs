//! Whose events count, and the way to the evaluators of each region; both can change while the
//! daemon runs.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::event::{Reading, Scope};
use crate::domain::ids::{Account, Region};
use crate::pipeline::inbox::Waiting;

/// The regions within reach. When it is dropped, the lines to the evaluators close.
#[derive(Debug)]
pub struct Router(RwLock<Routes>);

#[derive(Debug)]
struct Routes {
    scope: Scope,
    evaluators: BTreeMap<Region, UnboundedSender<Waiting>>,
}

impl Router {
    /// No region yet, of one account.
    pub fn of(account: Account) -> Self {
        let scope = Scope { account, regions: Vec::new() };
        Self(RwLock::new(Routes { scope, evaluators: BTreeMap::new() }))
    }

    /// Whether a region has evaluators.
    pub fn has(&self, region: &Region) -> bool {
        self.reached().evaluators.contains_key(region)
    }

    /// Opens the way to the evaluators of a region.
    pub fn open(&self, region: Region, evaluators: UnboundedSender<Waiting>) {
        self.change().evaluators.insert(region, evaluators);
    }

    /// Lets the events of just these regions count, which have evaluators.
    pub fn limit(&self, regions: Vec<Region>) {
        self.change().scope.regions = regions;
    }

    /// Reads a message body within the scope.
    pub fn read(&self, body: &str, message_id: &str) -> Reading {
        self.reached().scope.read(body, message_id)
    }

    /// Sends a delivery to the evaluators of its region.
    pub fn send(&self, waiting: Waiting) {
        let reached = self.reached();
        // The scope lets only regions through that have evaluators.
        if let Some(evaluators) = reached.evaluators.get(&waiting.delivery.change.key.region) {
            drop(evaluators.send(waiting));
        }
    }

    fn reached(&self) -> RwLockReadGuard<'_, Routes> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Routes> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
