//! `AssumeRole`: what it gives out, whom it denies, and which parameters it refuses.

use std::time::Duration;

use super::{MEMBER, OTHER, OWN, ROLE, World, members, refusal, world};
use crate::sandbox::{Member, Sandbox};

const DENIED: &str = "User: arn:aws:sts::123456789012:assumed-role/sandbox/session is not authorized \
                      to perform: sts:AssumeRole on resource: ";

/// Asserts that a role is denied, as AWS says it.
async fn assert_denied(world: &World, role: &str) {
    let error = world.assuming(role).send().await.unwrap_err();
    assert_eq!(refusal(&error), (403, "AccessDenied".to_owned(), format!("{DENIED}{role}")));
}

fn now(sandbox: &Sandbox) -> i64 {
    let now = sandbox.clock().wall(tokio::time::Instant::now());
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_role_gives_out_credentials_for_an_hour_or_as_long_as_asked_for() {
    let world = members();
    let began = now(&world.sandbox);
    let answer = world.session(MEMBER).await;
    let given = answer.credentials.unwrap();
    assert!(given.access_key_id.starts_with("ASIA") && given.access_key_id.len() == 20);
    assert_eq!((given.secret_access_key.len(), given.session_token.len()), (40, 320));
    assert_eq!(given.expiration.secs() - began, 3600);
    let user = answer.assumed_role_user.unwrap();
    assert_eq!(user.arn, format!("arn:aws:sts::{MEMBER}:assumed-role/ec2-policy-enforcer/test"));
    assert!(user.assumed_role_id.starts_with("AROA") && user.assumed_role_id.ends_with(":test"));
    let short = world.assuming(ROLE).duration_seconds(900).send().await.unwrap();
    assert_eq!(short.credentials.unwrap().expiration.secs() - began, 900);
}

#[tokio::test(start_paused = true)]
async fn no_two_sessions_have_the_same_credentials() {
    let world = members();
    let [one, other] = [world.session(MEMBER).await, world.session(MEMBER).await];
    let [one, other] = [one, other].map(|answer| answer.credentials.unwrap());
    assert_ne!(one.access_key_id, other.access_key_id);
    assert_ne!(one.session_token, other.session_token);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_does_not_exist_is_denied_like_one_that_trusts_somebody_else() {
    let world = members();
    world.sandbox.add_account(Member::of("432109876543").without_role());
    for role in [
        "arn:aws:iam::210987654321:role/another",
        "arn:aws:iam::999999999999:role/ec2-policy-enforcer",
        "arn:aws:iam::432109876543:role/ec2-policy-enforcer",
        "arn:aws:iam::123456789012:role/ec2-policy-enforcer",
        "arn:aws:iam::210987654321:user/ec2-policy-enforcer",
    ] {
        assert_denied(&world, role).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_external_id_must_be_the_one_that_the_role_asks_for() {
    let world = members();
    world.sandbox.add_account(Member::of(MEMBER).external_id("fleet:7"));
    assert_denied(&world, ROLE).await;
    let wrong = world.assuming(ROLE).external_id("fleet:8").send().await.unwrap_err();
    assert_eq!(refusal(&wrong).1, "AccessDenied");
    world.assuming(ROLE).external_id("fleet:7").send().await.unwrap();
    // A role that asks for none takes any.
    world.assuming(&ROLE.replace(MEMBER, OTHER)).external_id("any").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_part_of_a_path_is_the_name_of_a_role() {
    let world = members();
    world.sandbox.add_account(Member::of(MEMBER).role("stop"));
    let answer = world.assuming("arn:aws:iam::210987654321:role/tools/stop").send().await.unwrap();
    assert!(answer.assumed_role_user.unwrap().arn.ends_with(":assumed-role/stop/test"));
}

#[tokio::test(start_paused = true)]
async fn a_member_may_assume_no_role_not_even_its_own() {
    let world = members();
    let sts = aws_sdk_sts::Client::new(&world.sdk_of(MEMBER).await);
    for role in [ROLE, &ROLE.replace(MEMBER, OTHER), &ROLE.replace(MEMBER, OWN)] {
        let call = sts.assume_role().role_arn(role).role_session_name("chained");
        let (status, code, message) = refusal(&call.send().await.unwrap_err());
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
        let caller = format!("User: arn:aws:sts::{MEMBER}:assumed-role/ec2-policy-enforcer/test ");
        assert!(message.starts_with(&caller), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_that_break_a_constraint_are_refused_in_the_words_of_aws() {
    let world = members();
    let long = "s".repeat(65);
    let session = |name: &str| world.assuming(ROLE).role_session_name(name);
    let secs = |secs: i32| world.assuming(ROLE).duration_seconds(secs);
    let value = |value: &str, name: &str, constraint: &str| {
        format!(
            "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: \
             Member must {constraint}"
        )
    };
    let (name, pattern) = ("roleSessionName", r"satisfy regular expression pattern: [\w+=,.@-]*");
    for (call, message) in [
        (session("web:1"), value("web:1", name, pattern)),
        (session("é1"), value("é1", name, pattern)),
        (session(&long), value(&long, name, "have length less than or equal to 64")),
        (session("s"), value("s", name, "have length greater than or equal to 2")),
        (
            world.assuming("role"),
            value("role", "roleArn", "have length greater than or equal to 20"),
        ),
        (
            world.assuming(ROLE).external_id("a b"),
            value("a b", "externalId", r"satisfy regular expression pattern: [\w+=,.@:\/-]*"),
        ),
        (secs(899), value("899", "durationSeconds", "have value greater than or equal to 900")),
        (secs(43_201), value("43201", "durationSeconds", "have value less than or equal to 43200")),
        (
            secs(3601),
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining."
                .to_owned(),
        ),
    ] {
        let error = call.send().await.unwrap_err();
        assert_eq!(refusal(&error), (400, "ValidationError".to_owned(), message));
    }
}

#[tokio::test(start_paused = true)]
async fn all_broken_constraints_are_told_at_once() {
    let world = members();
    let call = world.assuming(ROLE).role_session_name(":").duration_seconds(1);
    let (.., message) = refusal(&call.send().await.unwrap_err());
    assert!(message.starts_with("3 validation errors detected: Value ':' at"), "{message}");
    assert_eq!(message.matches("; ").count(), 2, "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_arn_that_is_none_or_not_that_of_a_role_is_refused() {
    let world = members();
    for (arn, message) in [
        ("nothing-valid-in-here", "nothing-valid-in-here is invalid"),
        ("arn:aws:iam::21098765432:role/x", "arn:aws:iam::21098765432:role/x is invalid"),
        ("arn:aws:iam::210987654321:", "arn:aws:iam::210987654321: is invalid"),
        ("arn:aws:iam::210987654321:group/x", "Request ARN is invalid"),
        ("arn:aws:s3::210987654321:role/x", "Request ARN is invalid"),
        ("arn:aws-cn:iam::210987654321:role/ec2-policy-enforcer", "Request ARN is invalid"),
    ] {
        let error = world.assuming(arn).send().await.unwrap_err();
        let expected = (400, "ValidationError".to_owned(), message.to_owned());
        assert_eq!(refusal(&error), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_sandbox_with_one_account_every_role_may_be_assumed() {
    let world = world();
    let answer = world.assuming(ROLE).send().await.unwrap();
    assert_eq!(answer.credentials.unwrap().access_key_id, format!("ASIA{MEMBER}"));
    let latency = Duration::from_secs(1);
    world.sandbox.latency("AssumeRole", latency);
    let start = tokio::time::Instant::now();
    world.assuming(ROLE).send().await.unwrap();
    assert_eq!(start.elapsed(), latency);
}
