//! The arguments of `undo`, and what its help says beside them.

use std::path::PathBuf;

use clap::Args;
use time::{Duration, UtcDateTime};

use super::ids;
use super::manual::Chapter;
use super::manual::help;
use crate::domain::ids::Account;
use crate::domain::policy::dates;
use crate::domain::policy::rule::{grace, span};

/// The arguments of `undo`.
#[derive(Debug, Args)]
#[command(after_long_help = help(UNDO))]
pub struct UndoArguments {
    /// The audit trail of the daemon: a file with its lines, or a log that they stand in; - for
    /// stdin.
    #[arg(long, value_name = "AUDIT")]
    pub from: PathBuf,
    /// Takes stops from this time on: RFC 3339, or a day such as 2026-12-31, UTC.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: UtcDateTime,
    /// Takes stops up to this time. Default: now.
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub until: Option<UtcDateTime>,
    /// Takes only stops for which this policy was a reason; the built-in one is builtin.
    #[arg(long, value_name = "ID")]
    pub policy: Option<String>,
    /// Takes only stops in this account.
    #[arg(long, value_name = "ID", value_parser = ids::account)]
    pub account: Option<Account>,
    /// The role to start them by, for the instances of another account.
    #[arg(long, value_name = "ARN", value_parser = role)]
    pub role: Option<String>,
    /// Starts them without a question.
    #[arg(long)]
    pub yes: bool,
    /// For how long they are exempt: a number and s, m, h or d, up to 7d.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = keep)]
    pub keep: Keep,
    /// The file that what is done is recorded in. Default: the one of --from; for stdin, stdout.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// A TOML file of settings; the environment overrides it. Needs neither queue nor topic.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// For how long instances are exempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep(pub Duration);

impl std::fmt::Display for Keep {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&span(self.0))
    }
}

const TIME: &str = "give a time such as 2026-12-31T14:00:00Z, or a day such as 2026-12-31";

fn since(text: &str) -> Result<UtcDateTime, String> {
    dates::beginning(text).ok_or_else(|| TIME.to_owned())
}

/// A day counts to its end.
fn until(text: &str) -> Result<UtcDateTime, String> {
    dates::beginning(text).and_then(|_| dates::date(text)).ok_or_else(|| TIME.to_owned())
}

fn keep(text: &str) -> Result<Keep, String> {
    grace(text).map(Keep).ok_or_else(|| "give a time such as 24h, from 1s to 7d".to_owned())
}

fn role(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let is_role = match parts.as_slice() {
        ["arn", partition, "iam", "", account, name] => {
            partition.starts_with("aws")
                && Account::parse(account).is_some()
                && name.strip_prefix("role/").is_some_and(|name| !name.is_empty())
        }
        _ => false,
    };
    let remedy = "give an ARN such as arn:aws:iam::123456789012:role/undo";
    if is_role { Ok(text.to_owned()) } else { Err(remedy.to_owned()) }
}

const UNDO: &[Chapter] = &[
    Chapter {
        heading: "What it does",
        entries: &[
            ("takes", "the stops of the audit trail of instances that ran until then"),
            ("looks", "starts only what is stopped, and was not started since its stop"),
            ("asks", "prints what it will do, and asks; without a terminal, give --yes"),
            ("exempts", "gives them the exception tag first, so that none is stopped again"),
            ("starts", "them, within EC2's limits: 1,000 at once, then 2 a second"),
            ("goes on", "where it was interrupted, if it is run again"),
        ],
    },
    Chapter {
        heading: "Exit codes",
        entries: &[
            ("0", "all that were to be started are started; or none were"),
            ("1", "one could not be started, or the answer was no"),
            ("2", "the command line cannot be read, or nobody can be asked"),
            ("78", "the policies or the settings cannot work"),
        ],
    },
    Chapter {
        heading: "Examples",
        entries: &[
            (
                "ec2-policy-enforcer undo --from audit.jsonl --since 2026-12-31T14:00:00Z",
                "starts again what was stopped since then",
            ),
            (
                "aws logs tail GROUP --since 2h | ec2-policy-enforcer undo --from - --since 2026-12-31 --record undo.jsonl",
                "the same from CloudWatch Logs; to go on after an interruption, give\n          \
                 both once more",
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn parsed(more: &[&str]) -> Result<UndoArguments, String> {
        let first = ["enforcer", "undo", "--from", "audit.jsonl"];
        let arguments = Arguments::try_parse_from(first.iter().chain(more).copied());
        match arguments.map_err(|error| error.to_string())?.command {
            Command::Undo(undo) => Ok(*undo),
            _ => panic!("not undo"),
        }
    }

    #[test]
    fn every_line_of_the_help_fits_a_terminal_of_80_columns() {
        for line in help(UNDO).lines() {
            // Commands are not broken.
            let is_command = line.contains("ec2-policy-enforcer ");
            assert!(line.chars().count() <= 80 || is_command, "{line}");
        }
    }

    #[test]
    fn a_day_begins_for_since_and_ends_for_until() {
        let undo = parsed(&["--since", "2026-12-31", "--until", "2026-12-31"]).unwrap();
        assert_eq!(undo.until.unwrap() - undo.since, Duration::DAY);
        assert_eq!(undo.keep, Keep(Duration::DAY));
        let undo = parsed(&["--since", "2026-12-31T14:00:00+02:00"]).unwrap();
        assert_eq!(undo.since.hour(), 12);
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_would_be_right() {
        for wrong in ["yesterday", "2026-13-01", "14:00", "", "until=2026-12-31"] {
            let since = parsed(&["--since", wrong]).unwrap_err();
            assert!(since.contains("such as 2026-12-31T14:00:00Z"), "{since}");
            let until = parsed(&["--since", "2026-12-31", "--until", wrong]).unwrap_err();
            assert!(until.contains("such as 2026-12-31T14:00:00Z"), "{until}");
        }
        assert!(parsed(&[]).unwrap_err().contains("--since"));
        let keep = parsed(&["--since", "2026-12-31", "--keep", "8d"]).unwrap_err();
        assert!(keep.contains("from 1s to 7d"), "{keep}");
    }

    #[test]
    fn a_role_is_an_arn() {
        let role = |arn| parsed(&["--since", "2026-12-31", "--role", arn]);
        for arn in ["arn:aws:iam::123456789012:role/undo", "arn:aws-cn:iam::123456789012:role/a/b"]
        {
            assert_eq!(role(arn).unwrap().role.as_deref(), Some(arn));
        }
        for arn in ["undo", "arn:aws:iam::1234:role/undo", "arn:aws:iam::123456789012:user/undo"] {
            assert!(role(arn).unwrap_err().contains("role/undo"), "{arn}");
        }
    }
}
