//! `resume`: lets stops go on that are held, because the budget was used up or a person held them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use super::ended::Ended;
use crate::aws;
use crate::aws::connection::Connection;
use crate::aws::sqs::Queue;
use crate::cli::ResumeArguments;
use crate::cli::output;
use crate::domain::hold::Hold;
use crate::domain::ids::{Account, Region};
use crate::retry::delays;
use crate::settings::{self, QueueAddress};

/// The tags of a queue that hold stops, by their keys, each with the time since which it does.
type Holds = BTreeMap<String, String>;

/// Removes the tags that were asked for, or shows all of them. Ends with 1 where what was asked for
/// is still held.
///
/// # Errors
/// Settings that cannot work, and a queue whose tags cannot be read or removed.
pub async fn run(arguments: &ResumeArguments) -> Result<u8, Ended> {
    let queue = find(arguments.config.as_deref()).await?;
    let (text, code) = carry_out(arguments, &queue).await?;
    output::print(text)?;
    Ok(code)
}

/// As [`run`], on this queue. Returns what is to be printed, and the exit code.
pub(crate) async fn carry_out(
    arguments: &ResumeArguments,
    queue: &Queue,
) -> anyhow::Result<(String, u8)> {
    let held = holds(queue).await?;
    if !arguments.asks() {
        return Ok((listed(&held), 0));
    }
    let keys: Vec<_> = held.keys().filter(|key| is_wanted(key, arguments)).cloned().collect();
    if !keys.is_empty() {
        let removed = queue.untag(&keys).await;
        removed.context("cannot remove the tags; allow sqs:UntagQueue on the queue")?;
    }
    let left: Holds = held.iter().filter(|(key, _)| !keys.contains(key)).map(owned).collect();
    let hinders = left.keys().any(|key| Hold::read(key) == Some(Hold::All));
    Ok((report(&keys, &left, hinders), u8::from(hinders)))
}

/// Finds the queue by the settings, of which no other has to be right.
async fn find(config: Option<&Path>) -> Result<Queue, Ended> {
    let address = settings::queue_address(config)?;
    let sdk = aws::sdk::load().await?;
    // Nobody reads the metrics: the process ends with its output.
    let connection = Connection::new(sdk, &Arc::default(), delays::AWS_CALLS);
    let region = match &address {
        QueueAddress::Url { region, .. } => region.clone(),
        QueueAddress::Arn { region, .. } => Some(region.clone()),
        QueueAddress::Name(_) => None,
    };
    let region = region.or_else(|| Region::parse(connection.configured_region()?));
    let region = region.ok_or_else(|| anyhow!("cannot tell the queue's region; set AWS_REGION"))?;
    let queue = Queue::find(&connection, &region, &address).await;
    Ok(queue.context("cannot find the queue; check SQS_QUEUE_URL")?)
}

async fn holds(queue: &Queue) -> anyhow::Result<Holds> {
    let tags = queue.tags().await;
    let tags = tags.context(
        "cannot read the queue's tags; check the queue, the region and sqs:ListQueueTags",
    )?;
    Ok(tags.into_iter().filter(|(key, _)| Hold::read(key).is_some()).collect())
}

/// Whether the arguments ask for a hold.
fn is_wanted(key: &str, arguments: &ResumeArguments) -> bool {
    let is = |wanted: Option<&str>, this: &str| wanted.is_none_or(|wanted| wanted == this);
    match Hold::read(key) {
        Some(Hold::Target { account, region }) => {
            is(arguments.account.as_ref().map(Account::as_str), account.as_str())
                && is(arguments.region.as_ref().map(Region::as_str), region.as_str())
        }
        Some(Hold::All) => arguments.all,
        None => false,
    }
}

fn owned((key, since): (&String, &String)) -> (String, String) {
    (key.clone(), since.clone())
}

/// All holds, and how to end them.
fn listed(held: &Holds) -> String {
    if held.is_empty() {
        return "no stops are held\n".to_owned();
    }
    let mut text = "stops are held by these tags of the queue:\n".to_owned();
    write_rows(&mut text, held);
    text.push_str(
        "\nFind out why so many instances violate the policy, or who froze the stops. Then end\n\
         holds with --account ID, --region REGION, both, or --all.\n",
    );
    text
}

/// What was removed, and what is still held.
fn report(removed: &[String], left: &Holds, hinders: bool) -> String {
    let mut text = String::new();
    if removed.is_empty() {
        text.push_str("nothing that you asked for is held by itself\n");
    } else {
        text.push_str("removed these tags of the queue; stops go on within a minute:\n");
        for key in removed {
            let _ = writeln!(text, "  {key}");
        }
    }
    if !left.is_empty() {
        text.push_str("still held:\n");
        write_rows(&mut text, left);
    }
    if hinders {
        text.push_str("everything is still held; --all lets all stops go on\n");
    }
    text
}

fn write_rows(text: &mut String, holds: &Holds) {
    let width = holds.keys().map(String::len).max().unwrap_or_default();
    for (key, since) in holds {
        let _ = writeln!(text, "  {key:width$}  since {since}");
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Command};

    const HERE: &str = "hold/111122223333/eu-central-1";
    const THERE: &str = "hold/111122223333/us-east-1";

    fn asking(more: &[&str]) -> ResumeArguments {
        let words = ["enforcer", "resume"].iter().chain(more).copied();
        let Command::Resume(arguments) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("not resume")
        };
        arguments
    }

    fn wanted(more: &[&str]) -> Vec<&'static str> {
        let keys = [HERE, THERE, "hold/all", "hold/everything"];
        keys.into_iter().filter(|key| is_wanted(key, &asking(more))).collect()
    }

    #[test]
    fn only_what_is_asked_for_goes_on() {
        assert_eq!(wanted(&["--account", "111122223333"]), [HERE, THERE]);
        assert_eq!(wanted(&["--region", "us-east-1"]), [THERE]);
        assert_eq!(wanted(&["--account", "999922223333", "--region", "us-east-1"]), [""; 0]);
        assert_eq!(wanted(&["--all"]), [HERE, THERE, "hold/all", "hold/everything"]);
        assert!(!asking(&[]).asks());
    }

    #[test]
    fn what_was_removed_and_what_is_still_held_is_told() {
        let left = Holds::from([("hold/all".to_owned(), "2026-11-26T20:48:21Z".to_owned())]);
        assert_eq!(
            report(&[HERE.to_owned()], &left, true),
            "removed these tags of the queue; stops go on within a minute:\n  \
             hold/111122223333/eu-central-1\nstill held:\n  hold/all  since \
             2026-11-26T20:48:21Z\neverything is still held; --all lets all stops go on\n"
        );
        assert_eq!(listed(&Holds::new()), "no stops are held\n");
    }
}
