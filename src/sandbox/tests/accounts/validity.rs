//! Credentials that are expired, unknown or of a region that is switched off.

use std::time::Duration;

use aws_sdk_ec2::error::ProvideErrorMetadata;
use tokio::time::advance;

use super::{Launch, MEMBER, OTHER, OWN, Options, World, ids, members, members_with, world};

/// The error codes with which EC2, STS, SQS and SNS answer these credentials.
async fn codes(world: &World, sdk: &aws_config::SdkConfig) -> [String; 4] {
    let url = &world.made.queue_url;
    let ec2 = ids(&aws_sdk_ec2::Client::new(sdk)).await.unwrap_err();
    let sts = aws_sdk_sts::Client::new(sdk).get_caller_identity().send().await.unwrap_err();
    let sqs = aws_sdk_sqs::Client::new(sdk).receive_message().queue_url(url).send().await;
    let sns = aws_sdk_sns::Client::new(sdk).list_topics().send().await.unwrap_err();
    let status = sts.raw_response().unwrap().status().as_u16();
    assert_eq!(status, 403);
    let codes = [sts.code(), sqs.as_ref().unwrap_err().code(), sns.code()];
    let [sts, sqs, sns] = codes.map(|code| code.unwrap_or("no code").to_owned());
    [ec2, sts, sqs, sns]
}

const INVALID: [&str; 4] =
    ["AuthFailure", "InvalidClientTokenId", "InvalidClientTokenId", "InvalidClientTokenId"];

#[tokio::test(start_paused = true)]
async fn credentials_expire() {
    let world = members();
    let sdk = world.sdk_of(MEMBER).await;
    let ec2 = aws_sdk_ec2::Client::new(&sdk);
    advance(Duration::from_secs(3599)).await;
    assert_eq!(ids(&ec2).await, Ok(Vec::new()));
    advance(Duration::from_secs(1)).await;
    let expected = ["RequestExpired", "ExpiredToken", "ExpiredToken", "ExpiredToken"];
    assert_eq!(codes(&world, &sdk).await, expected);
}

#[tokio::test(start_paused = true)]
async fn an_option_makes_their_lifetime_shorter_than_any_that_can_be_asked_for() {
    let session_lifetime = Some(Duration::from_secs(20));
    let world = members_with(Options { session_lifetime, ..Options::default() });
    let given = world.session(MEMBER).await.credentials.unwrap();
    let now = world.sandbox.clock().wall(tokio::time::Instant::now());
    let end = std::time::SystemTime::try_from(given.expiration).unwrap();
    assert!(end <= now + Duration::from_secs(20));
    let sdk = world.sdk(&given.access_key_id, Some(given.session_token));
    advance(Duration::from_secs(20)).await;
    let ec2 = aws_sdk_ec2::Client::new(&sdk);
    assert_eq!(ids(&ec2).await, Err("RequestExpired".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn unknown_credentials_and_foreign_tokens_are_not_valid() {
    let world = members();
    let token = |account| {
        let session = world.session(account);
        async move { session.await.credentials.unwrap() }
    };
    let (one, other) = (token(MEMBER).await, token(OTHER).await);
    for sdk in [
        world.sdk("ASIAUNKNOWNUNKNOWN00", Some(one.session_token.clone())),
        world.sdk(&one.access_key_id, Some(other.session_token)),
        world.sdk(&one.access_key_id, None),
    ] {
        assert_eq!(codes(&world, &sdk).await, INVALID);
    }
    let call = world.sandbox.ledger().pop().unwrap();
    assert_eq!((call.operation.as_str(), call.account.as_str()), ("ListTopics", ""));
}

#[tokio::test(start_paused = true)]
async fn the_sandboxs_own_credentials_are_whatever_a_client_has() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    for key in ["test", "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"] {
        let ec2 = aws_sdk_ec2::Client::new(&world.sdk(key, None));
        assert_eq!(ids(&ec2).await, Ok(vec![id.clone()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_told_who_it_is() {
    let world = members();
    let sdk = world.sdk_of(MEMBER).await;
    let arn = |account, name| format!("arn:aws:sts::{account}:assumed-role/{name}");
    for (sdk, account, name) in [
        (sdk, MEMBER, "ec2-policy-enforcer/test"),
        (world.sandbox.sdk_config(), OWN, "sandbox/session"),
    ] {
        let sts = aws_sdk_sts::Client::new(&sdk);
        let caller = sts.get_caller_identity().send().await.unwrap();
        assert_eq!(caller.account(), Some(account));
        assert_eq!(caller.arn(), Some(arn(account, name).as_str()));
        assert!(caller.user_id().unwrap().starts_with("AROA"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_switched_off_knows_no_credentials_of_its_account() {
    let world = members();
    world.sandbox.opt_out(MEMBER, "eu-south-2");
    let (member, other) = (world.sdk_of(MEMBER).await, world.sdk_of(OTHER).await);
    let there = |sdk: &aws_config::SdkConfig| {
        let region = aws_config::Region::new("eu-south-2");
        aws_sdk_ec2::Client::new(&sdk.clone().into_builder().region(region).build())
    };
    let error = there(&member).describe_instances().send().await.unwrap_err();
    assert_eq!(error.code(), Some("AuthFailure"));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 401);
    assert!(ids(&there(&other)).await.is_ok());
    assert!(ids(&aws_sdk_ec2::Client::new(&member)).await.is_ok());
    world.sandbox.opt_in(MEMBER, "eu-south-2");
    assert!(ids(&there(&member)).await.is_ok());
}
