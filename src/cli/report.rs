//! The arguments of `report`, and what its help says beside them.

use std::path::PathBuf;

use clap::Args;

use super::ids;
use super::manual::{Chapter, help};
use crate::domain::ids::Account;

/// The arguments of `report`.
#[derive(Debug, Args)]
#[command(after_long_help = help(REPORT))]
pub struct ReportArguments {
    /// A TOML file of settings; the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Reports on this account; can be given several times. Default: the own one and those that the
    /// settings list.
    #[arg(long = "account", value_name = "ID", value_parser = ids::account)]
    pub accounts: Vec<Account>,
    /// Prints a JSON object instead of tables.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Prints a line of comma-separated values for each running instance.
    #[arg(long)]
    pub csv: bool,
}

/// The forms of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Tables for people.
    Text,
    /// A line of comma-separated values for each instance.
    Csv,
    /// A JSON object.
    Json,
}

impl ReportArguments {
    /// The form that is wanted.
    pub fn form(&self) -> Form {
        match self {
            Self { json: true, .. } => Form::Json,
            Self { csv: true, .. } => Form::Csv,
            _ => Form::Text,
        }
    }
}

const REPORT: &[Chapter] = &[
    Chapter {
        heading: "Exit codes",
        entries: &[
            ("0", "everything was read, whatever was found"),
            ("1", "an account or region could not be read; the others are reported"),
            ("2", "the command line cannot be read"),
            ("78", "the policies or the settings cannot work"),
        ],
    },
    Chapter {
        heading: "Examples",
        entries: &[
            ("ec2-policy-enforcer report", "how many run, are exempt and violate, and where"),
            (
                "ec2-policy-enforcer report --csv >fleet.csv",
                "every running instance, for a spreadsheet",
            ),
            (
                "ec2-policy-enforcer report --json | jq '.violators[].owner' | sort | uniq -c",
                "how many violators each owner has",
            ),
        ],
    },
];
