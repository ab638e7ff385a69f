//! E-mail subscriptions: confirmed, suspended, deleted.

use std::time::Duration;

use tokio::time::advance;

use super::{World, world};
use crate::sandbox::Subscription;

const ADDRESS: &str = "owners@example.com";
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

impl World {
    async fn subscribe_mail(&self) -> Option<String> {
        let call = self.sns.subscribe().topic_arn(&self.made.topic_arn).protocol("email");
        call.endpoint(ADDRESS).send().await.unwrap().subscription_arn
    }

    async fn confirm(&self) -> String {
        let call = self.sns.confirm_subscription().topic_arn(&self.made.topic_arn);
        call.token(ADDRESS).send().await.unwrap().subscription_arn.unwrap()
    }

    async fn mail(&self, count: usize) {
        for _ in 0..count {
            let publish = self.sns.publish().topic_arn(&self.made.topic_arn);
            publish.message("stopped").send().await.unwrap();
        }
    }

    /// The ARNs that `ListSubscriptionsByTopic` tells.
    async fn arns(&self) -> Vec<String> {
        let call = self.sns.list_subscriptions_by_topic().topic_arn(&self.made.topic_arn);
        let listed = call.send().await.unwrap().subscriptions.unwrap_or_default();
        listed.into_iter().map(|one| one.subscription_arn.unwrap()).collect()
    }

    fn only(&self) -> Subscription {
        self.sandbox.subscriptions(&self.made.topic_arn).remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_gets_nothing_until_it_is_confirmed() {
    let world = world();
    assert_eq!(world.subscribe_mail().await.as_deref(), Some("pending confirmation"));
    world.mail(1).await;
    assert_eq!(world.arns().await, ["PendingConfirmation"]);
    let arn = world.confirm().await;
    world.mail(1).await;
    assert_eq!((world.arns().await, world.only().delivered), (vec![arn.clone()], 1));
    let read = world.sns.get_subscription_attributes().subscription_arn(arn);
    let attributes = read.send().await.unwrap().attributes.unwrap();
    assert_eq!((&*attributes["Endpoint"], &*attributes["PendingConfirmation"]), (ADDRESS, "false"));
}

#[tokio::test(start_paused = true)]
async fn ten_messages_a_second_are_delivered_and_the_eleventh_suspends() {
    let world = world();
    world.subscribe_mail().await;
    world.confirm().await;
    for _ in 0..3 {
        world.mail(10).await;
        advance(SECOND).await;
    }
    assert_eq!((world.only().delivered, world.only().suspended), (30, None));
    world.mail(11).await;
    assert_eq!(world.arns().await, ["PendingConfirmation"]);
    let seen = world.only();
    assert_eq!((seen.delivered, seen.confirmed), (40, false));
    assert_eq!(world.sandbox.suspended(), [(ADDRESS.to_owned(), seen.suspended.unwrap())]);
    assert_eq!(world.sandbox.notices().len(), 41);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_subscription_is_deleted_after_two_days_unless_it_is_confirmed_again() {
    let world = world();
    world.subscribe_mail().await;
    world.confirm().await;
    world.mail(11).await;
    advance(DAY).await;
    world.confirm().await;
    advance(DAY * 2).await;
    assert_eq!(world.arns().await.len(), 1);
    world.mail(11).await;
    advance(DAY * 2).await;
    assert!(world.arns().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_can_be_ended() {
    let world = world();
    world.subscribe_mail().await;
    let arn = world.confirm().await;
    world.sns.unsubscribe().subscription_arn(arn).send().await.unwrap();
    assert!(world.arns().await.is_empty());
}
