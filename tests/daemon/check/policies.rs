//! What the preflight finds about policies, and about a guard that is in their way.

use ec2_policy_enforcer::commands::check::{Finding, Report, State, Subject};
use serde_json::json;

use super::{deny, found, guarded, missing, on, report, report_on, sound, states};
use crate::world::{TAG, World};

/// Forbids large instances; the annotations come first.
fn large(annotations: &str) -> String {
    format!(
        "{annotations}\nforbid (principal, action == Action::\"run\", resource)\n\
         unless {{ resource.instanceType == \"t3.micro\" }};\n"
    )
}

fn about(report: &Report) -> Vec<(State, &str)> {
    let about = |finding: &&Finding| finding.subject == Subject::Policies;
    let findings = report.findings.iter().filter(about);
    findings.map(|finding| (finding.state, &*finding.found)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_policy_is_named_with_its_mode_and_its_grace() {
    let text = found(&sound().await, Subject::Policies, State::Ok).await;
    assert_eq!(text, "1 policy: builtin enforce");
    let patient = large("@id(\"a\") @mode(\"enforce\") @grace(\"4h\") @since(\"2026-01-01\")");
    let policies = patient + &large("@id(\"b\") @mode(\"warn\")");
    let world = sound().await.set("ENFORCER_POLICY__INLINE", &policies);
    let report = report(&world).await;
    let expected = "3 policies: builtin enforce, a enforce after 4h, b warn";
    assert_eq!(about(&report), [(State::Ok, expected)]);
    assert!(report.json().unwrap().contains(expected));
}

#[tokio::test(start_paused = true)]
async fn a_grace_for_which_the_queue_cannot_wait_has_failed() {
    let patient = large("@id(\"a\") @mode(\"enforce\") @grace(\"7d\") @since(\"2026-01-01\")");
    let world = sound().await.set("ENFORCER_POLICY__INLINE", &patient);
    let report = report(&world).await;
    let [_, (state, said)] = about(&report)[..] else { panic!("{report}") };
    assert_eq!(state, State::Failed);
    assert!(said.starts_with("policy.inline:1:1: @grace of a = \"7d\": messages wait for 7 d"));
    assert!(said.ends_with("raise the queue's retention to 9 d, or shorten the grace"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn settings_under_which_nothing_or_less_is_stopped_are_warned_of() {
    let policies = large("@id(\"a\") @mode(\"enforce\")");
    for (mode, word) in [("dry-run", "nobody is told"), ("warn", "owners are told")] {
        let world = sound().await.set("ENFORCER_POLICY__INLINE", &policies);
        let world = world.set("ENFORCER_POLICY__MODE", mode);
        let report = report(&world.set("ENFORCER_POLICY__BUILTIN", "false")).await;
        let [loaded, mode_warning, builtin_warning] = about(&report)[..] else {
            panic!("{report}");
        };
        assert_eq!(loaded, (State::Ok, &*format!("1 policy: a {mode}")));
        assert!(mode_warning.1.contains(word), "{report}");
        assert!(builtin_warning.1.contains(&format!("instances without {TAG} may run")));
        assert_eq!((mode_warning.0, builtin_warning.0), (State::Warning, State::Warning));
        assert_eq!(report.exit_code(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn each_mistake_in_policies_has_failed_with_its_place_and_ends_with_78() {
    let policies = large("@id(\"a\") @mode(\"stop\")")
        + &large("@id(\"b\") @mode(\"warn\")").replace("instanceType", "instanceTyp");
    let world = sound().await.set("ENFORCER_POLICY__INLINE", &policies);
    let report = report(&world).await;
    let refused = about(&report);
    for said in ["policy.inline:1:10: @mode(\"stop\") cannot work", "policy.inline:6:10: attribute"]
    {
        let is_told =
            |(state, found): &&(State, &str)| *state == State::Failed && found.starts_with(said);
        assert!(refused.iter().any(|one| is_told(&one)), "{report}");
    }
    assert_eq!((refused.len(), report.exit_code()), (2, 78), "{report}");
    // What else there is to mend is told with it.
    assert_eq!(on(&report, Subject::Queue).state, State::Ok);
}

#[tokio::test(start_paused = true)]
async fn policies_may_name_the_account_that_sts_tells_and_the_regions_that_count_only() {
    for (named, is_known) in [
        ("Account::\"123456789012\"", true),
        ("Account::\"210987654321\"", false),
        ("Region::\"eu-central-1\"", true),
        ("Region::\"us-west-2\"", false),
    ] {
        let policy = large("@id(\"a\") @mode(\"warn\")");
        let policy = policy.replace("resource)", &format!("resource in {named})"));
        let world = sound().await.set("ENFORCER_SCOPE__REGIONS", "us-east-1,eu-central-1");
        let report = report(&world.set("ENFORCER_POLICY__INLINE", &policy)).await;
        assert_eq!(on(&report, Subject::Policies).state == State::Ok, is_known, "{report}");
    }
}

const IGNORING: &str = "@id(\"gpu\") @exception(\"ignored\") @mode(\"enforce\")";

#[tokio::test(start_paused = true)]
async fn a_guard_that_denies_what_a_policy_may_stop_has_failed_with_the_statement_without_it() {
    let world = sound().await.set("ENFORCER_POLICY__INLINE", &large(IGNORING));
    let report = report(&world).await;
    assert_eq!(states(&report, State::Failed), [Subject::Guard]);
    let guard = on(&report, Subject::Guard);
    assert!(guard.found.ends_with("@exception(\"ignored\") lets policy gpu stop it"), "{report}");
    let remedy = guard.remedy.as_ref().unwrap();
    assert!(remedy.starts_with("leave out @exception(\"ignored\"), or give up the guard"));
    let [statement] = &missing(&report)[..] else { panic!("{report}") };
    assert_eq!(statement["Sid"], "StopInstances");
    let regions = json!({ "StringEquals": { "aws:RequestedRegion": ["us-east-1"] } });
    assert_eq!((&statement["Condition"], report.exit_code()), (&regions, 1));
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_stop_is_told_to_allow_all_that_policies_may_stop() {
    let world = sound().await.set("ENFORCER_POLICY__INLINE", &large(IGNORING));
    deny(&world, "StopInstances", "UnauthorizedOperation");
    let report = report(&world).await;
    let remedy = on(&report, Subject::Stopping).remedy.clone().unwrap();
    assert_eq!(remedy, format!("allow ec2:StopInstances, with {TAG} too for policy gpu"));
    assert_eq!(missing(&report)[0]["Sid"], "StopInstances");
}

#[tokio::test(start_paused = true)]
async fn a_guard_is_in_the_way_of_no_policy_that_does_not_stop() {
    for weak in ["warn", "dry-run"] {
        let policy = large(&IGNORING.replace("enforce", weak));
        let world = sound().await.set("ENFORCER_POLICY__INLINE", &policy);
        found(&world, Subject::Guard, State::Ok).await;
        let capped = sound().await.set("ENFORCER_POLICY__INLINE", &large(IGNORING));
        found(&capped.set("ENFORCER_POLICY__MODE", weak), Subject::Guard, State::Ok).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_guard_a_policy_that_ignores_the_tag_can_do_so() {
    let world = World::new().set("ENFORCER_POLICY__INLINE", &large(IGNORING));
    let (_, exempt) = (world.violator(), world.exempt());
    let report = report(&world).await;
    let guard = on(&report, Subject::Guard);
    assert_eq!((guard.state, missing(&report)), (State::Ok, Vec::new()), "{report}");
    assert!(guard.found.starts_with(&format!("EC2 would stop {exempt}, which carries {TAG}")));
    let report = report_on(&world, &exempt).await;
    let why = format!("{exempt} carries {TAG}, which the guard is about; EC2 would stop ");
    assert!(on(&report, Subject::Stopping).found.starts_with(&why), "{report}");
}

#[tokio::test(start_paused = true)]
async fn without_an_exempt_instance_it_is_not_proven_that_a_guard_is_in_the_way() {
    let world = guarded().set("ENFORCER_POLICY__INLINE", &large(IGNORING));
    world.violator();
    let text = found(&world, Subject::Guard, State::NotProven).await;
    assert!(text.ends_with("to ask whether IAM lets policy gpu stop it"), "{text}");
}
