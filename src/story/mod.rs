//! `ec2-policy-enforcer sandbox --story`: plays a short day with the daemon in a minute, on the
//! sandbox. The daemon, `undo` and `resume` are the real ones; the AWS and its day are not.
//!
//! - here: the day, scene by scene;
//! - `stage`: the AWS and the daemon that play it;
//! - `hands`: what an operator does;
//! - `pace`: how fast the day passes;
//! - `narrator`: what is told.

mod hands;
mod narrator;
mod pace;
mod stage;

use std::io::Write;

use anyhow::{Context, anyhow};
use tokio::runtime::Builder;

use crate::domain::policy::EVALUATION_STACK;

pub use pace::Pace;

use stage::Stage;

/// The settings of the daemon while it is tried out, in this order.
const DRY_RUN: &[(&str, &str)] = &[("ENFORCER_POLICY__MODE", "dry-run")];
const WARN: &[(&str, &str)] = &[("ENFORCER_POLICY__MODE", "warn")];
/// All brakes on: owners have two hours, and not more than five instances are stopped in ten minutes.
const ENFORCE: &[(&str, &str)] = &[
    ("ENFORCER_POLICY__GRACE", "2h"),
    ("ENFORCER_POLICY__SINCE", "2026-11-01"),
    ("ENFORCER_POLICY__TAG_CHANGES", "true"),
    ("ENFORCER_POLICY__EXCEPTION_EXPIRES", "true"),
    ("ENFORCER_BUDGET__STOPS", "5"),
    ("ENFORCER_BUDGET__WINDOW", "10m"),
];
/// The same with two mistakes: the tag's key lacks a letter, and the grace is gone.
const MISTAKEN: &[(&str, &str)] = &[
    ("EXCEPTION_TAG", "SPECIAL_EXEPTION"),
    ("ENFORCER_BUDGET__STOPS", "5"),
    ("ENFORCER_BUDGET__WINDOW", "10m"),
];
/// Without the mistakes.
const MENDED: &[(&str, &str)] = &[
    ("ENFORCER_POLICY__GRACE", "2h"),
    ("ENFORCER_POLICY__SINCE", "2026-11-01"),
    ("ENFORCER_POLICY__EXCEPTION_EXPIRES", "true"),
    ("ENFORCER_BUDGET__STOPS", "5"),
    ("ENFORCER_BUDGET__WINDOW", "10m"),
];
/// The tag that exempts an instance.
const TAG: &str = "SPECIAL_EXCEPTION";
/// How many instances the mass mistake meets.
const NIGHTLY: usize = 30;

/// Plays the day, and tells it.
///
/// # Errors
/// The output cannot be written, or the daemon fails.
pub fn play(pace: Pace, output: Box<dyn Write + Send>) -> anyhow::Result<()> {
    let thread = std::thread::Builder::new().stack_size(EVALUATION_STACK);
    let played = thread.spawn(move || -> anyhow::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.context("cannot start the runtime")?.block_on(day(pace, output))
    });
    let played = played.context("cannot start a thread")?.join();
    played.map_err(|_| anyhow!("the story broke off"))?
}

async fn day(pace: Pace, output: Box<dyn Write + Send>) -> anyhow::Result<()> {
    let mut stage = Stage::set(pace, output)?;
    stage.say(
        "A day with ec2-policy-enforcer, in a minute. The daemon is the real one; the AWS that it \
         works on is a small one inside this process, and its clock runs fast. The policy: no \
         instance may run without the tag SPECIAL_EXCEPTION.",
    )?;
    dry_run(&mut stage).await?;
    warn(&mut stage).await?;
    grace(&mut stage).await?;
    mistake(&mut stage).await?;
    repair(&mut stage).await?;
    stage.end().await
}

async fn dry_run(stage: &mut Stage) -> anyhow::Result<()> {
    stage.scene("08:00", "A dry run: it decides, but stops nothing and tells nobody.").await?;
    stage.start_daemon(DRY_RUN).await?;
    stage.launch("web", &[]);
    stage.launch("database", &[TAG]);
    stage.launch("batch", &[]);
    stage.until("08:30").await?;
    let would_stop = stage.outcomes("would_stop");
    stage.say(&format!(
        "web, database and batch have started. It would have stopped {would_stop} of them: web and \
         batch carry no tag. The platform team tells their owners, and goes on."
    ))
}

async fn warn(stage: &mut Stage) -> anyhow::Result<()> {
    stage.scene("09:00", "Warn: owners hear of violations, and nothing is stopped.").await?;
    stage.start_daemon(WARN).await?;
    stage.launch("api", &[]);
    stage.until("09:30").await
}

async fn grace(stage: &mut Stage) -> anyhow::Result<()> {
    stage
        .scene(
            "10:00",
            "Enforce, with brakes: owners have two hours before a stop, and at most five instances \
             are stopped in ten minutes.",
        )
        .await?;
    stage.start_daemon(ENFORCE).await?;
    stage.launch("report", &[]);
    stage.launch("training", &[]);
    stage.until("10:20").await?;
    stage.say(
        "The owner of report reads the notice and answers with a tag that ends by itself: \
         SPECIAL_EXCEPTION=until=2026-12-31.",
    )?;
    let took = stage.answer("report", TAG, "until=2026-12-31").await?;
    stage.say(&format!("The stop was called off {took:.1} s after the tag."))?;
    stage.say("Nobody answers for training.")?;
    stage.until("12:05").await
}

async fn mistake(stage: &mut Stage) -> anyhow::Result<()> {
    stage
        .scene(
            "13:00",
            "A mistake: new settings name the tag SPECIAL_EXEPTION, and the grace is gone. Thirty \
             instances of a nightly job start, all with the right tag.",
        )
        .await?;
    stage.start_daemon(MISTAKEN).await?;
    for number in 1..=NIGHTLY {
        stage.launch(&format!("nightly-{number}"), &[TAG]);
    }
    stage.until("13:05").await?;
    let stopped = stage.stopped("nightly");
    stage.say(&format!(
        "{stopped} of the {NIGHTLY} are stopped; then the budget of five in ten minutes is used up, \
         and all further stops are held. The hold is a tag of the queue: {}.",
        stage.holds()
    ))
}

async fn repair(stage: &mut Stage) -> anyhow::Result<()> {
    stage
        .scene("13:15", "The settings are corrected, and the daemon reads them. The hold stays.")
        .await?;
    stage.reload(MENDED)?;
    stage.until("13:20").await?;
    stage.say("What was stopped by mistake is started again, from the audit trail:")?;
    stage.undo().await?;
    stage.until("13:25").await?;
    stage.say("Then the hold is lifted:")?;
    stage.resume().await?;
    stage.until("13:50").await?;
    let running = stage.running("nightly");
    stage.say(&format!(
        "All that was held is judged anew, by the right settings: {running} of the {NIGHTLY} run, \
         and none of them is stopped again."
    ))
}
