//! Calls that EC2 throttles, fails, refuses or leaves unanswered.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Options, Rule, State};
use tokio::time::Instant;

use super::{Shown, Trail, sorted};

const MINUTE: Duration = Duration::from_mins(1);

/// The last lines of the output.
fn failed(shown: &Shown, id: &str) -> String {
    let mut rows = shown.output.lines().filter(|line| line.starts_with(id));
    rows.next_back().unwrap_or_else(|| panic!("{id} in\n{}", shown.output)).to_owned()
}

fn without(ids: &[String], others: &[&String]) -> Vec<String> {
    let left = ids.iter().filter(|id| !others.contains(id)).cloned().collect::<Vec<_>>();
    sorted(&left)
}

#[tokio::test(start_paused = true)]
async fn one_that_lacks_capacity_holds_up_no_other_and_is_started_by_the_next_run() {
    let trail = Trail::new();
    let ids = trail.recorded(130).await;
    let lacking = &ids[17];
    let fault = Fault::Error {
        status: 500,
        code: "InsufficientInstanceCapacity".to_owned(),
        message: "We currently do not have sufficient capacity".to_owned(),
    };
    let fault = trail.world.aws.inject(Rule::on("StartInstances").naming(lacking).fault(fault));
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1);
    assert!(failed(&shown, lacking).contains("InsufficientInstanceCapacity"), "{}", shown.output);
    assert!(shown.output.ends_with("129 instances were started, 1 were not.\n"));
    assert_eq!(trail.starts(), without(&ids, &[lacking]));
    let lines = trail.lines("start");
    let of = |result: &str| lines.iter().filter(|line| line["result"] == result).count();
    assert_eq!((of("started"), of("failed")), (129, 1));
    trail.world.aws.lift(fault);
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert_eq!(trail.starts(), sorted(&ids));
    assert!(shown.output.contains("started by undo at"), "{}", shown.output);
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_made_again_for_as_long_as_it_lasts() {
    let trail = Trail::new();
    let ids = trail.recorded(120).await;
    let throttled = || Fault::error(503, "RequestLimitExceeded");
    for operation in ["StartInstances", "CreateTags", "DescribeInstances", "DescribeTags"] {
        trail.world.aws.inject(Rule::on(operation).times(12).fault(throttled()));
    }
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert_eq!(trail.starts(), sorted(&ids));
}

