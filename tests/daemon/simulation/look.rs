//! Looks: the answers of an operation that describes, each with all of its pages.

use std::collections::BTreeMap;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use super::evidence::of;
use super::result::is_answered;

/// The answered pages of one `DescribeInstances`, or of one `DescribeTags`.
#[derive(Clone)]
pub(super) struct Look<'r> {
    pub pages: Vec<&'r Call>,
}

impl Look<'_> {
    /// When its first page was asked for. The age of the look counts from then.
    pub(super) fn at(&self) -> Instant {
        self.pages[0].at
    }

    pub(super) fn ended(&self) -> Instant {
        self.pages[self.pages.len() - 1].answered.unwrap()
    }

    pub(super) fn caller(&self) -> &str {
        &self.pages[0].caller
    }

    /// Whether its last page was answered.
    pub(super) fn is_complete(&self) -> bool {
        !self.pages[self.pages.len() - 1].has_more
    }

    /// The page that lists an instance.
    pub(super) fn page(&self, id: &str) -> Option<&Call> {
        self.pages.iter().copied().find(|page| page.seen_states.contains_key(id))
    }

    pub(super) fn state(&self, id: &str) -> Option<&str> {
        self.page(id).map(|page| page.seen_states[id].as_str())
    }
}

/// Finds the looks of an operation at every instance.
pub(super) fn looks<'r>(
    calls: &'r [Call],
    operation: &'static str,
) -> BTreeMap<&'r str, Vec<Look<'r>>> {
    let mut looks: Vec<Look<'r>> = Vec::new();
    for call in of(calls, operation).filter(|call| is_answered(call)) {
        let continued = |look: &&mut Look<'r>| {
            let last = look.pages[look.pages.len() - 1];
            let after = last.answered.is_some_and(|answered| answered <= call.at);
            last.has_more && after && last.caller == call.caller && last.subjects == call.subjects
        };
        match looks.iter_mut().rev().find(continued).filter(|_| call.turns_page) {
            Some(look) => look.pages.push(call),
            None => looks.push(Look { pages: vec![call] }),
        }
    }
    let mut by_instance: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for look in looks {
        for id in &look.pages[0].subjects {
            by_instance.entry(id.as_str()).or_default().push(look.clone());
        }
    }
    by_instance
}
