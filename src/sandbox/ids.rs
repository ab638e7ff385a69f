//! Random ids. All are drawn from one seed, so that a run of the sandbox can be repeated exactly.

use uuid::{Builder, Uuid};

/// The random generator of ids.
#[derive(Debug)]
pub(super) struct Ids(fastrand::Rng);

impl Ids {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Draws a version 4 UUID: the id of a message, an event or a request.
    pub(super) fn uuid(&mut self) -> Uuid {
        Builder::from_random_bytes(self.0.u128(..).to_be_bytes()).into_uuid()
    }

    /// Draws an id in the long form of EC2, such as `i-` and 17 hexadecimal digits.
    pub(super) fn resource(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.0.u64(..))
    }
}
