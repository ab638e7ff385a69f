//! The policies in `config/policies/`, which people copy.

use std::collections::BTreeSet;
use std::fs;

use ec2_policy_enforcer::domain::ids::{Account, Region};
use ec2_policy_enforcer::domain::policy::Policies;
use ec2_policy_enforcer::domain::policy::mode::Mode;
use ec2_policy_enforcer::settings::{Place, Settings};
use tokio::process::Command;

use crate::program::BINARY;

/// The settings that the examples need besides, and those without which no daemon starts.
const SETTINGS: [(&str, &str); 5] = [
    ("ENFORCER_POLICY__FILES", "config/policies/*.cedar"),
    ("ENFORCER_POLICY__KNOWN", "eu-west-1"),
    ("ENFORCER_POLICY__UNITS__SANDBOX", "222222222222"),
    ("SQS_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/instance-events"),
    ("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:instance-notices"),
];

fn policies() -> Policies {
    let variables = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::from_layers(None, variables).unwrap();
    let account = Account::parse("123456789012");
    let place = Place { account, default_region: Region::parse("us-east-1").unwrap() };
    settings.policies(&place).unwrap()
}

/// The names of the files of this kind, without their endings.
fn files(ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir("config/policies").unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|it| it == ending));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_example_loads_and_stops_nobody_who_copies_it() {
    let policies = policies();
    let examples: Vec<_> = policies.rules().filter(|rule| !rule.is_builtin()).collect();
    assert!(examples.iter().all(|rule| rule.mode < Mode::Enforce), "{examples:?}");
    assert!(examples.iter().all(|rule| rule.description.is_some()), "{examples:?}");
    let written = files("cedar");
    assert_eq!(written.len(), 8);
    for file in &written {
        assert!(examples.iter().any(|rule| rule.id == *file), "no policy is called {file}");
    }
}

#[test]
fn every_example_has_its_cases_beside_it() {
    assert_eq!(files("cedar"), files("toml"));
}

#[tokio::test]
async fn every_case_of_the_examples_is_decided_as_it_says() {
    let mut program = Command::new(BINARY);
    program.args(["policy", "test", "--require", "config/policies"]).env_clear();
    let output = program.kill_on_drop(true).output().await.unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), shown.ends_with(" 0 failed\n")), (Some(0), true), "{shown}");
}
