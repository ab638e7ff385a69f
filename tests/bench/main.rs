//! Measures how fast the daemon is and what it costs: `cargo bench --bench daemon`.
//!
//! A trial has three processes: the sandbox (this program, started again; see `sandbox_process`),
//! the contender (the built daemon, or the plain loop in `peers`), and this one, which measures
//! from outside. The figures of all trials go into one table, so that every ratio is of one run.

mod arguments;
mod case;
mod trial;
mod aws;
mod contender;
mod settings;
mod fleet;
mod audit;
mod peer;
mod usage;
mod sandbox_process;
mod evidence;
mod percentiles;
mod report;
mod markdown;
mod targets;
mod machine;
mod figures;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use arguments::Arguments;
use contender::Setup;
use trial::{Measurement, Trial};

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(scenes) = &arguments.sandbox {
        return sandbox_process::run(scenes).map(|()| ExitCode::SUCCESS);
    }
    let setup = Setup::prepare(&arguments)?;
    say(&machine::facts(&arguments))?;
    let mut trials = case::trials(&arguments);
    trials.retain(|trial| setup.has(trial.contender));
    let measured = measure(&trials, &setup)?;
    say(&report::report(&measured))?;
    say(&markdown::table(&measured))?;
    let wanted: usize = trials.iter().map(|trial| trial.scenes.len()).sum();
    let sound = measured.len() == wanted && measured.iter().all(Measurement::is_sound);
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one trial after the other. After one that fails, the others are still run.
fn measure(trials: &[Trial], setup: &Setup) -> anyhow::Result<Vec<Measurement>> {
    let mut measured = Vec::new();
    for trial in trials {
        match trial.run(setup) {
            Ok(measurements) => {
                let took: Vec<_> = measurements.iter().map(Measurement::to_string).collect();
                say(&format!("{trial}: {}\n", took.join(", then ")))?;
                measured.extend(measurements);
            }
            Err(error) => say(&format!("{trial}: FAILED: {error:#}\n"))?,
        }
    }
    Ok(measured)
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{text}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}
