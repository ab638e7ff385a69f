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

    /// Draws a text of letters and digits, such as a session token.
    pub(super) fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| self.0.alphanumeric()).collect()
    }

    /// Draws an id in the form of IAM: a prefix and so many upper-case letters and digits.
    pub(super) fn upper_case(&mut self, (prefix, count): (&str, usize)) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let drawn = (0..count).map(|_| char::from(DIGITS[self.0.usize(..DIGITS.len())]));
        prefix.chars().chain(drawn).collect()
    }

    /// Draws an id in the long form of EC2, such as `i-` and 17 hexadecimal digits.
    pub(super) fn resource(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.0.u64(..))
    }
}
