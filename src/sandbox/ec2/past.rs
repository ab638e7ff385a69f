//! What instances were some time ago. EC2's describing calls can lag behind a change, and show the
//! state, the tags and the details of an instance from before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::details::Details;
use super::instance::{Instance, State};
use super::reason::Reason;

/// The earlier states, tags and details of an instance, each with the moment until which it had
/// them.
#[derive(Debug, Clone)]
pub(super) struct Past {
    /// When the instance was launched first.
    pub(super) created: Instant,
    states: Vec<(Instant, (State, Reason))>,
    tags: Vec<(Instant, BTreeMap<String, String>)>,
    details: Vec<(Instant, Arc<Details>)>,
}

impl Past {
    /// The past of an instance that has not changed since it was launched.
    pub(super) fn since(created: Instant) -> Self {
        Self { created, states: Vec::new(), tags: Vec::new(), details: Vec::new() }
    }
}

impl Instance {
    /// Puts it into a state.
    pub(super) fn enter(&mut self, state: State, reason: Reason, now: Instant) {
        self.past.states.push((now, (self.state, self.reason)));
        (self.state, self.reason) = (state, reason);
    }

    /// How often its tags have changed.
    pub(in crate::sandbox) fn tag_changes(&self) -> usize {
        self.past.tags.len()
    }

    /// Changes its tags.
    pub(in crate::sandbox) fn change_tags(
        &mut self,
        now: Instant,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) {
        self.past.tags.push((now, self.tags.clone()));
        change(&mut self.tags);
    }

    /// Changes its details.
    pub(in crate::sandbox) fn change_details(
        &mut self,
        now: Instant,
        change: impl FnOnce(&mut Details),
    ) {
        self.past.details.push((now, Arc::clone(&self.details)));
        change(Arc::make_mut(&mut self.details));
    }

    /// The instance as it was at a moment; `None` before its launch.
    pub(in crate::sandbox) fn as_of(&self, moment: Instant) -> Option<Self> {
        if self.past.created > moment {
            return None;
        }
        let (state, reason) =
            before(&self.past.states, moment).copied().unwrap_or((self.state, self.reason));
        let tags = before(&self.past.tags, moment).unwrap_or(&self.tags);
        let details = before(&self.past.details, moment).unwrap_or(&self.details);
        Some(Self {
            state,
            reason,
            tags: tags.clone(),
            details: Arc::clone(details),
            ..self.clone()
        })
    }
}

/// What was before at a moment; `None` if it has not changed since.
fn before<T>(past: &[(Instant, T)], moment: Instant) -> Option<&T> {
    past.iter().find(|(until, _)| moment < *until).map(|(_, value)| value)
}
