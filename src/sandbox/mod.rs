//! The sandbox: a small AWS in memory, with SQS, EC2, SNS, `EventBridge` rules and STS. Tests,
//! benchmarks and the `sandbox` subcommand run the daemon against it.
//!
//! A call comes in through `connector` (from an SDK client in the same process) or `server` (over
//! HTTP). `dispatch` decodes it, applies the faults that strike it, lets `world` carry it out under
//! one lock, and encodes the answer. Each service has a folder or a file; `wire` has the protocols.
//! `ledger` records every call. `control` changes the sandbox without a call, and `inspect` reads
//! it. `accounts` says in whose account a call acts.
//!
//! All times are tokio's and all random values come from one seed, so that a run can be repeated
//! exactly. The subcommand, in `command`, may use [`crate::daemon`] and what lies below; everything
//! else here uses the clock of [`crate::runtime`] alone, so that it shares no mistake with the
//! daemon.

mod accounts;
mod answer;
mod batch;
mod call_details;
pub mod command;
mod connector;
mod control;
mod dates;
mod dispatch;
mod ec2;
mod events;
mod fault;
mod fault_rules;
mod ids;
mod inspect;
mod ledger;
mod options;
mod partial_call;
mod schedule;
mod server;
mod setup;
mod shown;
mod sns;
mod sqs;
mod sts;
mod token_buckets;
mod wire;
mod world;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

pub use accounts::member::Member;
pub use ec2::details::{Details, Image, Metadata, Network};
pub use ec2::instance::{Instance, Lifecycle, Root, State};
pub use ec2::launch::Launch;
pub use ec2::reason::Reason;
pub use fault::{Fault, Hook};
pub use fault_rules::{FaultId, Rule};
pub use ledger::{Call, Outcome};
pub use options::Options;
pub use setup::Resources;
pub use shown::Shown;
pub use sns::{MessageAttribute, Notice, Subscription};
pub use sqs::message::{Message, Visibility};
pub use wire::service::Service;

use ec2::instances::InstanceName;
use world::World;

/// A handle to one sandbox; clones share it. Instances that it launches, changes and reads are those
/// of one account: the sandbox's own, unless it is a handle of [`Sandbox::in_account`].
#[derive(Debug, Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
    account: Arc<str>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// Notified after every change, for `until`.
    changes: watch::Sender<()>,
}

impl Sandbox {
    /// Makes a sandbox without any resources.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let account = options.account.as_str().into();
        let world = Mutex::new(World::new(options));
        Self { shared: Arc::new(Shared { world, changes: watch::Sender::new(()) }), account }
    }

    /// Names an instance of the handle's account.
    fn name<'a>(&'a self, id: &'a str) -> InstanceName<'a> {
        InstanceName { account: &self.account, id }
    }

    /// Reads the state as it is now.
    fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.with(|world| look(world))
    }

    /// Changes the state, and wakes the tasks that wait for a change.
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
