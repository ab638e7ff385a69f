//! The shape that every policy has: `forbid (…, action == Action::"run", …)`, without slots.

use cedar_policy::{ActionConstraint, Effect, Policy, PrincipalConstraint, ResourceConstraint};

use super::entities;
use super::refusal::Refusal;
use super::source::{Source, offset};

/// What is wrong with the shape of a policy.
pub(super) fn check(policy: &Policy, source: &Source) -> Vec<Refusal> {
    let refusal = |wrong, remedy| Refusal::at(source, offset(policy), wrong, remedy);
    let mut refusals = Vec::new();
    if policy.effect() == Effect::Permit {
        refusals.push(refusal(
            "permits what no policy forbids anyway",
            "write what is required: forbid (principal, action == Action::\"run\", resource) unless { … };",
        ));
    }
    if policy.action_constraint() != ActionConstraint::Eq(entities::run()) {
        refusals.push(refusal(
            "is not about the action \"run\", or not about it alone",
            "write action == Action::\"run\"",
        ));
    }
    if is_unconditional(policy) {
        refusals.push(refusal(
            "applies to every instance",
            "say which: a condition behind when or unless, or resource in …",
        ));
    }
    refusals
}

/// Whether nothing in a policy depends on the instance.
fn is_unconditional(policy: &Policy) -> bool {
    !policy.has_non_scope_constraint()
        && policy.principal_constraint() == PrincipalConstraint::Any
        && matches!(
            policy.resource_constraint(),
            ResourceConstraint::Any | ResourceConstraint::Is(_)
        )
}
