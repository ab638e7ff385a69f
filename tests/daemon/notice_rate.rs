//! E-mail subscribers: SNS suspends a subscription that gets more than 10 messages a second. So
//! notices go out slowly where there are any, and operators hear where nobody is subscribed.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule, Subscription};
use tokio::time::Instant;

use crate::world::{World, notices, pass, violators};

/// Subscribes somebody to the topic, and confirms the subscription.
pub(crate) async fn subscribed(world: &World, protocol: &str) {
    let sns = aws_sdk_sns::Client::new(&world.aws.sdk_config());
    let call = sns.subscribe().topic_arn(&world.resources.topic_arn).protocol(protocol);
    call.endpoint("owners@example.com").send().await.unwrap();
    world.aws.confirm_subscriptions(&world.resources.topic_arn);
}

pub(crate) fn subscriptions(world: &World) -> Vec<Subscription> {
    world.aws.subscriptions(&world.resources.topic_arn)
}

/// The most notices that SNS accepted within any second.
pub(crate) fn most_in_a_second(world: &World) -> usize {
    let at: Vec<_> = world.aws.notices().iter().map(|notice| notice.at).collect();
    let within = |from: &Instant| {
        at.iter().filter(|at| **at >= *from && **at < *from + Duration::from_secs(1)).count()
    };
    at.iter().map(within).max().unwrap_or_default()
}

/// Lets 100 violators be stopped and announced, and returns how long that took.
async fn a_storm(world: &mut World) -> Duration {
    let ids = violators(world, 100);
    world.start();
    let began = Instant::now();
    world.all_settled().await;
    assert_eq!(world.texts(), notices(&ids, None));
    assert_eq!(world.most_receives(), 1);
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_notices_suspends_no_e_mail_subscription() {
    for protocol in ["email", "email-json"] {
        let mut world = World::new().with_usual_latencies();
        subscribed(&world, protocol).await;
        let took = a_storm(&mut world).await;
        assert!(subscriptions(&world)[0].confirmed);
        assert!(most_in_a_second(&world) <= 9, "{}", most_in_a_second(&world));
        assert!(took < Duration::from_secs(16), "{took:?}");
        let stops = world.aws.calls("StopInstances");
        let stopped = stops.last().unwrap().at - stops[0].at;
        assert!(stopped < Duration::from_secs(3), "stops wait for notices: {stopped:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_limit_sns_suspends_the_subscription_and_deletes_it_after_two_days() {
    let mut world = World::new().set("ENFORCER_NOTICE__PER_SECOND", "10000");
    subscribed(&world, "email").await;
    a_storm(&mut world).await;
    assert!(!subscriptions(&world)[0].confirmed);
    world.drain().await;
    pass(Duration::from_hours(48)).await;
    assert!(subscriptions(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_e_mail_subscribers_notices_go_out_at_once() {
    for protocol in ["lambda", "https"] {
        let mut world = World::new().with_usual_latencies();
        subscribed(&world, protocol).await;
        let took = a_storm(&mut world).await;
        assert!(took < Duration::from_secs(2), "{protocol}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_sns_does_not_say_who_is_subscribed_somebody_may_be_by_e_mail() {
    let mut world = World::new().with_usual_latencies();
    let denied = Fault::error(403, "AuthorizationError");
    world.aws.inject(Rule::on("ListSubscriptionsByTopic").fault(denied));
    a_storm(&mut world).await;
    assert!(most_in_a_second(&world) <= 9, "{}", most_in_a_second(&world));
}

#[tokio::test(start_paused = true)]
async fn a_number_limits_notices_whoever_is_subscribed() {
    let mut world = World::new().set("ENFORCER_NOTICE__PER_SECOND", "3");
    a_storm(&mut world).await;
    assert_eq!(most_in_a_second(&world), 3);
}

#[tokio::test(start_paused = true)]
async fn an_e_mail_subscriber_that_comes_later_is_noticed_within_15_minutes() {
    let world = World::new().with_usual_latencies().started();
    pass(Duration::from_secs(1)).await;
    subscribed(&world, "email").await;
    pass(Duration::from_mins(15)).await;
    violators(&world, 50);
    world.all_settled().await;
    assert!(most_in_a_second(&world) <= 9, "{}", most_in_a_second(&world));
    assert!(subscriptions(&world)[0].confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_on_a_later_page_is_found() {
    let mut world = World::with(ec2_policy_enforcer::sandbox::Options {
        page_size: Some(1),
        ..Default::default()
    });
    subscribed(&world, "lambda").await;
    subscribed(&world, "email").await;
    a_storm(&mut world).await;
    assert!(subscriptions(&world).iter().all(|one| one.confirmed));
}

#[tokio::test(start_paused = true)]
async fn a_drain_publishes_what_it_can_within_its_time_and_hands_back_the_rest() {
    let mut world = World::new().with_usual_latencies();
    subscribed(&world, "email").await;
    violators(&world, 500);
    world.start();
    world.aws.until("some are announced", |aws| aws.notices().len() >= 50).await;
    let (before, began) = (world.aws.notices().len(), Instant::now());
    let drained = world.drain().await;
    assert!(drained.complete());
    assert!(began.elapsed() <= Duration::from_secs(28), "{:?}", began.elapsed());
    let published = world.aws.notices().len() - before;
    assert!(published >= 180, "{published} in 25 s");
    assert!(world.aws.messages().iter().all(|message| !message.is_held()));
    assert_eq!(world.aws.messages().len() + world.aws.notices().len(), 500);
    assert!(subscriptions(&world)[0].confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_nobody_hears_is_a_warning_and_a_metric() {
    let world = World::new().started();
    pass(Duration::from_secs(1)).await;
    let unheard = |world: &World| {
        let is_shown = world.health.scrape().contains("\nenforcer_topic_unheard 1\n");
        (world.health.remarks().len(), is_shown, world.health.troubles().len())
    };
    assert_eq!(unheard(&world), (1, true, 0));
    subscribed(&world, "email").await;
    pass(Duration::from_mins(15)).await;
    assert_eq!(unheard(&world), (0, false, 0));
}
