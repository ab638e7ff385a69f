//! What the preflight says of member accounts.

use ec2_policy_enforcer::commands::check::{self, Report, State, Subject, Wanted};
use ec2_policy_enforcer::domain::ids::Account;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};

use super::sound;
use crate::world::World;

const A: &str = "210987654321";
const B: &str = "333333333333";
const IDS: &str = "ENFORCER_ACCOUNTS__IDS";

async fn with(ids: &str) -> World {
    let world = sound().await.set(IDS, ids);
    for account in [A, B] {
        world.aws.add_account(account);
        world.aws.launch(Launch::default().account(account));
    }
    world
}

async fn report(world: &World, account: Option<&str>) -> Report {
    let account = account.map(|id| Account::parse(id).unwrap());
    let wanted = Wanted { account: account.as_ref(), ..Wanted::default() };
    check::inspect(&world.settings(), &world.aws.sdk_config(), wanted, |_| {}).await
}

/// The state of a subject in a member account; `None` if it was not checked there.
fn state(report: &Report, account: &str, subject: Subject) -> Option<State> {
    let of_account = report.findings.iter().filter(|one| one.account.as_deref() == Some(account));
    let states: Vec<_> = of_account.filter(|one| one.subject == subject).collect();
    assert!(states.len() <= 1, "{report}");
    states.first().map(|one| one.state)
}

#[tokio::test(start_paused = true)]
async fn the_role_of_every_listed_account_is_proven() {
    let world = with(&format!("{A},{B}")).await;
    let report = report(&world, None).await;
    for account in [A, B] {
        for subject in [Subject::Role, Subject::Tags, Subject::Instances, Subject::Stopping] {
            assert_eq!(state(&report, account, subject), Some(State::Ok), "{report}");
        }
    }
    assert!(report.to_string().contains(&format!("in account {A}, in us-east-1:")), "{report}");
    assert_eq!(
        world.aws.calls("StopInstances").iter().map(|call| call.stopped.len()).sum::<usize>(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_assumed_fails_and_says_which() {
    let world = with(&format!("{A},{B}")).await;
    world.aws.break_role(A);
    let report = report(&world, None).await;
    assert_eq!(state(&report, A, Subject::Role), Some(State::Failed), "{report}");
    assert_eq!(state(&report, A, Subject::Tags), None, "{report}");
    assert_eq!(state(&report, B, Subject::Stopping), Some(State::Ok), "{report}");
    let found = report.findings.iter().find(|one| one.subject == Subject::Role).unwrap();
    let arn = format!("cannot assume arn:aws:iam::{A}:role/ec2-policy-enforcer: AccessDenied: ");
    assert!(found.found.starts_with(&arn), "{}", found.found);
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_role_may_not_do_is_mended_in_its_own_policy() {
    let world = with(A).await;
    let denied = Fault::error(403, "UnauthorizedOperation");
    world.aws.inject(Rule::on("DescribeTags").account(A).fault(denied));
    let report = report(&world, None).await;
    assert_eq!(state(&report, A, Subject::Tags), Some(State::Failed), "{report}");
    let text = report.to_string();
    let found = report.findings.iter().find(|one| one.state == State::Failed).unwrap();
    assert!(found.remedy.as_ref().unwrap().ends_with("with that of deploy/member.yaml"), "{text}");
    assert!(!text.contains("Add this to the role's policy"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_account_can_be_named_and_is_not_listed_then() {
    let world = with("any").await;
    let all = report(&world, None).await;
    assert!(all.findings.iter().all(|one| one.account.is_none()), "{all}");
    let role = all.findings.iter().find(|one| one.subject == Subject::Role).unwrap();
    assert_eq!(role.state, State::NotProven, "{all}");
    let one = report(&world, Some(B)).await;
    assert_eq!(state(&one, B, Subject::Stopping), Some(State::Ok), "{one}");
    assert_eq!(state(&one, A, Subject::Role), None, "{one}");
}
