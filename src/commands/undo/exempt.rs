//! Exempts instances before they are started, and makes sure that the daemon would see it.

use std::collections::BTreeMap;

use tokio::time::{Instant, sleep};

use super::batches::{Action, Batches, Denials, Outcome};
use super::failure::told;
use super::plan::{Candidate, Fate};
use super::{Undo, place::Place};
use crate::domain::ids::InstanceId;
use crate::retry::delays;

/// The most instances of a CreateTags call, which takes 1,000: those of a look.
const TAGGED_AT_ONCE: usize = 190;

impl Undo<'_> {
    /// Exempts what is to be started, and leaves out what cannot be exempted.
    ///
    /// # Errors
    /// What was done cannot be recorded.
    pub(super) async fn exempt(&mut self, value: &str) -> anyhow::Result<()> {
        let of = self.count(Candidate::is_to_start);
        let mut places = std::mem::take(&mut self.places);
        let mut done = 0;
        for place in &mut places {
            self.tag(place, value, (done, of)).await?;
            done += place.ids(Candidate::is_to_start).len();
        }
        for place in &mut places {
            self.until_exemptions_show(place).await;
        }
        self.places = places;
        self.journal.console.progress("");
        Ok(())
    }

    /// Tags the instances of a place that are to be started and not exempt yet.
    async fn tag(
        &mut self,
        place: &mut Place,
        value: &str,
        progress: (usize, usize),
    ) -> anyhow::Result<()> {
        let (site, now) = (&self.site, self.journal.now());
        let is_exempt = |one: &Candidate| {
            one.seen.as_ref().is_some_and(|seen| site.is_exempt(&seen.facts.tags, now))
        };
        let mut ids = place.ids(|one| one.is_to_start() && !is_exempt(one));
        let Some(reach) = place.reach.as_ref() else { return Ok(()) };
        let key = self.site.policies.exception_tag().to_owned();
        // What was not answered is tagged again, which changes nothing about what is tagged.
        while !ids.is_empty() {
            let tags = Batches {
                reach,
                action: Action::Exempt { key: &key, value },
                patience: &mut self.patience,
                journal: &mut self.journal,
                outcomes: BTreeMap::new(),
                progress,
                denials: Denials::default(),
            };
            let outcomes = tags.run(&ids, TAGGED_AT_ONCE).await?;
            fail(&mut place.candidates, &outcomes.of);
            ids.retain(|id| outcomes.of.get(id) == Some(&Outcome::Unanswered));
            if let Some(error) = outcomes.hopeless {
                let why = format!("cannot be exempted: {}", told(&error));
                fail_all(place, |one| ids.contains(one.id()), &why);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks until both describing calls show the exemption of each instance of a place, as the
    /// daemon will look, and leaves out those that have been started meanwhile.
    async fn until_exemptions_show(&mut self, place: &mut Place) {
        let until = Instant::now() + delays::EXEMPTION_SHOWS;
        loop {
            place.look(&mut self.patience, &self.started).await;
            let ids = place.ids(Candidate::is_to_start);
            let Some(reach) = place.reach.as_ref().filter(|_| !ids.is_empty()) else { return };
            let tags = match reach.tags(&ids, &mut self.patience).await {
                Ok(tags) => tags,
                Err(error) => {
                    let why = format!("its tags cannot be read: {}", told(&error));
                    return fail_all(place, |_| true, &why);
                }
            };
            let (site, now) = (&self.site, self.journal.now());
            let is_shown = |one: &Candidate| {
                let seen = one.seen.as_ref().map(|seen| &seen.facts.tags);
                let shown = [seen, tags.get(one.id())];
                shown.iter().all(|tags| tags.is_some_and(|tags| site.is_exempt(tags, now)))
            };
            if place.candidates.iter().all(|one| !one.is_to_start() || is_shown(one)) {
                return;
            }
            if Instant::now() >= until {
                let why = "EC2 does not show its exemption, so that it might be stopped again; \
                           run the command again";
                return fail_all(place, |one| !is_shown(one), why);
            }
            sleep(delays::UNDO_LOOK).await;
        }
    }
}

/// Leaves out what could not be exempted.
fn fail(candidates: &mut [Candidate], outcomes: &BTreeMap<InstanceId, Outcome>) {
    for one in candidates {
        if let Some(Outcome::Failed(why) | Outcome::StateChanged(why)) = outcomes.get(one.id()) {
            one.fate = Fate::Failed(format!("cannot be exempted: {why}"));
        }
    }
}

/// Leaves out those instances of a place that were to be started.
fn fail_all(place: &mut Place, is_one: impl Fn(&Candidate) -> bool, why: &str) {
    let failed = place.candidates.iter_mut().filter(|one| one.is_to_start() && is_one(one));
    failed.for_each(|one| one.fate = Fate::Failed(why.to_owned()));
}
