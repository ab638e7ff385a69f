//! A small AWS in memory: SQS, EC2, SNS, `EventBridge` rules and STS.
//!
//! One call's way: `connector` or `server` brings an HTTP request, `front` decodes it,
//! consults the faults, lets the `world` act under one lock, and encodes the answer. All time
//! is tokio's and all randomness comes from one seed, so a run can be repeated exactly.

mod answer;
mod batch;
pub mod command;
mod connector;
mod control;
mod dates;
mod ec2;
mod events;
mod facts;
mod fault;
mod faults;
mod front;
mod ids;
mod inspect;
mod ledger;
mod options;
mod schedule;
mod server;
mod setup;
mod sns;
mod sqs;
mod sts;
mod wire;
mod withheld;
mod world;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

pub use ec2::instance::{Instance, Lifecycle, Root, State};
pub use ec2::launch::Launch;
pub use fault::{Fault, Hook};
pub use faults::{FaultId, Rule};
pub use ledger::{Call, Outcome};
pub use options::Options;
pub use setup::Resources;
pub use sns::Notice;
pub use sqs::message::{Message, Visibility};
pub use wire::service::Service;

use world::World;

/// A handle to one sandbox; clones share it.
#[derive(Debug, Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// Ticks after every change, for `until`.
    changes: watch::Sender<()>,
}

impl Sandbox {
    /// Makes an empty AWS.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let world = Mutex::new(World::new(options));
        Self { shared: Arc::new(Shared { world, changes: watch::Sender::new(()) }) }
    }

    /// Looks at the world as it is now.
    fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.with(|world| look(world))
    }

    /// Changes the world and wakes whoever waits for a change.
    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = self.with(change);
        self.shared.changes.send_replace(());
        result
    }

    fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.shared.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(Instant::now());
        work(&mut world)
    }
}

#[cfg(test)]
mod tests;
