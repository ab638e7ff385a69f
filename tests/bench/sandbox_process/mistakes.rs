//! Checks that a contender did everything that the contract wants, and nothing else.

use std::collections::HashMap;

use ec2_policy_enforcer::sandbox::{Sandbox, State};

use super::load::Event;

/// Lists what a contender did wrong. Its speed is worth nothing then.
pub fn mistakes(aws: &Sandbox, events: &[Event]) -> Vec<String> {
    let states: HashMap<String, State> =
        aws.instances().into_iter().map(|instance| (instance.id, instance.state)).collect();
    let runs = |event: &&Event| states.get(&event.instance) == Some(&State::Running);
    let (violators, exempt): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.violator);
    let notices = Notices::of(aws);
    let unannounced = violators.iter().filter(|event| notices.about(&event.instance) == 0).count();
    let mistakes = [
        (aws.depth(), "events left in the queue"),
        (aws.dead_letters().len(), "events in the dead-letter queue"),
        (violators.iter().copied().filter(runs).count(), "violators still running"),
        (exempt.iter().filter(|event| !runs(event)).count(), "exempt instances stopped"),
        (unannounced, "violators without a notice"),
        (notices.all.saturating_sub(violators.len() - unannounced), "notices too many"),
    ];
    let mistakes = mistakes.into_iter().filter(|(count, _)| *count > 0);
    mistakes.map(|(count, what)| format!("{count} {what}")).collect()
}

/// How often each text was published.
struct Notices {
    all: usize,
    texts: HashMap<String, usize>,
}

impl Notices {
    fn of(aws: &Sandbox) -> Self {
        let notices = aws.notices();
        let all = notices.len();
        let mut texts = HashMap::new();
        for notice in notices {
            *texts.entry(notice.message).or_default() += 1;
        }
        Self { all, texts }
    }

    fn about(&self, instance: &str) -> usize {
        self.texts.get(&format!("EC2 {instance} Stopped")).copied().unwrap_or_default()
    }
}
