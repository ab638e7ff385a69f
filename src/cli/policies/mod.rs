//! The arguments of the subcommands for work on policies.

pub(crate) mod manual;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ids;
use super::manual::help;
use crate::domain::ids::Account;

use manual::{CHECK, DIFF, SCHEMA, TEST};

/// What is done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Checks policies offline, and prints each with its mode and its grace.
    ///
    /// What is wrong is printed on stderr, a line for each mistake: its place (file, line and
    /// column), what is wrong, and what would be right.
    #[command(after_long_help = help(CHECK))]
    Check(PolicyCheckArguments),
    /// Prints what policies can read and name, as a Cedar schema for editors and CI.
    #[command(after_long_help = help(SCHEMA))]
    Schema(SchemaArguments),
    /// Decides test cases, and fails unless exactly the policies that they name deny.
    #[command(after_long_help = help(TEST))]
    Test(TestArguments),
    /// Compares two sets of policies by recorded starts: which are newly stopped, which spared.
    #[command(after_long_help = help(DIFF))]
    Diff(DiffArguments),
}

/// The arguments of `policy check`.
#[derive(Debug, Args)]
pub struct PolicyCheckArguments {
    /// Cedar files, or folders of them; without any, the policies of the settings are checked.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A TOML file of settings; the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The account that the daemon works in. Default: scope.account; without it, policies may name
    /// any account.
    #[arg(long, value_name = "ID", value_parser = ids::account)]
    pub account: Option<Account>,
    /// Recorded starts, whose tag keys count as known.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
}

/// The arguments of `policy schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// A TOML file of settings; the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The account that the daemon works in. Default: scope.account; without it, policies may name
    /// any account.
    #[arg(long, value_name = "ID", value_parser = ids::account)]
    pub account: Option<Account>,
}

/// The arguments of `policy test`.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// The folder with policies (*.cedar) and cases (*.toml).
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// A TOML file of settings, whose units, regions and exception tag count instead of those of
    /// the cases.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Writes the results as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Fails for each policy unless some case has it deny, and another has it not deny.
    #[arg(long)]
    pub require: bool,
}

/// The arguments of `policy diff`.
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// The policies as they are: a Cedar file, or a folder of them.
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The policies as they are to be.
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Recorded starts with their facts, one JSON object a line; - for stdin.
    #[arg(long, value_name = "FILE")]
    pub replay: PathBuf,
    /// How many starts may be newly stopped.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub allow: usize,
    /// A TOML file of settings, whose built-in policy, mode, exception tag and units count.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
