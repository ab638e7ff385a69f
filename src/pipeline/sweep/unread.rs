//! Which accounts and regions could not be swept, so that operators are told of all of them at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::aws::error::AwsError;
use crate::domain::ids::Region;
use crate::domain::target::TargetKey;
use crate::pipeline::operators::{Matter, OperatorNotice, Operators};

/// The most of them that a notice names.
const SHOWN: usize = 100;

/// The accounts and regions whose last sweep failed, with the error. Clones share the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread(Arc<Mutex<BTreeMap<TargetKey, String>>>);

impl Unread {
    /// Forgets those in other regions than these.
    pub(crate) fn keep(&self, regions: &[Region]) {
        self.lock().retain(|target, _| regions.contains(&target.region));
    }

    /// Notes that a sweep read all instances.
    pub(super) fn read(&self, target: &TargetKey) {
        self.lock().remove(target);
    }

    /// Notes that a sweep failed, and tells operators, once an hour, of all that do.
    pub(super) fn failed(&self, target: &TargetKey, error: &AwsError, operators: &Operators) {
        let lines = {
            let mut failed = self.lock();
            failed.insert(target.clone(), error.to_string());
            lines(&failed)
        };
        let text = format!(
            "All running instances of these accounts and regions were to be looked at, and cannot be \
             read, so that violators there are found by their events alone:\n\n{lines}\n\n\
             `ec2-policy-enforcer check --account ID` says what an account lacks."
        );
        let (matter, key) = (Matter::Unswept, "sweeps".to_owned());
        operators.tell(OperatorNotice { matter, key, text });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetKey, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lines(failed: &BTreeMap<TargetKey, String>) -> String {
    let lines = failed.iter().take(SHOWN).map(|(target, error)| format!("{target}: {error}"));
    let more = failed.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("and {more} more"));
    lines.chain(more).collect::<Vec<_>>().join("\n")
}
