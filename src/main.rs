//! The process: reads the command line, starts the logs and the tokio runtime, runs the command,
//! and turns its result into an exit code.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Parser;
use tokio::runtime::Builder;
use tracing::{error, warn};

use ec2_policy_enforcer::aws;
use ec2_policy_enforcer::cli::{self, Arguments, CheckArguments, Command, RunArguments};
use ec2_policy_enforcer::commands::check::{self, Finding, Printer, Report, Wanted};
use ec2_policy_enforcer::commands::generate;
use ec2_policy_enforcer::commands::healthcheck;
use ec2_policy_enforcer::commands::{Ended, explain, policy, replay, report, resume, undo};
use ec2_policy_enforcer::daemon::reload::{Reload, SettingsSource};
use ec2_policy_enforcer::daemon::{self, Daemon};
use ec2_policy_enforcer::domain;
use ec2_policy_enforcer::retry::delays;
use ec2_policy_enforcer::runtime::again;
use ec2_policy_enforcer::runtime::shutdown::Shutdown;
#[cfg(feature = "sandbox")]
use ec2_policy_enforcer::sandbox;
use ec2_policy_enforcer::settings::{self, Settings, SettingsError};
#[cfg(feature = "sandbox")]
use ec2_policy_enforcer::story::{self, Pace};
use ec2_policy_enforcer::telemetry::logs::{self, Logs, Purpose};

/// The exit code for settings that cannot work, `EX_CONFIG` of sysexits.h: starting again does not
/// help until somebody changes a setting. The systemd unit does not restart after it.
const REFUSED_SETTINGS: u8 = 78;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = start(arguments.command);
    let code = ended.unwrap_or_else(|failure| {
        for error in failure.lines() {
            error!(error, "{}", failure.summary);
        }
        ExitCode::from(failure.code)
    });
    logs::flush(delays::LOG_FLUSH);
    code
}

/// Why a command failed, and the exit code that follows.
struct Failure {
    /// The message of the last line of the log.
    summary: &'static str,
    code: u8,
    /// The cause, for the field `error` of that line.
    error: anyhow::Error,
}

impl Failure {
    fn settings(error: impl Into<anyhow::Error>) -> Self {
        let summary = "the settings cannot work";
        Self { summary, code: REFUSED_SETTINGS, error: error.into() }
    }
}

impl Failure {
    /// The cause: one line, or one for each mistake in policies.
    fn lines(&self) -> Vec<String> {
        match self.error.downcast_ref::<SettingsError>() {
            Some(refused) => refused.lines(),
            None => vec![format!("{:#}", self.error)],
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        if error.is::<SettingsError>() {
            return Self::settings(error);
        }
        // The sandbox runs a daemon, too.
        match error.downcast::<daemon::Error>() {
            Ok(error) => error.into(),
            Err(error) => Self { summary: "the command failed", code: 1, error },
        }
    }
}

impl From<daemon::Error> for Failure {
    fn from(error: daemon::Error) -> Self {
        match error {
            daemon::Error::Policies(refused) => Self::settings(refused),
            daemon::Error::Settings(reason) => Self::settings(anyhow::Error::msg(reason)),
            daemon::Error::Failed(error) => error.into(),
        }
    }
}

fn start(command: Command) -> Result<ExitCode, Failure> {
    // Before there are threads.
    let unset = unset_empty_variables(&command);
    // A health check logs only why it failed: RUST_LOG is meant for the daemon, which shares the
    // environment.
    let is_health_check = matches!(command, Command::Healthcheck(_));
    let filter = if is_health_check { None } else { settings::log_filter() };
    let journal = settings::journal_stream();
    // The story tells what happens; the lines of its daemon would break into it.
    let filter = if is_story(&command) { filter.or(Some("off".to_owned())) } else { filter };
    let (filter, journal) = (filter.as_deref(), journal.as_deref());
    let logs = logs::start(filter, purpose(&command), journal, delays::LOG_GATHERING);
    let logs = logs.map_err(Failure::settings)?;
    unset?;
    #[cfg(feature = "sandbox")]
    if is_story(&command) {
        story::play(Pace::FOR_PEOPLE, Box::new(std::io::stdout()))?;
        return Ok(ExitCode::SUCCESS);
    }
    // One worker thread handles ten times what EC2's rate limits let through in a region, and takes
    // less CPU and memory than two.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_stack_size(domain::policy::EVALUATION_STACK)
        .enable_all()
        .build();
    let runtime = runtime.context("cannot start the runtime")?;
    let ended = runtime.block_on(dispatch(command, logs));
    // A write to a disk that hangs must not keep the process from ending.
    runtime.shutdown_background();
    ended
}

/// Whether a day is to be played on the sandbox.
#[cfg(feature = "sandbox")]
fn is_story(command: &Command) -> bool {
    matches!(command, Command::Sandbox(arguments) if arguments.story)
}

/// Without the sandbox there is no day to be played.
#[cfg(not(feature = "sandbox"))]
fn is_story(_: &Command) -> bool {
    false
}

/// Makes what is empty unset for the AWS SDK, which reads the environment by itself: the program
/// goes on in place of itself, without these variables.
fn unset_empty_variables(command: &Command) -> Result<(), Failure> {
    let empty = match command {
        Command::Run(_)
        | Command::Check(_)
        | Command::Explain(_)
        | Command::Replay(_)
        | Command::Report(_)
        | Command::Resume(_)
        | Command::Undo(_) => settings::empty_sdk_variables(),
        _ => Vec::new(),
    };
    if empty.is_empty() {
        return Ok(());
    }
    let error = again::without(&empty);
    let names: Vec<_> = empty.iter().map(|name| name.to_string_lossy()).collect();
    Err(Failure::settings(anyhow!("{} is empty; unset it ({error})", names.join(", "))))
}

/// Where the logs of a command go.
fn purpose(command: &Command) -> Purpose {
    match command {
        Command::Run(_) | Command::Healthcheck(_) => Purpose::Output,
        Command::Check(_)
        | Command::Policy(_)
        | Command::Explain(_)
        | Command::Replay(_)
        | Command::Report(_)
        | Command::Resume(_)
        | Command::Undo(_)
        | Command::Generate(_) => Purpose::Explanation,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) if arguments.serve => Purpose::Company,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(_) => Purpose::Explanation,
    }
}

