//! The account whose events count is the credentials' own, which STS says at the start.

use std::time::Duration;

use ec2_policy_enforcer::daemon::Error;
use ec2_policy_enforcer::sandbox::{Fault, Rule, Service};

use crate::world::{World, notices, pass};

/// A world in which STS fails, and in which the queue belongs to another account.
fn without_sts(fault: Fault) -> World {
    let world = World::new();
    world.aws.inject(Rule::on_service(Service::Sts).fault(fault));
    world
}

#[tokio::test(start_paused = true)]
async fn the_daemon_asks_sts_until_it_answers_and_rejects_nothing_meanwhile() {
    for fault in [Fault::error(503, "ServiceUnavailable"), Fault::HangBefore] {
        let mut world = without_sts(fault);
        let id = world.violator();
        world.start();
        pass(Duration::from_mins(10)).await;
        assert_eq!(world.calls("ReceiveMessage"), 0);
        assert_eq!(world.health.troubles(), ["starting: no contact with the queue and STS yet"]);
        world.aws.lift_all();
        world.all_settled_within(Duration::from_secs(30)).await;
        assert_eq!(world.texts(), notices(&[id], None));
        assert_eq!(world.health.troubles(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_sts_that_refuses_ends_the_start_with_the_remedy() {
    let mut world = without_sts(Fault::error(403, "AccessDenied"));
    world.start();
    let Err(Error::Failed(error)) = world.end().await else { panic!("it started") };
    assert!(error.to_string().ends_with("check them, or set scope.account"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn with_an_account_in_the_settings_the_daemon_works_without_sts() {
    let mut world = without_sts(Fault::error(503, "ServiceUnavailable"));
    world = world.set("ENFORCER_SCOPE__ACCOUNT", "123456789012");
    let id = world.violator();
    world.start();
    world.all_settled().await;
    assert_eq!(world.texts(), notices(&[id], None));
}
