//! What a reload changes, found by comparing values, and what of it needs a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::sections::{RetrySettings, Settings};
use crate::domain::ids::Region;
use crate::domain::policy::Policies;

/// The settings that every task of a running daemon follows. Together with `log.filter`, which
/// only the logs follow, these are the live ones: a change takes effect at the reload.
#[derive(Clone, Debug)]
pub struct Live {
    /// How failures back off.
    pub retry: RetrySettings,
    /// How much of EC2's token buckets may be used, in percent: 1 to 100.
    pub share_percent: u32,
    /// The regions whose instances count. Empty: the queue's region.
    pub regions: Vec<Region>,
    /// The policies; `None` before a reload: those that were loaded at the start.
    pub policies: Option<Arc<Policies>>,
}

/// The dotted keys whose values a reload changes, in alphabetical order.
#[derive(Debug, PartialEq, Eq)]
pub struct Changes {
    /// The live ones.
    pub live: Vec<String>,
    /// Those that take effect at the next restart.
    pub fixed: Vec<String>,
}

/// The key whose files a reload reads again, even if it names the same ones.
const POLICY_FILES: &str = "policy.files";

impl Settings {
    /// Whether the policies have to be read again to follow newer settings. Policies may name the
    /// regions that count.
    pub fn has_other_policies(&self, newer: &Self) -> bool {
        self.policy != newer.policy.clone().reloaded_over(&self.policy)
            || self.policy_texts != newer.policy_texts
            || (!self.policy_texts.is_empty() && self.scope.regions != newer.scope.regions)
    }

    /// These settings with the policies of newer ones. What is read of an instance beside what
    /// policies mention stays as it is until a restart.
    pub(crate) fn with_policies_of(&self, newer: &Self) -> Self {
        Self {
            policy: newer.policy.clone(),
            policy_texts: newer.policy_texts.clone(),
            scope: newer.scope.clone(),
            ..self.clone()
        }
    }

    /// What a running daemon follows of these settings.
    pub fn live(&self) -> Live {
        Live {
            retry: self.retry,
            share_percent: self.rate_limit.share_percent,
            regions: self.scope.regions.clone(),
            policies: None,
        }
    }

    /// Takes the live settings over from `newer`, and tells them from the other changes.
    pub fn follow(&mut self, newer: &Self) -> Changes {
        let mut changed = self.differences(newer);
        if self.has_rewritten_files(newer) {
            changed.push(POLICY_FILES.to_owned());
            changed.sort();
        }
        let Live { retry, share_percent, regions, .. } = newer.live();
        self.retry = retry;
        self.rate_limit.share_percent = share_percent;
        self.scope.regions = regions;
        self.log.clone_from(&newer.log);
        self.policy = newer.policy.clone().reloaded_over(&self.policy);
        self.policy_texts.clone_from(&newer.policy_texts);
        let fixed = self.differences(newer);
        changed.retain(|key| !fixed.contains(key));
        Changes { live: changed, fixed }
    }

    /// Whether the same files have other policies now.
    fn has_rewritten_files(&self, newer: &Self) -> bool {
        let names =
            |settings: &Self| (settings.policy.files.clone(), settings.policy.inline.clone());
        names(self) == names(newer) && self.policy_texts != newer.policy_texts
    }

    fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (self.values(), other.values());
        let differ = ours.into_iter().filter(|(key, value)| theirs.get(key) != Some(value));
        differ.map(|(key, _)| key).collect()
    }

    /// Every value by its dotted key.
    #[expect(clippy::expect_used, reason = "every section is a map with text as keys")]
    pub(super) fn values(&self) -> BTreeMap<String, Value> {
        let sections: BTreeMap<String, BTreeMap<String, Value>> =
            serde_json::to_value(self).and_then(serde_json::from_value).expect("sections of keys");
        let mut values = BTreeMap::new();
        for (section, keys) in sections {
            values.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
        }
        values
    }
}
