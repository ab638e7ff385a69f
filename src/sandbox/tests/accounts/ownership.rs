//! Each account has its own instances, tags and token buckets; SQS and SNS belong to one.

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{Filter, Tag};

use super::{Launch, MEMBER, OTHER, OWN, Options, World, ids, members, members_with};
use crate::sandbox::{Fault, Rule, State};

const ID: &str = "i-0123456789abcdef0";

/// Launches an instance with the same id in each account, tagged with the account.
fn launch_everywhere(world: &World) {
    for account in world.sandbox.accounts() {
        let launch = Launch::default().id(ID).account(&account).tagged("Account", &account);
        assert_eq!(world.sandbox.launch(launch), ID);
    }
}

fn states(world: &World) -> [State; 3] {
    [OWN, MEMBER, OTHER]
        .map(|account| world.sandbox.in_account(account).instance(ID).unwrap().state)
}

#[tokio::test(start_paused = true)]
async fn the_credentials_decide_whose_instances_a_call_sees() {
    let world = members();
    launch_everywhere(&world);
    let only_there = world.sandbox.in_account(OTHER).launch(Launch::default());
    for account in [OWN, MEMBER, OTHER] {
        let ec2 = match account {
            OWN => world.ec2.clone(),
            account => world.ec2_of(account).await,
        };
        assert_eq!(ids(&ec2).await.unwrap().contains(&only_there), account == OTHER);
        let answer = ec2.describe_instances().instance_ids(ID).send().await.unwrap();
        let [reservation] = answer.reservations() else { panic!("{answer:?}") };
        assert_eq!(reservation.owner_id(), Some(account));
        let instance = &reservation.instances()[0];
        assert_eq!(instance.network_interfaces()[0].owner_id(), Some(account));
        let profile = instance.iam_instance_profile().unwrap().arn().unwrap();
        assert_eq!(profile, format!("arn:aws:iam::{account}:instance-profile/application"));
        let filter = Filter::builder().name("resource-id").values(ID).build();
        let tags = ec2.describe_tags().filters(filter).send().await.unwrap();
        assert_eq!(tags.tags()[0].value(), Some(account));
    }
    let error = world.ec2_of(MEMBER).await.describe_instances().instance_ids(only_there);
    assert_eq!(error.send().await.unwrap_err().code(), Some("InvalidInstanceID.NotFound"));
}

