//! Checks that a contender did everything that the contract wants, and nothing else.

use std::collections::HashMap;

use ec2_policy_enforcer::sandbox::{Sandbox, State};

use super::load::Event;
use super::measures::Earlier;
use super::told::{Told, told};

/// Lists what a contender did wrong. Its speed is worth nothing then.
pub fn mistakes(aws: &Sandbox, events: &[Event], earlier: &Earlier) -> Vec<String> {
    let states = states(aws);
    let runs = |event: &&Event| states.get(&event.instance) == Some(&State::Running);
    let (to_stop, to_spare): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.is_to_stop());
    let notices = Notices::of(aws, earlier);
    let wanted: usize = events.iter().map(|event| event.told.len()).sum();
    let missing = events.iter().map(|event| notices.missing(event)).sum();
    let mistakes = [
        (aws.depth(), "messages left in the queue"),
        (aws.dead_letters().len(), "messages in the dead-letter queue"),
        (to_stop.iter().copied().filter(runs).count(), "violators still running"),
        (to_spare.iter().filter(|event| !runs(event)).count(), "instances stopped that may run"),
        (missing, "notices missing"),
        ((notices.all + missing).saturating_sub(wanted), "notices too many"),
    ];
    let mistakes = mistakes.into_iter().filter(|(count, _)| *count > 0);
    mistakes.map(|(count, what)| format!("{count} {what}")).collect()
}

/// The states of the instances of all accounts.
fn states(aws: &Sandbox) -> HashMap<String, State> {
    let accounts = aws.accounts().into_iter();
    let instances = accounts.flat_map(|account| aws.in_account(&account).instances());
    instances.map(|instance| (instance.id, instance.state)).collect()
}

/// What was published in the scene. A digest counts as a notice for each instance that it names.
struct Notices {
    /// How many there are, with those that tell nothing.
    all: usize,
    /// How often each instance was named with each thing.
    told: HashMap<(String, Told), usize>,
}

impl Notices {
    fn of(aws: &Sandbox, earlier: &Earlier) -> Self {
        let (mut all, mut times) = (0, HashMap::new());
        for notice in aws.notices().into_iter().skip(earlier.notices) {
            let told = told(&notice.message);
            all += told.len().max(1);
            for (instance, what) in told {
                *times.entry((instance.to_owned(), what)).or_default() += 1;
            }
        }
        Self { all, told: times }
    }

    /// How much of what its owner is to be told of an event was not told.
    fn missing(&self, event: &Event) -> usize {
        let was_told = |what: &&Told| self.told.contains_key(&(event.instance.clone(), **what));
        event.told.iter().filter(|what| !was_told(what)).count()
    }
}
