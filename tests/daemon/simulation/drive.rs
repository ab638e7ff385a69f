//! Plays the plan of a world from its start to the end of the last process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Instance, Message, Notice};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, sleep_until};

use super::history::History;
use super::members;
use super::names;
use super::plan::{Happening, Plan};
use super::process::Process;
use super::settle::settle;
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);
/// In seconds: longer than any drain may take.
const LONGEST_DRAIN: u32 = 120;

/// Everything that is known of a world when it has ended, for the checks.
pub(super) struct Record {
    pub plan: Arc<Plan>,
    pub began: Instant,
    /// When the last drain began.
    pub settled: Instant,
    pub history: History,
    pub calls: Vec<Call>,
    pub messages: Vec<Message>,
    pub dead_letters: Vec<Message>,
    pub notices: Vec<Notice>,
    pub instances: Vec<Instance>,
}

/// Plays a plan on a runtime of its own, with a paused clock.
pub(super) fn play(plan: Plan) -> Record {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(plan))
}

async fn run(plan: Plan) -> Record {
    let mut world = World::new(Arc::new(plan));
    world.add_members();
    world.subscribe().await;
    world.set_up_queue().await;
    let mut processes = VecDeque::new();
    play_story(&mut world, &mut processes).await;
    world.lift_all_but_poison();
    if processes.is_empty() {
        processes.push_back(Process::begin(&world));
    }
    settle(&world).await;
    sleep(world.plan.lingers).await;
    let settled = Instant::now();
    for process in processes {
        process.drain(&world);
    }
    all_ended(&world).await;
    record(&world, settled)
}

/// Carries out each happening of the plan at its time.
async fn play_story(world: &mut World, processes: &mut VecDeque<Process>) {
    let plan = Arc::clone(&world.plan);
    for (at, happening) in &plan.story {
        sleep_until(world.began + *at).await;
        match happening {
            Happening::Change(change, instance) => world.change(*change, *instance),
            Happening::Send(event) => world.send(*event),
            Happening::SendTags(event) => world.send_tags(*event),
            Happening::Noise(noise, bait) => world.send_noise(*noise, *bait),
            Happening::Account(change, account) => members::change(&world.aws, *change, account),
            Happening::Strike(number, trouble) => world.strike(*number, trouble),
            Happening::Lift(number) => world.lift(*number),
            Happening::Reload => world.reload(),
            Happening::Hold(key) => world.hold(key),
            Happening::Unhold(key) => world.unhold(key),
            Happening::Resume => world.resume(),
            Happening::Begin => processes.push_back(Process::begin(world)),
            end => {
                let Some(process) = processes.pop_front() else { continue };
                match end {
                    Happening::Kill => process.kill(world),
                    Happening::Hurry => process.hurry(world),
                    _ => process.drain(world),
                }
            }
        }
    }
}

async fn all_ended(world: &World) {
    for _ in 0..LONGEST_DRAIN {
        if world.history().processes.iter().all(|process| process.ended.is_some()) {
            return;
        }
        sleep(SECOND).await;
    }
    world.history().problems.push("a process does not end".to_owned());
}

fn record(world: &World, settled: Instant) -> Record {
    Record {
        plan: Arc::clone(&world.plan),
        began: world.began,
        settled,
        history: std::mem::take(&mut *world.history()),
        calls: names::in_calls(world.aws.ledger()),
        messages: world.aws.messages(),
        dead_letters: world.aws.dead_letters(),
        notices: names::in_notices(world.aws.notices()),
        instances: instances(world),
    }
}

/// The instances of all accounts.
fn instances(world: &World) -> Vec<Instance> {
    let accounts = world.aws.accounts().into_iter();
    let instances = accounts.flat_map(|account| world.aws.in_account(&account).instances());
    names::in_instances(instances.collect())
}
