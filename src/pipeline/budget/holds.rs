//! Which holds are in effect: those that the queue's tags show, and those of this process that the
//! tags do not show yet.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::domain::hold::Hold;
use crate::retry::delays;

/// From so many tags of the queue on, the next hold is one of everything: a queue has room for 50,
/// and a hold must not find it full.
const MANY_TAGS: usize = 40;

/// The holds that are in effect.
#[derive(Debug, Default)]
pub(super) struct Holds {
    in_effect: BTreeMap<Hold, Known>,
    /// How many tags the queue has, as last read.
    tags: usize,
}

/// A hold, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Since when it is in effect: the value of its tag.
    pub(super) since: String,
    source: Source,
}

/// How a hold is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// By the queue's tags.
    Read,
    /// This process has set the tag, and has not read it yet.
    Written(Instant),
    /// By this process alone, which could not set the tag.
    Memory,
}

/// The tags of the queue, as they were read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// When the call was sent.
    pub(super) at: Instant,
    /// All tags, by key.
    pub(super) tags: BTreeMap<String, String>,
}

/// What a reading changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Holds that are in effect from now on.
    pub(super) begun: BTreeSet<Hold>,
    /// Holds that are in effect no longer.
    pub(super) ended: BTreeSet<Hold>,
}

impl Holds {
    /// Whether the stops in an account and region are held.
    pub(super) fn hold(&self, target: &Hold) -> bool {
        self.in_effect.contains_key(target) || self.in_effect.contains_key(&Hold::All)
    }

    /// All holds, each with the time since which it is in effect.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Hold, &str)> {
        self.in_effect.iter().map(|(hold, known)| (hold, &*known.since))
    }

    /// Holds the stops of a target, because its budget is used up. Returns the hold that is to be
    /// written as a tag: of everything, where the queue has many tags.
    pub(super) fn trip(&mut self, target: &Hold, since: String) -> Hold {
        let hold = if self.tags >= MANY_TAGS { Hold::All } else { target.clone() };
        let known = Known { since, source: Source::Memory };
        self.in_effect.entry(hold.clone()).or_insert(known);
        hold
    }

    /// Notes that the tag of a hold was set.
    pub(super) fn written(&mut self, hold: &Hold) {
        if let Some(known) = self.in_effect.get_mut(hold)
            && known.source == Source::Memory
        {
            known.source = Source::Written(Instant::now());
            self.tags += 1;
        }
    }

    /// The holds that only this process knows of, each with the value of its tag.
    pub(super) fn unwritten(&self) -> Vec<(Hold, String)> {
        let unwritten = self.in_effect.iter().filter(|(_, known)| known.source == Source::Memory);
        unwritten.map(|(hold, known)| (hold.clone(), known.since.clone())).collect()
    }

    /// Takes over what the queue's tags say. A hold of this process that they do not show stays
    /// where it could not be written, or was so shortly before the reading that SQS may not show it
    /// yet.
    pub(super) fn read(&mut self, reading: Reading) -> Changes {
        let Reading { at, tags } = reading;
        self.tags = tags.len();
        let mut shown = BTreeMap::new();
        for (key, since) in tags {
            if let Some(hold) = Hold::read(&key) {
                shown.entry(hold).or_insert(Known { since, source: Source::Read });
            }
        }
        let stays = |known: &Known| match known.source {
            Source::Read => false,
            Source::Written(written) => at < written + delays::QUEUE_TAGS_SHOW,
            Source::Memory => true,
        };
        let begun = shown.keys().filter(|hold| !self.in_effect.contains_key(hold));
        let begun: BTreeSet<_> = begun.cloned().collect();
        let mut ended = BTreeSet::new();
        for (hold, known) in std::mem::take(&mut self.in_effect) {
            if shown.contains_key(&hold) {
                continue;
            }
            if stays(&known) {
                shown.insert(hold, known);
            } else {
                ended.insert(hold);
            }
        }
        self.in_effect = shown;
        Changes { begun, ended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Account, Region};

    const SINCE: &str = "2026-11-26T20:48:21Z";

    fn target(region: &str) -> Hold {
        Hold::of(&Account::parse("111122223333").unwrap(), &Region::parse(region).unwrap())
    }

    fn reading<'key>(keys: impl IntoIterator<Item = &'key str>) -> Reading {
        let tags = keys.into_iter().map(|key| (key.to_owned(), SINCE.to_owned()));
        Reading { at: Instant::now(), tags: tags.collect() }
    }

    #[test]
    fn a_hold_binds_its_target_and_one_of_everything_all_of_them() {
        let (mut holds, [here, there]) = (Holds::default(), ["eu-west-1", "eu-west-2"].map(target));
        let changes = holds.read(reading(["Owner", "hold/111122223333/eu-west-1"]));
        assert_eq!(changes.begun, BTreeSet::from([here.clone()]));
        assert!(holds.hold(&here) && !holds.hold(&there));
        holds.read(reading(["hold/all"]));
        assert!(holds.hold(&here) && holds.hold(&there));
        let changes = holds.read(reading([]));
        assert_eq!(changes.ended, BTreeSet::from([Hold::All]));
        assert!(!holds.hold(&here) && !holds.hold(&there));
    }

    #[tokio::test(start_paused = true)]
    async fn a_written_hold_ends_when_its_tag_is_gone_and_not_because_sqs_shows_it_late() {
        let (mut holds, here) = (Holds::default(), target("eu-west-1"));
        let hold = holds.trip(&here, SINCE.to_owned());
        holds.written(&hold);
        assert_eq!(holds.read(reading([])), Changes::default());
        assert!(holds.hold(&here));
        holds.read(reading([&*hold.to_string()]));
        assert_eq!(holds.read(reading([])).ended, BTreeSet::from([here.clone()]));
        let hold = holds.trip(&here, SINCE.to_owned());
        holds.written(&hold);
        tokio::time::sleep(delays::QUEUE_TAGS_SHOW).await;
        assert_eq!(holds.read(reading([])).ended, BTreeSet::from([here]));
    }

    #[test]
    fn a_hold_that_could_not_be_written_stays_in_memory() {
        let (mut holds, here) = (Holds::default(), target("eu-west-1"));
        let hold = holds.trip(&here, SINCE.to_owned());
        holds.read(reading([]));
        assert!(holds.hold(&here));
        assert_eq!(holds.unwritten(), [(hold.clone(), SINCE.to_owned())]);
        holds.written(&hold);
        assert_eq!(holds.unwritten(), []);
    }

    #[test]
    fn with_many_tags_everything_is_held() {
        let (mut holds, here) = (Holds::default(), target("eu-west-1"));
        let keys: Vec<_> = (0..MANY_TAGS).map(|number| format!("tag-{number}")).collect();
        holds.read(reading(keys.iter().skip(1).map(String::as_str)));
        assert_eq!(holds.trip(&here, SINCE.to_owned()), here);
        holds.read(reading(keys.iter().map(String::as_str)));
        assert_eq!(holds.trip(&here, SINCE.to_owned()), Hold::All);
        assert!(holds.hold(&target("us-east-1")));
    }
}
