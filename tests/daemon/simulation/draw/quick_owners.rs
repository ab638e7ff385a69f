//! Draws worlds in which nothing fails, and owners exempt their instances while stops of these are
//! planned, which is reported at once. It has a generator of its own, so that the other worlds stay
//! the same.

use std::time::Duration;

use fastrand::Rng;

use crate::simulation::plan::{Change, Happening, Kind, Plan, TagEvent, Trouble};
use crate::simulation::policies::Policies;
use crate::world::TAG;

/// Makes another sequence of the seed than that of the other draws.
const SALT: u64 = 0x0_A115_3E25;
/// The share of the worlds with graces.
const SHARE: f64 = 0.3;
/// The share of the instances whose owners exempt them.
const EXEMPTED: f64 = 0.7;
/// How old the start is then, in seconds: it was told of, and its stop is at least 10 min later.
const AGE: std::ops::Range<u64> = 240..600;
const FACTOR: &str = "ENFORCER_RATE_LIMIT__SHARE_PERCENT";
const FOLLOWED: &str = "ENFORCER_POLICY__TAG_CHANGES";

impl Plan {
    /// The same plan with owners who are quick, if it has graces and no members, and the seed says so.
    pub(super) fn with_quick_owners(mut self) -> Self {
        let mut rng = Rng::with_seed(self.seed ^ SALT);
        let have_time = self.policies.as_ref().is_some_and(Policies::give_grace);
        if !have_time || self.members.is_some() || rng.f64() >= SHARE {
            return self;
        }
        self.lets_owners_answer = true;
        self.lets_nothing_fail();
        self.has_one_process();
        self.spares_by_the_tag_alone();
        if self.settings.iter().all(|(key, _)| *key != FOLLOWED) {
            self.settings.push((FOLLOWED, "true".to_owned()));
        }
        for number in 0..self.instances.len() {
            if self.events.iter().any(|event| event.instance == number) && rng.f64() < EXEMPTED {
                self.is_exempted_at_once(number, &mut rng);
            }
        }
        self.story.sort_by_key(|(at, _)| *at);
        self
    }

    /// Removes all faults but latencies, and all limits of rates.
    fn lets_nothing_fail(&mut self) {
        self.mails = false;
        self.share_percent = 100;
        self.options.token_buckets = false;
        let shares = self.settings.iter_mut().filter(|(key, _)| *key == FACTOR);
        shares.for_each(|(_, value)| "100".clone_into(value));
        self.story.retain(|(_, one)| match one {
            Happening::Strike(_, trouble) => matches!(trouble, Trouble::Slow { .. }),
            Happening::Lift(_) => false,
            _ => true,
        });
    }

    /// Lets the first process go on to the end.
    fn has_one_process(&mut self) {
        let mut is_first = true;
        self.story.retain(|(_, one)| match one {
            Happening::Begin => std::mem::take(&mut is_first),
            Happening::Drain | Happening::Hurry | Happening::Kill => false,
            _ => true,
        });
    }

    /// Lets the exception tag spare from all policies, which do not change.
    fn spares_by_the_tag_alone(&mut self) {
        self.story.retain(|(_, one)| !matches!(one, Happening::Reload));
        let Some(policies) = &mut self.policies else { return };
        policies.later = None;
        policies.first.policies.iter_mut().for_each(|policy| policy.ignores_exception = false);
        self.instances.iter_mut().for_each(|instance| instance.unseen_by = None);
    }

    /// An owner exempts an instance while its stop is planned, and changes it otherwise no more.
    fn is_exempted_at_once(&mut self, number: usize, rng: &mut Rng) {
        let is_launch = |(_, one): &&(_, _)| matches!(one, Happening::Change(Change::Launch, of) if *of == number);
        let Some((launched, _)) = self.story.iter().find(is_launch) else { return };
        let at = *launched + self.options.pending + Duration::from_secs(rng.u64(AGE));
        self.story.retain(|(_, one)| match one {
            Happening::Change(change, of) => *of != number || *change == Change::Launch,
            _ => true,
        });
        let instance = &mut self.instances[number];
        (instance.kind, instance.exempt) = (Kind::Plain, false);
        let id: String = (0..32).map(|_| rng.digit(16)).collect();
        self.story.push((at, Happening::Change(Change::Tag, number)));
        self.story.push((at, Happening::SendTags(self.tag_events.len())));
        self.tag_events.push(TagEvent { instance: number, id, key: TAG });
    }
}
