//! What is found about the brakes: budget, grace, audit trail, and modes in which nothing is stopped.

use ec2_policy_enforcer::commands::check::{Report, State, Subject};
use ec2_policy_enforcer::sandbox::{Fault, Rule};

use super::{deployed, found, missing, on, report, sound};

fn brakes(report: &Report, state: State) -> Vec<&str> {
    let of = report.findings.iter().filter(|it| it.subject == Subject::Brakes && it.state == state);
    of.map(|finding| finding.found.split(':').next().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_missing_brake_is_a_warning_and_no_failure() {
    let world = sound().await;
    let all = report(&world).await;
    assert_eq!(brakes(&all, State::Warning), ["no budget", "no grace", "no audit trail"]);
    assert_eq!(all.exit_code(), 0, "{all}");
    assert_eq!(world.calls("ListQueueTags"), 0);
    let world = world.set("ENFORCER_BUDGET__STOPS", "20");
    assert_eq!(brakes(&report(&world).await, State::Warning), ["no grace", "no audit trail"]);
    let world = world.set("ENFORCER_POLICY__GRACE", "1h");
    let world = world.set("ENFORCER_POLICY__SINCE", "2020-01-01");
    let world = world.set("ENFORCER_AUDIT__TO", "stdout");
    let text = found(&world, Subject::Brakes, State::Ok).await;
    assert!(text.starts_with("may stop at most 20 instances in 10m"), "{text}");
    let world = sound().await.set("ENFORCER_POLICY__MODE", "warn");
    assert_eq!(found(&world, Subject::Brakes, State::Ok).await, "no policy stops anything");
}

#[tokio::test(start_paused = true)]
async fn with_a_budget_the_holds_are_read_and_none_is_set() {
    let world = sound().await.set("ENFORCER_BUDGET__STOPS", "20");
    assert_eq!(found(&world, Subject::Holds, State::Ok).await, "no stops are held");
    world.aws.tag_queue("hold/all", "");
    let text = found(&world, Subject::Holds, State::Warning).await;
    assert!(text.ends_with("hold/all"), "{text}");
    world.aws.inject(Rule::on("ListQueueTags").fault(Fault::error(403, "AccessDenied")));
    let denied = report(&world).await;
    assert_eq!(on(&denied, Subject::Holds).state, State::Warning, "{denied}");
    assert_eq!(missing(&denied), [deployed(&world, "daemon", "HoldStops")]);
    assert_eq!(world.calls("TagQueue"), 0);
}
