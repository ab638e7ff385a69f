//! Where somebody is subscribed by e-mail, no process publishes more notices in any second than SNS
//! lets such a subscription have, less one.

use std::collections::VecDeque;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::result::count_published;

const SECOND: Duration = Duration::from_secs(1);
const MOST: usize = 9;
/// With more notices of all processes, SNS suspends the subscription, and no limit is needed.
const SUSPENDED: usize = 10;

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    if !evidence.record.plan.mails {
        return;
    }
    let mut publishes: Vec<_> =
        evidence.publishes.iter().copied().filter(|one| is_awaited(one)).collect();
    publishes.sort_by_key(|publish| publish.effect);
    let mut second: VecDeque<(Instant, &Call)> = VecDeque::new();
    for publish in publishes {
        let now = publish.acted.unwrap();
        while second.front().is_some_and(|(at, _)| *at + SECOND <= now) {
            second.pop_front();
        }
        second.push_back((now, publish));
        let notices = |is_meant: &dyn Fn(&Call) -> bool| -> usize {
            let calls = second.iter().filter(|(_, call)| is_meant(call));
            calls.map(|(_, call)| count_published(call)).sum()
        };
        let own = notices(&|call| call.caller == publish.caller);
        if own > MOST {
            let (name, at) = (&publish.caller, evidence.since(now));
            violations.push(format!("{name} publishes {own} notices within a second, to {at}"));
            return;
        }
        if notices(&|_| true) > SUSPENDED {
            return;
        }
    }
}

/// Whether SNS carried a publish out while its caller waited for it. One that it carries out later
/// is counted in a second that the caller cannot know.
fn is_awaited(publish: &Call) -> bool {
    publish.acted.is_some() && publish.result != Outcome::Abandoned
}
