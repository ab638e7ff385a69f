//! What the preflight finds about a guard where a date in the exception tag ends the exemption.

use ec2_policy_enforcer::commands::check::{State as Proof, Subject};
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};
use serde_json::{Value, json};

use super::{deny, found, guarded, missing, on, report, report_on, states};
use crate::world::{TAG, World};

const EXPIRES: (&str, &str) = ("ENFORCER_POLICY__EXCEPTION_EXPIRES", "true");

fn expiring(world: World) -> World {
    world.set(EXPIRES.0, EXPIRES.1)
}

fn tagged(world: &World, value: &str) -> String {
    world.aws.launch(Launch::default().tagged(TAG, value))
}

/// A world with a violator, an instance with a date in its tag, and one whose tag has none.
fn with_all(world: World) -> (World, String, String) {
    world.violator();
    let (dated, endless) = (tagged(&world, "ticket until=2030-12-31"), tagged(&world, "yes"));
    (expiring(world), dated, endless)
}

/// The statement that lets the role stop what has a date.
fn statement() -> Value {
    let page = include_str!("../../../docs/src/check.md");
    let json = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    serde_json::from_str(&json.replace("eu-central-1", "us-east-1")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_lets_what_has_a_date_be_stopped_is_right() {
    let (world, dated, endless) = with_all(World::new());
    let denied = Fault::error(403, "UnauthorizedOperation");
    world.aws.inject(Rule::on("StopInstances").naming(&endless).fault(denied));
    let report = report(&world).await;
    let (guard, expiry) = (on(&report, Subject::Guard), on(&report, Subject::Expiry));
    assert_eq!((guard.state, expiry.state), (Proof::Ok, Proof::Ok), "{report}");
    assert!(guard.found.contains(&endless) && expiry.found.contains(&dated), "{report}");
    assert_eq!(missing(&report), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_denies_what_has_a_date_has_failed_with_the_statement_of_the_page() {
    let (world, dated, _) = with_all(guarded());
    let report = report(&world).await;
    assert_eq!(states(&report, Proof::Failed), [Subject::Expiry], "{report}");
    let expiry = on(&report, Subject::Expiry);
    assert!(expiry.found.starts_with(&format!("EC2 would not stop {dated}, ")), "{report}");
    assert!(expiry.remedy.as_ref().unwrap().contains("policy.exception_expires"), "{report}");
    assert_eq!((missing(&report), report.exit_code()), (vec![statement()], 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_guard_both_statements_are_printed_for_one_would_deny_what_the_other_allows() {
    let (world, ..) = with_all(World::new());
    let report = report(&world).await;
    assert_eq!(on(&report, Subject::Guard).state, Proof::Warning, "{report}");
    assert_eq!(on(&report, Subject::Expiry).state, Proof::Ok, "{report}");
    let printed = missing(&report);
    let sids: Vec<_> = printed.iter().map(|statement| &statement["Sid"]).collect();
    let expected = [json!("StopInstancesWithoutTheTag"), json!("StopInstancesWhoseTagHasADate")];
    assert_eq!(sids, expected.iter().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_stop_gets_both_statements() {
    let (world, ..) = with_all(World::new());
    deny(&world, "StopInstances", "UnauthorizedOperation");
    let report = report(&world).await;
    assert_eq!(states(&report, Proof::Failed), [Subject::Stopping], "{report}");
    assert_eq!(on(&report, Subject::Expiry).state, Proof::NotProven, "{report}");
    assert_eq!(missing(&report).len(), 2, "{report}");
}

#[tokio::test(start_paused = true)]
async fn without_an_instance_with_a_date_or_without_one_it_is_not_proven() {
    let world = expiring(guarded());
    world.violator();
    let endless = tagged(&world, "yes");
    let text = found(&world, Subject::Expiry, Proof::NotProven).await;
    assert!(text.contains(&format!("carries {TAG} with a date")), "{text}");
    world.aws.terminate(&endless);
    tagged(&world, "2030-12-31");
    let text = found(&world, Subject::Guard, Proof::NotProven).await;
    assert!(text.contains(&format!("carries {TAG} without a date")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_named_instance_with_a_date_is_asked_about() {
    let (world, _, _) = with_all(World::new());
    let named = tagged(&world, "until=2020-01-01");
    let report = report_on(&world, &named).await;
    let why = format!("{named} carries {TAG}, which the guard is about; EC2 would stop ");
    assert!(on(&report, Subject::Stopping).found.starts_with(&why), "{report}");
    assert!(on(&report, Subject::Expiry).found.contains(&named), "{report}");
}

#[tokio::test(start_paused = true)]
async fn by_default_nothing_is_asked_about_dates() {
    let world = guarded();
    world.violator();
    tagged(&world, "until=2020-01-01");
    let report = report(&world).await;
    assert!(report.findings.iter().all(|finding| finding.subject != Subject::Expiry), "{report}");
    assert_eq!(on(&report, Subject::Guard).state, Proof::Ok, "{report}");
}
