//! Plans: which owners this process has told of a stop to come, and of what time. An instance whose
//! policy has a grace is only stopped after that time, and only by the process that told it.
//!
//! There is one plan for each instance and launch. An instance that was stopped and started again
//! has a new launch time, and its owner is told anew. The message of the event by which the owner
//! was told waits in the queue for the stop; messages of other events of the same launch are not
//! needed.
//!
//! An owner may be told by a sweep. Then no message waits, and a later sweep finds that the stop is due;
//! but the message of a start event of the same launch waits for it, should one come.
//!
//! A plan is called off when its instance is found not to be stopped any more: the owner is told, and
//! then the message that waits is deleted. From the moment at which that notice may have been
//! published, the plan stops nothing, since its owner may rely on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::{Duration, UtcDateTime};

use crate::aws::sqs::Receipt;
use crate::domain::event::EventKey;
use crate::inflight::fingerprint::Fingerprint;
use crate::inflight::message::Arrival;

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
    /// The event whose message waits for the stop; the instance, where a sweep told the owner.
    event: Fingerprint,
    state: State,
    /// The message that waits; `None` while it is not hidden.
    waiting: Option<Box<Waiting>>,
}

/// How far a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The owner is being told.
    BeingTold,
    /// The owner was told of a stop at this time.
    Told(UtcDateTime),
    /// The owner was told of a stop at this time, and is being told that it will not take place.
    BeingCalledOff(UtcDateTime),
    /// The owner may have been told so, but SNS has not said that it accepted the notice.
    MayBeCalledOff(UtcDateTime),
}

/// A message that is hidden until a planned stop.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// What it can be deleted by.
    pub(crate) receipt: Receipt,
    /// When it was received last, and how often.
    pub(crate) arrival: Arrival,
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
    /// The owner is being told by another message of this launch, of the stop or that there will be
    /// none.
    BeingTold,
}

/// Whether the plan of an instance can be called off.
#[derive(Debug)]
pub(crate) enum CallOff {
    /// The owner was told of a stop: they are to be told that there will be none.
    Tell(CallingOff),
    /// The owner is being told of the stop: whether that succeeds is to be waited for.
    Wait,
    /// The owner was told of no stop, or is being told that there will be none.
    NotNeeded,
}

