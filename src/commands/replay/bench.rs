//! Judges lines: by the policies of the settings, and by looking at the instances of events.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use time::UtcDateTime;

use super::entry::{Content, Entry, Replayed, judged};
use crate::commands::ended::Ended;
use crate::commands::live::Live;
use crate::commands::loading::Loading;
use crate::domain::event::{EventKey, Reading};
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::Policies;
use crate::domain::policy::stored::Stored;
use crate::settings::Settings;

/// The policies of the settings. AWS is asked only once there is an event.
pub(super) struct Bench<'settings> {
    config: Option<&'settings Path>,
    /// The policies as they are loaded without AWS.
    offline: Option<Policies>,
    /// AWS, and the policies that bind in the account of the credentials.
    live: Option<Live>,
}

impl<'settings> Bench<'settings> {
    /// Reads the settings once there are lines.
    pub(super) fn new(config: Option<&'settings Path>) -> Self {
        Self { config, offline: None, live: None }
    }

    /// Judges lines. Those that are events are looked up together.
    ///
    /// # Errors
    /// Policies or settings that cannot work, and instances that cannot be looked at.
    pub(super) async fn judge(
        &mut self,
        mut entries: Vec<Entry>,
    ) -> Result<Vec<(usize, Replayed)>, Ended> {
        if self.live.is_none() && entries.iter().any(Entry::is_event) {
            self.live = Some(Live::connect(&Settings::load(self.config)?).await?);
        }
        let policies = match (&self.live, &mut self.offline) {
            (Some(live), _) => {
                look_up(&mut entries, live).await?;
                &live.policies
            }
            (None, Some(offline)) => &*offline,
            (None, none) => none.insert(Loading::of_settings(self.config, None)?.policies()?),
        };
        let judged = |Entry { line, content }| (line, judged(policies, content));
        Ok(entries.into_iter().map(judged).collect())
    }
}

/// Looks at the instances of all events, and puts what is seen in the place of the events.
async fn look_up(entries: &mut [Entry], live: &Live) -> anyhow::Result<()> {
    let mut starts = BTreeMap::<Region, BTreeSet<InstanceId>>::new();
    for entry in entries.iter_mut() {
        let Content::Event(body) = &entry.content else { continue };
        let reading = live.scope.read(body, "line");
        entry.content = match reading {
            Reading::Relevant(change) => {
                let EventKey { region, instance, .. } = &change.key;
                starts.entry(region.clone()).or_default().insert(instance.clone());
                Content::Start(change)
            }
            // Starts alone are replayed; the scope reads no changes of tags.
            Reading::TagChange(_) => Content::Ignored("other_event_type"),
            Reading::Ignored(dismissal) => Content::Ignored(dismissal.reason),
            Reading::Rejected(dismissal) => {
                Content::Unreadable(format!("is rejected: {}", dismissal.reason))
            }
        };
    }
    let mut seen = BTreeMap::new();
    for (region, ids) in &starts {
        seen.extend(live.look(region, ids).await?);
    }
    for entry in entries {
        let Content::Start(change) = &entry.content else { continue };
        if let Some(stored) = seen.get(&change.key.instance) {
            let started = change.time.map(UtcDateTime::from);
            entry.content = Content::Stored(Box::new(Stored { started, ..stored.clone() }));
        }
    }
    Ok(())
}
