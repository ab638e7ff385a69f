//! The built program against the sandbox on a loopback port, with the real clock.

use std::process::Stdio;

use aws_sdk_sqs::types::QueueAttributeName;
use ec2_policy_enforcer::sandbox::Launch;
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines};
use tokio::process::Command;

use crate::program::{BINARY, call, lines, program, serve, terminate, warnings};

const VIOLATORS: usize = 3;
const EXEMPT: usize = 2;
const BURST: usize = 5_000;

/// Lets the program settle a message of every kind, terminates it, and returns its log.
async fn run() -> Vec<Value> {
    let served = serve().await;
    (0..VIOLATORS).for_each(|_| drop(served.aws.launch(Launch::default())));
    let tagged = || Launch::default().tagged("SPECIAL_EXCEPTION", "");
    (0..EXEMPT).for_each(|_| drop(served.aws.launch(tagged())));
    served.aws.send("not JSON");
    served.aws.send(&served.aws.event("i-0abcd1234abcd1234").replace("running", "stopped"));
    let child = program(&served).spawn().unwrap();
    served.aws.until("only the rejected is left", |aws| aws.messages().len() == 1).await;
    terminate(&child);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(served.aws.notices().len(), VIOLATORS);
    lines(&output)
}

fn fields_of<'line>(lines: &'line [Value], outcome: &str) -> Vec<&'line Value> {
    lines.iter().filter(|line| line["outcome"] == outcome).collect()
}

#[tokio::test]
async fn sigterm_ends_the_program_with_0_and_its_log_has_every_decision() {
    let lines = run().await;
    let outcomes = ["stopped", "exempt", "ignored", "rejected"];
    let counts = outcomes.map(|outcome| fields_of(&lines, outcome).len());
    assert_eq!(counts, [VIOLATORS, EXEMPT, 1, 1]);
    for line in outcomes[..3].iter().flat_map(|outcome| fields_of(&lines, outcome)) {
        for field in ["message.id", "instance.id", "account", "region", "event.id", "decision"] {
            assert!(line[field].is_string(), "{field} is missing: {line}");
        }
    }
    for line in outcomes.iter().flat_map(|outcome| fields_of(&lines, outcome)) {
        for field in ["age_ms", "receives", "duration_ms"] {
            assert!(line[field].is_u64(), "{field} is missing: {line}");
        }
    }
}

