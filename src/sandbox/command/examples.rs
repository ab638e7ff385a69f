//! Instances that show the policies in `config/policies`: one that complies with all of them, and
//! one that violates each.

use std::time::Duration;

use super::daemon_settings::OTHER_REGION;
use crate::sandbox::Launch;

/// Over the age to which `sandbox-age.cedar` limits instances.
const TOO_OLD: Duration = Duration::from_hours(8 * 24);

/// What to launch. By night, `working-hours.cedar` is violated by all of them.
pub(super) fn launches() -> [Launch; 9] {
    [
        owned("compliant"),
        named("no-owner"),
        owned("large-type").instance_type("m7g.4xlarge"),
        owned("public-imdsv1").public_address("203.0.113.7").imdsv2_optional(),
        owned("gpu").instance_type("g6.xlarge"),
        owned("key-pair").key_name("web-team"),
        owned("group-member").key_name("web-team").auto_scaling_group("web"),
        owned("forgotten").launched_ago(TOO_OLD),
        owned("other-region").region(OTHER_REGION),
    ]
}

fn owned(name: &str) -> Launch {
    named(name).tagged("Owner", "web-team@example.com")
}

fn named(name: &str) -> Launch {
    Launch::default().without_key().tagged("Name", name)
}
