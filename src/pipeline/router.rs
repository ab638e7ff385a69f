//! Decides which events count, and sends each delivery to the evaluators of its target. A reload
//! can change the regions that count, and add targets.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::event::{Reading, Scope};
use crate::domain::ids::{Account, Region};
use crate::pipeline::inbox::Waiting;
use crate::pipeline::target::TargetKey;

/// Reads events, and sends deliveries to the evaluators of their target. When it is dropped, the
/// channels to the evaluators close.
#[derive(Debug)]
pub(crate) struct Router(RwLock<Routes>);

#[derive(Debug)]
struct Routes {
    /// The account and the regions whose events are accepted.
    scope: Scope,
    /// The channel to the evaluators of each target.
    inboxes: BTreeMap<TargetKey, UnboundedSender<Waiting>>,
}

impl Router {
    /// A router for events of one account, which has no targets and accepts no region yet.
    pub(crate) fn new(account: Account, tag_changes: bool) -> Self {
        let scope = Scope { account, regions: Vec::new(), tag_changes };
        Self(RwLock::new(Routes { scope, inboxes: BTreeMap::new() }))
    }

    /// Whether a target has been opened.
    pub(crate) fn has(&self, target: &TargetKey) -> bool {
        self.routes().inboxes.contains_key(target)
    }

    /// Adds the channel to the evaluators of a target.
    pub(crate) fn open(&self, target: TargetKey, inbox: UnboundedSender<Waiting>) {
        self.change().inboxes.insert(target, inbox);
    }

    /// Accepts events from these regions only. Each must have been opened.
    pub(crate) fn accept(&self, regions: Vec<Region>) {
        self.change().scope.regions = regions;
    }

    /// Reads the body of a message. Events of other accounts and regions are rejected.
    pub(crate) fn read(&self, body: &str, message_id: &str) -> Reading {
        self.routes().scope.read(body, message_id)
    }

    /// Sends a delivery to the evaluators of its target.
    pub(crate) fn send(&self, waiting: Waiting) {
        let routes = self.routes();
        // No event is accepted from a region that was not opened.
        if let Some(inbox) = routes.inboxes.get(&TargetKey::of(&waiting.delivery.event.key)) {
            drop(inbox.send(waiting));
        }
    }

    fn routes(&self) -> RwLockReadGuard<'_, Routes> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Routes> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
