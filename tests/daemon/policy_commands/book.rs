//! The page of the book about these commands: each of its commands shows what the page says.

use std::time::Duration;

use ec2_policy_enforcer::domain::policy::stored::sample;
use ec2_policy_enforcer::sandbox::{Launch, State};

use super::{Folder, ID, run, told};
use crate::program::serve;

const PAGE: &str = include_str!("../../../docs/src/policy-commands.md");

/// What stands for the rest of a long output.
const CUT: &str = "…";

/// The text of the first block of a kind behind some words.
fn block<'p>(words: &str, kind: &str) -> &'p str {
    let (_, rest) = PAGE.split_once(words).unwrap_or_else(|| panic!("{words}"));
    let (_, rest) = rest.split_once(&format!("```{kind}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// The commands of the page, and what it says that they show.
fn commands() -> Vec<(&'static str, &'static str)> {
    let blocks = PAGE.split("```console\n").skip(1);
    let blocks = blocks.map(|rest| rest.split_once("```").unwrap().0);
    blocks.map(|block| block.strip_prefix("$ ").unwrap().split_once('\n').unwrap()).collect()
}

fn files() -> Folder {
    Folder::with(&[
        ("config.toml", block("`config.toml`,", "toml")),
        ("policies/sandbox.cedar", block("`policies/sandbox.cedar`:", "cedar")),
        ("policies/sandbox.toml", block("`policies/sandbox.toml`:", "toml")),
        ("misspelt.cedar", block("Here `misspelt.cedar` is:", "cedar")),
        ("new/sandbox.cedar", block("`new/sandbox.cedar`", "cedar")),
        ("facts.json", block("`facts.json`:", "json")),
        ("starts.jsonl", block("`starts.jsonl` has", "json")),
    ])
}

/// What is shown, without the times, which differ.
fn timeless(shown: &str) -> String {
    let is_time = |word: &str| word.len() >= 20 && word.starts_with("20") && word.contains('T');
    let line = |line: &str| {
        let words = line.split(' ').map(|word| if is_time(word) { "TIME" } else { word });
        words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    };
    shown.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_command_of_the_page_shows_what_it_says() {
    let (served, folder) = (serve().await, files());
    let launch = Launch::default().id(ID).quiet().state(State::Running).tagged("Name", "web");
    served.aws.launch(launch.instance_type("m5.large"));
    let commands = commands();
    assert_eq!(commands.len(), 8);
    for (command, expected) in commands {
        let words: Vec<_> = command.split(' ').collect();
        let running = run(&served, &folder.0, &words[1..]);
        let output = tokio::time::timeout(Duration::from_mins(1), running).await.unwrap();
        let (_, stdout, stderr) = told(output);
        let (shown, expected) = (timeless(&format!("{stdout}{stderr}")), timeless(expected));
        match expected.strip_suffix(CUT) {
            Some(beginning) => assert!(shown.starts_with(beginning), "{command}\n{shown}"),
            None => assert_eq!(shown, expected, "{command}\n{shown}"),
        }
    }
}

#[test]
fn the_page_says_what_a_case_need_not_say() {
    for (attribute, value) in sample::attributes() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let row = format!("| `{attribute}` | `{value}` |");
        assert!(PAGE.lines().any(|line| line == row), "the page lacks {row}");
    }
    for value in [sample::ACCOUNT, sample::REGION, sample::INSTANCE, sample::NOW] {
        assert!(PAGE.contains(&format!("| `{value}` |")), "the page lacks {value}");
    }
}
