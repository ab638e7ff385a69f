//! What the preflight finds about the instances of each region.

use ec2_policy_enforcer::commands::check::{State as Proof, Subject};
use ec2_policy_enforcer::sandbox::{Launch, Options, State};
use serde_json::json;

use super::{deny, deployed, found, guarded, missing, on, report, report_on, sound, states};
use crate::world::{TAG, World};

#[tokio::test(start_paused = true)]
async fn a_missing_guard_is_warned_of_and_the_statement_is_the_one_that_is_deployed() {
    for guard_tag in [None, Some("ANOTHER_TAG".to_owned())] {
        let world = World::with(Options { guard_tag, ..Options::default() });
        let (_, exempt) = (world.violator(), world.exempt());
        let report = report(&world).await;
        let guard = on(&report, Subject::Guard);
        assert_eq!(guard.state, Proof::Warning);
        assert!(guard.found.contains(&exempt), "{}", guard.found);
        let expected = deployed(&world, "daemon", "StopInstancesWithoutTheTag");
        assert_eq!((missing(&report), report.exit_code()), (vec![expected], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_statement_of_the_guard_follows_the_exception_tag() {
    let world = World::new().set("EXCEPTION_TAG", "team: keep/running");
    world.violator();
    deny(&world, "StopInstances", "UnauthorizedOperation");
    let statements = missing(&report(&world).await);
    let guard = json!({ "aws:ResourceTag/team: keep/running": "true" });
    assert_eq!(statements[0]["Condition"]["Null"], guard);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_stop_has_failed_and_its_guard_is_not_proven() {
    let world = sound().await;
    deny(&world, "StopInstances", "UnauthorizedOperation");
    let report = report(&world).await;
    assert_eq!(states(&report, Proof::Failed), [Subject::Stopping]);
    assert_eq!(on(&report, Subject::Guard).state, Proof::NotProven);
    assert_eq!(report.exit_code(), 1);
    let shown = report.to_string();
    assert!(shown.contains("\"Sid\": \"StopInstancesWithoutTheTag\""), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn without_an_instance_to_ask_about_stopping_is_not_proven() {
    let world = guarded();
    world.exempt();
    found(&world, Subject::Stopping, Proof::NotProven).await;
    found(&world, Subject::Guard, Proof::NotProven).await;
}

#[tokio::test(start_paused = true)]
async fn without_an_exempt_instance_the_guard_is_not_proven() {
    let world = guarded();
    world.violator();
    found(&world, Subject::Stopping, Proof::Ok).await;
    found(&world, Subject::Guard, Proof::NotProven).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_the_guard_protects_by_a_key_in_other_case_is_not_asked_about() {
    let world = guarded();
    world.aws.launch(Launch::default().tagged("special_exception", ""));
    found(&world, Subject::Stopping, Proof::NotProven).await;
    assert_eq!(world.calls("StopInstances"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_instance_that_is_named_is_the_one_that_ec2_is_asked_about() {
    let world = guarded();
    let ids: Vec<_> = (0..3).map(|_| world.violator()).collect();
    for id in &ids {
        let report = report_on(&world, id).await;
        let found = &on(&report, Subject::Stopping).found;
        assert!(found.contains(id), "{found}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_named_instance_that_carries_the_tag_is_asked_about_for_the_guard_only() {
    let world = sound().await;
    let exempt: Vec<_> = (0..3).map(|_| world.exempt()).collect();
    for id in &exempt {
        let report = report_on(&world, id).await;
        let stopping = on(&report, Subject::Stopping);
        let why =
            format!("{id} carries {TAG}, so that the daemon does not stop it; EC2 would stop ");
        assert!(stopping.found.starts_with(&why), "{}", stopping.found);
        let guard = on(&report, Subject::Guard);
        assert_eq!((guard.state, guard.found.contains(id)), (Proof::Ok, true), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn why_no_answer_is_about_the_named_instance_is_told() {
    for (launch, why) in [
        (Launch::default().state(State::Stopped), "is stopping or stopped"),
        (Launch::default().state(State::Terminated), "is terminated, or will be at once"),
        (Launch::default().managed(), "is managed by an AWS service"),
        (Launch::default().tagged("special_exception", ""), "carries special_exception, which IAM"),
    ] {
        let world = guarded();
        let id = world.aws.launch(launch);
        let report = report_on(&world, &id).await;
        let stopping = on(&report, Subject::Stopping);
        assert_eq!(stopping.state, Proof::NotProven);
        assert!(stopping.found.starts_with(&format!("{id} {why}")), "{}", stopping.found);
        assert_eq!(world.calls("StopInstances"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_named_instance_that_ec2_does_not_know_has_failed() {
    let report = report_on(&sound().await, "i-0123456789abcdef0").await;
    assert_eq!(states(&report, Proof::Failed), [Subject::Stopping]);
}

#[tokio::test(start_paused = true)]
async fn every_region_of_the_scope_is_asked() {
    let world = guarded().set("ENFORCER_SCOPE__REGIONS", "us-east-1,eu-central-1");
    let here = world.violator();
    let there = world.aws.launch(Launch::default().region("eu-central-1"));
    let report = report_on(&world, &there).await;
    let stopping = report.findings.iter().filter(|one| one.subject == Subject::Stopping);
    let found: Vec<_> = stopping.map(|one| (one.region.as_deref(), one.found.as_str())).collect();
    let text = |id| format!("EC2 would stop {id} (dry run)");
    let (here, there) = (text(here), text(there));
    assert_eq!(found, [(Some("us-east-1"), &*here), (Some("eu-central-1"), &*there)]);
}

#[tokio::test(start_paused = true)]
async fn looks_that_are_denied_have_failed_with_the_statement_that_is_deployed() {
    for (operation, subject) in
        [("DescribeTags", Subject::Tags), ("DescribeInstances", Subject::Instances)]
    {
        let world = sound().await;
        deny(&world, operation, "UnauthorizedOperation");
        let report = report(&world).await;
        assert_eq!(states(&report, Proof::Failed), [subject]);
        assert_eq!(missing(&report), [deployed(&world, "daemon", "LookAtInstances")]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_on_a_later_page_is_found() {
    let guard_tag = Some(TAG.to_owned());
    let world = World::with(Options { guard_tag, page_size: Some(1), ..Options::default() });
    let stopped = |id: &str| Launch::default().id(id).tagged(TAG, "").state(State::Stopped);
    world.aws.launch(stopped("i-00000001"));
    world.aws.launch(Launch::default().id("i-00000002").tagged(TAG, ""));
    world.aws.launch(Launch::default().id("i-00000003"));
    let report = report(&world).await;
    assert_eq!(on(&report, Subject::Stopping).found, "EC2 would stop i-00000003 (dry run)");
    assert!(on(&report, Subject::Guard).found.contains("i-00000002"), "{report}");
}
