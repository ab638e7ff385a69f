//! The settings of daemons that have others than the default ones.

use crate::fleet::REGIONS;

/// Policies that the events of no trial violate, and the accounts that they name.
pub const POLICIES: [(&str, &str); 2] = [
    ("ENFORCER_POLICY__INLINE", include_str!("policies.cedar")),
    ("ENFORCER_POLICY__UNITS__SANDBOX", "123456789012"),
];

/// Everything that is off by default and costs something, but policies and a grace. The audit trail
/// is on, too.
pub const ALL: [(&str, &str); 7] = [
    ("ENFORCER_POLICY__TAG_CHANGES", "true"),
    ("ENFORCER_POLICY__EXCEPTION_EXPIRES", "true"),
    // The highest budget: a trial has fewer violators, so that none is held.
    ("ENFORCER_BUDGET__STOPS", "10000"),
    ("ENFORCER_NOTICE__DIGEST", "true"),
    ("ENFORCER_NOTICE__ATTRIBUTES", "true"),
    ("ENFORCER_NOTICE__FORMAT", "json"),
    // Instances have the second one.
    ("ENFORCER_NOTICE__OWNER_TAGS", "Team,Owner"),
];

/// A grace that does not end before the trial, and no digests: each owner is told at once.
pub const GRACE: [(&str, &str); 3] = [
    ("ENFORCER_POLICY__GRACE", "1h"),
    ("ENFORCER_POLICY__SINCE", "2026-01-01"),
    ("ENFORCER_POLICY__TAG_CHANGES", "true"),
];

/// Every account whose events reach the queue, in the regions of a fleet.
pub const MEMBERS: [(&str, &str); 2] =
    [("ENFORCER_ACCOUNTS__IDS", "any"), ("ENFORCER_SCOPE__REGIONS", REGIONS)];
