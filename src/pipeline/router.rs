//! Decides which events count, and sends each delivery to the evaluators of its target. A reload
//! can change the regions that count.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::event::{Reading, Scope};
use crate::domain::ids::Region;
use crate::domain::target::TargetKey;
use crate::pipeline::evaluator::Evaluator;
use crate::pipeline::inbox::Waiting;

/// Reads events, and sends deliveries to the evaluators of their target.
#[derive(Debug)]
pub(crate) struct Router {
    routes: RwLock<Routes>,
    /// The channel to the task that opens targets: deliveries whose target is not open.
    unopened: UnboundedSender<Waiting>,
}

#[derive(Debug)]
struct Routes {
    /// The accounts and the regions whose events are accepted.
    scope: Scope,
    /// The evaluator of each target that is open.
    evaluators: BTreeMap<TargetKey, Arc<Evaluator>>,
}

impl Router {
    /// A router for the events that count, which has no targets yet.
    pub(crate) fn new(scope: Scope, unopened: UnboundedSender<Waiting>) -> Self {
        Self { routes: RwLock::new(Routes { scope, evaluators: BTreeMap::new() }), unopened }
    }

    /// The evaluator of a target; `None` if that is not open.
    pub(crate) fn evaluator(&self, target: &TargetKey) -> Option<Arc<Evaluator>> {
        self.routes().evaluators.get(target).map(Arc::clone)
    }

    /// How many targets are open.
    pub(crate) fn count(&self) -> usize {
        self.routes().evaluators.len()
    }

    /// Opens a target.
    pub(crate) fn open(&self, target: TargetKey, evaluator: Arc<Evaluator>) {
        self.change().evaluators.insert(target, evaluator);
    }

    /// Closes a target that has nothing to do. Says whether it was closed.
    pub(crate) fn close_if_idle(&self, target: &TargetKey) -> bool {
        let mut routes = self.change();
        let is_idle = routes.evaluators.get(target).is_some_and(|evaluator| evaluator.is_idle());
        is_idle && routes.evaluators.remove(target).is_some()
    }

    /// Accepts events from these regions only.
    pub(crate) fn accept(&self, regions: Vec<Region>) {
        self.change().scope.regions = regions;
    }

    /// Reads the body of a message. Events of other accounts and regions are rejected.
    pub(crate) fn read(&self, body: &str, message_id: &str) -> Reading {
        self.routes().scope.read(body, message_id)
    }

    /// Sends a delivery to the evaluators of its target, which is opened if need be.
    pub(crate) fn send(&self, waiting: Waiting) {
        let routes = self.routes();
        match routes.evaluators.get(&TargetKey::of(&waiting.delivery.event.key)) {
            Some(evaluator) => evaluator.accept(waiting),
            // If that task has been aborted, the delivery is dropped and handed back.
            None => drop(self.unopened.send(waiting)),
        }
    }

    fn routes(&self) -> RwLockReadGuard<'_, Routes> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Routes> {
        self.routes.write().unwrap_or_else(PoisonError::into_inner)
    }
}
