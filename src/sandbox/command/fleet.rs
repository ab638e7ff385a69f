//! The instances that the command launches before the daemon starts.

use crate::cli::SandboxArguments;
use crate::sandbox::world::World;
use crate::sandbox::{Instance, Launch, Lifecycle, Root, Sandbox};

/// An event that names every instance at once to a careless reader: EC2 filters take `*`.
const UNUSABLE: &str = "i-*";

/// What was launched, as it was when it reached `running`.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) instances: Vec<Instance>,
    /// The message ids of the events that name no instance.
    pub(super) unusable: Vec<String>,
    /// The message ids of the events that tell of another state than `running`.
    pub(super) others: Vec<String>,
}

impl Fleet {
    /// Launches instances, and waits until they run and their events lie in the queue.
    pub(super) async fn launch(sandbox: &Sandbox, arguments: &SandboxArguments, tag: &str) -> Self {
        match arguments.instances {
            Some(count) => Self::plain(sandbox, count, arguments.exempt_ratio, tag).await,
            None => Self::of_each_kind(sandbox, tag).await,
        }
    }

    async fn plain(sandbox: &Sandbox, count: usize, exempt_ratio: f64, tag: &str) -> Self {
        let launches = plain(count, exempt_ratio, tag);
        let ids: Vec<_> = launches.into_iter().map(|launch| sandbox.launch(launch)).collect();
        Self { instances: running(sandbox, &ids).await, unusable: Vec::new(), others: Vec::new() }
    }

    async fn of_each_kind(sandbox: &Sandbox, tag: &str) -> Self {
        let doomed = sandbox.launch(Launch::default().tagged("Name", "terminated-meanwhile"));
        let others = of_each_kind(tag).map(|launch| sandbox.launch(launch));
        let ids: Vec<_> = others.into_iter().chain([doomed.clone()]).collect();
        let instances = running(sandbox, &ids).await;
        sandbox.terminate(&doomed);
        let unusable = sandbox.event(&doomed).replace(&doomed, UNUSABLE);
        let other = sandbox.event(&doomed).replace("running", "terminated");
        Self {
            instances,
            unusable: vec![sandbox.send(&unusable)],
            others: vec![sandbox.send(&other)],
        }
    }

    /// How many events there are.
    pub(super) fn events(&self) -> usize {
        self.instances.len() + self.unusable.len() + self.others.len()
    }

    /// Whether only unusable events are left and no instance is between two states.
    pub(super) fn is_finished(&self, sandbox: &Sandbox) -> bool {
        sandbox.read(is_at_rest) && sandbox.depth() <= self.unusable.len()
    }
}

/// Waits until nothing is on its way any more, and looks at the instances.
async fn running(sandbox: &Sandbox, ids: &[String]) -> Vec<Instance> {
    sandbox.wait_for(|sandbox| sandbox.read(is_at_rest)).await;
    ids.iter().filter_map(|id| sandbox.instance(id)).collect()
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

/// Mixes exempt instances evenly among untagged ones.
fn plain(count: usize, exempt_ratio: f64, tag: &str) -> Vec<Launch> {
    // Half an instance ahead, so that the sum is rounded and not cut off.
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
    fn the_exempt_instances_are_the_asked_for_part_of_all() {
        for (count, ratio, expected) in
            [(10, 0.1, 1), (5000, 0.5, 2500), (10, 0.0, 0), (10, 1.0, 10), (3, 0.5, 2)]
        {
            assert_eq!(exempt(count, ratio), expected, "{ratio} of {count}");
        }
    }
}
