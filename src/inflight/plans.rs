//! Plans: which owners this process has told of a stop to come, and of what time. An instance whose
//! policy has a grace is only stopped after that time, and only by the process that told it.
//!
//! There is one plan for each instance and launch. An instance that was stopped and started again
//! has a new launch time, and its owner is told anew. The message of the event by which the owner
//! was told waits in the queue for the stop; messages of other events of the same launch are not
//! needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::{Duration, UtcDateTime};

use crate::domain::event::EventKey;
use crate::inflight::fingerprint::Fingerprint;

/// The most plans that are remembered: as many as SQS lets messages of one queue be hidden ("Amazon
/// SQS message quotas"). An owner whose plan is forgotten is told again.
const MOST: usize = 120_000;

/// How long after its time a plan is remembered: its message may come late, as after an outage.
const MEMORY: Duration = Duration::DAY;

/// How often plans are looked through for those to forget.
const LOOKED_THROUGH: Duration = Duration::HOUR;

/// The stops of which this process has told owners, or is telling them.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<Remembered>);

#[derive(Debug)]
struct Remembered {
    /// The newest plan of each instance.
    plans: BTreeMap<Fingerprint, Plan>,
    /// When plans were last looked through for those to forget.
    looked_through: UtcDateTime,
}

#[derive(Debug)]
struct Plan {
    /// When the instance was launched, as EC2 says.
    launched: Option<UtcDateTime>,
    /// The event whose message waits for the stop.
    event: Fingerprint,
    /// The time of the stop that the owner was told; `None` while SNS has not accepted that.
    told: Option<UtcDateTime>,
}

/// What is to become of a message whose instance is to be stopped later.
#[derive(Debug)]
pub(crate) enum Planning {
    /// Nobody was told of this launch: the owner is to be.
    Tell(Telling),
    /// The owner was told by an earlier receive of this event: its message waits for the stop.
    Wait,
    /// The owner was told by another event of this launch, whose message waits for the stop.
    NotNeeded,
    /// Another message of this launch is being announced.
    BeingTold,
}

/// The sole right to tell the owner of a launch. Dropped before [`Telling::accepted`], it leaves
/// nothing behind, so that the next message of the launch tells the owner.
#[derive(Debug)]
pub(crate) struct Telling {
    plans: Arc<Plans>,
    instance: Fingerprint,
    launched: Option<UtcDateTime>,
}

impl Plans {
    /// The time of the stop that this process told the owner of a launch; `None` if it told none.
    pub(crate) fn told(
        &self,
        key: &EventKey,
        launched: Option<UtcDateTime>,
    ) -> Option<UtcDateTime> {
        let remembered = self.remembered();
        if remembered.plans.is_empty() {
            return None;
        }
        let plan = remembered.plans.get(&Fingerprint::of_instance(key))?;
        plan.told.filter(|_| plan.launched == launched)
    }

    /// Says what is to become of the message of an event whose instance is to be stopped later.
    pub(crate) fn plan(
        self: &Arc<Self>,
        key: &EventKey,
        launched: Option<UtcDateTime>,
        now: UtcDateTime,
    ) -> Planning {
        let (instance, event) = (Fingerprint::of_instance(key), Fingerprint::of_event(key));
        let mut remembered = self.remembered();
        let plan = remembered.plans.get(&instance).filter(|plan| plan.launched == launched);
        match plan {
            Some(Plan { told: None, .. }) => return Planning::BeingTold,
            Some(plan) if plan.event == event => return Planning::Wait,
            Some(_) => return Planning::NotNeeded,
            None => {}
        }
        remembered.make_room(now);
        remembered.plans.insert(instance, Plan { launched, event, told: None });
        Planning::Tell(Telling { plans: Arc::clone(self), instance, launched })
    }

