//! Starts instances that are exempt, and watches them come up.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::batches::{Action, Batches, Denials, Outcome, Outcomes};
use super::failure::told;
use super::journal::Deed;
use super::plan::{Candidate, Fate, Left};
use super::{Undo, place::Place};
use crate::aws::ec2::undo::Seen;
use crate::domain::ids::InstanceId;
use crate::retry::delays;

/// The most instances of a call. EC2 refuses a call as a whole, so that larger ones cost more tokens
/// where one instance cannot be started, and smaller ones more calls.
const STARTED_AT_ONCE: usize = 50;
/// How often an instance is tried whose state changes between the look and the call.
const ROUNDS: usize = 3;
/// The states of an instance that was stopped again.
const DOWN: [&str; 4] = ["stopped", "stopping", "shutting-down", "terminated"];

impl Undo<'_> {
    /// Starts what is exempt and stopped, then what was still stopping, and watches all of it.
    ///
    /// # Errors
    /// What was done cannot be recorded.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let of = self.count(Candidate::is_to_start);
        let mut places = std::mem::take(&mut self.places);
        for place in &mut places {
            self.start_stopped(place, of).await?;
        }
        for place in &mut places {
            self.until_stopped(place).await;
            self.start_stopped(place, of).await?;
        }
        for place in &mut places {
            let why = "its state keeps changing; run the command again";
            fail(place, |fate| matches!(fate, Fate::Start | Fate::Stopping), why);
            self.watch(place).await?;
        }
        self.places = places;
        self.journal.console.progress("");
        Ok(())
    }

    /// Starts the instances of a place that are stopped.
    async fn start_stopped(&mut self, place: &mut Place, of: usize) -> anyhow::Result<()> {
        for rounds_left in (0..ROUNDS).rev() {
            let ids = by_kind(place);
            let Some(reach) = place.reach.as_ref().filter(|_| !ids.is_empty()) else {
                return Ok(());
            };
            let starts = Batches {
                reach,
                action: Action::Start,
                patience: &mut self.patience,
                journal: &mut self.journal,
                outcomes: BTreeMap::new(),
                progress: (self.done, of),
                denials: Denials::default(),
            };
            let outcomes = starts.run(&ids, STARTED_AT_ONCE).await?;
            self.apply(place, &outcomes).await?;
            if let Some(error) = &outcomes.hopeless {
                fail(place, |fate| *fate == Fate::Start, &told(error));
            } else if rounds_left == 0 {
                self.fail_changed(place, &outcomes)?;
            } else if !by_kind(place).is_empty() {
                sleep(delays::UNDO_LOOK).await;
            }
        }
        Ok(())
    }

    /// Takes over how it went. What was not answered, or was not as it had been seen, is looked at:
    /// it is started again, or it has been.
    async fn apply(&mut self, place: &mut Place, outcomes: &Outcomes) -> anyhow::Result<()> {
        let mut must_look = false;
        for one in &mut place.candidates {
            match outcomes.of.get(one.id()) {
                Some(Outcome::Done) => {
                    one.fate = Fate::Started;
                    self.done += 1;
                }
                Some(Outcome::Failed(why)) => one.fate = Fate::Failed(why.clone()),
                Some(Outcome::Unanswered | Outcome::StateChanged(_)) => must_look = true,
                None => {}
            }
        }
        if !must_look {
            return Ok(());
        }
        place.look(&mut self.patience, &self.started).await;
        for one in &mut place.candidates {
            let is_unanswered = outcomes.of.get(one.id()) == Some(&Outcome::Unanswered);
            // Nobody but this command starts it within a moment of its call.
            if is_unanswered && one.fate == Fate::Left(Left::RunsAgain) {
                self.record(one, Ok("started"))?;
                one.fate = Fate::Started;
                self.done += 1;
            }
        }
        Ok(())
    }

    /// Gives up those that EC2 kept refusing for a state that it does not show.
    fn fail_changed(&mut self, place: &mut Place, outcomes: &Outcomes) -> anyhow::Result<()> {
        for one in place.candidates.iter_mut().filter(|one| one.fate == Fate::Start) {
            if let Some(Outcome::StateChanged(why)) = outcomes.of.get(one.id()) {
                self.record(one, Err(why.clone()))?;
                one.fate = Fate::Failed(why.clone());
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        one: &Candidate,
        result: Result<&'static str, String>,
    ) -> anyhow::Result<()> {
        let (account, region, instance) = &one.stop.key;
        let details = json!({});
        self.journal.record(&Deed { kind: "start", account, region, instance, details, result })
    }

    /// Waits until nothing that is to be started is still stopping.
    async fn until_stopped(&mut self, place: &mut Place) {
        let until = Instant::now() + delays::STOPPING_TAKES;
        loop {
            let left = place.ids(|one| one.fate == Fate::Stopping).len();
            if left == 0 {
                return;
            }
            if Instant::now() >= until {
                let why = "is still stopping; run the command again";
                return fail(place, |fate| *fate == Fate::Stopping, why);
            }
            self.journal.console.progress(&format!("waiting for {left} to be stopped"));
            sleep(delays::UNDO_LOOK).await;
            place.look(&mut self.patience, &self.started).await;
        }
    }

    /// Watches what was started until it runs: some is stopped again by EC2 at once.
    async fn watch(&mut self, place: &mut Place) -> anyhow::Result<()> {
        let until = Instant::now() + delays::STARTED_WATCHED;
        loop {
            let ids = place.ids(|one| one.fate == Fate::Started);
            let Some(reach) = place.reach.as_ref().filter(|_| !ids.is_empty()) else {
                return Ok(());
            };
            // What cannot be seen was started all the same.
            let Ok(seen) = reach.look(&ids, &mut self.patience).await else { return Ok(()) };
            for one in &mut place.candidates {
                let Some(seen) = seen.get(one.id()) else { continue };
                if let Some(why) = down_again(one, seen) {
                    self.record(one, Err(why.clone()))?;
                    one.fate = Fate::Failed(why);
                }
            }
            let is_up = |id: &InstanceId| seen.get(id).is_none_or(|seen| seen.state == "running");
            if Instant::now() >= until || ids.iter().all(is_up) {
                return Ok(());
            }
            let up = ids.iter().filter(|id| is_up(id)).count();
            self.journal.progress("running", up, ids.len());
            sleep(delays::UNDO_LOOK).await;
        }
    }
}

/// Why an instance that was started is down, if it is. An answer that lags shows it as it was before
/// its start.
fn down_again(one: &Candidate, seen: &Seen) -> Option<String> {
    let is_new = seen.launched != one.stop.launched;
    let is_down = one.fate == Fate::Started && is_new && DOWN.contains(&&*seen.state);
    let reason = seen.reason.as_deref().unwrap_or("EC2 says no reason");
    is_down.then(|| format!("was started, and is {} again: {reason}", seen.state))
}

/// The instances of a place that are stopped and to be started; those of a kind stand together.
fn by_kind(place: &Place) -> Vec<InstanceId> {
    let stopped = place.candidates.iter().filter(|one| one.fate == Fate::Start);
    let mut stopped: Vec<_> = stopped.collect();
    stopped.sort_by_cached_key(|one| one.kind());
    stopped.into_iter().map(|one| one.id().clone()).collect()
}

fn fail(place: &mut Place, is_one: impl Fn(&Fate) -> bool, why: &str) {
    for one in place.candidates.iter_mut().filter(|one| is_one(&one.fate)) {
        one.fate = Fate::Failed(why.to_owned());
    }
}
