//! Whose events count, and the way to the workers of each region; both can change while the
//! daemon runs.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::event::{Reading, Scope};
use crate::domain::ids::{Account, Region};
use crate::pipeline::inbox::Waiting;

/// The regions within reach. When it is dropped, the lines to the workers close.
#[derive(Debug)]
pub struct Reach(RwLock<Reached>);

#[derive(Debug)]
struct Reached {
    scope: Scope,
    workers: BTreeMap<Region, UnboundedSender<Waiting>>,
}

impl Reach {
    /// No region yet, of one account.
    pub fn of(account: Account) -> Self {
        let scope = Scope { account, regions: Vec::new() };
        Self(RwLock::new(Reached { scope, workers: BTreeMap::new() }))
    }

    /// Whether a region has workers.
    pub fn has(&self, region: &Region) -> bool {
        self.reached().workers.contains_key(region)
    }

    /// Opens the way to the workers of a region.
    pub fn open(&self, region: Region, workers: UnboundedSender<Waiting>) {
        self.change().workers.insert(region, workers);
    }

    /// Lets the events of just these regions count, which have workers.
    pub fn limit(&self, regions: Vec<Region>) {
        self.change().scope.regions = regions;
    }

    /// Reads a message body within the scope.
    pub fn read(&self, body: &str, message_id: &str) -> Reading {
        self.reached().scope.read(body, message_id)
    }

    /// Sends a delivery to the workers of its region.
    pub fn send(&self, waiting: Waiting) {
        let reached = self.reached();
        // The scope lets only regions through that have workers.
        if let Some(workers) = reached.workers.get(&waiting.delivery.change.key.region) {
            drop(workers.send(waiting));
        }
    }

    fn reached(&self) -> RwLockReadGuard<'_, Reached> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Reached> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
