//! Owners who answer the notice of a planned stop: they give the instance the exception tag.

use anyhow::Context;
use ec2_policy_enforcer::sandbox::{Message, Sandbox, Visibility};
use serde_json::Value;
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Duration, Instant, interval, sleep, timeout};

use super::CHECK_INTERVAL;
use super::load::Event;

/// How long ago instances started whose stop is to be planned: the daemon plans none in the first
/// two minutes after a start, and a trial does not wait for them.
pub const AGE: Duration = Duration::from_mins(3);
/// A message that is hidden for longer than this waits for its stop: no lease is so long.
const LEASE: Duration = Duration::from_mins(10);
/// How long the planning may take.
const PLANNING_LIMIT: Duration = Duration::from_mins(1);
/// The tag that exempts.
pub const EXCEPTION_TAG: &str = "SPECIAL_EXCEPTION";

/// An event with a time that lies as far back as the start of its instance.
pub fn aged(aws: &Sandbox, event: &str) -> anyhow::Result<String> {
    let mut event: Value = serde_json::from_str(event)?;
    let started = UtcDateTime::from(aws.clock().wall(Instant::now())) - AGE;
    event["time"] = started.truncate_to_second().format(&Rfc3339)?.into();
    Ok(event.to_string())
}

/// Waits until so many messages are hidden until their stops, so that all owners were told.
pub async fn all_planned(aws: &Sandbox, count: usize) -> anyhow::Result<()> {
    let planned = timeout(PLANNING_LIMIT, async {
        while aws.messages().iter().filter(|message| waits_for_stop(message)).count() < count {
            sleep(CHECK_INTERVAL).await;
        }
    });
    planned.await.context("the contender does not plan all stops")
}

/// Has the owner of each instance tag it, one each time the interval has passed. Returns the events
/// of the changes of tags.
pub async fn answered(aws: &Sandbox, starts: &[Event], rhythm: Duration) -> Vec<Event> {
    let (mut rhythm, mut answers) = (interval(rhythm), Vec::with_capacity(starts.len()));
    for start in starts {
        rhythm.tick().await;
        answers.push(answer(aws, start));
    }
    answers
}

fn waits_for_stop(message: &Message) -> bool {
    let soon = Instant::now() + LEASE;
    matches!(message.visibility, Visibility::Held { until } if until > soon)
}

/// Tags an instance, and sends the event as a rule of `EventBridge` does, but without its delay.
fn answer(aws: &Sandbox, start: &Event) -> Event {
    let (instance, visible) = (start.instance.clone(), Instant::now());
    aws.tag(&instance, EXCEPTION_TAG, "approved");
    let message = aws.send(&aws.tag_event(&instance, &[EXCEPTION_TAG]));
    Event { instance, message, told: start.told, visible }
}
