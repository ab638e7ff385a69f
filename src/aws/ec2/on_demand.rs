//! A client that is there while calls need it. One takes 15 kB, and of a thousand accounts and
//! regions nearly all are at rest.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_config::SdkConfig;
use aws_sdk_ec2::Client;

/// The client of an account and region; clones share it.
#[derive(Clone, Debug)]
pub(super) struct OnDemand(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sdk: SdkConfig,
    /// The client of the calls in flight.
    current: Mutex<Weak<Client>>,
}

impl OnDemand {
    /// A client with this configuration, which is not made yet.
    pub(super) fn new(sdk: SdkConfig) -> Self {
        Self(Arc::new(Shared { sdk, current: Mutex::default() }))
    }

    /// The client of the calls in flight or, if there are none, a new one. It is dropped with the last
    /// of these values; connections and credentials are not its own, and stay.
    pub(super) fn client(&self) -> impl Deref<Target = Client> + use<> {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.upgrade().unwrap_or_else(|| {
            let client = Arc::new(Client::new(&self.0.sdk));
            *current = Arc::downgrade(&client);
            client
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;

    use super::*;

    #[test]
    fn calls_share_a_client_which_is_dropped_with_the_last_of_them() {
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12()).build();
        let clients = OnDemand::new(sdk);
        let is_made = || clients.0.current.lock().unwrap().strong_count() > 0;
        assert!(!is_made());
        let (one, other) = (clients.client(), clients.client());
        assert!(std::ptr::eq(&raw const *one, &raw const *other));
        drop(one);
        assert!(is_made());
        drop(other);
        assert!(!is_made());
        drop(clients.client());
    }
}