#[tokio::test(start_paused = true)]
async fn instances_that_are_gone_or_changed_in_the_middle_are_left_out() {
    let trail = Trail::new();
    let ids = trail.recorded(100).await;
    let (terminated, forgotten, started) = (&ids[3], &ids[44], &ids[71]);
    let hook = {
        let ids = [terminated.clone(), forgotten.clone(), started.clone()];
        Fault::run(move |aws| {
            aws.terminate(&ids[0]);
            aws.forget(&ids[1]);
            aws.start(&ids[2]);
        })
    };
    trail.world.aws.inject(Rule::on("StartInstances").times(1).fault(hook));
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1, "{}", shown.output);
    assert!(failed(&shown, forgotten).contains("InvalidInstanceID.NotFound"));
    let others = without(&ids, &[terminated, forgotten]);
    assert!(others.iter().all(|id| trail.state(id) == State::Running));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_found_out_about_and_nothing_is_started_twice() {
    for fault in [Fault::CutAfter, Fault::CutBefore, Fault::HangAfter, Fault::HangBefore] {
        let trail = Trail::new();
        let ids = trail.recorded(60).await;
        for operation in ["CreateTags", "StartInstances"] {
            trail.world.aws.inject(Rule::on(operation).times(2).fault(fault.clone()));
        }
        let shown = trail.undo(&[]).await;
        assert_eq!(shown.code, 0, "{fault:?}\n{}", shown.output);
        assert_eq!(trail.starts(), sorted(&ids), "{fault:?}");
        assert_eq!(trail.lines("start").len(), 60, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_the_run_after_two_minutes_and_the_next_one_goes_on() {
    let trail = Trail::new();
    let ids = trail.recorded(120).await;
    let outage = trail
        .world
        .aws
        .inject(Rule::on("StartInstances").after(1).fault(Fault::error(500, "InternalError")));
    let began = Instant::now();
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1);
    assert!(began.elapsed() < 4 * MINUTE, "{:?}", began.elapsed());
    assert_eq!(trail.starts().len(), 50);
    assert!(shown.output.contains("run the command again"), "{}", shown.output);
    trail.world.aws.lift(outage);
    assert_eq!(trail.undo(&[]).await.code, 0);
    assert_eq!(trail.starts(), sorted(&ids));
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_start_none_is_found_out_by_a_few_calls() {
    let trail = Trail::new();
    let ids = trail.recorded(270).await;
    let denial = Rule::on("StartInstances").fault(Fault::error(403, "UnauthorizedOperation"));
    trail.world.aws.inject(denial);
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1);
    assert_eq!(trail.world.calls("StartInstances"), 4);
    assert!(failed(&shown, &ids[200]).ends_with("allows"), "{}", failed(&shown, &ids[200]));
    assert!(shown.output.contains("give the role what deploy/iam/undo.json allows"));
}

#[tokio::test(start_paused = true)]
async fn one_that_iam_denies_holds_up_no_other() {
    let trail = Trail::new();
    let ids = trail.recorded(60).await;
    let guarded = &ids[2];
    let denial = Rule::on("StartInstances").naming(guarded);
    trail.world.aws.inject(denial.fault(Fault::error(403, "UnauthorizedOperation")));
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1);
    assert_eq!(trail.starts(), without(&ids, &[guarded]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_exempted_is_not_started() {
    let trail = Trail::new();
    let full =
        (0..50).fold(Launch::default(), |launch, number| launch.tagged(format!("k{number}"), ""));
    let ids = trail.stopped(vec![Launch::default(), full, Launch::default()]).await;
    trail.record(&ids);
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1);
    assert!(failed(&shown, &ids[1]).contains("cannot be exempted: TagLimitExceeded"));
    assert_eq!(trail.starts(), sorted(&[ids[0].clone(), ids[2].clone()]));
    assert_eq!(trail.state(&ids[1]), State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_show_its_exemption_is_not_started() {
    let trail = Trail::new();
    let ids = trail.recorded(3).await;
    trail.world.aws.hide_tags(&ids[1], "DescribeTags");
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1);
    assert!(failed(&shown, &ids[1]).contains("EC2 does not show its exemption"));
    assert_eq!(trail.starts(), sorted(&[ids[0].clone(), ids[2].clone()]));
}

#[tokio::test(start_paused = true)]
async fn one_that_goes_down_again_at_once_is_told_of() {
    let options = Options { pending: Duration::from_secs(20), ..Options::default() };
    let trail = Trail::with(options);
    let ids = trail.recorded(3).await;
    let broken = ids[1].clone();
    let hook = Fault::run_after(move |aws| aws.stop(&broken));
    trail.world.aws.inject(Rule::on("StartInstances").times(1).fault(hook));
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1, "{}", shown.output);
    assert!(failed(&shown, &ids[1]).contains("was started, and is stopped again"));
    assert_eq!(trail.lines("start").last().unwrap()["result"], "failed");
}

#[tokio::test(start_paused = true)]
async fn a_region_that_cannot_be_looked_at_holds_up_no_other() {
    let trail = Trail::new();
    let ids = trail.recorded(2).await;
    let away = trail.stopped(vec![Launch::default().region("eu-west-1")]).await;
    let mut line = trail.line(&away);
    line["region"] = "eu-west-1".into();
    trail.write(&format!("{line}\n"));
    let denial = Rule::on("DescribeInstances").region("eu-west-1");
    let denial = trail.world.aws.inject(denial.fault(Fault::error(401, "AuthFailure")));
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 1);
    assert!(failed(&shown, &away[0]).contains("cannot be looked at: AuthFailure"));
    assert_eq!(trail.starts(), sorted(&ids));
    trail.world.aws.lift(denial);
    assert_eq!(trail.undo(&[]).await.code, 0);
    assert_eq!(trail.starts(), sorted(&[ids, away].concat()));
}
