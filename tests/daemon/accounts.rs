//! Several accounts: each instance is looked up and stopped with the role of its own account.

use std::collections::BTreeMap;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Fault, Launch, Member, Rule, Service};

use crate::world::{TAG, World, notices, pass};

const OWN: &str = "123456789012";
const A: &str = "210987654321";
const B: &str = "333333333333";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const IDS: &str = "ENFORCER_ACCOUNTS__IDS";

/// A world whose daemon works for the member accounts A and B, too.
fn two_members() -> World {
    let world = World::new().set(IDS, &format!("{A},{B}")).set("ENFORCER_SIZES__POLLERS", "1");
    world.aws.add_account(A);
    world.aws.add_account(B);
    world
}

fn launch_in(world: &World, account: &str) -> String {
    world.aws.launch(Launch::default().account(account))
}

fn is_running_in(world: &World, account: &str, id: &str) -> bool {
    let instance = world.aws.in_account(account).instance(id);
    instance.is_some_and(|one| one.state == ec2_policy_enforcer::sandbox::State::Running)
}

fn assumed(world: &World) -> usize {
    world.calls("AssumeRole")
}

/// The operators' notices.
fn to_operators(world: &World) -> Vec<String> {
    let notices = world.aws.notices().into_iter();
    let theirs = notices.filter(|notice| {
        notice.subject.as_deref().is_some_and(|subject| subject.starts_with("EC2 policy enforcer"))
    });
    theirs.map(|notice| notice.message).collect()
}

