//! Policies in Cedar, as the daemon enforces them.

use std::sync::Arc;
use std::time::Duration;

use ec2_policy_enforcer::domain::ids::{Account, Region};
use ec2_policy_enforcer::sandbox::{Fault, Launch, Lifecycle, Rule};
use ec2_policy_enforcer::settings::{Live, Place};

use crate::world::{TAG, World, pass, tagging};

/// Forbids large instances in this mode.
fn large(mode: &str) -> String {
    format!(
        "@id(\"small-only\") @mode(\"{mode}\") @description(\"Ask in #cloud.\")\n\
         forbid (principal, action == Action::\"run\", resource)\n\
         unless {{ [\"t3.micro\", \"t3.small\"].contains(resource.instanceType) }};"
    )
}

/// A world with these policies and without the built-in one.
fn with(policies: &str) -> World {
    let world = World::new().set("ENFORCER_POLICY__BUILTIN", "false");
    world.set("ENFORCER_POLICY__INLINE", policies)
}

fn launch_large(world: &World) -> String {
    world.aws.launch(Launch::default().instance_type("m5.large").tagged("Owner", "web"))
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_violates_an_enforced_policy_is_stopped_and_its_owner_told_why() {
    let mut world = with(&large("enforce")).started();
    let (bad, good) = (launch_large(&world), world.violator());
    world.all_settled().await;
    assert!(!world.is_running(&bad) && world.is_running(&good));
    assert_eq!(
        world.texts(),
        [format!(
            "EC2 {bad} Stopped\nPolicy small-only: Ask in #cloud.\n\
             To exempt the instance, give it the tag {TAG}."
        )]
    );
    world.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_warns_stops_nothing() {
    let world = with(&large("warn")).started();
    let bad = launch_large(&world);
    world.all_settled().await;
    assert!(world.is_running(&bad));
    let texts = world.texts();
    assert!(texts[0].starts_with(&format!("EC2 {bad} violates small-only\n")), "{texts:?}");
    assert_eq!((texts.len(), world.calls("StopInstances")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_stops_nothing_and_tells_nobody() {
    for (policies, mode) in [(large("dry-run"), "enforce"), (large("enforce"), "dry-run")] {
        let world = with(&policies).set("ENFORCER_POLICY__MODE", mode).started();
        let bad = launch_large(&world);
        let managed = world.aws.launch(Launch::default().instance_type("m5.large").managed());
        world.all_settled().await;
        assert!(world.is_running(&bad) && world.is_running(&managed));
        assert_eq!((world.texts().len(), world.calls("StopInstances")), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_exception_tag_spares_from_every_policy_that_does_not_ignore_it() {
    let ignoring = large("enforce").replace("@mode", "@exception(\"ignored\") @mode");
    for (policies, is_spared) in [(large("enforce"), true), (ignoring, false)] {
        let world = with(&policies).started();
        let tagged = Launch::default().instance_type("m5.large").tagged(TAG, "yes");
        let id = world.aws.launch(tagged);
        world.all_settled().await;
        assert_eq!(world.is_running(&id), is_spared);
        let texts = world.texts();
        let told = texts.iter().any(|text| text.ends_with("does not exempt from small-only."));
        assert_eq!(told, !is_spared, "{texts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_built_in_policy_binds_beside_the_others_with_the_text_of_the_contract() {
    let world = World::new().set("ENFORCER_POLICY__INLINE", &large("warn")).started();
    let (small, big) = (world.violator(), launch_large(&world));
    world.all_settled().await;
    assert!(!world.is_running(&small) && !world.is_running(&big));
    let texts = world.texts();
    assert!(texts.contains(&format!("EC2 {small} Stopped")), "{texts:?}");
    let of_both = format!(
        "EC2 {big} Stopped\nPolicy builtin: no tag {TAG}\nPolicy small-only: Ask in #cloud.\n"
    );
    assert!(texts.iter().any(|text| text.starts_with(&of_both)), "{texts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_beside_the_built_in_policy_leaves_the_text_of_the_contract() {
    let world = World::new().set("ENFORCER_POLICY__INLINE", &large("dry-run")).started();
    let id = launch_large(&world);
    world.all_settled().await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

/// Forbids instances without an owner.
const OWNED: &str = "@id(\"owned\") @mode(\"enforce\")\n\
    forbid (principal, action == Action::\"run\", resource)\n\
    unless { resource.hasTag(\"Owner\") };";

#[tokio::test(start_paused = true)]
async fn only_mentioned_tags_are_asked_for() {
    let world = with(OWNED).started();
    let owned = world.aws.launch(Launch::default().usually_tagged());
    let other = world.aws.launch(Launch::default().tagged("Name", "x"));
    world.all_settled().await;
    assert!(world.is_running(&owned) && !world.is_running(&other));
    let shown = world.aws.calls("DescribeTags");
    let keys =
        shown.iter().filter_map(|call| call.shown.get(&owned)).flat_map(|one| one.tags.keys());
    assert_eq!(keys.collect::<std::collections::BTreeSet<_>>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_only_one_call_shows_neither_stops_nor_exempts() {
    for unseen_by in ["DescribeTags", "DescribeInstances"] {
        let forbidden = OWNED.replace("unless", "when");
        for policy in [OWNED, &forbidden] {
            let world = with(policy);
            let id = world.aws.launch(Launch::default().tagged("Owner", "web"));
            world.aws.hide_tags(&id, unseen_by);
            let world = world.started();
            pass(Duration::from_mins(1)).await;
            assert!(world.is_running(&id), "{policy} {unseen_by}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_violation_by_the_second_reading_alone_is_looked_at_again_after_10_s() {
    let world = with(OWNED);
    let id = world.aws.launch(Launch::default().tagged("Owner", "web"));
    let untag = {
        let id = id.clone();
        Fault::run(move |aws: &ec2_policy_enforcer::sandbox::Sandbox| aws.untag(&id, "Owner"))
    };
    world.aws.inject(Rule::on("DescribeInstances").fault(untag).times(1));
    let world = world.started();
    world.all_settled().await;
    assert!(!world.is_running(&id));
    assert_eq!(world.timeouts(), [10]);
    assert_eq!(world.calls("DescribeTags"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_instance_tagged_between_the_two_looks_is_spared() {
    let world = with(OWNED);
    let id = world.aws.launch(Launch::default());
    world.aws.inject(Rule::on("DescribeInstances").fault(Fault::run(tagging(&id))).times(1));
    let world = world.started();
    world.all_settled().await;
    assert!(world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn compliant_instances_take_no_permits_to_stop() {
    let world = with(&large("enforce")).with_usual_latencies().started();
    // More than the 1,000 instances of the bucket, which is refilled with 20 a second.
    let all: Vec<_> = (0..1500).map(|_| world.violator()).collect();
    let began = tokio::time::Instant::now();
    world.all_settled().await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(all.iter().all(|id| world.is_running(id)));
}

#[tokio::test(start_paused = true)]
async fn a_spot_instance_that_cannot_be_stopped_is_told_with_the_policy() {
    let world = with(&large("enforce")).started();
    let spot = Launch::default().instance_type("m5.large").lifecycle(Lifecycle::SpotOneTime);
    let id = world.aws.launch(spot);
    world.all_settled().await;
    let text = world.texts().swap_remove(0);
    let begins = format!("EC2 {id} NOT stopped: one-time spot instance\nPolicy small-only");
    assert!(text.starts_with(&begins), "{text}");
}

/// A condition for each attribute and each source of facts, with an id.
const CONDITIONS: [(&str, &str); 20] = [
    ("account", "resource in Account::\"123456789012\""),
    ("address", "resource has publicIpAddress && resource.publicIpAddress == ip(\"203.0.113.7\")"),
    ("architecture", "resource.architecture == \"arm64\""),
    ("date", "resource.dates.hasTag(\"end\") && resource.dates.getTag(\"end\") < context.now"),
    ("group", "resource in AutoScalingGroup::\"123456789012/us-east-1/web\""),
    ("groups", "resource.securityGroupIds.contains(\"sg-0123456789abcdef0\")"),
    ("image", "resource.imageId == \"ami-0123456789abcdef0\""),
    ("imds", "!resource.imdsv2Required"),
    ("key", "resource has keyName && resource.keyName == \"mine\""),
    ("launch", "resource.launchTime < context.now.offset(duration(\"-1d\"))"),
    ("lifecycle", "resource has lifecycle && resource.lifecycle == \"spot\""),
    ("platform", "resource.platformDetails == \"Windows\""),
    ("private", "resource has privateIpAddress && resource.privateIpAddress == ip(\"10.9.8.7\")"),
    (
        "profile",
        "resource has iamInstanceProfileArn && resource.iamInstanceProfileArn like \"*/admin\"",
    ),
    ("region", "resource in Region::\"us-east-1\""),
    ("root", "resource.rootDeviceType == \"ebs\""),
    ("subnet", "resource has subnetId && resource.subnetId == \"subnet-0123456789abcdef0\""),
    ("tag", "resource.hasTag(\"Owner\") && resource.getTag(\"Owner\") == \"web\""),
    ("tenancy", "resource.tenancy == \"dedicated\""),
    ("type", "resource.instanceType == \"m6g.large\""),
];
/// Those that a plain instance meets as well.
const COMMON: [&str; 3] = ["account", "region", "root"];

#[tokio::test(start_paused = true)]
async fn policies_read_of_an_instance_what_ec2_says_about_it() {
    let policies = CONDITIONS.map(|(id, condition)| {
        format!(
            "@id(\"{id}\") @mode(\"warn\") forbid (principal, action == Action::\"run\", resource)\n\
             when {{ {condition} }};\n"
        )
    });
    let world = with(&policies.concat()).started();
    let special = Launch::default()
        .instance_type("m6g.large")
        .image("ami-0123456789abcdef0")
        .platform("Windows")
        .tenancy("dedicated")
        .lifecycle(Lifecycle::SpotPersistent)
        .launched_ago(Duration::from_hours(48))
        .imdsv2_optional()
        .security_groups(["sg-1", "sg-0123456789abcdef0"])
        .subnet("vpc-0123456789abcdef0", "subnet-0123456789abcdef0")
        .private_address("10.9.8.7")
        .public_address("203.0.113.7")
        .key_name("mine")
        .profile("admin")
        .auto_scaling_group("web")
        .tagged("Owner", "web")
        .tagged("end", "until=2020-01-01");
    let (special, plain) = (world.aws.launch(special), world.violator());
    world.all_settled().await;
    let texts = world.texts();
    let violated = |id: &str| {
        let begins = format!("EC2 {id} violates ");
        let line = texts.iter().find_map(|text| text.strip_prefix(&begins)).unwrap();
        line.lines().next().unwrap().split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(violated(&special), CONDITIONS.map(|(id, _)| id));
    assert_eq!(violated(&plain), COMMON);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_warned_of_is_judged_anew_by_other_policies() {
    let (change, followed) = tokio::sync::watch::channel(with(&large("warn")).settings().live());
    let mut world = with(&large("warn")).following(followed).started();
    let id = world.aws.launch(Launch::default().instance_type("m5.large").quiet());
    let event = world.aws.event(&id);
    for _ in 0..2 {
        world.aws.send(&event);
        world.all_settled().await;
    }
    assert_eq!((world.texts().len(), world.is_running(&id)), (1, true));
    let enforcing = with(&large("enforce")).settings();
    let place = Place {
        account: Account::parse("123456789012"),
        default_region: Region::parse("us-east-1").unwrap(),
    };
    let policies = Some(Arc::new(enforcing.policies(&place).unwrap()));
    change.send_replace(Live { policies, ..enforcing.live() });
    world.aws.send(&event);
    world.all_settled().await;
    assert_eq!((world.texts().len(), world.is_running(&id)), (2, false));
    world.drain().await;
}
