//! A world while it is played: its sandbox, and what the plan does in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{
    Fault, FaultId, Message, Resources, Rule, Sandbox, Service, Visibility,
};
use ec2_policy_enforcer::settings::Live;
use tokio::sync::watch;
use tokio::time::Instant;

use super::bodies;
use super::history::{Changed, Copy, History, Nature, Sent, What};
use super::launch::launch;
use super::names::ec2_id;
use super::plan::{Change, Event, Form, Instance, Noise, Plan, Trouble};
use super::policies::{self, ACCOUNT};
use super::process::settings;
use crate::world::TAG;

#[derive(Clone)]
pub(super) struct World {
    pub aws: Sandbox,
    pub resources: Resources,
    pub plan: Arc<Plan>,
    pub began: Instant,
    /// Where the daemons get other policies from, in a world with policies.
    live: Option<watch::Sender<Live>>,
    history: Arc<Mutex<History>>,
    faults: BTreeMap<usize, FaultId>,
    /// The body of each event that was sent, and when it was sent first.
    bodies: BTreeMap<usize, (String, Instant)>,
    /// The same of changes of tags.
    tag_bodies: BTreeMap<usize, (String, Instant)>,
}

impl World {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let aws = Sandbox::new(plan.options.clone());
        let resources = aws.set_up();
        let world = Self {
            aws,
            resources,
            plan,
            began: Instant::now(),
            live: None,
            history: Arc::default(),
            faults: BTreeMap::new(),
            bodies: BTreeMap::new(),
            tag_bodies: BTreeMap::new(),
        };
        let policies = world.plan.policies.as_ref();
        let live = policies.map(|policies| settings(&world, Some(&policies.first)).live());
        Self { live: live.map(|live| watch::channel(live).0), ..world }
    }

    /// What the daemons follow, in a world with policies.
    pub(super) fn live(&self) -> Option<watch::Receiver<Live>> {
        self.live.as_ref().map(watch::Sender::subscribe)
    }

    /// Puts the later policies of the plan into effect in all daemons.
    pub(super) fn reload(&self) {
        let later = self.plan.policies.as_ref().and_then(|policies| policies.later.as_ref());
        let (Some(live), Some((_, set))) = (&self.live, later) else { return };
        let settings = settings(self, Some(set));
        let policies = settings.policies(&policies::place(&self.resources.region)).unwrap();
        live.send_replace(Live { policies: Some(Arc::new(policies)), ..settings.live() });
        self.history().reloaded = Some(Instant::now());
    }

    /// Subscribes somebody to the topic by e-mail, if the plan says so.
    pub(super) async fn subscribe(&self) {
        if self.plan.mails {
            let sns = aws_sdk_sns::Client::new(&self.aws.sdk_config());
            let call = sns.subscribe().topic_arn(&self.resources.topic_arn).protocol("email");
            call.endpoint("owners@example.com").send().await.unwrap();
            self.aws.confirm_subscriptions(&self.resources.topic_arn);
        }
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    pub(super) fn change(&self, change: Change, instance: usize) {
        self.history().changes.push(Changed { at: Instant::now(), instance, change });
        apply(&self.aws, change, &self.plan.instances[instance]);
    }

    pub(super) fn send(&mut self, event: usize) {
        let (now, planned) = (Instant::now(), &self.plan.events[event]);
        let written = || (bodies::event(&self.aws, &self.plan, event), now);
        let (body, first) = self.bodies.entry(event).or_insert_with(written).clone();
        let message = self.aws.send(&body);
        let dated = !matches!(planned.form, Form::WithoutTime | Form::FromTheFuture);
        let copy = Copy {
            instance: planned.instance,
            key: if planned.form == Form::WithoutId { message.clone() } else { self.key(planned) },
            age: if dated { planned.age } else { Duration::ZERO },
            since: if dated { first } else { now },
            is_dated: dated,
            is_of_tags: false,
        };
        self.history().sent.push(Sent { at: now, message, what: What::Event(copy) });
    }

    /// What an event goes by in the record: its id, in a member account with the instance, since events
    /// of several accounts may have one id.
    fn key(&self, event: &Event) -> String {
        let (instance, id) = (&self.plan.instances[event.instance], &event.id);
        if instance.account == ACCOUNT { id.clone() } else { format!("{id} of {}", instance.id) }
    }

    /// Sends a message of a change of tags.
    pub(super) fn send_tags(&mut self, event: usize) {
        let (now, planned) = (Instant::now(), &self.plan.tag_events[event]);
        let written = || (bodies::tag_change(&self.aws, &self.plan, event), now);
        let (body, since) = self.tag_bodies.entry(event).or_insert_with(written).clone();
        let message = self.aws.send(&body);
        let (key, age) = (planned.id.clone(), Duration::ZERO);
        let instance = planned.instance;
        let copy = Copy { instance, key, age, since, is_dated: true, is_of_tags: true };
        self.history().sent.push(Sent { at: now, message, what: What::Event(copy) });
    }

    pub(super) fn send_noise(&self, noise: Noise, bait: usize) {
        let message = self.aws.send(&bodies::noise(&self.aws, &self.plan.instances[bait], noise));
        self.history().sent.push(Sent { at: Instant::now(), message, what: What::Noise(noise) });
    }

    pub(super) fn strike(&mut self, number: usize, trouble: &Trouble) {
        let (rule, nature) = match trouble {
            Trouble::Fault(rule) => (rule.clone(), Nature::Passing),
            Trouble::RefusedRegion(region) => {
                let refusal = Fault::error(401, "AuthFailure");
                let rule = Rule::on_service(Service::Ec2).region(*region).fault(refusal);
                (rule, Nature::Regional)
            }
            Trouble::Panic(rule) => (rule.clone(), Nature::Panicking),
            Trouble::Slow { operation, by } => {
                (Rule::on(operation).fault(Fault::Delay(*by)), Nature::Harmless)
            }
            Trouble::Lag { operation, by, times } => {
                (Rule::on(operation).times(*times).fault(Fault::Lag(*by)), Nature::Lagging)
            }
            Trouble::Poison { operation, instance, fault } => {
                (self.naming(operation, *instance).fault(fault.clone()), Nature::Poison)
            }
            Trouble::Race { operation, instance, change, before } => {
                let hook = self.changing(*change, *instance);
                let fault = if *before { Fault::run(hook) } else { Fault::run_after(hook) };
                (self.naming(operation, *instance).times(1).fault(fault), Nature::Harmless)
            }
        };
        let fault = self.aws.inject(rule);
        self.faults.insert(number, fault);
        self.history().faults.push((fault, nature));
    }

    /// A rule for the calls of an operation that name an instance.
    fn naming(&self, operation: &str, instance: usize) -> Rule {
        let instance = &self.plan.instances[instance];
        Rule::on(operation).account(&instance.account).naming(ec2_id(&instance.id))
    }

    /// Returns a hook that changes an instance in the middle of a call.
    fn changing(
        &self,
        change: Change,
        instance: usize,
    ) -> impl Fn(&Sandbox) + Send + Sync + 'static {
        let world = self.clone();
        move |_| world.change(change, instance)
    }

    pub(super) fn lift(&self, number: usize) {
        self.aws.lift(self.faults[&number]);
    }

    /// Ends all faults but those of poisoned instances, which only the plan ends.
    pub(super) fn lift_all_but_poison(&self) {
        for (fault, _) in self.history().faults.iter().filter(|(_, one)| *one != Nature::Poison) {
            self.aws.lift(*fault);
        }
    }

    /// How long all messages are hidden at least, in a world with graces, a budget or members.
    pub(super) fn hidden_for(&self) -> Duration {
        let plan = &self.plan;
        if plan.longest_wait().is_zero() && plan.budget.is_none() && plan.members.is_none() {
            return Duration::ZERO;
        }
        let history = self.history();
        let (rejected, lost) = (history.rejected(), history.about(&self.plan.unreachable()));
        let left = self.aws.messages().into_iter();
        let left = left
            .filter(|one| !rejected.contains(one.id.as_str()) && !lost.contains(one.id.as_str()));
        let visible = left.map(|message| match message.visibility {
            Visibility::Visible => Instant::now(),
            Visibility::Held { until } | Visibility::Delayed { until } => until,
        });
        visible.min().map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether the only messages left are those that must be rejected and those that may never be
    /// settled.
    pub(super) fn is_settled(&self) -> bool {
        self.are_left(|_| false)
    }

    /// The same, besides messages that are hidden for long.
    pub(super) fn is_stranded(&self) -> bool {
        const LONG: Duration = Duration::from_hours(1);
        let long = Instant::now() + LONG;
        self.are_left(|one| matches!(one.visibility, Visibility::Held { until } if until > long))
    }

    fn are_left(&self, may_be_left: impl Fn(&Message) -> bool) -> bool {
        let history = self.history();
        let (rejected, lost) = (history.rejected(), history.about(&self.plan.lost()));
        let stays = |id: &str| rejected.contains(id) || lost.contains(id);
        self.aws.messages().iter().all(|one| stays(&one.id) || may_be_left(one))
    }
}

fn apply(aws: &Sandbox, change: Change, instance: &Instance) {
    let (aws, id) = (&aws.in_account(&instance.account), ec2_id(&instance.id));
    match change {
        Change::Launch => launch(aws, instance),
        Change::Tag => aws.tag(id, TAG, ""),
        Change::Untag => aws.untag(id, TAG),
        Change::Set(key, value) => aws.tag(id, key, value),
        Change::Unset(key) => aws.untag(id, key),
        Change::Stop => aws.stop(id),
        Change::Start => aws.start(id),
        Change::Terminate => aws.terminate(id),
        Change::Forget => aws.forget(id),
    }
}
