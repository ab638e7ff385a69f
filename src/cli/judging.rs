//! The arguments of `explain` and `replay`, and what their help says beside them.

use std::path::PathBuf;

use clap::Args;

use super::ids;
use super::manual::{Chapter, help};
use crate::domain::ids::{InstanceId, Region};

/// The arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_long_help = help(EXPLAIN))]
pub struct ExplainArguments {
    /// The instance, which is looked at as the daemon does.
    #[arg(
        value_name = "INSTANCE",
        required_unless_present = "facts",
        conflicts_with = "facts",
        value_parser = ids::instance
    )]
    pub instance: Option<InstanceId>,
    /// A TOML file of settings; the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Facts in place of a live instance, as a JSON object; - for stdin. Makes no call.
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
    /// Where the instance is. Default: it is searched for in the regions of the settings.
    #[arg(long, value_name = "REGION", value_parser = ids::region, conflicts_with = "facts")]
    pub region: Option<Region>,
    /// Prints JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_long_help = help(REPLAY))]
pub struct ReplayArguments {
    /// One JSON object a line: events as EventBridge sends them, or facts; - for stdin.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A TOML file of settings; the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Prints a JSON object for each line instead of a table, and one for the summary.
    #[arg(long)]
    pub json: bool,
}

/// The form of facts, in the help of both.
const FACTS: Chapter = Chapter {
    heading: "Facts",
    entries: &[
        ("account, region, instance", "whose they are"),
        (
            "facts",
            "state, attributes by their names in policies, and tags; managed;\n          \
             firstTags, if DescribeTags showed others than DescribeInstances",
        ),
        ("now, trigger", "when and why; by default now, and start"),
        ("started", "the time of the event, if a grace counts from it"),
        ("read", "tags: the keys that were read, if others may be there as well"),
    ],
};

const EXPLAIN: &[Chapter] = &[
    FACTS,
    Chapter {
        heading: "Exit codes",
        entries: &[
            ("0", "explained, whatever would be done"),
            ("1", "the instance or the facts cannot be read"),
            ("2", "the command line cannot be read"),
            ("78", "the policies or the settings cannot work"),
        ],
    },
    Chapter {
        heading: "Examples",
        entries: &[
            (
                "ec2-policy-enforcer explain i-0123456789abcdef0 --config config.toml",
                "a live instance",
            ),
            (
                "ec2-policy-enforcer explain --facts facts.json",
                "an instance that may not be there any more; needs no account",
            ),
        ],
    },
];

const REPLAY: &[Chapter] = &[
    FACTS,
    Chapter {
        heading: "Exit codes",
        entries: &[
            ("0", "every line could be read, and every policy be evaluated"),
            ("1", "one could not, or AWS did not answer"),
            ("2", "the command line cannot be read"),
            ("78", "the policies or the settings cannot work"),
        ],
    },
    Chapter {
        heading: "Examples",
        entries: &[(
            "ec2-policy-enforcer replay starts.jsonl --config config.toml",
            "makes no call for lines with facts; looks at the instances of\n          \
             events",
        )],
    },
];

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Command};

    #[test]
    fn every_line_of_the_help_fits_a_terminal_of_80_columns() {
        for line in help(EXPLAIN).lines().chain(help(REPLAY).lines()) {
            // Commands are not broken.
            let is_command = line.trim_start().starts_with("ec2-policy-enforcer ");
            assert!(line.chars().count() <= 80 || is_command, "{line}");
        }
    }

    #[test]
    fn an_instance_or_facts_are_explained_and_not_both() {
        let explain = |more: &[&str]| {
            Arguments::try_parse_from(["enforcer", "explain"].iter().chain(more).copied())
        };
        assert!(explain(&["i-0123456789abcdef0"]).is_ok());
        let facts = explain(&["--facts", "-"]).unwrap();
        assert!(matches!(facts.command, Command::Explain(explain) if explain.facts.is_some()));
        assert!(explain(&[]).is_err());
        assert!(explain(&["i-0123456789abcdef0", "--facts", "-"]).is_err());
        assert!(explain(&["i-0123456789abcdef0", "--region", "here"]).is_err());
    }
}
