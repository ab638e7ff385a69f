//! The instances that the command launches, and the events that it sends, before the daemon starts.

use std::time::Duration;

use tokio::time::Instant;

use super::{examples, members};
use crate::cli::SandboxArguments;
use crate::sandbox::world::World;
use crate::sandbox::{Instance, Launch, Lifecycle, Message, Root, Sandbox, Visibility};

/// An instance id that the daemon must reject: EC2's filters read `*` as a wildcard, so that a
/// look-up with it would find every instance.
const UNUSABLE: &str = "i-*";

/// How long a daemon hides a message at most while it works on it: the queue's visibility timeout,
/// and some time for the call.
const LONGEST_LEASE: Duration = Duration::from_secs(40);

/// As many messages are looked at one by one.
const FEW: usize = 100;

/// What was launched and sent.
#[derive(Debug)]
pub(super) struct Fleet {
    /// The instances as they were when they reached `running`.
    pub(super) instances: Vec<Instance>,
    /// The ids of the messages whose events have no usable instance id.
    pub(super) unusable: Vec<String>,
    /// The ids of the messages about another state than `running`.
    pub(super) other_states: Vec<String>,
}

impl Fleet {
    /// Launches instances, and waits until they run and their events are in the queue.
    pub(super) async fn launch(sandbox: &Sandbox, arguments: &SandboxArguments, tag: &str) -> Self {
        match arguments.instances {
            Some(count) => Self::plain(sandbox, count, arguments.exempt_ratio, tag).await,
            None if arguments.policies.is_some() => {
                let kinds = of_each_kind(tag).map(Launch::without_key).into_iter();
                let members = members::launches(sandbox, tag);
                Self::of(sandbox, kinds.chain(examples::launches()).chain(members)).await
            }
            None => {
                let members = members::launches(sandbox, tag);
                Self::of(sandbox, of_each_kind(tag).into_iter().chain(members)).await
            }
        }
    }

    async fn plain(sandbox: &Sandbox, count: usize, exempt_ratio: f64, tag: &str) -> Self {
        let planned = members::spread(sandbox, plain(count, exempt_ratio, tag)).into_iter();
        let placed: Vec<_> = planned.map(|one| launch(sandbox, one)).collect();
        let instances = running(sandbox, &placed).await;
        Self { instances, unusable: Vec::new(), other_states: Vec::new() }
    }

    /// Launches these, and one that is terminated before the daemon starts, and sends events that
    /// are not about an instance that runs.
    async fn of(sandbox: &Sandbox, launches: impl IntoIterator<Item = Launch>) -> Self {
        let doomed = sandbox.launch(Launch::default().tagged("Name", "terminated-meanwhile"));
        let others = launches.into_iter().map(|one| launch(sandbox, one));
        let placed: Vec<_> = others.chain([(sandbox.clone(), doomed.clone())]).collect();
        let instances = running(sandbox, &placed).await;
        sandbox.terminate(&doomed);
        let unusable = sandbox.event(&doomed).replace(&doomed, UNUSABLE);
        let other = sandbox.event(&doomed).replace("running", "terminated");
        Self {
            instances,
            unusable: vec![sandbox.send(&unusable)],
            other_states: vec![sandbox.send(&other)],
        }
    }

    /// How many events there are.
    pub(super) fn events(&self) -> usize {
        self.instances.len() + self.unusable.len() + self.other_states.len()
    }

    /// Whether no instance is between two states, and no message but the unusable ones is left in
    /// the queue, or those that are left are put off.
    pub(super) fn is_finished(&self, sandbox: &Sandbox) -> bool {
        let depth = sandbox.depth();
        let is_done =
            depth <= self.unusable.len() || depth <= FEW && self.are_others_put_off(sandbox);
        is_done && sandbox.read(is_at_rest)
    }

    /// Whether all messages but the unusable ones are hidden for longer than a daemon holds them:
    /// their stops are planned, or are to be when the instances are old enough for that.
    fn are_others_put_off(&self, sandbox: &Sandbox) -> bool {
        let held = Instant::now() + LONGEST_LEASE;
        let is_put_off = |message: &Message| matches!(message.visibility, Visibility::Held { until } if until > held);
        let messages = sandbox.messages();
        let mut others = messages.iter().filter(|message| !self.unusable.contains(&message.id));
        others.all(is_put_off)
    }
}

/// Launches an instance, and returns a handle of its account with its id.
fn launch(sandbox: &Sandbox, launch: Launch) -> (Sandbox, String) {
    let account = launch.account.as_deref();
    let place = account.map_or_else(|| sandbox.clone(), |account| sandbox.in_account(account));
    let id = place.launch(launch);
    (place, id)
}

/// Waits until no instance is between two states, and reads the instances.
async fn running(sandbox: &Sandbox, placed: &[(Sandbox, String)]) -> Vec<Instance> {
    sandbox.wait_for(|sandbox| sandbox.read(is_at_rest)).await;
    placed.iter().filter_map(|(place, id)| place.instance(id)).collect()
}

fn is_at_rest(world: &World) -> bool {
    world.schedule.next().is_none()
}

fn of_each_kind(tag: &str) -> [Launch; 9] {
    let named = |name| Launch::default().tagged("Name", name);
    [
        Launch::default().tagged(tag, "yes"),
        Launch::default(),
        Launch::default().tagged("Owner", "web-team").tagged("Stage", "test"),
        Launch::default().tagged(tag.to_lowercase(), "yes"),
        named("stop-protected").stop_protected(),
        named("one-time-spot").lifecycle(Lifecycle::SpotOneTime),
        named("persistent-spot").lifecycle(Lifecycle::SpotPersistent),
        named("instance-store").root(Root::InstanceStore),
        named("managed-by-aws").managed(),
    ]
}

/// Spreads exempt instances evenly among untagged ones: with a ratio of 0.25, every fourth is
/// exempt.
fn plain(count: usize, exempt_ratio: f64, tag: &str) -> Vec<Launch> {
    // Begins at a half, so that the number of exempt instances is rounded and not rounded down.
    let mut owed = 0.5;
    let mut next = || {
        owed += exempt_ratio;
        if owed < 1.0 {
            return Launch::default();
        }
        owed -= 1.0;
        Launch::default().tagged(tag, "yes")
    };
    (0..count).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exempt(count: usize, ratio: f64) -> usize {
        let launches = plain(count, ratio, "SPECIAL_EXCEPTION");
        assert_eq!(launches.len(), count);
        launches.iter().filter(|launch| format!("{launch:?}").contains("yes")).count()
    }

    #[test]
    fn as_many_instances_are_exempt_as_the_ratio_asks_for() {
        for (count, ratio, expected) in
            [(10, 0.1, 1), (5000, 0.5, 2500), (10, 0.0, 0), (10, 1.0, 10), (3, 0.5, 2)]
        {
            assert_eq!(exempt(count, ratio), expected, "{ratio} of {count}");
        }
    }
}