#[tokio::test]
async fn the_log_begins_with_the_settings_and_the_queue_and_ends_with_the_counts() {
    let lines = run().await;
    assert_eq!(lines[0]["message"], "starting");
    assert_eq!(lines[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(lines[0]["exception_tag"], "SPECIAL_EXCEPTION");
    assert!(lines[0]["topic"].as_str().unwrap().starts_with("arn:aws:sns:"), "{}", lines[0]);
    for limit in ["rate_limit.share_percent", "sizes.stop_batch", "drain.timeout_secs"] {
        assert!(lines[0][limit].is_u64(), "{limit} is missing: {}", lines[0]);
    }
    let queue = ["visibility_secs", "retention_secs", "max_receive_count"];
    for field in queue.map(|field| format!("queue.{field}")) {
        assert!(lines[1][&field].is_u64(), "{field} is missing: {}", lines[1]);
    }
    assert!(lines[1]["visibility_secs"].is_null(), "told twice: {}", lines[1]);
    assert_eq!(lines[1]["account"], "123456789012");
    assert_eq!(lines[1]["regions"], "us-east-1");
    let last = lines.last().unwrap();
    for count in ["deleted", "handed_back", "rejected", "backing_off"] {
        assert!(last[count].is_u64(), "{count} is missing: {last}");
    }
    assert_eq!(last["rejected"], 1);
}

#[tokio::test]
async fn a_proxy_that_the_environment_names_is_used() {
    let served = serve().await;
    served.aws.launch(Launch::default());
    // No name server knows this host. The proxy is the sandbox, which answers calls to any host.
    let nowhere = "http://aws.invalid";
    let child = program(&served)
        .env("AWS_ENDPOINT_URL", nowhere)
        .env("SQS_QUEUE_URL", served.resources.queue_url_at(nowhere))
        .env("HTTP_PROXY", &served.origin)
        .spawn()
        .unwrap();
    served.aws.until("it is announced", |aws| !aws.notices().is_empty()).await;
    terminate(&child);
    assert_eq!(child.wait_with_output().await.unwrap().status.code(), Some(0));
}

#[tokio::test]
async fn sigterm_in_the_middle_of_a_burst_leaves_no_message_held() {
    let served = serve().await;
    for number in 0..BURST {
        let launch = Launch::default();
        let exempt = number % 2 == 0;
        served.aws.launch(if exempt { launch.tagged("SPECIAL_EXCEPTION", "") } else { launch });
    }
    // The log is not read meanwhile, and a full pipe would block the program.
    let child = program(&served).stdout(Stdio::null()).spawn().unwrap();
    served.aws.until("some are settled", |aws| aws.depth() < BURST * 9 / 10).await;
    terminate(&child);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let left = served.aws.messages();
    assert!(!left.is_empty(), "the burst was over before the signal");
    assert!(left.iter().all(|message| !message.is_held()));
}

#[tokio::test]
async fn the_sandbox_shows_every_outcome_and_ends_with_0() {
    let mut program = Command::new(BINARY);
    let output = program.arg("sandbox").env_clear().stdin(Stdio::null()).output().await.unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    for outcome in ["exempt", "stopped", "refused", "gone", "ignored", "rejected"] {
        assert!(shown.contains(&format!(" {outcome} ")), "{outcome} is missing:\n{shown}");
    }
    assert!(shown.starts_with("INSTANCE"), "{shown}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[tokio::test]
async fn a_sandbox_with_several_accounts_names_that_of_each_instance() {
    let mut program = Command::new(BINARY);
    program.args(["sandbox", "--accounts", "3"]).env_clear().stdin(Stdio::null());
    let output = program.output().await.unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.starts_with("ACCOUNT       INSTANCE"), "{shown}");
    let count = |account: &str, outcome: &str| {
        let rows = shown.lines().filter(|row| row.starts_with(account));
        rows.filter(|row| row.contains(&format!(" {outcome} "))).count()
    };
    for member in ["200000000001", "200000000002"] {
        let outcomes = ["stopped", "exempt"].map(|outcome| count(member, outcome));
        assert_eq!(outcomes, [2, 1], "{shown}");
    }
    assert!(count("123456789012", "stopped") > 0, "{shown}");
}

/// Lines of a pipe, until one begins so.
async fn line(lines: &mut Lines<impl AsyncBufRead + Unpin>, start: &str) -> String {
    loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if line.starts_with(start) {
            return line;
        }
    }
}

#[tokio::test]
async fn a_sandbox_without_a_daemon_has_instances_and_says_that_nothing_is_stopped() {
    let mut program = Command::new(BINARY);
    program.args(["sandbox", "--serve", "--without-daemon"]).env_clear().kill_on_drop(true);
    let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines();
    let note = line(&mut shown, "# No daemon runs here").await;
    assert!(note.contains("nothing is stopped until you start one"), "{note}");
    assert!(note.contains("12 events wait for it"), "{note}");
    terminate(&child);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_reader_that_leaves_early_ends_no_command_with_an_error() {
    let commands = [
        &["sandbox"][..],
        &["check"],
        &["generate", "man"],
        &["generate", "completions", "--shell=zsh"],
    ];
    let served = serve().await;
    for command in commands {
        let mut program = call(&served, command[0]);
        program.args(&command[1..]).stderr(Stdio::piped());
        let mut child = program.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().await.unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!((complaint.as_str(), output.status.code()), ("", Some(0)), "{command:?}");
    }
}

#[tokio::test]
async fn the_sandbox_writes_an_environment_that_systemd_can_read() {
    let file = std::env::temp_dir().join(format!("sandbox-{}.env", std::process::id()));
    let mut program = Command::new(BINARY);
    program.args(["sandbox", "--serve", "--without-daemon", "--env-file"]).arg(&file);
    let mut child = program.env_clear().stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut exports = Vec::new();
    while let Some(line) = printed.next_line().await.unwrap()
        && let Some(variable) = line.strip_prefix("export ")
    {
        exports.push(variable.to_owned());
    }
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(written.lines().collect::<Vec<_>>(), exports);
    assert!(exports.len() == 7, "{exports:?}");
    // Neither a shell nor systemd reads these characters as anything else.
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "_=:/.-\n".contains(one);
    assert!(written.chars().all(is_plain), "{written}");
}

#[tokio::test]
async fn a_setting_that_cannot_work_ends_the_program_with_78_and_names_its_key() {
    let served = serve().await;
    let output = program(&served).env("EXCEPTION_TAG", "aws:tag").output().await.unwrap();
    assert_eq!(output.status.code(), Some(78));
    let error = lines(&output).pop().unwrap()["error"].to_string();
    assert!(error.contains("EXCEPTION_TAG"), "{error}");
}

#[tokio::test]
async fn a_slip_in_the_name_of_the_exception_tag_ends_the_program_before_it_stops_anything() {
    for slip in ["ENFORCER_EXCEPTION_TAG", "enforcer_policy__exception_tag", "exception_tag"] {
        let served = serve().await;
        served.aws.launch(Launch::default().tagged("KEEP", ""));
        let output = program(&served).env(slip, "KEEP").output().await.unwrap();
        assert_eq!(output.status.code(), Some(78), "{slip}");
        let error = lines(&output).pop().unwrap()["error"].to_string();
        assert!(error.contains(slip) && error.contains("write EXCEPTION_TAG"), "{error}");
        assert_eq!(served.aws.calls("StopInstances").len(), 0);
    }
}

#[tokio::test]
async fn a_service_of_kubernetes_is_let_pass_and_other_variables_are_warned_of_once() {
    let served = serve().await;
    let child = program(&served)
        .env("ENFORCER_ADMIN_PORT", "tcp://10.96.0.12:9464")
        .env("ENFORCER_ADMIN_SERVICE_HOST", "10.96.0.12")
        .env("ENFORCER_STAGE", "dry")
        .env("EXCEPTION_TAG", "")
        .spawn()
        .unwrap();
    served.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
    terminate(&child);
    let lines = lines(&child.wait_with_output().await.unwrap());
    let names: Vec<_> = lines.iter().filter_map(|line| line["names"].as_str()).collect();
    assert_eq!(names, ["ENFORCER_STAGE"]);
    let start = lines.iter().find(|line| line["message"] == "starting").unwrap();
    assert_eq!(start["exception_tag"], "SPECIAL_EXCEPTION");
}

#[tokio::test]
async fn a_misspelt_level_ends_the_program_with_78_instead_of_silence() {
    let mut program = Command::new(BINARY);
    program.arg("run").env_clear().env("RUST_LOG", "inof").kill_on_drop(true);
    let output = program.output().await.unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("it shows no line of this program; give a level such as info"), "{said}");
}

#[tokio::test]
async fn a_log_filter_that_cannot_be_read_ends_the_program_with_78_and_is_shown() {
    let served = serve().await;
    // The tag ends the program in any case. The filter is checked first.
    let output = program(&served)
        .env("RUST_LOG", "info=loud")
        .env("EXCEPTION_TAG", "aws:tag")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let error = lines(&output).pop().unwrap()["error"].to_string();
    assert!(error.contains(r#"RUST_LOG = \"info=loud\""#), "{error}");
}

/// Starts the program with a queue that has these attributes, and returns its warnings.
async fn warnings_about(attributes: &[(QueueAttributeName, &str)]) -> Vec<String> {
    let served = serve().await;
    let sqs = aws_sdk_sqs::Client::new(&served.aws.sdk_config());
    let mut made = sqs.create_queue().queue_name("plain");
    for (name, value) in attributes {
        made =
            made.attributes(name.clone(), value.replace("DEAD", &served.resources.dead_letter_arn));
    }
    made.send().await.unwrap();
    let child = program(&served).env("SQS_QUEUE_URL", "plain").spawn().unwrap();
    served.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
    terminate(&child);
    warnings(&lines(&child.wait_with_output().await.unwrap()))
}

#[tokio::test]
async fn a_queue_that_may_lose_events_is_warned_of_at_the_start() {
    let warnings = warnings_about(&[(QueueAttributeName::VisibilityTimeout, "9")]).await;
    assert!(warnings[0].starts_with("the queue has no redrive policy"), "{warnings:?}");
    assert!(
        warnings[1].starts_with("the queue's visibility timeout is under 10 s"),
        "{warnings:?}"
    );
    let policy = r#"{"deadLetterTargetArn":"DEAD","maxReceiveCount":9}"#;
    let warnings = warnings_about(&[(QueueAttributeName::RedrivePolicy, policy)]).await;
    assert!(warnings[0].starts_with("the queue's maxReceiveCount is under 10"), "{warnings:?}");
    let policy = r#"{"deadLetterTargetArn":"DEAD","maxReceiveCount":10}"#;
    let sound = warnings_about(&[(QueueAttributeName::RedrivePolicy, policy)]).await;
    assert_eq!(sound, Vec::<String>::new());
}
