//! Command line, logs, settings, signals, run; the exit code tells how it ended.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::runtime::Builder;
use tracing::error;

use ec2_policy_enforcer::aws;
use ec2_policy_enforcer::cli::{Arguments, CheckArguments, Command, RunArguments};
use ec2_policy_enforcer::commands::check::{self, Report};
use ec2_policy_enforcer::commands::generate;
use ec2_policy_enforcer::commands::healthcheck;
use ec2_policy_enforcer::daemon::reload::Reload;
use ec2_policy_enforcer::daemon::{self, Daemon};
use ec2_policy_enforcer::runtime::shutdown::Shutdown;
#[cfg(feature = "sandbox")]
use ec2_policy_enforcer::sandbox;
use ec2_policy_enforcer::settings::{self, Settings};
use ec2_policy_enforcer::telemetry::logs::{self, Logs, Purpose};

/// `EX_CONFIG` of sysexits.h: starting again does not help before somebody changes a setting.
const REFUSED_SETTINGS: u8 = 78;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = start(arguments.command);
    ended.unwrap_or_else(|failure| {
        error!(error = format!("{:#}", failure.error), "{}", failure.summary);
        ExitCode::from(failure.code)
    })
}

/// Why the process ends with another code than 0.
struct Failure {
    summary: &'static str,
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    fn settings(error: impl Into<anyhow::Error>) -> Self {
        let summary = "the settings cannot work";
        Self { summary, code: REFUSED_SETTINGS, error: error.into() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { summary: "could not go on", code: 1, error }
    }
}

impl From<daemon::Error> for Failure {
    fn from(error: daemon::Error) -> Self {
        match error {
            daemon::Error::Settings(reason) => Self::settings(anyhow::Error::msg(reason)),
            daemon::Error::Failed(error) => error.into(),
        }
    }
}

fn start(command: Command) -> Result<ExitCode, Failure> {
    // What is asked many times a minute has nothing to log but its failure.
    let asks = matches!(command, Command::Healthcheck(_));
    let filter = if asks { None } else { settings::log_filter() };
    let logs = logs::start(filter.as_deref(), purpose(&command)).map_err(Failure::settings)?;
    // One works off ten times what EC2 lets through in a region, for less CPU and memory than two.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(obey(command, logs))
}

fn purpose(command: &Command) -> Purpose {
    match command {
        Command::Run(_) | Command::Healthcheck(_) => Purpose::Output,
        Command::Check(_) | Command::Generate(_) => Purpose::Explanation,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) if arguments.serve => Purpose::Company,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(_) => Purpose::Explanation,
    }
}

async fn obey(command: Command, logs: Logs) -> Result<ExitCode, Failure> {
    let signals = || Shutdown::on_signals().context("cannot listen for signals");
    match command {
        Command::Run(arguments) => run(arguments, signals()?, logs).await,
        Command::Check(arguments) => check(&arguments).await,
        Command::Healthcheck(arguments) => {
            healthcheck::run(arguments.config.as_deref()).await?;
            Ok(ExitCode::SUCCESS)
        }
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => {
            sandbox::command::run(arguments, signals()?).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Generate(generated) => {
            generate::print(&generated)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn check(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let report = match Settings::load(arguments.config.as_deref()) {
        Ok(settings) => {
            let sdk = aws::sdk::load().await;
            check::inspect(&settings, &sdk, arguments.instance.as_ref()).await
        }
        Err(refused) => Report::refused(&refused),
    };
    report.print(arguments.json)?;
    Ok(ExitCode::from(report.exit_code()))
}

async fn run(arguments: RunArguments, shutdown: Shutdown, logs: Logs) -> Result<ExitCode, Failure> {
    let settings = Settings::load(arguments.config.as_deref()).map_err(Failure::settings)?;
    logs.follow(settings.log.filter.as_deref());
    let reload = Reload::on_hangup(arguments.config, settings.clone(), logs);
    let (reload, live) = reload.context("cannot listen for SIGHUP")?;
    let sdk = aws::sdk::load().await;
    let daemon = Daemon { live, ..Daemon::new(settings, sdk) };
    let drained = tokio::select! {
        biased;
        never = reload.run() => match never {},
        drained = daemon.serve(shutdown) => drained?,
    };
    Ok(if drained.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
