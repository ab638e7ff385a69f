//! The sandbox of a world, and what happens in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ec2_policy_enforcer::sandbox::{
    Fault, FaultId, Launch, Lifecycle, Resources, Root, Rule, Sandbox,
};
use tokio::time::Instant;

use super::diary::{Changed, Copy, Diary, Nature, Sent, What};
use super::letters;
use super::plan::{Change, Form, Instance, Kind, Noise, Plan, Trouble};
use crate::world::TAG;

#[derive(Clone)]
pub(super) struct Stage {
    pub aws: Sandbox,
    pub resources: Resources,
    pub plan: Arc<Plan>,
    pub began: Instant,
    diary: Arc<Mutex<Diary>>,
    faults: BTreeMap<usize, FaultId>,
    /// The bodies of the events that were sent, and when they were sent first.
    bodies: BTreeMap<usize, (String, Instant)>,
}

impl Stage {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let aws = Sandbox::new(plan.options.clone());
        let resources = aws.set_up();
        Self {
            aws,
            resources,
            plan,
            began: Instant::now(),
            diary: Arc::default(),
            faults: BTreeMap::new(),
            bodies: BTreeMap::new(),
        }
    }

    pub(super) fn diary(&self) -> MutexGuard<'_, Diary> {
        self.diary.lock().unwrap()
    }

    pub(super) fn change(&self, change: Change, instance: usize) {
        self.diary().changes.push(Changed { at: Instant::now(), instance, change });
        apply(&self.aws, change, &self.plan.instances[instance]);
    }

    pub(super) fn send(&mut self, event: usize) {
        let (now, planned) = (Instant::now(), &self.plan.events[event]);
        let written = || (letters::event(&self.aws, &self.plan, event), now);
        let (body, first) = self.bodies.entry(event).or_insert_with(written).clone();
        let message = self.aws.send(&body);
        let dated = !matches!(planned.form, Form::WithoutTime | Form::FromTheFuture);
        let copy = Copy {
            instance: planned.instance,
            key: if planned.form == Form::WithoutId { message.clone() } else { planned.id.clone() },
            age: if dated { planned.age } else { std::time::Duration::ZERO },
            since: if dated { first } else { now },
        };
        self.diary().sent.push(Sent { at: now, message, what: What::Event(copy) });
    }

    pub(super) fn send_noise(&self, noise: Noise, bait: usize) {
        let message = self.aws.send(&letters::noise(&self.aws, &self.plan.instances[bait], noise));
        self.diary().sent.push(Sent { at: Instant::now(), message, what: What::Noise(noise) });
    }

    pub(super) fn strike(&mut self, number: usize, trouble: &Trouble) {
        let (rule, nature) = match trouble {
            Trouble::Fault(rule) => (rule.clone(), Nature::Passing),
            Trouble::Slow { operation, by } => {
                (Rule::on(operation).fault(Fault::Delay(*by)), Nature::Harmless)
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
        self.diary().faults.push((fault, nature));
    }

    /// Changes an instance in the middle of a call.
    fn changing(
        &self,
        change: Change,
        instance: usize,
    ) -> impl Fn(&Sandbox) + Send + Sync + 'static {
        let stage = self.clone();
        move |_| stage.change(change, instance)
    }

    pub(super) fn lift(&self, number: usize) {
        self.aws.lift(self.faults[&number]);
    }

    /// Ends all but poison, which is lifted in the story or never.
    pub(super) fn calm_down(&self) {
        for (fault, _) in self.diary().faults.iter().filter(|(_, one)| *one != Nature::Poison) {
            self.aws.lift(*fault);
        }
    }

    /// Whether all is done that can be done: what is left was rejected, or is a lost cause.
    pub(super) fn is_settled(&self) -> bool {
        let diary = self.diary();
        let (rejected, lost) = (diary.rejected(), diary.about(&self.plan.lost_causes()));
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

/// Events are sent by hand, so that they can be late, doubled or out of order.
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
