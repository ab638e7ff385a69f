//! The settings of the daemon that the command runs, and what policies may name there.

use std::path::Path;

use anyhow::Context;

use crate::cli::SandboxArguments;
use crate::domain::ids::{Account, Region};
use crate::sandbox::Resources;
use crate::settings::{Place, Settings};

/// A second region of the daemon, in which policies may forbid instances.
pub(super) const OTHER_REGION: &str = "eu-north-1";

/// Regions that policies may name although nothing is launched there.
const KNOWN: &str = "eu-central-1,eu-west-1,us-east-2,us-west-2";

/// The settings of a daemon for these resources, which are served at `origin`.
pub(super) fn settings(
    arguments: &SandboxArguments,
    made: &Resources,
    origin: &str,
    accounts: &[String],
) -> anyhow::Result<Settings> {
    let mut variables = vec![
        // Polls end by themselves in a drain, which Ctrl-C begins.
        ("ENFORCER_QUEUE__WAIT_SECS", "1".to_owned()),
        ("SQS_QUEUE_URL", made.queue_url_at(origin)),
        ("SNS_TOPIC_ARN", made.topic_arn.clone()),
        // On an EC2 instance, its metadata would name that instance as the daemon's own host.
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    if let Some(folder) = &arguments.policies {
        variables.extend(of_policies(folder, made, accounts));
    }
    variables.extend(of_members(accounts));
    if arguments.dry_run {
        variables.push(("ENFORCER_POLICY__MODE", "dry-run".to_owned()));
    }
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
    Settings::from_layers(None, variables).context("cannot make settings for the sandbox")
}

/// What the policies of a folder need. The built-in policy is off, which would stop all that they
/// only warn of.
fn of_policies(
    folder: &Path,
    made: &Resources,
    accounts: &[String],
) -> [(&'static str, String); 5] {
    [
        ("ENFORCER_POLICY__FILES", folder.join("*.cedar").display().to_string()),
        ("ENFORCER_POLICY__BUILTIN", "false".to_owned()),
        ("ENFORCER_POLICY__KNOWN", KNOWN.to_owned()),
        ("ENFORCER_POLICY__UNITS__SANDBOX", accounts.join(",")),
        ("ENFORCER_SCOPE__REGIONS", format!("{},{OTHER_REGION}", made.region)),
    ]
}

/// The accounts besides the sandbox's own, which is the first one, in which the daemon acts.
pub(super) fn of_members(accounts: &[String]) -> Option<(&'static str, String)> {
    let members = accounts.get(1..).filter(|members| !members.is_empty())?;
    Some(("ENFORCER_ACCOUNTS__IDS", members.join(",")))
}

/// Where the daemon works.
pub(super) fn place(made: &Resources) -> anyhow::Result<Place> {
    let default_region = Region::parse(&made.region).context("the sandbox has no region")?;
    Ok(Place { account: Account::parse(&made.account), default_region })
}
