//! Exemptions that end: their owners hear of it a week and a day before, and then the sweep stops the
//! instance.

use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::sandbox::{Launch, Options};
use time::{Month, UtcDateTime};
use tokio::time::Instant;

use super::{DAY, EVERY, HOUR, MINUTE, WEEK};
use crate::world::{TAG, World, pass};

/// A world so long before the end of 2026-12-31.
fn before_the_end(by: Duration) -> World {
    let end = time::Date::from_calendar_date(2027, Month::January, 1).unwrap();
    let end = SystemTime::from(UtcDateTime::new(end, time::Time::MIDNIGHT));
    let options =
        Options { began: Some(end - by), date_ahead: Some(Duration::ZERO), ..Options::default() };
    let world = World::with(options).set("ENFORCER_POLICY__EXCEPTION_EXPIRES", "true");
    world.set(EVERY, "1h").set("ENFORCER_SIZES__POLLERS", "1")
}

fn exempt_until(world: &World, value: &str) -> String {
    world.aws.launch(Launch::default().tagged(TAG, value))
}

#[tokio::test(start_paused = true)]
async fn an_owner_hears_a_week_before_the_end() {
    let world = before_the_end(WEEK + 3 * HOUR).started();
    let (id, began) = (exempt_until(&world, "until=2026-12-31"), Instant::now());
    exempt_until(&world, "ticket-4711");
    pass(12 * HOUR).await;
    let told = world.aws.notices();
    let text = format!(
        "EC2 {id} is exempt until 2027-01-01T00:00Z\nA later date in the tag {TAG} exempts it for \
         longer."
    );
    assert_eq!(told.iter().map(|one| &*one.message).collect::<Vec<_>>(), [text]);
    let after = told[0].at - began;
    assert!((3 * HOUR..=5 * HOUR).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_owner_hears_a_day_before_the_end_and_then_the_instance_is_stopped() {
    let world = before_the_end(DAY + 3 * HOUR).started();
    let (id, began) = (exempt_until(&world, "until=2026-12-31"), Instant::now());
    pass(DAY + 6 * HOUR).await;
    let told = world.aws.notices();
    let lines: Vec<_> = told.iter().map(|one| one.message.lines().next().unwrap()).collect();
    let soon = format!("EC2 {id} is exempt until 2027-01-01T00:00Z");
    assert_eq!(lines, [&soon, &format!("EC2 {id} Stopped")]);
    let after = [told[0].at - began, told[1].at - began];
    assert!((3 * HOUR..=5 * HOUR).contains(&after[0]), "{after:?}");
    assert!((DAY + 3 * HOUR..=DAY + 5 * HOUR).contains(&after[1]), "{after:?}");
    assert!(!world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn who_extends_the_exemption_hears_nothing() {
    let world = before_the_end(DAY + 2 * HOUR).started();
    let id = exempt_until(&world, "until=2026-12-31");
    pass(HOUR).await;
    world.aws.tag(&id, TAG, "until=2027-12-31");
    pass(DAY + 4 * HOUR).await;
    assert!(world.texts().is_empty() && world.is_running(&id), "{:?}", world.texts());
}

#[tokio::test(start_paused = true)]
async fn a_restart_tells_nobody_of_an_end_again() {
    let mut world = before_the_end(WEEK + 2 * HOUR).started();
    let id = exempt_until(&world, "until=2026-12-31");
    pass(5 * HOUR).await;
    assert_eq!(world.texts().len(), 1);
    assert!(world.drain().await.complete());
    world.start();
    pass(12 * HOUR).await;
    // Its own hour of the week may have come since.
    assert!(world.texts().len() <= 2, "{:?}", world.texts());
    assert!(world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn an_owner_hears_of_the_end_although_a_restart_came_at_that_moment() {
    let mut world = before_the_end(DAY + 6 * HOUR).started();
    let id = exempt_until(&world, "until=2026-12-31");
    pass(5 * HOUR + 59 * MINUTE).await;
    assert!(world.drain().await.complete());
    pass(2 * MINUTE).await;
    world.start();
    pass(2 * HOUR).await;
    assert_eq!(world.texts().len(), 1, "{:?}", world.texts());
    assert!(world.texts()[0].starts_with(&format!("EC2 {id} is exempt until")));
}