/// The sole right to tell the owner of an instance that a planned stop will not take place. Dropped
/// before [`CallingOff::accepted`], it leaves a plan that stops nothing, and that the next message
/// about the instance calls off again.
#[derive(Debug)]
pub(crate) struct CallingOff {
    plans: Arc<Plans>,
    instance: Fingerprint,
    /// When the instance was launched of whose stop the owner was told.
    pub(crate) launched: Option<UtcDateTime>,
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
        plan.told().filter(|_| plan.is_of(launched))
    }

    /// Whether an event is another one than that by which the owner of its instance was told of a
    /// stop, or is being told: then a change of tags can only call the stop off.
    pub(crate) fn has_another(&self, key: &EventKey) -> bool {
        let remembered = self.remembered();
        if remembered.plans.is_empty() {
            return false;
        }
        let plan = remembered.plans.get(&Fingerprint::of_instance(key));
        plan.is_some_and(|plan| plan.event != Fingerprint::of_event(key))
    }

    /// Whether the owner of an instance was told of a stop by a sweep, so that no message waits.
    pub(crate) fn is_left_to_sweeps(&self, key: &EventKey) -> bool {
        let instance = Fingerprint::of_instance(key);
        self.remembered().plans.get(&instance).is_some_and(|plan| plan.is_by_sweep(instance))
    }

    /// Whether a sweep told the owner of this launch of a stop, and they do not know that there will be
    /// none.
    pub(crate) fn were_told_by_sweep(&self, key: &EventKey, launched: UtcDateTime) -> bool {
        let instance = Fingerprint::of_instance(key);
        let remembered = self.remembered();
        let plan = remembered.plans.get(&instance).filter(|plan| plan.is_by_sweep(instance));
        plan.is_some_and(|plan| plan.is_of(Some(launched)) && plan.time().is_some())
    }

    /// Has the message of an event wait for a stop of the same launch of which a sweep told the owner.
    pub(crate) fn take_over(&self, key: &EventKey, launched: Option<UtcDateTime>) {
        let instance = Fingerprint::of_instance(key);
        if let Some(plan) = self.remembered().plans.get_mut(&instance)
            && plan.is_by_sweep(instance)
            && plan.is_of(launched)
            && plan.told().is_some()
        {
            plan.event = Fingerprint::of_event(key);
        }
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
        let plan = remembered.plans.get(&instance);
        match plan.map(|plan| (plan.state, plan.is_of(launched))) {
            // The order of its notices must not be in doubt.
            Some((State::BeingCalledOff(_), _) | (State::BeingTold, true)) => {
                return Planning::BeingTold;
            }
            Some((State::Told(_), true)) if plan.is_some_and(|plan| plan.event == event) => {
                return Planning::Wait;
            }
            Some((State::Told(_), true)) => return Planning::NotNeeded,
            Some((State::MayBeCalledOff(_), _) | (_, false)) | None => {}
        }
        remembered.make_room(now);
        let plan = Plan { launched, event, state: State::BeingTold, waiting: None };
        remembered.plans.insert(instance, plan);
        Planning::Tell(Telling { plans: Arc::clone(self), instance, launched })
    }

    /// Remembers the message that waits for the stop of which the owner was told by this event.
    pub(crate) fn waits(&self, key: &EventKey, waiting: Waiting) {
        let (instance, event) = (Fingerprint::of_instance(key), Fingerprint::of_event(key));
        if let Some(plan) = self.remembered().plans.get_mut(&instance)
            && plan.event == event
        {
            plan.waiting = Some(Box::new(waiting));
        }
    }

    /// Calls off the stop of an instance of which its owner was told, whichever launch that was of.
    pub(crate) fn call_off(self: &Arc<Self>, key: &EventKey) -> CallOff {
        let mut remembered = self.remembered();
        if remembered.plans.is_empty() {
            return CallOff::NotNeeded;
        }
        let instance = Fingerprint::of_instance(key);
        let Some(plan) = remembered.plans.get_mut(&instance) else { return CallOff::NotNeeded };
        match plan.state {
            State::BeingTold => CallOff::Wait,
            State::BeingCalledOff(_) => CallOff::NotNeeded,
            State::Told(at) | State::MayBeCalledOff(at) => {
                plan.state = State::BeingCalledOff(at);
                let launched = plan.launched;
                CallOff::Tell(CallingOff { plans: Arc::clone(self), instance, launched })
            }
        }
    }

    /// Forgets the plan of an instance, as when it was stopped or is gone. A plan that is being told
    /// or called off is left to whoever does that.
    pub(crate) fn forget(&self, key: &EventKey) {
        let mut remembered = self.remembered();
        if remembered.plans.is_empty() {
            return;
        }
        let instance = Fingerprint::of_instance(key);
        let plan = remembered.plans.get(&instance);
        if plan.is_some_and(|plan| matches!(plan.state, State::Told(_) | State::MayBeCalledOff(_)))
        {
            remembered.plans.remove(&instance);
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
            plan.state = State::Told(at);
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let mut remembered = self.plans.remembered();
        let plan = remembered.plans.get(&self.instance);
        let is_ours =
            |plan: &Plan| plan.launched == self.launched && plan.state == State::BeingTold;
        if plan.is_some_and(is_ours) {
            remembered.plans.remove(&self.instance);
        }
    }
}

impl CallingOff {
    /// Forgets the plan, since SNS accepted the notice. Returns the message that waits for the stop.
    pub(crate) fn accepted(self) -> Option<Waiting> {
        let mut remembered = self.plans.remembered();
        remembered.plans.get(&self.instance).filter(|plan| plan.is_being_called_off())?;
        let plan = remembered.plans.remove(&self.instance)?;
        plan.waiting.map(|waiting| *waiting)
    }
}

impl Drop for CallingOff {
    fn drop(&mut self) {
        if let Some(plan) = self.plans.remembered().plans.get_mut(&self.instance)
            && let State::BeingCalledOff(at) = plan.state
        {
            plan.state = State::MayBeCalledOff(at);
        }
    }
}

impl Plan {
    /// Whether the plan is of this launch. Where no policy gives a grace any more, EC2 is not asked
    /// when an instance was launched: what its owner was told holds all the same.
    fn is_of(&self, launched: Option<UtcDateTime>) -> bool {
        launched.is_none() || self.launched == launched
    }

