//! Every delay and time limit is in `src/retry/delays.rs`, with its reason.

use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = "src/retry/delays.rs";
/// Files with other times: the sandbox has those of AWS, the settings those of the operator, and the
/// story those of its day.
const OTHERS: [&str; 3] = ["src/sandbox", "src/settings", "src/story"];
const LENGTHS: [&str; 7] =
    ["from_nanos", "from_micros", "from_millis", "from_secs", "from_mins", "from_hours", "new"];

#[test]
fn no_delay_is_written_outside_the_table() {
    let mut sources = Vec::new();
    collect(Path::new("src"), &mut sources);
    assert!(sources.iter().any(|path| path == Path::new(TABLE)));
    for path in sources.iter().filter(|path| !is_exempt(path)) {
        let text = fs::read_to_string(path).unwrap();
        for (number, line) in without_tests(&text).lines().enumerate() {
            assert!(!has_delay(line), "{}:{}: {}", path.display(), number + 1, line.trim());
        }
    }
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else {
            sources.push(path);
        }
    }
}

fn is_exempt(path: &Path) -> bool {
    let is_test = path.iter().any(|part| part == "tests" || part == "tests.rs");
    let is_test = is_test || path.to_str().unwrap().ends_with("_tests.rs");
    is_test || path == Path::new(TABLE) || OTHERS.iter().any(|other| path.starts_with(other))
}

/// Cuts off the unit tests, which are at the end of a file.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap()
}

/// Whether a line makes a duration from a literal number.
fn has_delay(line: &str) -> bool {
    let code = line.split("//").next().unwrap();
    LENGTHS.iter().any(|length| {
        let call = format!("Duration::{length}(");
        let mut calls = code.split(&call).skip(1);
        calls.any(|argument| argument.starts_with(|first: char| first.is_ascii_digit()))
    })
}

#[test]
fn a_delay_is_a_duration_of_a_written_number() {
    assert!(has_delay("const WAIT: Duration = Duration::from_secs(12 * 60);"));
    assert!(has_delay("sleep(std::time::Duration::from_millis(5)).await;"));
    assert!(!has_delay("let wait = Duration::from_secs(settings.wait_secs);"));
    assert!(!has_delay("let now = Duration::ZERO; // not Duration::from_secs(1)"));
}
