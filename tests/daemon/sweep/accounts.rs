//! Sweeps of several accounts and regions: also of those that no event has come from.

use ec2_policy_enforcer::sandbox::{Launch, State};

use super::{DAY, HOUR, sweeping};
use crate::world::{TAG, World, pass};

const A: &str = "210987654321";
const B: &str = "333333333333";

/// A world whose daemon works for two members in two regions, and sweeps them.
fn two_members() -> World {
    let world = sweeping("1h").set("ENFORCER_ACCOUNTS__IDS", &format!("{A},{B}"));
    let world = world.set("ENFORCER_SCOPE__REGIONS", "us-east-1,eu-west-1");
    world.aws.add_account(A);
    world.aws.add_account(B);
    world
}

#[tokio::test(start_paused = true)]
async fn violators_of_accounts_that_sent_no_event_are_found_in_every_region() {
    let world = two_members();
    let launch = |account: &str, region: &str| {
        world.aws.launch(Launch::default().account(account).region(region).quiet())
    };
    for account in [A, B] {
        for region in ["us-east-1", "eu-west-1"] {
            launch(account, region);
        }
    }
    pass(HOUR).await;
    let world = world.started();
    pass(2 * HOUR).await;
    assert_eq!(world.texts().len(), 4, "{:?}", world.texts());
    for account in [A, B] {
        let instances = world.aws.in_account(account).instances();
        assert!(instances.iter().all(|one| one.state == State::Stopped), "{instances:?}");
    }
    for call in world.aws.calls("StopInstances") {
        assert!([A, B].contains(&call.account.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_role_of_an_account_is_assumed_once_for_each_sweep_at_most() {
    let world = two_members().started();
    pass(DAY).await;
    let sweeps = world.aws.calls("DescribeInstances").len() / 2;
    let assumed = world.calls("AssumeRole");
    assert!(assumed <= sweeps, "{assumed} for {sweeps} sweeps of an account");
}

#[tokio::test(start_paused = true)]
async fn operators_hear_of_an_account_that_cannot_be_swept_and_the_others_are() {
    let world = two_members();
    world.aws.delete_role(A);
    let id = world.aws.launch(Launch::default().account(B).quiet());
    pass(HOUR).await;
    let world = world.started();
    pass(3 * HOUR).await;
    let texts = world.texts();
    assert!(texts.contains(&format!("EC2 {id} Stopped")), "{texts:?}");
    let told: Vec<_> = texts.iter().filter(|text| text.contains("cannot be read")).collect();
    assert!((1..=3).contains(&told.len()), "{texts:?}");
    assert!(told.iter().all(|text| text.contains(&format!("{A}/us-east-1"))), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_account_of_any_is_swept_from_its_first_event_on() {
    let world = sweeping("15m").set("ENFORCER_ACCOUNTS__IDS", "any");
    world.aws.add_account(A);
    world.aws.add_account(B);
    let unheard = |account: &str| world.aws.launch(Launch::default().account(account).quiet());
    let (found, left) = (unheard(A), unheard(B));
    pass(HOUR).await;
    world.aws.launch(Launch::default().account(A).tagged(TAG, ""));
    let world = world.started();
    pass(HOUR).await;
    let state = |account: &str, id: &str| world.aws.in_account(account).instance(id).unwrap().state;
    assert_eq!((state(A, &found), state(B, &left)), (State::Stopped, State::Running));
    let calls = world.aws.calls("DescribeInstances");
    assert!(calls.iter().all(|call| call.account != B));
}
