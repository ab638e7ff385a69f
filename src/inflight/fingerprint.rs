//! Fingerprints: short stand-ins for the keys of what is remembered in great numbers.

use sha2::{Digest, Sha256};
use time::UtcDateTime;

use crate::domain::event::EventKey;

/// The first 16 bytes of the SHA-256 of an event's key, of an instance's, or of a message's id. That
/// no two share them is as good as certain, and they take a tenth of the memory of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// That of an event.
    pub(super) fn of_event(key: &EventKey) -> Self {
        Self::first_half(instance(key).chain_update(&*key.event_id))
    }

    /// That of the instance that an event is about.
    pub(super) fn of_instance(key: &EventKey) -> Self {
        Self::first_half(instance(key))
    }

    /// That of something said about the instance of an event.
    pub(super) fn of_words(key: &EventKey, words: &str) -> Self {
        Self::first_half(instance(key).chain_update("\nsaid\n").chain_update(words))
    }

    /// That of something said about an instance that was started at this time.
    pub(super) fn of_launch(key: &EventKey, launched: UtcDateTime, words: &str) -> Self {
        let launched = launched.unix_timestamp().to_be_bytes();
        let hash = instance(key).chain_update("\nlaunched\n").chain_update(launched);
        Self::first_half(hash.chain_update(words))
    }

    /// That of a message.
    pub(super) fn of_message(id: &str) -> Self {
        Self::first_half(Sha256::new_with_prefix("message\n").chain_update(id))
    }

    fn first_half(hash: Sha256) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        Self(half)
    }
}

fn instance(key: &EventKey) -> Sha256 {
    let parts = [key.account.as_str(), key.region.as_str(), key.instance.as_str()];
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update("\n"))
}
