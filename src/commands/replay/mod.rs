//! `replay`: what would be done now about each of many starts.

mod entry;
mod report;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use time::UtcDateTime;

use super::ended::Ended;
use super::judging::judge;
use super::lines;
use super::live::Live;
use super::loading::Loading;
use crate::cli::judging::ReplayArguments;
use crate::cli::output;
use crate::domain::event::{EventKey, Reading};
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::Policies;
use crate::domain::policy::stored::Stored;
use crate::settings::Settings;

use entry::Entry;

pub(super) use entry::{Content, Replayed};
use summary::Summary;

/// Judges each line of a file.
///
/// # Errors
/// Policies or settings that cannot work, and a file or instances that cannot be read.
pub async fn run(arguments: &ReplayArguments) -> Result<u8, Ended> {
    let ReplayArguments { file, config, json } = arguments;
    let lines = lines::of(file)?;
    let mut entries: Vec<_> = lines.iter().map(Entry::of).collect();
    drop(lines);
    let policies = if entries.iter().any(Entry::is_event) {
        look_up(&mut entries, config.as_deref()).await?
    } else {
        Loading::of_settings(config.as_deref(), None)?.policies()?
    };
    let replayed: Vec<_> = entries
        .into_iter()
        .map(|Entry { line, content }| (line, judged(&policies, content)))
        .collect();
    let summary = Summary::of(replayed.iter().map(|(_, replayed)| replayed));
    let text =
        if *json { report::json(&replayed, &summary) } else { report::text(&replayed, &summary) };
    output::print(text)?;
    if !*json {
        report::complaints(&replayed).iter().for_each(output::complain);
    }
    Ok(u8::from(summary.unreadable > 0))
}

/// Judges what is on a line. A start of which nothing was seen is one of an instance that is gone.
pub(super) fn judged(policies: &Policies, content: Content) -> Replayed {
    match content {
        Content::Stored(stored) => match stored.has_all_of(policies.reads()) {
            Ok(()) => {
                let judgement = judge(policies, &stored);
                Replayed::Judged(Box::new((*stored, judgement)))
            }
            Err(wrong) => Replayed::Unreadable(wrong.to_string()),
        },
        Content::Start(change) => Replayed::Gone(change.key),
        Content::Ignored(reason) => Replayed::Ignored(reason),
        Content::Event(_) => {
            Replayed::Unreadable("is an event, which was not looked up".to_owned())
        }
        Content::Unreadable(why) => Replayed::Unreadable(why),
    }
}

/// Looks at the instances of all events, and puts what is seen in the place of the events. Returns
/// the policies that bind in the account of the credentials.
async fn look_up(entries: &mut [Entry], config: Option<&Path>) -> Result<Policies, Ended> {
    let live = Live::connect(&Settings::load(config)?).await?;
    let mut starts = BTreeMap::<Region, BTreeSet<InstanceId>>::new();
    for entry in entries.iter_mut() {
        let Content::Event(body) = &entry.content else { continue };
        let reading = live.scope.read(body, "line");
        entry.content = match reading {
            Reading::StateChange(change) => {
                let EventKey { region, instance, .. } = &change.key;
                starts.entry(region.clone()).or_default().insert(instance.clone());
                Content::Start(change)
            }
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
    Ok(live.policies)
}