#[tokio::test(start_paused = true)]
async fn a_call_changes_the_instance_of_its_own_account_alone() {
    let world = members();
    launch_everywhere(&world);
    let ec2 = world.ec2_of(MEMBER).await;
    ec2.stop_instances().instance_ids(ID).send().await.unwrap();
    assert_eq!(states(&world), [State::Running, State::Stopped, State::Running]);
    let tag = Tag::builder().key("Owner").value("web").build();
    ec2.create_tags().resources(ID).tags(tag).send().await.unwrap();
    ec2.start_instances().instance_ids(ID).send().await.unwrap();
    ec2.terminate_instances().instance_ids(ID).send().await.unwrap();
    assert_eq!(states(&world), [State::Running, State::Terminated, State::Running]);
    let tagged = [OWN, MEMBER, OTHER].map(|account| {
        let instance = world.sandbox.in_account(account).instance(ID).unwrap();
        instance.tags.contains_key("Owner")
    });
    assert_eq!(tagged, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_handle_changes_the_instances_of_its_account_alone() {
    let world = members();
    launch_everywhere(&world);
    let member = world.sandbox.in_account(MEMBER);
    member.tag(ID, "Owner", "web");
    member.stop(ID);
    assert_eq!(states(&world), [State::Running, State::Stopped, State::Running]);
    world.sandbox.stop(ID);
    assert_eq!(states(&world), [State::Stopped, State::Stopped, State::Running]);
    member.forget(ID);
    assert_eq!((member.instances().len(), world.sandbox.instances().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handle_has_the_credentials_of_its_account() {
    let world = members();
    let member = world.sandbox.in_account(MEMBER);
    world.sandbox.break_role(MEMBER);
    let id = member.launch(Launch::default());
    assert_eq!(ids(&aws_sdk_ec2::Client::new(&member.sdk_config())).await, Ok(vec![id]));
    let own = member.in_account(OWN).sdk_config();
    assert_eq!(ids(&aws_sdk_ec2::Client::new(&own)).await, Ok(Vec::new()));
    assert!(world.sandbox.calls("AssumeRole").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_member_launches_is_its_own() {
    let world = members();
    let ec2 = world.ec2_of(MEMBER).await;
    let run = ec2.run_instances().image_id("ami-0abcdef1234567890").min_count(1).max_count(1);
    let answer = run.send().await.unwrap();
    assert_eq!(answer.owner_id(), Some(MEMBER));
    let launched = answer.instances()[0].instance_id().unwrap();
    assert!(world.sandbox.instance(launched).is_none());
    assert_eq!(world.sandbox.in_account(MEMBER).instance(launched).unwrap().account, MEMBER);
}

#[tokio::test(start_paused = true)]
async fn each_account_has_its_own_token_buckets() {
    let world = members_with(Options { token_buckets: true, ..Options::default() });
    let ec2 = world.ec2_of(MEMBER).await;
    for _ in 0..100 {
        ids(&ec2).await.unwrap();
    }
    assert_eq!(ids(&ec2).await, Err("RequestLimitExceeded".to_owned()));
    assert!(ids(&world.ec2_of(OTHER).await).await.is_ok());
    assert!(ids(&world.ec2).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lagging_answer_shows_the_instances_of_its_account_as_they_were() {
    let world = members();
    launch_everywhere(&world);
    let ec2 = world.ec2_of(MEMBER).await;
    tokio::time::advance(std::time::Duration::from_mins(1)).await;
    world.sandbox.in_account(MEMBER).stop(ID);
    let lag = Fault::Lag(std::time::Duration::from_secs(30));
    world.sandbox.inject(Rule::on("DescribeInstances").fault(lag));
    let answer = ec2.describe_instances().send().await.unwrap();
    let state = answer.reservations()[0].instances()[0].state().unwrap();
    assert_eq!(state.name().unwrap().as_str(), "running");
    let shown = &world.sandbox.calls("DescribeInstances")[0].shown[ID];
    assert_eq!(shown.tags["Account"], MEMBER);
    assert!(shown.details.as_ref().unwrap().profile.as_ref().unwrap().contains(MEMBER));
}

#[tokio::test(start_paused = true)]
async fn a_denied_stop_names_the_caller_and_the_instance_of_its_account() {
    let guard_tag = Some("EXEMPT".to_owned());
    let world = members_with(Options { guard_tag, ..Options::default() });
    let id = world.sandbox.in_account(MEMBER).launch(Launch::default().tagged("exempt", ""));
    let stop = world.ec2_of(MEMBER).await.stop_instances().instance_ids(&id).send().await;
    let error = stop.unwrap_err();
    assert_eq!(error.code(), Some("UnauthorizedOperation"));
    for part in [
        format!("User: arn:aws:sts::{MEMBER}:assumed-role/ec2-policy-enforcer/test is not"),
        format!("arn:aws:ec2:us-east-1:{MEMBER}:instance/{id} because"),
    ] {
        assert!(error.message().unwrap().contains(&part), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_and_the_topic_are_denied_to_members() {
    let world = members();
    let sdk = world.sdk_of(MEMBER).await;
    let receive = aws_sdk_sqs::Client::new(&sdk).receive_message().queue_url(&world.made.queue_url);
    let error = receive.send().await.unwrap_err();
    let caller =
        format!("User: arn:aws:sts::{MEMBER}:assumed-role/ec2-policy-enforcer/test is not");
    assert_eq!(error.code(), Some("AccessDenied"));
    let expected = format!(
        "{caller} authorized to perform: sqs:receivemessage on resource: {} because no \
         resource-based policy allows the sqs:receivemessage action",
        world.made.queue_arn
    );
    assert_eq!(error.message(), Some(expected.as_str()));
    let publish = aws_sdk_sns::Client::new(&sdk).publish().topic_arn(&world.made.topic_arn);
    let error = publish.message("hi").send().await.unwrap_err();
    assert_eq!(error.code(), Some("AuthorizationError"));
    assert!(error.message().unwrap().starts_with(&format!("{caller} authorized to perform: SNS:")));
    assert!(world.sandbox.notices().is_empty());
    let list = aws_sdk_sqs::Client::new(&sdk).list_queues().send().await;
    assert_eq!(list.unwrap_err().code(), Some("AccessDenied"));
}
