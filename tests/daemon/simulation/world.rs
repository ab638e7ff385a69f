//! A world while it is played: its sandbox, and what the plan does in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ec2_policy_enforcer::sandbox::{
    Fault, FaultId, Launch, Lifecycle, Resources, Root, Rule, Sandbox, Service,
};
use tokio::time::Instant;

use super::bodies;
use super::history::{Changed, Copy, History, Nature, Sent, What};
use super::plan::{Change, Form, Instance, Kind, Noise, Plan, Trouble};
use crate::world::TAG;

#[derive(Clone)]
pub(super) struct World {
    pub aws: Sandbox,
    pub resources: Resources,
    pub plan: Arc<Plan>,
    pub began: Instant,
    history: Arc<Mutex<History>>,
    faults: BTreeMap<usize, FaultId>,
    /// The body of each event that was sent, and when it was sent first.
    bodies: BTreeMap<usize, (String, Instant)>,
}

impl World {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let aws = Sandbox::new(plan.options.clone());
        let resources = aws.set_up();
        Self {
            aws,
            resources,
            plan,
            began: Instant::now(),
            history: Arc::default(),
            faults: BTreeMap::new(),
            bodies: BTreeMap::new(),
        }
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
            key: if planned.form == Form::WithoutId { message.clone() } else { planned.id.clone() },
            age: if dated { planned.age } else { std::time::Duration::ZERO },
            since: if dated { first } else { now },
        };
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
                let id = &self.plan.instances[*instance].id;
                (Rule::on(operation).naming(id).fault(fault.clone()), Nature::Poison)
            }
            Trouble::Race { operation, instance, change, before } => {
                let hook = self.changing(*change, *instance);
                let fault = if *before { Fault::run(hook) } else { Fault::run_after(hook) };
                let id = &self.plan.instances[*instance].id;
                (Rule::on(operation).naming(id).times(1).fault(fault), Nature::Harmless)
            }
        };
        let fault = self.aws.inject(rule);
        self.faults.insert(number, fault);
        self.history().faults.push((fault, nature));
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

    /// Whether the only messages left are those that must be rejected and those of instances that
    /// are poisoned to the end.
    pub(super) fn is_settled(&self) -> bool {
        let history = self.history();
        let (rejected, lost) =
            (history.rejected(), history.about(&self.plan.poisoned_to_the_end()));
        let stays = |id: &str| rejected.contains(id) || lost.contains(id);
        self.aws.messages().iter().all(|message| stays(&message.id))
    }
}

fn apply(aws: &Sandbox, change: Change, instance: &Instance) {
    let id = &instance.id;
    match change {
        Change::Launch => launch(aws, instance),
        Change::Tag => aws.tag(id, TAG, ""),
        Change::Untag => aws.untag(id, TAG),
        Change::Stop => aws.stop(id),
        Change::Start => aws.start(id),
        Change::Terminate => aws.terminate(id),
        Change::Forget => aws.forget(id),
    }
}

/// Launches an instance that sends no events. The plan sends them, so that they can be late, sent
/// twice or out of order.
fn launch(aws: &Sandbox, instance: &Instance) {
    let mut launch = Launch::default().quiet().id(&instance.id).region(instance.region);
    launch = match instance.kind {
        Kind::Plain | Kind::Unknown => launch,
        Kind::PersistentSpot => launch.lifecycle(Lifecycle::SpotPersistent),
        Kind::OneTimeSpot => launch.lifecycle(Lifecycle::SpotOneTime),
        Kind::InstanceStore => launch.root(Root::InstanceStore),
        Kind::Protected => launch.stop_protected(),
        Kind::Managed => launch.managed(),
    };
    for tag in instance.tags.iter().copied().chain(instance.exempt.then_some(TAG)) {
        launch = launch.tagged(tag, "");
    }
    aws.launch(launch);
    if let Some(operation) = instance.unseen_by {
        aws.hide_tags(&instance.id, operation);
    }
}
