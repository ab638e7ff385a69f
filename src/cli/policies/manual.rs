//! What `--help` says beside the options of the subcommands for work on policies.

use crate::cli::manual::Chapter;

/// Exit codes of commands that only read policies.
const EXIT_CODES: Chapter = Chapter {
    heading: "Exit codes",
    entries: &[
        ("0", "the policies are sound; there may be warnings on stderr"),
        ("1", "a named file, or a test case beside it, cannot be read"),
        ("2", "the command line cannot be read"),
        ("78", "the policies or the settings cannot work"),
    ],
};

/// About `policy check`.
pub(super) const CHECK: &[Chapter] = &[
    EXIT_CODES,
    Chapter {
        heading: "Warnings",
        entries: &[(
            "no case and no line has the tag key \"Ownr\"; is it misspelt?",
            "no schema knows tag keys, so they are compared with those of the\n          \
             cases in *.toml files beside the policies, and of --replay",
        )],
    },
    Chapter {
        heading: "Examples",
        entries: &[
            ("ec2-policy-enforcer policy check policies/*.cedar", "checks files"),
            (
                "ec2-policy-enforcer policy check --config config.toml",
                "checks the policies of the settings",
            ),
        ],
    },
];

/// About `policy schema`.
pub(super) const SCHEMA: &[Chapter] = &[
    EXIT_CODES,
    Chapter {
        heading: "Examples",
        entries: &[(
            "ec2-policy-enforcer policy schema >policies/schema.cedarschema",
            "for an editor that knows Cedar",
        )],
    },
];

/// About `policy test`.
pub(super) const TEST: &[Chapter] = &[
    Chapter {
        heading: "Cases",
        entries: &[
            (
                "[[case]]",
                "name, denies (a list of policy ids), and what differs from most\n          \
             instances: instance (attributes by their names in policies, and\n          \
             tags), account, region, now, trigger, id",
            ),
            ("[defaults]", "the same for all cases of the file, but for name and denies"),
            ("[units], regions", "units of accounts and regions that the policies may name"),
        ],
    },
    Chapter {
        heading: "What a case need not say",
        entries: &[
            ("account, region", "123456789012, us-east-1"),
            ("now, trigger", "2026-01-01T12:00:00Z, start"),
            (
                "instance",
                "running, without tags; t3.micro, ami-0abcdef1234567890, x86_64,\n          \
             Linux/UNIX, default, ebs, imdsv2Required, no securityGroupIds;\n          \
             launched now",
            ),
        ],
    },
    Chapter {
        heading: "Exit codes",
        entries: &[
            ("0", "every case is decided as it says"),
            ("1", "a case is not, or cannot be read, or --require misses one"),
            ("2", "the command line cannot be read"),
            ("78", "the policies or the settings cannot work"),
        ],
    },
    Chapter {
        heading: "Examples",
        entries: &[(
            "ec2-policy-enforcer policy test --require --junit results.xml policies",
            "for CI",
        )],
    },
];

/// About `policy diff`.
pub(super) const DIFF: &[Chapter] = &[
    Chapter {
        heading: "What counts",
        entries: &[
            (
                "newly stopped",
                "an enforced policy of NEW denies it, and none of OLD; also where\n          \
             the instance is stopped by now, or cannot be",
            ),
            ("newly spared", "the other way round"),
            ("the built-in policy", "only with --config; without it, the files alone are compared"),
        ],
    },
    Chapter {
        heading: "Exit codes",
        entries: &[
            ("0", "at most --allow starts are newly stopped"),
            ("1", "more are, or a line or a case cannot be read, or no line is decided"),
            ("2", "the command line cannot be read"),
            ("78", "the policies or the settings cannot work"),
        ],
    },
    Chapter {
        heading: "Examples",
        entries: &[(
            "ec2-policy-enforcer policy diff old new --replay starts.jsonl --allow 5",
            "in review of a change",
        )],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::help;

    #[test]
    fn every_line_of_the_help_fits_a_terminal_of_80_columns() {
        for line in [CHECK, SCHEMA, TEST, DIFF].map(help).iter().flat_map(|text| text.lines()) {
            // Commands are not broken.
            let is_command = line.trim_start().starts_with("ec2-policy-enforcer ");
            assert!(line.chars().count() <= 80 || is_command, "{line}");
        }
    }
}
