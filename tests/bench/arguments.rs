//! The command line of the benchmark.

use clap::Parser;

use crate::case::Name;

/// Measures the daemon, and the plain boto3 loop beside it, against the sandbox.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo bench --bench daemon --")]
pub struct Arguments {
    /// What to run; everything if nothing is named.
    #[arg(value_enum, value_name = "CASE")]
    pub cases: Vec<Name>,
    /// Runs a tenth of nearly every size, to try the benchmark itself and not to measure.
    #[arg(long)]
    pub quick: bool,
    /// Leaves the boto3 loops out.
    #[arg(long)]
    pub without_peers: bool,
    /// Sets a variable of the daemon's environment, such as `ENFORCER_SIZES__BATCH=50`.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// What cargo adds to every benchmark's arguments.
    #[arg(long, hide = true)]
    bench: bool,
    /// Makes this process the sandbox of a trial.
    #[arg(long, hide = true, value_name = "SCENES")]
    pub sandbox: Option<String>,
}

impl Arguments {
    pub fn wants(&self, name: Name) -> bool {
        self.cases.is_empty() || self.cases.contains(&name)
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("wanted: NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
