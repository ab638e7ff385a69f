//! Waits until all messages of a world are settled. Where stops are held, a person lets them go on
//! meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::world::World;

/// How long the daemon may take after the last fault. A retry can be delayed by up to 15 min.
const TIME_LIMIT: Duration = Duration::from_mins(40);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
/// How long SQS hides a message at most.
const HALF_A_DAY: Duration = Duration::from_hours(12);
/// How long a message is put off at most whose account cannot be called: 4 h, and 20 % by jitter.
const LONGEST_PUT_OFF: Duration = Duration::from_mins(288);
/// By then after the last hold has ended, each process has made visible what it hid: it reads the
/// tags every 30 s, and may not read its own ones until a minute after it set them.
const RELEASED: Duration = Duration::from_mins(4);

/// Waits until all messages are settled. While they are hidden until stops to come, it is not looked
/// every second whether they are.
pub(super) async fn settle(world: &World) {
    let limit = Instant::now() + TIME_LIMIT + longest_wait(world) + held_for(world);
    let mut free_since = Instant::now();
    while !world.is_settled() && Instant::now() < limit {
        let now = Instant::now();
        let Some(budget) = world.plan.budget else {
            sleep_until((now + world.hidden_for()).max(now + SECOND)).await;
            continue;
        };
        if world.is_held() {
            sleep(budget.resumed_after).await;
            world.resume();
            free_since = Instant::now();
        } else if !budget.waits_for_all && free_since + RELEASED <= now && world.is_stranded() {
            return;
        } else {
            sleep_until((now + world.hidden_for()).clamp(now + SECOND, now + MINUTE)).await;
        }
    }
}

/// How long messages may be hidden: until planned stops, or since their account could not be called.
fn longest_wait(world: &World) -> Duration {
    let put_off = world.plan.members.as_ref().map_or(Duration::ZERO, |_| LONGEST_PUT_OFF);
    world.plan.longest_wait() + put_off
}

/// How long stops may be held, which a person lets go on each time: with one stop each time, and
/// until what ended processes hid is visible.
fn held_for(world: &World) -> Duration {
    let Some(budget) = world.plan.budget else { return Duration::ZERO };
    let messages = u32::try_from(world.aws.depth()).unwrap();
    2 * HALF_A_DAY + (budget.resumed_after + 2 * MINUTE) * (messages + budget.max_receives)
}
