//! The invariants that `src/lib.rs` states of the source itself.

use std::fs;
use std::path::{Path, PathBuf};

/// The first words of paths into the crates of the SDK.
const SDK: [&str; 6] = [
    "use aws_",
    "aws_config::",
    "aws_credential_types::",
    "aws_sdk_ec2::",
    "aws_sdk_sqs::",
    "aws_sdk_sns::",
];
const ENVIRONMENT: [&str; 4] = ["env::var", "env::vars", "var_os(", "vars_os("];
/// Code that reads a clock or waits.
const IMPURE: [&str; 6] =
    [".await", "async ", "Instant::now", "SystemTime::now", "tokio::", "aws_"];
const MOST_FIELDS: usize = 10;
/// Files and folders of tests, by their names, and the sandbox, which is one large test tool.
const TESTS: [&str; 7] =
    ["tests", "oracle", "bodies", "properties", "evaluation", "reference", "sandbox"];

/// What writes a value as Rust's `Debug` does: `{value:?}` in a text, and `?value` as a field of a
/// log.
const DEBUG: [&str; 6] = [":?}", ":#?}", "= ?", "(?", ", ?", "::debug("];
/// Texts are written so on purpose: in quotes, with control characters escaped. And `tracing` hands
/// over all values so, those too that are to be displayed.
const QUOTED: [&str; 4] = ["{configured:?}", "{filter:?}", "{shown:?}", "{value:?}"];

/// The source without comments and tests, by path.
fn sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    collect(Path::new("src"), &mut sources);
    sources
}

fn collect(folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = TESTS.contains(&path.file_stem().unwrap().to_str().unwrap());
        if path.is_dir() && !is_test {
            collect(&path, sources);
        } else if path.is_file() && !is_test {
            let code = code(&fs::read_to_string(&path).unwrap());
            sources.push((path, code));
        }
    }
}

fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The lines that contain one of these parts, in files that are not excused.
fn lines_with(parts: &[&str], is_excused: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, code) in sources().into_iter().filter(|(path, _)| !is_excused(path)) {
        let lines = code.lines().filter(|line| parts.iter().any(|part| line.contains(part)));
        found.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
    }
    found
}

#[test]
fn the_sdk_is_named_in_aws_alone_but_for_its_config() {
    let found = lines_with(&SDK, |path| path.starts_with("src/aws"));
    let others: Vec<_> =
        found.into_iter().filter(|line| !line.ends_with("use aws_config::SdkConfig;")).collect();
    assert_eq!(others, [""; 0]);
}

#[test]
fn the_domain_is_pure() {
    assert_eq!(lines_with(&IMPURE, |path| !path.starts_with("src/domain")), [""; 0]);
}

#[test]
fn the_environment_is_read_by_the_settings_alone() {
    assert_eq!(lines_with(&ENVIRONMENT, |path| path.starts_with("src/settings")), [""; 0]);
}

#[test]
fn only_the_settler_deletes_and_only_one_file_stops() {
    let deletes = |path: &Path| path.starts_with("src/aws") || path.ends_with("settle/settler.rs");
    assert_eq!(lines_with(&["queue.delete("], deletes), [""; 0]);
    let stops = |path: &Path| path.starts_with("src/aws") || path.ends_with("enforce/stop.rs");
    assert_eq!(lines_with(&["instances.stop("], stops), [""; 0]);
}

#[test]
fn only_the_command_undo_leads_to_what_starts_and_tags() {
    let starts =
        |path: &Path| path.starts_with("src/aws/ec2") || path.starts_with("src/commands/undo");
    let ways = ["ec2::undo", "Restarts", "start_instances", "create_tags"];
    assert_eq!(
        lines_with(&ways, |path| starts(path) || path == Path::new("src/aws/ec2.rs")),
        [""; 0]
    );
    let others = |path: &Path| path.starts_with("src/aws") || path.ends_with("undo/batches.rs");
    assert_eq!(lines_with(&["restarts.start(", "restarts.tag("], others), [""; 0]);
    // The story plays an operator.
    let callers = |path: &Path| {
        let is_by_hand = path.starts_with("src/commands") || path.starts_with("src/story");
        is_by_hand || path == Path::new("src/main.rs")
    };
    let named = lines_with(&["commands::undo", "undo::run", "undo::carry_out"], callers);
    assert_eq!(named, [""; 0]);
}

#[test]
fn nobody_reads_the_names_of_rust_types() {
    let mut found = Vec::new();
    for line in lines_with(&["?"], |_| false) {
        let code = QUOTED.iter().fold(line.clone(), |code, quoted| code.replace(quoted, ""));
        let code = code.split_once(": ").unwrap().1;
        // After a line break, `?value` is a field of a log.
        if code.starts_with('?') || DEBUG.iter().any(|part| code.contains(part)) {
            found.push(line);
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn no_struct_but_the_settings_has_more_than_ten_fields() {
    let mut large = Vec::new();
    for (path, code) in sources() {
        for rest in code.split("struct ").skip(1) {
            let name: String = rest.chars().take_while(|one| one.is_alphanumeric()).collect();
            // A tuple ends in its own line.
            let is_tuple = rest.lines().next().is_some_and(|line| line.ends_with(';'));
            let body = if is_tuple { "" } else { rest.split("\n}").next().unwrap() };
            let is_field = |line: &&str| line.starts_with("    ") && line.contains(": ");
            let fields = body.lines().skip(1).filter(is_field).count();
            // What operators set has a field for each key.
            if fields > MOST_FIELDS && !["Settings", "PolicySettings"].contains(&&*name) {
                large.push(format!("{}: {name} has {fields}", path.display()));
            }
        }
    }
    assert_eq!(large, [""; 0]);
}