    /// Forgets the plan of an instance, as when it was stopped or turned out to be exempt.
    pub(crate) fn forget(&self, key: &EventKey) {
        let mut remembered = self.remembered();
        if !remembered.plans.is_empty() {
            remembered.plans.remove(&Fingerprint::of_instance(key));
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telling {
    /// Remembers that SNS accepted the notice of a stop at this time.
    pub(crate) fn accepted(self, at: UtcDateTime) {
        if let Some(plan) = self.plans.remembered().plans.get_mut(&self.instance)
            && plan.launched == self.launched
        {
            plan.told = Some(at);
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let mut remembered = self.plans.remembered();
        let plan = remembered.plans.get(&self.instance);
        if plan.is_some_and(|plan| plan.launched == self.launched && plan.told.is_none()) {
            remembered.plans.remove(&self.instance);
        }
    }
}

impl Default for Remembered {
    fn default() -> Self {
        Self { plans: BTreeMap::new(), looked_through: UtcDateTime::UNIX_EPOCH }
    }
}

impl Remembered {
    /// Forgets plans whose time is over for a day and, if there are too many even so, those whose
    /// time comes first: a sixteenth of all, so that this is seldom done.
    fn make_room(&mut self, now: UtcDateTime) {
        if now - self.looked_through >= LOOKED_THROUGH {
            self.plans.retain(|_, plan| plan.told.is_none_or(|at| now - at < MEMORY));
            self.looked_through = now;
        }
        if self.plans.len() >= MOST {
            let mut times: Vec<_> = self.plans.values().filter_map(|plan| plan.told).collect();
            times.sort_unstable();
            let bound = times.get(times.len() / 16).copied();
            self.plans.retain(|_, plan| plan.told.is_none() || plan.told > bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcDateTime = UtcDateTime::UNIX_EPOCH.saturating_add(Duration::weeks(2900));
    const LAUNCHED: Option<UtcDateTime> = Some(NOW);
    const LATER: UtcDateTime = NOW.saturating_add(Duration::hours(4));

    fn of_instance(number: usize) -> EventKey {
        let instance = format!("i-{number:017x}");
        let instance = crate::domain::ids::InstanceId::parse(&instance).unwrap();
        EventKey { instance, ..EventKey::example("a") }
    }

    fn tell(plans: &Arc<Plans>, key: &EventKey, now: UtcDateTime) -> Telling {
        match plans.plan(key, LAUNCHED, now) {
            Planning::Tell(telling) => telling,
            other => panic!("not to be told: {other:?}"),
        }
    }

    #[test]
    fn what_was_told_is_known_of_this_launch_alone() {
        let (plans, key) = (Arc::new(Plans::default()), EventKey::example("a"));
        assert_eq!(plans.told(&key, LAUNCHED), None);
        tell(&plans, &key, NOW).accepted(LATER);
        assert_eq!(plans.told(&key, LAUNCHED), Some(LATER));
        assert_eq!(plans.told(&key, Some(LATER)), None);
        assert!(matches!(plans.plan(&key, Some(LATER), NOW), Planning::Tell(_)));
    }

    #[test]
    fn one_message_tells_at_a_time_and_the_next_one_if_it_could_not() {
        let (plans, key) = (Arc::new(Plans::default()), EventKey::example("a"));
        let telling = tell(&plans, &key, NOW);
        let other = EventKey::example("b");
        assert!(matches!(plans.plan(&other, LAUNCHED, NOW), Planning::BeingTold));
        assert_eq!(plans.told(&key, LAUNCHED), None);
        drop(telling);
        tell(&plans, &other, NOW).accepted(LATER);
        assert!(matches!(plans.plan(&other, LAUNCHED, NOW), Planning::Wait));
        assert!(matches!(plans.plan(&key, LAUNCHED, NOW), Planning::NotNeeded));
    }

    #[test]
    fn a_telling_of_an_older_launch_changes_nothing_about_the_newer_one() {
        let (plans, key) = (Arc::new(Plans::default()), EventKey::example("a"));
        let older = tell(&plans, &key, NOW);
        let Planning::Tell(newer) = plans.plan(&key, Some(LATER), NOW) else { panic!("not new") };
        older.accepted(LATER);
        newer.accepted(LATER);
        assert_eq!(plans.told(&key, Some(LATER)), Some(LATER));
    }

    #[test]
    fn a_plan_is_forgotten_when_it_is_over_and_a_day_after_its_time() {
        let plans = Arc::new(Plans::default());
        let keys = [1, 2, 3].map(of_instance);
        for key in &keys[..2] {
            tell(&plans, key, NOW).accepted(LATER);
        }
        plans.forget(&keys[0]);
        assert_eq!(plans.told(&keys[0], LAUNCHED), None);
        drop(tell(&plans, &keys[2], LATER + MEMORY - Duration::SECOND));
        assert_eq!(plans.told(&keys[1], LAUNCHED), Some(LATER));
        drop(tell(&plans, &keys[2], LATER + MEMORY + LOOKED_THROUGH));
        assert_eq!(plans.told(&keys[1], LAUNCHED), None);
    }

    #[test]
    fn no_more_than_120_000_are_remembered_and_the_latest_stay() {
        let plans = Arc::new(Plans::default());
        let at = |number| LATER + Duration::seconds(i64::try_from(number).unwrap());
        for number in 0..=MOST {
            tell(&plans, &of_instance(number), NOW).accepted(at(number));
        }
        assert_eq!(plans.told(&of_instance(0), LAUNCHED), None);
        assert_eq!(plans.told(&of_instance(MOST), LAUNCHED), Some(at(MOST)));
        assert!(plans.remembered().plans.len() < MOST);
    }
}
