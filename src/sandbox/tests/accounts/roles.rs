//! Roles that break and heal, and faults of one account.

use super::{Launch, MEMBER, OTHER, ids, members};
use crate::sandbox::{Fault, Member, Rule};

#[tokio::test(start_paused = true)]
async fn a_broken_role_gives_out_nothing_until_it_is_healed() {
    let world = members();
    let before = world.ec2_of(MEMBER).await;
    world.sandbox.break_role(MEMBER);
    let role = super::ROLE;
    let error = world.assuming(role).send().await.unwrap_err();
    assert_eq!(super::refusal(&error).1, "AccessDenied");
    // As in AWS, a change of the trust policy does not end the sessions that there are.
    assert!(ids(&before).await.is_ok());
    assert!(ids(&world.ec2_of(OTHER).await).await.is_ok());
    world.sandbox.heal_role(MEMBER);
    assert!(ids(&world.ec2_of(MEMBER).await).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_role_takes_its_credentials_with_it() {
    let world = members();
    let (before, other) = (world.ec2_of(MEMBER).await, world.ec2_of(OTHER).await);
    let id = |answer: aws_sdk_sts::operation::assume_role::AssumeRoleOutput| {
        answer.assumed_role_user.unwrap().assumed_role_id
    };
    let first = id(world.session(MEMBER).await);
    world.sandbox.delete_role(MEMBER);
    assert_eq!(ids(&before).await, Err("AuthFailure".to_owned()));
    assert!(ids(&other).await.is_ok());
    assert!(world.assuming(super::ROLE).send().await.is_err());
    world.sandbox.heal_role(MEMBER);
    assert_eq!(ids(&before).await, Err("AuthFailure".to_owned()));
    assert_ne!(id(world.session(MEMBER).await), first);
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_can_be_made() {
    let world = members();
    world.sandbox.add_account(Member::of(MEMBER).without_role());
    assert!(world.assuming(super::ROLE).send().await.is_err());
    world.sandbox.heal_role(MEMBER);
    assert!(ids(&world.ec2_of(MEMBER).await).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_fault_can_strike_the_calls_of_one_account_alone() {
    let world = members();
    let fault = Fault::error(503, "Unavailable");
    world.sandbox.inject(Rule::on("DescribeInstances").account(MEMBER).fault(fault));
    assert_eq!(ids(&world.ec2_of(MEMBER).await).await, Err("Unavailable".to_owned()));
    assert!(ids(&world.ec2_of(OTHER).await).await.is_ok());
    assert!(ids(&world.ec2).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_ledger_tells_with_whose_credentials_each_call_came() {
    let world = members();
    world.sandbox.launch(Launch::default().account(MEMBER));
    for account in [MEMBER, OTHER] {
        ids(&world.ec2_of(account).await).await.unwrap();
    }
    ids(&world.ec2).await.unwrap();
    let calls = world.sandbox.ledger().into_iter();
    let calls: Vec<_> = calls.map(|call| (call.operation, call.account)).collect();
    let expected = [
        ("AssumeRole", super::OWN),
        ("DescribeInstances", MEMBER),
        ("AssumeRole", super::OWN),
        ("DescribeInstances", OTHER),
        ("DescribeInstances", super::OWN),
    ];
    assert_eq!(calls, expected.map(|(call, account)| (call.to_owned(), account.to_owned())));
}
