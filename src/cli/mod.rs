//! The command line: the subcommands and their arguments, as clap reads them. `///` of arguments
//! and subcommands is the text of `--help`. May use [`crate::domain`].

pub(crate) mod manual;
pub mod table;
pub mod output;
pub mod console;
mod ids;
pub mod policies;
pub mod judging;
pub mod report;
pub mod undo;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::domain::ids::{Account, InstanceId, Region};

use judging::{ExplainArguments, ReplayArguments};
use manual::{CHAPTERS, COMPLETIONS, RESUME, help};
use policies::PolicyCommand;
use report::ReportArguments;
use undo::UndoArguments;

/// Stops EC2 instances that start without the exception tag, and tells their owners.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_long_help = help(CHAPTERS))]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program is asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Enforces the policies until SIGTERM or SIGINT, then drains.
    Run(RunArguments),
    /// Checks settings, resources and permissions before the first start; changes nothing.
    Check(CheckArguments),
    /// Shows what would be done with an instance, why, and what would exempt it; changes nothing.
    Explain(ExplainArguments),
    /// Shows what would be done now about each of many starts; changes nothing.
    Replay(ReplayArguments),
    /// Shows which instances run in all accounts, are exempt, and violate policies; changes nothing.
    Report(ReportArguments),
    /// Starts again what the daemon stopped, and exempts it first.
    Undo(Box<UndoArguments>),
    /// Checks, tests and compares policies; needs no account.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Lets stops go on that are held: removes tags of the queue; shows them without an option.
    #[command(after_long_help = help(RESUME))]
    Resume(ResumeArguments),
    /// Asks the daemon on this machine whether it is alive; exits with 0 or 1.
    Healthcheck(HealthcheckArguments),
    /// Shows every outcome on a small AWS inside this process; needs no account.
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxArguments),
    /// Prints shell completions, the man page, or the settings with their defaults.
    #[command(subcommand)]
    Generate(Generated),
}

/// The arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArguments {
    /// A TOML file of settings; the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Decides and logs, but stops nothing and tells nobody: policy.mode = "dry-run".
    ///
    /// It deletes the messages that it has decided, so it needs a queue of its own beside that of an
    /// enforcing daemon: an EventBridge rule can have two targets.
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `healthcheck`, which finds the daemon by the same settings.
#[derive(Debug, clap::Args)]
pub struct HealthcheckArguments {
    /// A TOML file of settings; the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The arguments of `resume`.
#[derive(Debug, clap::Args)]
pub struct ResumeArguments {
    /// A TOML file of settings; the environment overrides it. Only the queue is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Lets stops in this account go on.
    #[arg(long, value_name = "ID", value_parser = ids::account, conflicts_with = "all")]
    pub account: Option<Account>,
    /// Lets stops in this region go on.
    #[arg(long, value_name = "REGION", value_parser = ids::region, conflicts_with = "all")]
    pub region: Option<Region>,
    /// Lets all stops go on, also those that the tag hold/all holds.
    #[arg(long)]
    pub all: bool,
}

impl ResumeArguments {
    /// Whether stops are to go on, rather than to be shown.
    pub(crate) fn asks(&self) -> bool {
        self.all || self.account.is_some() || self.region.is_some()
    }
}

/// The arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct CheckArguments {
    /// A TOML file of settings; the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The instance that EC2 is asked about, by a dry run; by default one that runs untagged.
    #[arg(long, value_name = "ID", value_parser = ids::instance)]
    pub instance: Option<InstanceId>,
    /// Proves the role in this member account alone; by default those in all that the settings list.
    #[arg(long, value_name = "ID", value_parser = ids::account)]
    pub account: Option<Account>,
    /// Publishes one test notice to the topic, in the form that the settings want.
    #[arg(long)]
    pub notify: bool,
    /// Prints JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What `generate` prints.
#[derive(Debug, Subcommand)]
pub enum Generated {
    /// Completions for a shell.
    #[command(after_long_help = help(COMPLETIONS))]
    Completions {
        /// The shell.
        #[arg(long)]
        shell: Shell,
    },
    /// Every setting with its default, its unit and its range, as a file for --config.
    Config,
    /// The man page, in roff.
    Man,
}

/// The arguments of `sandbox`.
#[cfg(feature = "sandbox")]
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct SandboxArguments {
    /// Plays a short day in a minute: a dry run, a warning, a planned stop that an owner calls off, a
    /// mass mistake that the budget ends, and how it is undone.
    #[arg(long, exclusive = true)]
    pub story: bool,
    /// Stays up until Ctrl-C and prints the environment for the AWS CLI.
    #[arg(long)]
    pub serve: bool,
    /// The loopback port; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// A file to write the environment to, as a systemd unit reads it.
    #[arg(long, value_name = "FILE", requires = "serve")]
    pub env_file: Option<PathBuf>,
    /// Serves only the small AWS, so that a daemon can be started beside it.
    #[arg(long, requires = "serve")]
    pub without_daemon: bool,
    /// How many plain instances to launch, up to 100,000, instead of one of each kind.
    #[arg(long, value_name = "N", value_parser = fleet_size)]
    pub instances: Option<usize>,
    /// Which part of these instances carries the exception tag, 0 to 1.
    #[arg(long, value_name = "R", default_value_t = 0.5, value_parser = ratio, requires = "instances")]
    pub exempt_ratio: f64,
    /// How many accounts there are, 1 to 1000: the sandbox's own, and members with a role each.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = account_count)]
    pub accounts: usize,
    /// A folder of policies (*.cedar), which the daemon enforces instead of the built-in one.
    ///
    /// They may name the unit sandbox, to which the sandbox's account belongs, and the regions that
    /// docs/src/sandbox.md lists. Instances that violate those of config/policies are launched, too.
    #[arg(long, value_name = "DIR", conflicts_with = "without_daemon")]
    pub policies: Option<PathBuf>,
    /// Decides, but stops nothing and tells nobody: policy.mode = "dry-run".
    #[arg(long, conflicts_with = "without_daemon")]
    pub dry_run: bool,
}

/// The most instances of a sandbox, in which each takes a few kB.
#[cfg(feature = "sandbox")]
const FLEET_LIMIT: usize = 100_000;

#[cfg(feature = "sandbox")]
fn fleet_size(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count <= FLEET_LIMIT);
    count.ok_or_else(|| "give a number from 0 to 100000".to_owned())
}

