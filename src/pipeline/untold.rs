//! Says that an owner may not hear of a stop. Where a sweep found the instance there is no message that
//! would bring it again, and no sweep finds what is stopped: if the delivery is dropped before its
//! owner was told, as at the end of the process, a person has to tell them.

use tracing::error;

use crate::domain::event::EventKey;

/// A stop was sent of an instance that a sweep found. Dropped before [`Untold::settled`], it logs an
/// error that names the instance.
#[derive(Debug)]
pub(crate) struct Untold(Option<EventKey>);

impl Untold {
    /// A stop of this instance is sent.
    pub(crate) fn of(key: &EventKey) -> Self {
        Self(Some(key.clone()))
    }

    /// The owner was told, or the instance was not stopped.
    pub(crate) fn settled(mut self) {
        self.0 = None;
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        if let Some(EventKey { account, region, instance, .. }) = &self.0 {
            error!(
                instance.id = %instance,
                %account,
                %region,
                "stopped what a sweep found, or tried to, and its owner could not be told; tell them"
            );
        }
    }
}
