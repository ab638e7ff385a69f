//! The page of the book: its command shows what the page says.

use std::fs;
use std::process::Stdio;

use ec2_policy_enforcer::sandbox::{Launch, State};

use super::Trail;
use crate::program::{call, serve};

const PAGE: &str = include_str!("../../../docs/src/undo.md");

/// The command of the page, and what it says that it shows.
fn command() -> (&'static str, &'static str) {
    let block = PAGE.split_once("```console\n$ ").unwrap().1.split_once("```").unwrap().0;
    block.split_once('\n').unwrap()
}

/// What is shown, without the end of the exemption, which differs.
fn timeless(shown: &str) -> String {
    let words =
        shown.split(' ').map(|word| if word.starts_with("until=") { "until=" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_command_of_the_page_shows_what_it_says() {
    let (served, trail) = (serve().await, Trail::new());
    let id = |number: usize| format!("i-{number:017x}");
    let launch = |number| Launch::default().id(id(number)).quiet().state(State::Stopped);
    for number in 1..=3 {
        served.aws.launch(launch(number).tagged("Name", format!("web-{number}")));
    }
    served.aws.launch(launch(4).state(State::Terminated));
    let ids: Vec<_> = (1..=4).map(id).collect();
    let mut line = trail.line_of(&served.aws, &ids);
    line["time"] = "2026-11-26T20:48:21.123Z".into();
    for instance in line["instances"].as_array_mut().unwrap() {
        instance["policies"] = serde_json::json!(["types"]);
    }
    trail.write(&format!("{line}\n"));
    served.aws.start(&ids[2]);
    let (command, expected) = command();
    let words: Vec<_> = command.split(' ').collect();
    let mut program = call(&served, words[1]);
    let folder = trail.path("audit.jsonl");
    let program = program.args(&words[2..]).current_dir(folder.parent().unwrap());
    let output = program.stderr(Stdio::piped()).output().await.unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(timeless(&shown), timeless(expected), "{shown}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_page_tells_of_every_option_and_the_summary_leads_to_it() {
    for option in ["--from", "--since", "--until", "--policy", "--account", "--role", "--yes"]
        .into_iter()
        .chain(["--keep", "--record", "--config"])
    {
        assert!(PAGE.contains(option), "{option}");
    }
    let summary = fs::read_to_string("docs/src/SUMMARY.md").unwrap();
    assert!(summary.contains("(undo.md)"));
}
