//! What is started, what is left alone and why, and who is asked.

use std::fs;

use ec2_policy_enforcer::sandbox::{Launch, State};
use serde_json::{Value, json};

use super::{ACCOUNT, MINUTE, REGION, Trail, sorted};
use crate::world::{TAG, pass};

/// Writes the line of a stop with a change to its instance.
fn record_changed(trail: &Trail, ids: &[String], change: impl FnOnce(&mut Value)) {
    let mut line = trail.line(ids);
    change(&mut line);
    trail.write(&format!("{line}\n"));
}

/// The row of an instance in a table.
fn row<'t>(text: &'t str, id: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{id} in\n{text}"))
}

/// Writes the line of a stop in another account, and returns its instance.
fn record_foreign(trail: &Trail) -> String {
    let id = "i-0000000000000000f";
    let line = json!({
        "audit": 1, "kind": "stop", "time": "2026-01-01T00:00:00Z", "account": "222222222222",
        "region": "eu-west-1", "instances": [{
            "instance": id, "previous_state": "running", "message": "m",
            "launch_time": "2025-12-31T00:00:00Z", "policies": ["builtin"],
        }],
    });
    trail.write(&format!("{line}\n"));
    id.to_owned()
}

/// The instances of which no audit line says enough.
async fn record_unsure(trail: &Trail) -> [String; 2] {
    let ids = trail.stopped(vec![Launch::default(), Launch::default()]).await;
    record_changed(trail, &ids[..1], |line| {
        line["instances"][0].as_object_mut().unwrap().remove("launch_time");
    });
    record_changed(trail, &ids[1..], |line| {
        line["instances"][0]["previous_state"] = "stopping".into();
    });
    ids.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_instance_is_listed_with_what_is_done_or_why_not() {
    let trail = Trail::new();
    let ids = trail.recorded(6).await;
    let [start, again, gone, unknown, restarted, exempt] = &*ids else { panic!("not six") };
    let aws = &trail.world.aws;
    aws.start(again);
    aws.terminate(gone);
    aws.forget(unknown);
    aws.start(restarted);
    aws.tag(exempt, TAG, "ticket=4711");
    pass(MINUTE).await;
    aws.stop(restarted);
    let unsure = record_unsure(&trail).await;
    let foreign = record_foreign(&trail);
    let shown = trail.undo(&[]).await;
    let output = &shown.output;
    assert_eq!(shown.code, 0, "{output}");
    for (id, says) in [
        (start, "builtin"),
        (exempt, "builtin"),
        (again, "runs again: somebody started it"),
        (gone, "terminated"),
        (unknown, "EC2 does not know it"),
        (restarted, "stopped by somebody after a new start"),
        (&unsure[0], "not sure: no launch time in the trail"),
        (&unsure[1], "not sure: it was stopping at the stop"),
        (&foreign, "in another account"),
    ] {
        assert!(row(output, id).ends_with(says), "{}", row(output, id));
    }
    assert!(output.contains(&format!("Account {ACCOUNT}, {REGION}: 2 of 8 to start\n")));
    assert!(output.contains("Account 222222222222, eu-west-1: 0 of 1 to start\n"));
    assert!(output.contains("give a role of it with --role ARN"));
    for line in output.lines().filter(|line| line.starts_with("i-")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    // Whoever is exempt already keeps that tag.
    assert_eq!(trail.starts(), sorted(&[start.clone(), exempt.clone()]));
    assert_eq!(trail.tagged().iter().collect::<Vec<_>>(), [start]);
    assert_eq!(trail.tag(exempt).as_deref(), Some("ticket=4711"));
}

#[tokio::test(start_paused = true)]
async fn the_exemption_ends_when_it_is_told_to_and_is_told_of() {
    let trail = Trail::new();
    let ids = trail.recorded(1).await;
    let ends = trail.now().truncate_to_second() + time::Duration::hours(2);
    let shown = trail.undo(&["--keep", "2h"]).await;
    let value = trail.tag(&ids[0]).unwrap();
    assert_eq!(value, format!("until={}", super::rfc3339(ends)));
    assert!(shown.output.contains(&format!("the tag {TAG} = {value} first")), "{}", shown.output);
    assert!(shown.output.contains("has no end"), "{}", shown.output);
}

#[tokio::test(start_paused = true)]
async fn an_exemption_that_has_ended_is_replaced_where_exemptions_end() {
    let trail = Trail::new();
    let ids = trail.recorded(2).await;
    trail.world.aws.tag(&ids[0], TAG, "ticket=1 until=2020-01-01");
    trail.world.aws.tag(&ids[1], TAG, "ticket=2 until=2999-01-01");
    let config = trail.path("config.toml");
    fs::write(&config, "policy.exception_expires = true\n").unwrap();
    let shown = trail.undo(&["--config", config.to_str().unwrap()]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert!(shown.output.contains("Until then no policy stops them."), "{}", shown.output);
    assert_eq!(trail.starts(), sorted(&ids));
    assert!(trail.tag(&ids[0]).unwrap().starts_with("until=2"), "{:?}", trail.tag(&ids[0]));
    assert_eq!(trail.tag(&ids[1]).as_deref(), Some("ticket=2 until=2999-01-01"));
}

#[tokio::test(start_paused = true)]
async fn what_policies_would_stop_even_so_is_neither_tagged_nor_started() {
    let trail = Trail::new();
    let policy = "@id(\"no-gpu\") @mode(\"enforce\") @exception(\"ignored\")\n\
        forbid (principal, action == Action::\"run\", resource)\n\
        when { resource.instanceType like \"p*\" };\n\
        @id(\"told\") @mode(\"warn\") @exception(\"ignored\")\n\
        forbid (principal, action == Action::\"run\", resource)\n\
        unless { resource.hasTag(\"Owner\") };\n";
    let config = trail.path("config.toml");
    fs::write(&config, format!("[policy]\ninline = '''\n{policy}'''\n")).unwrap();
    let launches = vec![Launch::default(), Launch::default().instance_type("p4d.24xlarge")];
    let ids = trail.stopped(launches).await;
    trail.record(&ids);
    let shown = trail.undo(&["--config", config.to_str().unwrap()]).await;
    assert_eq!(shown.code, 0);
    assert!(row(&shown.output, &ids[1]).ends_with("would be stopped again by no-gpu"));
    assert!(shown.output.contains("mend the policy"), "{}", shown.output);
    assert_eq!(trail.starts(), [ids[0].clone()]);
    assert_eq!(trail.tag(&ids[1]), None);
}

#[tokio::test(start_paused = true)]
async fn a_yes_starts_and_anything_else_changes_nothing() {
    let trail = Trail::new();
    let ids = trail.recorded(2).await;
    let before = trail.read();
    for answer in ["n\n", "\n", "", "yesterday\n", "start\n"] {
        let shown = trail.answering(Some(answer), &[]).await;
        assert_eq!(shown.code, 1, "{answer}");
        assert!(shown.remarks.ends_with("Start 2 instances? [y/N] "), "{}", shown.remarks);
        assert!(shown.output.ends_with("Nothing was changed.\n"), "{}", shown.output);
    }
    assert_eq!((trail.changes().len(), trail.read()), (0, before));
    let shown = trail.answering(Some("Yes\n"), &[]).await;
    assert_eq!(shown.code, 0);
    assert_eq!(trail.starts(), sorted(&ids));
}

#[tokio::test(start_paused = true)]
async fn without_a_terminal_and_without_yes_nothing_is_changed() {
    let trail = Trail::new();
    let ids = trail.recorded(2).await;
    let shown = trail.answering(None, &[]).await;
    assert_eq!(shown.code, 2);
    assert!(row(&shown.output, &ids[0]).contains("builtin"), "{}", shown.output);
    assert!(shown.remarks.contains("no terminal to ask; give --yes"), "{}", shown.remarks);
    assert_eq!(trail.changes().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_started_while_the_question_waits_is_left_alone() {
    let trail = Trail::new();
    let ids = trail.recorded(3).await;
    let aws = trail.world.aws.clone();
    // Between the look of the plan and the one after the answer.
    let looks = ec2_policy_enforcer::sandbox::Rule::on("DescribeInstances").times(1);
    let id = ids[1].clone();
    let hook = ec2_policy_enforcer::sandbox::Fault::run_after(move |aws| aws.start(&id));
    aws.inject(looks.fault(hook));
    let shown = trail.answering(Some("y\n"), &[]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert_eq!(trail.starts(), sorted(&[ids[0].clone(), ids[2].clone()]));
    assert_eq!(trail.tag(&ids[1]), None);
}

#[tokio::test(start_paused = true)]
async fn only_stops_within_the_times_are_undone_and_wrong_times_are_refused() {
    let trail = Trail::new();
    let first = trail.recorded(1).await;
    pass(60 * MINUTE).await;
    let between = super::rfc3339(trail.now());
    let second = trail.recorded(1).await;
    let shown = trail.undo(&["--since", "2020-01-02", "--until", "2019-12-31"]).await;
    assert_eq!(shown.code, 2);
    assert!(shown.remarks.contains("--until is before --since"), "{}", shown.remarks);
    let shown = trail.undo(&["--since", "2999-01-01"]).await;
    assert_eq!(shown.code, 0);
    assert!(shown.output.starts_with("No stop that is asked for"), "{}", shown.output);
    let shown = trail.undo(&["--since", &between]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert_eq!(trail.starts(), second);
    let shown = trail.undo(&["--until", &between]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert_eq!(trail.starts(), sorted(&[first, second].concat()));
}

#[tokio::test(start_paused = true)]
async fn a_trail_without_audit_lines_is_told_apart_from_one_without_stops() {
    let trail = Trail::new();
    trail.write("{\"message\":\"starting\"}\n");
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 0);
    assert!(shown.output.starts_with("There is no audit line"), "{}", shown.output);
    trail.write("{\"audit\":1,\"kind\":\"stop\",\"time\":\"2026-11-26T20:48:21.123Z\"\n");
    let shown = trail.undo(&[]).await;
    assert!(shown.remarks.contains("1 audit lines cannot be read"), "{}", shown.remarks);
    assert!(shown.remarks.contains("line 2: an audit line in it is cut off"), "{}", shown.remarks);
}

#[tokio::test(start_paused = true)]
async fn a_role_starts_the_instances_of_its_account_and_those_alone() {
    let trail = Trail::new();
    let ids = trail.recorded(2).await;
    let mut line = trail.line(&ids[..1]);
    line["account"] = "222222222222".into();
    fs::write(trail.path("audit.jsonl"), format!("{line}\n{}\n", trail.line(&ids[1..]))).unwrap();
    let role = "arn:aws:iam::222222222222:role/undo";
    let shown = trail.undo(&["--role", role]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert!(row(&shown.output, &ids[1]).ends_with("in another account"), "{}", shown.output);
    assert_eq!(trail.starts(), ids[..1]);
    let callers: Vec<_> = trail.world.ec2_calls().into_iter().map(|call| call.caller).collect();
    assert!(callers.iter().all(|caller| caller == "ASIA222222222222"), "{callers:?}");
    let lines = trail.lines("start");
    assert_eq!(lines[0]["account"], "222222222222");
    assert_eq!(lines[0]["by"], "arn:aws:sts::222222222222:assumed-role/role/session");
}

#[tokio::test(start_paused = true)]
async fn what_is_still_stopping_is_waited_for() {
    let options = ec2_policy_enforcer::sandbox::Options {
        stopping: 3 * MINUTE,
        ..ec2_policy_enforcer::sandbox::Options::default()
    };
    let trail = Trail::with(options);
    let ids = trail.recorded(3).await;
    assert!(ids.iter().all(|id| trail.state(id) == State::Stopping));
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert!(row(&shown.output, &ids[0]).ends_with("builtin (still stopping)"), "{}", shown.output);
    assert_eq!(trail.starts(), sorted(&ids));
}