    /// The time of the stop that the owner was told; `None` if that does not hold.
    fn told(&self) -> Option<UtcDateTime> {
        match self.state {
            State::Told(at) => Some(at),
            _ => None,
        }
    }

    /// The time of the stop that the owner was ever told; `None` while they are being told.
    fn time(&self) -> Option<UtcDateTime> {
        match self.state {
            State::BeingTold => None,
            State::Told(at) | State::BeingCalledOff(at) | State::MayBeCalledOff(at) => Some(at),
        }
    }

    /// Whether a sweep told the owner of this instance: its key has no event, so that the fingerprint
    /// is that of the instance.
    fn is_by_sweep(&self, instance: Fingerprint) -> bool {
        self.event == instance
    }

    fn is_being_called_off(&self) -> bool {
        matches!(self.state, State::BeingCalledOff(_))
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
            self.plans.retain(|_, plan| plan.time().is_none_or(|at| now - at < MEMORY));
            self.looked_through = now;
        }
        if self.plans.len() >= MOST {
            let mut times: Vec<_> = self.plans.values().filter_map(Plan::time).collect();
            times.sort_unstable();
            let bound = times.get(times.len() / 16).copied();
            self.plans.retain(|_, plan| plan.time().is_none() || plan.time() > bound);
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
    fn what_was_told_holds_when_no_policy_asks_for_the_launch_any_more() {
        let (plans, key) = (Arc::new(Plans::default()), EventKey::example("a"));
        tell(&plans, &key, NOW).accepted(LATER);
        assert_eq!(plans.told(&key, None), Some(LATER));
        assert!(matches!(plans.plan(&key, None, NOW), Planning::Wait));
        assert!(matches!(plans.plan(&EventKey::example("b"), None, NOW), Planning::NotNeeded));
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

    fn calling_off(plans: &Arc<Plans>, key: &EventKey) -> CallingOff {
        match plans.call_off(key) {
            CallOff::Tell(calling_off) => calling_off,
            other => panic!("not to be called off: {other:?}"),
        }
    }

    #[test]
    fn a_stop_that_was_told_is_called_off_once_and_its_message_handed_over() {
        let (plans, key) = (Arc::new(Plans::default()), EventKey::example("a"));
        assert!(matches!(plans.call_off(&key), CallOff::NotNeeded));
        let telling = tell(&plans, &key, NOW);
        assert!(matches!(plans.call_off(&key), CallOff::Wait));
        telling.accepted(LATER);
        let arrival = Arrival::now(std::time::SystemTime::now(), "m".into(), 1, [None, None]);
        plans.waits(&key, Waiting { receipt: Receipt("r".into()), arrival });
        let other = EventKey::example("b");
        let first = calling_off(&plans, &other);
        assert!(matches!(plans.call_off(&key), CallOff::NotNeeded));
        assert!(matches!(plans.plan(&key, LAUNCHED, NOW), Planning::BeingTold));
        assert!(matches!(plans.plan(&key, Some(LATER), NOW), Planning::BeingTold));
        assert_eq!(first.accepted().map(|waiting| waiting.receipt.0).as_deref(), Some("r"));
        assert!(matches!(plans.call_off(&key), CallOff::NotNeeded));
        assert!(matches!(plans.plan(&key, LAUNCHED, NOW), Planning::Tell(_)));
    }

    #[test]
    fn a_stop_that_may_have_been_called_off_takes_place_only_if_it_is_told_again() {
        let (plans, key) = (Arc::new(Plans::default()), EventKey::example("a"));
        tell(&plans, &key, NOW).accepted(LATER);
        drop(calling_off(&plans, &key));
        assert_eq!(plans.told(&key, LAUNCHED), None);
        drop(calling_off(&plans, &key));
        tell(&plans, &key, NOW).accepted(LATER);
        assert_eq!(plans.told(&key, LAUNCHED), Some(LATER));
    }

    #[test]
    fn an_event_knows_whether_its_instance_is_planned_by_another() {
        let (plans, key) = (Arc::new(Plans::default()), EventKey::example("a"));
        assert!(!plans.has_another(&EventKey::example("b")));
        let telling = tell(&plans, &key, NOW);
        assert!(plans.has_another(&EventKey::example("b")) && !plans.has_another(&key));
        drop(telling);
        assert!(!plans.has_another(&EventKey::example("b")));
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
