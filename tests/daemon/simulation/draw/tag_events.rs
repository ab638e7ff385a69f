//! Draws which changes of tags are reported to the daemon.

use std::time::Duration;

use super::Draw;
use crate::simulation::plan::{Change, Happening, Kind, TagEvent};
use crate::world::TAG;

impl Draw {
    /// Plans that changes of tags are reported, in every second world: mostly at once, and some late or
    /// twice.
    pub(super) fn reported_tags(&mut self) -> Vec<TagEvent> {
        let mut tag_events = Vec::new();
        if self.chance(0.5) {
            return tag_events;
        }
        for number in 0..self.story.len() {
            let (at, Happening::Change(change, instance)) = self.story[number] else { continue };
            let key = match change {
                Change::Tag | Change::Untag => TAG,
                Change::Set(key, _) | Change::Unset(key) => key,
                _ => continue,
            };
            if self.events.iter().all(|event| event.instance != instance)
                || self.instances[instance].kind == Kind::Unknown
            {
                continue;
            }
            let later = if self.chance(0.6) { Duration::ZERO } else { self.secs(0, 40) };
            let sends = Happening::SendTags(tag_events.len());
            tag_events.push(TagEvent { instance, id: self.event_id(), key });
            self.happens(at + later, sends);
            if self.chance(0.15) {
                let again = self.secs(0, 120);
                self.happens(at + later + again, Happening::SendTags(tag_events.len() - 1));
            }
        }
        tag_events
    }
}