#[tokio::test(start_paused = true)]
async fn every_instance_is_looked_up_and_stopped_by_the_role_of_its_account() {
    let mut world = two_members();
    let ids: BTreeMap<_, _> =
        [OWN, A, B].map(|account| (launch_in(&world, account), account)).into();
    let exempt = world.aws.launch(Launch::default().account(A).tagged(TAG, ""));
    world.start();
    world.all_settled().await;
    let violators: Vec<_> = ids.keys().cloned().collect();
    assert_eq!(world.texts(), notices(&violators, None));
    assert!(is_running_in(&world, A, &exempt));
    for call in world.ec2_calls() {
        let accounts = call.subjects.iter().filter_map(|id| ids.get(id));
        assert!(accounts.into_iter().all(|account| **account == *call.account), "{call:?}");
    }
    assert_eq!(assumed(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn instances_of_one_id_in_several_accounts_are_not_mixed_up() {
    const ID: &str = "i-0123456789abcdef0";
    let mut world = two_members();
    world.aws.launch(Launch::default().account(A).id(ID));
    world.aws.launch(Launch::default().account(B).id(ID).tagged(TAG, ""));
    world.start();
    world.all_settled().await;
    assert!(!is_running_in(&world, A, ID) && is_running_in(&world, B, ID));
    let stops = world.aws.calls("StopInstances");
    let by: Vec<_> = stops.iter().map(|call: &Call| call.account.as_str()).collect();
    assert_eq!(by, [A]);
    assert_eq!(world.aws.notices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn events_of_other_accounts_are_rejected_without_a_call() {
    let mut world = World::new().set(IDS, A);
    world.aws.add_account(A);
    world.aws.add_account(B);
    launch_in(&world, B);
    world.start();
    pass(MINUTE).await;
    assert_eq!((world.aws.depth(), world.ec2_calls().len(), assumed(&world)), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn any_account_whose_events_reach_the_queue_may_count() {
    let mut world = World::new().set(IDS, "any");
    world.aws.add_account(B);
    let id = launch_in(&world, B);
    world.start();
    world.all_settled().await;
    assert_eq!(world.texts(), notices(&[id], None));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_names_another_account_stops_nothing_there() {
    let mut world = two_members();
    let id = world.aws.launch(Launch::default().account(A).quiet());
    let forged = world.aws.in_account(A).event(&id).replace(A, B);
    world.aws.send(&forged);
    world.start();
    pass(10 * MINUTE).await;
    assert!(is_running_in(&world, A, &id));
    assert_eq!(world.calls("StopInstances"), 0);
    let accounts: Vec<_> = world.ec2_calls().into_iter().map(|call| call.account).collect();
    assert!(!accounts.is_empty() && accounts.iter().all(|account| account == B), "{accounts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_role_hears_the_external_id() {
    let world = World::new().set(IDS, A).set("ENFORCER_ACCOUNTS__EXTERNAL_ID", "o-1234");
    world.aws.add_account(Member::of(A).external_id("o-1234"));
    let id = launch_in(&world, A);
    let world = world.started();
    world.all_settled().await;
    assert_eq!(world.texts(), notices(&[id], None));
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_role_is_missing_holds_up_no_other_and_operators_hear_of_it() {
    let world = two_members();
    world.aws.delete_role(A);
    let world = world.started();
    let lost: Vec<_> = (0..20).map(|_| launch_in(&world, A)).collect();
    pass(10 * MINUTE).await;
    let here = launch_in(&world, B);
    pass(SECOND).await;
    assert!(world.texts().contains(&format!("EC2 {here} Stopped")));
    let told = to_operators(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&format!("DescribeTags in {A}/us-east-1")), "{}", told[0]);
    let troubles = world.health.troubles();
    let is_told = |trouble: &String| trouble.contains(A) && trouble.contains("can its role be");
    assert!(troubles.iter().any(is_told), "{troubles:?}");
    let owners =
        world.texts().iter().filter(|text| lost.iter().any(|id| text.contains(id))).count();
    assert_eq!(owners, 0);
    world.aws.heal_role(A);
    world.all_settled_within(Duration::from_mins(40)).await;
    assert!(lost.iter().all(|id| !is_running_in(&world, A, id)));
}

#[tokio::test(start_paused = true)]
async fn a_day_without_a_role_costs_no_message_its_ten_receives() {
    let world = two_members();
    world.aws.delete_role(A);
    let world = world.started();
    let lost: Vec<_> = (0..5).map(|_| launch_in(&world, A)).collect();
    pass(Duration::from_hours(24)).await;
    assert!(world.most_receives() <= 10, "{}", world.most_receives());
    assert_eq!(world.aws.depth(), lost.len());
    assert!(to_operators(&world).len() >= 20);
    world.aws.heal_role(A);
    world.all_settled_within(Duration::from_hours(5)).await;
    assert!(lost.iter().all(|id| !is_running_in(&world, A, id)));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_always_fails_holds_up_no_other_of_its_account() {
    let world = two_members().started();
    launch_in(&world, B);
    for operation in ["DescribeTags", "DescribeInstances", "StopInstances"] {
        let bad = launch_in(&world, A);
        world.aws.inject(Rule::on(operation).account(A).naming(&bad));
        pass(5 * MINUTE).await;
        let good = launch_in(&world, A);
        pass(MINUTE).await;
        assert!(!is_running_in(&world, A, &good), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_a_member_has_switched_off_pauses_that_region_alone() {
    let world = two_members().set("ENFORCER_SCOPE__REGIONS", "us-east-1,eu-south-1");
    world.aws.opt_out(A, "eu-south-1");
    let world = world.started();
    let there = world.aws.launch(Launch::default().account(A).region("eu-south-1"));
    pass(5 * MINUTE).await;
    let here = launch_in(&world, A);
    pass(SECOND).await;
    assert!(world.texts().contains(&format!("EC2 {here} Stopped")));
    assert!(is_running_in(&world, A, &there));
}

#[tokio::test(start_paused = true)]
async fn credentials_of_seventy_accounts_are_fetched_once_an_hour() {
    let accounts: Vec<_> =
        (0..70).map(|number| format!("{}", 400_000_000_000_u64 + number)).collect();
    let world = World::new().set(IDS, &accounts.join(",")).set("ENFORCER_SIZES__POLLERS", "1");
    for account in &accounts {
        world.aws.add_account(&**account);
    }
    let world = world.started();
    for _ in 0..5 {
        for account in &accounts {
            world.aws.launch(Launch::default().account(account).tagged(TAG, ""));
        }
        pass(10 * MINUTE).await;
    }
    assert_eq!((assumed(&world), world.aws.depth()), (70, 0));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_a_first_look_refuses_are_fetched_anew() {
    let world = two_members().started();
    launch_in(&world, A);
    pass(6 * MINUTE).await;
    world.aws.delete_role(A);
    world.aws.heal_role(A);
    let id = launch_in(&world, A);
    pass(MINUTE).await;
    assert_eq!((assumed(&world), world.aws.depth()), (2, 0));
    assert!(!is_running_in(&world, A, &id));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_has_nothing_to_do_is_closed_and_opened_again() {
    let world = two_members().started();
    launch_in(&world, A);
    pass(20 * MINUTE).await;
    assert_eq!((assumed(&world), world.aws.depth()), (1, 0));
    // Its credentials went with it, although they were valid for another 40 minutes.
    let id = launch_in(&world, A);
    pass(MINUTE).await;
    assert_eq!((assumed(&world), world.aws.depth()), (2, 0));
    assert!(!is_running_in(&world, A, &id));
}

#[tokio::test(start_paused = true)]
async fn no_target_holds_more_than_a_quarter_of_what_all_may_hold() {
    let sizes = [("INBOX", "40"), ("STOP_QUEUE", "40"), ("EVALUATORS", "1")];
    let mut world = two_members();
    for (size, value) in sizes {
        world = world.set(&format!("ENFORCER_SIZES__{size}"), value);
    }
    world.aws.inject(Rule::on_service(Service::Ec2).account(A).fault(Fault::HangBefore));
    let world = world.started();
    (0..400).for_each(|_| drop(launch_in(&world, A)));
    pass(30 * SECOND).await;
    let here = launch_in(&world, B);
    pass(2 * SECOND).await;
    assert_eq!(world.texts(), notices(&[here], None));
}
