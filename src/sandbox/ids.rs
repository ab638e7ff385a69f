//! Every random value of the sandbox, drawn from one seed.

use uuid::{Builder, Uuid};

/// The source of ids.
#[derive(Debug)]
pub(super) struct Ids(fastrand::Rng);

impl Ids {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Draws a version 4 UUID, as messages, events and requests are called.
    pub(super) fn uuid(&mut self) -> Uuid {
        Builder::from_random_bytes(self.0.u128(..).to_be_bytes()).into_uuid()
    }

    /// Draws an id in the long form of EC2, such as `i-` and 17 hexadecimal digits.
    pub(super) fn resource(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.0.u64(..))
    }
}
