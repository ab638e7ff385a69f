//! How an instance stands with the policies.

use crate::commands::judging::{denying, judge};
use crate::domain::ids::InstanceId;
use crate::domain::notice::told;
use crate::domain::policy::Policies;
use crate::domain::policy::exemption::Exemption;
use crate::domain::policy::stored::Stored;

/// How an instance stands with the policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) instance: InstanceId,
    /// Who owns it: `unknown` where no tag says so.
    pub(super) owner: String,
    /// What the exception tag does for it.
    pub(super) exemption: Exemption,
    /// Whether it violates no policy because of the exception tag.
    pub(super) is_exempt: bool,
    /// The policies that it violates, of whatever mode.
    pub(super) violates: Vec<String>,
}

impl Standing {
    /// Judges an instance as the daemon would.
    pub(super) fn of(policies: &Policies, stored: &Stored, owner_tags: &[String]) -> Self {
        let judgement = judge(policies, stored);
        let violates = denying(&judgement, None);
        let exemption = judgement.decision.exemption;
        Self {
            instance: stored.instance.clone(),
            owner: told::owner(&[&stored.facts.tags], owner_tags),
            is_exempt: exemption.holds() && violates.is_empty(),
            exemption,
            violates,
        }
    }

    /// Until when it is exempt; empty where it is without end, or not exempt.
    pub(super) fn until(&self) -> String {
        self.exemption.ends().map(told::minutes).unwrap_or_default()
    }

    /// The word for it.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self { violates, .. } if !violates.is_empty() => "violates",
            Self { is_exempt: true, .. } => "exempt",
            _ => "complies",
        }
    }
}
