//! Hashes, by which FIFO topics tell notices apart.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a text, as 64 hex digits.
pub(super) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