/// Runs the command that was given.
async fn dispatch(command: Command, logs: Logs) -> Result<ExitCode, Failure> {
    let signals = || Shutdown::on_signals().context("cannot listen for signals");
    match command {
        Command::Run(arguments) => run(arguments, signals()?, logs).await,
        Command::Check(arguments) => Box::pin(check(&arguments)).await,
        Command::Policy(command) => ended(policy::run(&command)),
        Command::Explain(arguments) => ended(Box::pin(explain::run(&arguments)).await),
        Command::Replay(arguments) => ended(Box::pin(replay::run(&arguments)).await),
        Command::Report(arguments) => ended(Box::pin(report::run(&arguments)).await),
        Command::Resume(arguments) => ended(Box::pin(resume::run(&arguments)).await),
        Command::Undo(arguments) => ended(Box::pin(undo::run(&arguments)).await),
        Command::Healthcheck(arguments) => {
            let asked = healthcheck::run(arguments.config.as_deref()).await;
            // 0 and 1 are all that a health check may end with, whatever is wrong.
            let unhealthy = |failure: Failure| Failure { code: 1, ..failure };
            asked.map(|()| ExitCode::SUCCESS).map_err(Failure::from).map_err(unhealthy)
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

/// The exit code of a command for work on policies. What is wrong with policies is told as compilers
/// do, a line for each mistake, so that editors find the place.
fn ended(result: Result<u8, Ended>) -> Result<ExitCode, Failure> {
    match result {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(Ended::Policies(refusals) | Ended::Settings(SettingsError::Policies(refusals))) => {
            cli::output::complain(refusals.to_string());
            Ok(ExitCode::from(REFUSED_SETTINGS))
        }
        Err(Ended::Cases(mistakes)) => {
            cli::output::complain(mistakes);
            Ok(ExitCode::FAILURE)
        }
        Err(Ended::Settings(refused)) => Err(Failure::settings(refused)),
        Err(Ended::Failed(error)) => Err(error.into()),
    }
}

/// Runs `check`. Settings that cannot work are a finding of its report, not a failure.
async fn check(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let mut printer = Printer::new(arguments.json);
    let show = |findings: &[Finding]| printer.part(findings);
    let report = match Settings::load(arguments.config.as_deref()) {
        Ok(settings) => match aws::sdk::load().await {
            Ok(sdk) => {
                let (instance, account) = (arguments.instance.as_ref(), arguments.account.as_ref());
                let wanted = Wanted { instance, account, notify: arguments.notify };
                check::inspect(&settings, &sdk.config, wanted, show).await
            }
            Err(refused) => told(Report::refused(&refused), show),
        },
        Err(refused) => told(Report::refused(&refused), show),
    };
    printer.end(&report)?;
    Ok(ExitCode::from(report.exit_code()))
}

/// Shows the whole of a report.
fn told(report: Report, mut show: impl FnMut(&[Finding])) -> Report {
    show(&report.findings);
    report
}

/// Runs the daemon until it has drained, and reads the settings again on SIGHUP meanwhile.
async fn run(arguments: RunArguments, shutdown: Shutdown, logs: Logs) -> Result<ExitCode, Failure> {
    let RunArguments { config, dry_run } = arguments;
    let source = SettingsSource { config, dry_run };
    let settings = source.load().map_err(Failure::settings)?;
    logs.follow(settings.log.filter.as_deref());
    warn_of_unread(&settings::unread_variables());
    let reload = Reload::on_hangup(source, settings.clone(), logs);
    let (reload, live) = reload.context("cannot listen for SIGHUP")?;
    let sdk = aws::sdk::load().await.map_err(Failure::settings)?;
    let daemon = Daemon { live, ..Daemon::new(settings, sdk) };
    let (site, health) = (Arc::clone(&daemon.site), Arc::clone(&daemon.health));
    let drained = tokio::select! {
        biased;
        never = reload.run(site, health) => match never {},
        drained = daemon.serve(shutdown) => drained?,
    };
    Ok(if drained.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Warns of variables that the operator may take for settings.
fn warn_of_unread(names: &[String]) {
    if !names.is_empty() {
        let names = names.join(", ");
        warn!(names, "these variables are no settings, and are not read");
    }
}
