//! A digest: one notice of many instances of one owner.

use std::collections::{BTreeMap, BTreeSet};

use super::style::UNKNOWN_OWNER;
use super::told::Told;
use crate::domain::outcome::Outcome;

/// The most instances of one digest.
pub(crate) const LINE_LIMIT: usize = 3000;

/// What is told of several instances.
pub(super) struct Digest<'d> {
    /// What is told of each; at least of one.
    pub(super) all: &'d [Told<'d>],
    /// The owner of all of them.
    pub(super) owner: &'d str,
}

impl<'d> Digest<'d> {
    /// The first line.
    pub(super) fn head(&self) -> String {
        let count = self.all.len();
        match self.owner {
            UNKNOWN_OWNER => format!("{count} notices about EC2 instances without a known owner"),
            owner => format!("{count} notices about EC2 instances of {owner}"),
        }
    }

    /// A line for each instance: the first line of its own notice, and the policies.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.all.iter().filter_map(|told| {
            let first = told.first_line()?;
            // A warning names its policies itself.
            let names = told.reason.has_lines() && told.outcome != Outcome::Warned;
            let ended = told.reason.ended_at();
            let ended = ended.map(|at| format!("; its exemption ended at {at}"));
            let line = match &*told.reason.policies() {
                _ if !names => first,
                [policy] => format!("{first} (policy {policy})"),
                policies => format!("{first} (policies {})", policies.join(", ")),
            };
            Some(line + &ended.unwrap_or_default())
        })
    }

    /// A line for each policy, and how to be exempt; nothing where the built-in policy is the only
    /// one.
    pub(super) fn foot(&self) -> Vec<String> {
        let mut rules = BTreeMap::new();
        for told in self.all.iter().filter(|told| told.reason.has_lines()) {
            rules.extend(told.reason.told().map(|rule| (&*rule.id, (rule, told.reason))));
        }
        let lines: Vec<_> = rules.into_values().map(|(rule, reason)| reason.line(rule)).collect();
        let remedy = (!lines.is_empty()).then(|| self.remedy()).flatten();
        lines.into_iter().chain(remedy).collect()
    }

    /// How instances can be exempt.
    fn remedy(&self) -> Option<String> {
        let tag = self.all.first()?.reason.exception_tag;
        let ignoring: BTreeSet<_> =
            self.all.iter().flat_map(|told| told.reason.ignoring()).collect();
        let ids = ignoring.iter().copied().collect::<Vec<_>>().join(", ");
        Some(if ignoring.is_empty() {
            format!("To exempt an instance, give it the tag {tag}.")
        } else if ignoring == self.policies() {
            format!("The tag {tag} does not exempt from {ids}.")
        } else {
            format!("To exempt an instance, give it the tag {tag}; it does not exempt from {ids}.")
        })
    }

    /// The ids of all policies that are told of.
    pub(super) fn policies(&self) -> BTreeSet<&'d str> {
        self.all.iter().flat_map(|told| told.reason.policies()).collect()
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        let mut blocks = vec![self.head(), self.lines().collect::<Vec<_>>().join("\n")];
        let foot = self.foot();
        if !foot.is_empty() {
            blocks.push(foot.join("\n"));
        }
        blocks.join("\n\n")
    }

    /// The lines of the audit trail, one for each instance; `None` where there are none.
    pub(super) fn audit_lines(&self) -> Option<String> {
        let lines: Vec<_> = self.all.iter().filter_map(|told| told.line.as_deref()).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

#[cfg(test)]
mod tests;
