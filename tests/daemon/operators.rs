//! Operators with a topic of their own: they hear of what a person must act on, and no message waits
//! for that.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Notice, Sandbox};

use crate::scrape::Scrape;
use crate::world::{World, pass};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const SUBJECT: &str = "EC2 policy enforcer: nobody hears of stops";

/// A world with a topic of the operators. To that of the owners nobody is subscribed, which operators
/// are told.
fn unheard() -> (World, String) {
    let world = World::new();
    let topic = world.aws.topic("operators");
    let world = world.set("ENFORCER_TOPIC__OPERATORS_ARN", &topic);
    (world.set("ENFORCER_SIZES__POLLERS", "1"), topic)
}

/// What was published to a topic.
fn published(aws: &Sandbox, topic: &str) -> Vec<Notice> {
    let mut notices = aws.notices();
    notices.retain(|notice| notice.topic_arn == topic);
    notices
}

fn told(world: &World, result: &str) -> usize {
    let result = format!("\"{result}\"");
    Scrape::read(&world.health.scrape()).sum("enforcer_operator_notices_total", &[&result])
}

#[tokio::test(start_paused = true)]
async fn operators_hear_once_an_hour_that_owners_do_not() {
    let (world, topic) = unheard();
    let world = world.started();
    pass(MINUTE).await;
    let notices = published(&world.aws, &topic);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].subject.as_deref(), Some(SUBJECT));
    let arn = &world.resources.topic_arn;
    assert!(notices[0].message.contains(arn.as_str()), "{}", notices[0].message);
    pass(58 * MINUTE).await;
    assert_eq!(published(&world.aws, &topic).len(), 1);
    assert_eq!((told(&world, "told"), told(&world, "told_before")), (1, 3));
    pass(16 * MINUTE).await;
    assert_eq!(published(&world.aws, &topic).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_topic_of_their_own_operators_are_not_told_what_owners_would_not_hear() {
    let world = World::new().started();
    pass(2 * HOUR).await;
    assert_eq!((world.aws.notices().len(), told(&world, "told")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_message_waits_for_a_notice_to_operators_and_an_hour_later_it_is_lost() {
    let world = World::new();
    let (stem, _) = world.resources.topic_arn.rsplit_once(':').unwrap();
    let missing = format!("{stem}:operators");
    let mut world = world.set("ENFORCER_TOPIC__OPERATORS_ARN", &missing).started();
    pass(5 * MINUTE).await;
    assert_eq!(world.health.troubles(), Vec::<String>::new());
    let remarks = world.health.remarks();
    assert!(remarks.iter().any(|line| line.contains("PublishToOperators")), "{remarks:?}");
    let id = world.violator();
    world.all_settled_within(MINUTE).await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
    pass(HOUR).await;
    assert!(told(&world, "lost") >= 1);
    assert_eq!(world.aws.topic("operators"), missing);
    pass(HOUR).await;
    assert!(told(&world, "told") >= 1);
    let remarks = world.health.remarks();
    assert!(!remarks.iter().any(|line| line.contains("PublishToOperators")), "{remarks:?}");
    assert!(world.drain().await.complete());
}
