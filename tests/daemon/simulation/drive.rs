//! Plays the story of a world, and brings it to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Instance, Message, Notice};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, sleep_until};

use super::diary::Diary;
use super::plan::{Happening, Plan};
use super::process::Process;
use super::stage::Stage;

/// What the daemon may take after the last fault: the longest back-off comes to 15 min.
const PATIENCE: Duration = Duration::from_mins(40);
const SECOND: Duration = Duration::from_secs(1);
/// Longer than any drain may take.
const LONGEST_DRAIN: u32 = 120;

/// A world at its end.
pub(super) struct Record {
    pub plan: Arc<Plan>,
    pub began: Instant,
    /// When the last drain began.
    pub settled: Instant,
    pub diary: Diary,
    pub calls: Vec<Call>,
    pub messages: Vec<Message>,
    pub dead_letters: Vec<Message>,
    pub notices: Vec<Notice>,
    pub instances: Vec<Instance>,
}

/// Plays a plan on a thread and a clock of its own.
pub(super) fn play(plan: Plan) -> Record {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(plan))
}

async fn run(plan: Plan) -> Record {
    let mut stage = Stage::new(Arc::new(plan));
    let mut processes = VecDeque::new();
    tell(&mut stage, &mut processes).await;
    stage.calm_down();
    if processes.is_empty() {
        processes.push_back(Process::begin(&stage));
    }
    settle(&stage).await;
    sleep(stage.plan.lingers).await;
    let settled = Instant::now();
    for process in processes {
        process.drain(&stage);
    }
    all_ended(&stage).await;
    record(&stage, settled)
}

async fn tell(stage: &mut Stage, processes: &mut VecDeque<Process>) {
    let plan = Arc::clone(&stage.plan);
    for (at, happening) in &plan.story {
        sleep_until(stage.began + *at).await;
        match happening {
            Happening::Change(change, instance) => stage.change(*change, *instance),
            Happening::Send(event) => stage.send(*event),
            Happening::Noise(noise, bait) => stage.send_noise(*noise, *bait),
            Happening::Strike(number, trouble) => stage.strike(*number, trouble),
            Happening::Lift(number) => stage.lift(*number),
            Happening::Begin => processes.push_back(Process::begin(stage)),
            end => {
                let Some(process) = processes.pop_front() else { continue };
                match end {
                    Happening::Kill => process.kill(stage),
                    Happening::Hurry => process.hurry(stage),
                    _ => process.drain(stage),
                }
            }
        }
    }
}

async fn settle(stage: &Stage) {
    let began = Instant::now();
    while !stage.is_settled() && began.elapsed() < PATIENCE {
        sleep(SECOND).await;
    }
}

async fn all_ended(stage: &Stage) {
    for _ in 0..LONGEST_DRAIN {
        if stage.diary().processes.iter().all(|process| process.ended.is_some()) {
            return;
        }
        sleep(SECOND).await;
    }
    stage.diary().problems.push("a process does not end".to_owned());
}

fn record(stage: &Stage, settled: Instant) -> Record {
    Record {
        plan: Arc::clone(&stage.plan),
        began: stage.began,
        settled,
        diary: std::mem::take(&mut *stage.diary()),
        calls: stage.aws.ledger(),
        messages: stage.aws.messages(),
        dead_letters: stage.aws.dead_letters(),
        notices: stage.aws.notices(),
        instances: stage.aws.instances(),
    }
}