/// The most accounts of a sandbox.
#[cfg(feature = "sandbox")]
const ACCOUNT_LIMIT: usize = 1000;

#[cfg(feature = "sandbox")]
fn account_count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=ACCOUNT_LIMIT).contains(count));
    count.ok_or_else(|| "give a number from 1 to 1000".to_owned())
}

#[cfg(feature = "sandbox")]
fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "give a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_takes_a_file() {
        let arguments =
            Arguments::try_parse_from(["enforcer", "run", "--config", "settings.toml"]).unwrap();
        let Command::Run(run) = arguments.command else { panic!("not run") };
        assert_eq!(run.config, Some(PathBuf::from("settings.toml")));
    }

    #[test]
    fn an_instance_that_is_none_is_refused() {
        for id in ["i-*", "web", "i-0ABCDEF0"] {
            let error =
                Arguments::try_parse_from(["enforcer", "check", "--instance", id]).unwrap_err();
            assert!(error.to_string().contains("such as i-0123456789abcdef0"), "{error}");
        }
    }

    #[test]
    fn healthcheck_takes_the_same_file() {
        let command = ["enforcer", "healthcheck", "--config", "settings.toml"];
        let arguments = Arguments::try_parse_from(command).unwrap();
        let Command::Healthcheck(run) = arguments.command else { panic!("not healthcheck") };
        assert_eq!(run.config, Some(PathBuf::from("settings.toml")));
    }

    #[cfg(feature = "sandbox")]
    #[test]
    fn more_instances_than_memory_holds_are_refused() {
        for count in ["100001", "1000000000", "99999999999999999999", "-1", "many"] {
            let flag = format!("--instances={count}");
            let error = Arguments::try_parse_from(["enforcer", "sandbox", &flag]).unwrap_err();
            assert!(error.to_string().contains("give a number from 0 to 100000"), "{error}");
        }
        assert!(Arguments::try_parse_from(["enforcer", "sandbox", "--instances=100000"]).is_ok());
    }

    #[cfg(feature = "sandbox")]
    #[test]
    fn a_sandbox_without_an_account_is_refused() {
        for count in ["0", "1001", "-1", "many"] {
            let flag = format!("--accounts={count}");
            let error = Arguments::try_parse_from(["enforcer", "sandbox", &flag]).unwrap_err();
            assert!(error.to_string().contains("give a number from 1 to 1000"), "{error}");
        }
        assert!(Arguments::try_parse_from(["enforcer", "sandbox", "--accounts=1000"]).is_ok());
    }

    #[cfg(feature = "sandbox")]
    #[test]
    fn a_ratio_outside_0_to_1_is_refused() {
        for ratio in ["-0.1", "1.1", "NaN", "half"] {
            let flag = format!("--exempt-ratio={ratio}");
            let error = Arguments::try_parse_from(["enforcer", "sandbox", &flag]).unwrap_err();
            assert!(error.to_string().contains("give a number from 0 to 1"), "{error}");
        }
    }
}
