//! What `--help` and the man page say beside the options: environment, files, exit codes, examples.

use std::fmt::Write;

/// Terms, each with what it means, under a heading.
#[derive(Debug)]
pub(crate) struct Chapter {
    pub heading: &'static str,
    pub entries: &'static [(&'static str, &'static str)],
}

/// The chapters about the whole program.
pub(crate) const CHAPTERS: &[Chapter] = &[
    Chapter {
        heading: "Environment",
        entries: &[
            ("SQS_QUEUE_URL", "the queue that the events arrive in: URL, ARN or name; required"),
            ("SNS_TOPIC_ARN", "the topic that the owners listen to; required"),
            ("EXCEPTION_TAG", "the tag key that exempts an instance; SPECIAL_EXCEPTION by default"),
            ("ENFORCER_SECTION__KEY", "any setting, such as ENFORCER_SIZES__BATCH=50"),
            ("RUST_LOG", "what is logged: a level, or TARGET=LEVEL with commas"),
            ("AWS_…", "region, profile, credentials and endpoints, as for every tool of AWS"),
            ("HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "the way to AWS"),
        ],
    },
    Chapter {
        heading: "Files",
        entries: &[
            ("/etc/ec2-policy-enforcer/config.toml", "the settings that the systemd unit gives"),
            ("/etc/ec2-policy-enforcer/environment", "the environment that the systemd unit gives"),
            ("~/.aws/config, ~/.aws/credentials", "profiles and credentials of AWS"),
        ],
    },
    Chapter {
        heading: "Exit codes",
        entries: &[
            ("0", "done; for run: drained, and nothing is left to do"),
            ("1", "failed; for check: something is missing; for healthcheck: not alive"),
            ("2", "the command line cannot be read"),
            ("78", "the settings cannot work: starting again does not help"),
        ],
    },
    Chapter {
        heading: "Examples",
        entries: &[
            ("ec2-policy-enforcer sandbox", "shows what becomes of instances; needs no account"),
            ("ec2-policy-enforcer generate config >config.toml", "every setting with its default"),
            (
                "ec2-policy-enforcer check --config config.toml",
                "asks AWS whether the daemon can work",
            ),
            (
                "ec2-policy-enforcer check --instance i-0123456789abcdef0",
                "asks about that instance",
            ),
            ("ec2-policy-enforcer policy test policies", "decides the test cases beside policies"),
            (
                "ec2-policy-enforcer explain i-0123456789abcdef0",
                "shows what would be done with that instance, and why",
            ),
            ("ec2-policy-enforcer run --config config.toml", "enforces the policy"),
            ("ec2-policy-enforcer resume --all", "lets stops go on that are held"),
        ],
    },
];

/// What the help of `resume` says beside its options.
pub(super) const RESUME: &[Chapter] = &[
    Chapter {
        heading: "Exit codes",
        entries: &[
            ("0", "nothing that was asked for is held any more, or the holds are shown"),
            ("1", "everything is still held by hold/all, or AWS did not answer"),
            ("2", "the command line cannot be read"),
            ("78", "the settings cannot work"),
        ],
    },
    Chapter {
        heading: "Examples",
        entries: &[
            ("ec2-policy-enforcer resume", "shows what is held"),
            (
                "ec2-policy-enforcer resume --account 111122223333 --region eu-central-1",
                "lets stops there go on",
            ),
        ],
    },
];

/// Where shells look for completions.
pub(super) const COMPLETIONS: &[Chapter] = &[Chapter {
    heading: "Examples",
    entries: &[
        (
            "ec2-policy-enforcer generate completions --shell bash >ec2-policy-enforcer",
            "in ~/.local/share/bash-completion/completions",
        ),
        (
            "ec2-policy-enforcer generate completions --shell zsh >_ec2-policy-enforcer",
            "in a directory of $fpath",
        ),
        (
            "ec2-policy-enforcer generate completions --shell fish >ec2-policy-enforcer.fish",
            "in ~/.config/fish/completions",
        ),
    ],
}];

/// The chapters as `--help` shows them.
pub(super) fn help(chapters: &[Chapter]) -> String {
    let mut text = String::new();
    for Chapter { heading, entries } in chapters {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{heading}:");
        for (term, meaning) in *entries {
            let _ = writeln!(text, "  {term}\n          {meaning}");
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_help_fits_a_terminal_of_80_columns() {
        for line in help(CHAPTERS).lines().chain(help(COMPLETIONS).lines()) {
            // Commands are not broken.
            let is_command = line.trim_start().starts_with("ec2-policy-enforcer ");
            assert!(line.chars().count() <= 80 || is_command, "{line}");
        }
    }
}
