//! What a test case need not say: an instance as most are, in an account, a region and at a time
//! that policies seldom are about.

use serde_json::{Map, Value, json};
use time::UtcDateTime;

use crate::domain::policy::attribute::Value::Time;
use crate::domain::policy::attribute::{Attribute, Attributes};
use crate::domain::policy::dates;

/// The account of an instance whose case names none.
pub const ACCOUNT: &str = "123456789012";
/// The region of an instance whose case names none.
pub const REGION: &str = "us-east-1";
/// The id of an instance whose case names none.
pub const INSTANCE: &str = "i-0123456789abcdef0";
/// The time at which a case is decided that names none. It is fixed, so that a case that passes
/// today passes next year.
pub const NOW: &str = "2026-01-01T12:00:00Z";

/// The same as a time.
pub fn now() -> UtcDateTime {
    dates::beginning(NOW).unwrap_or(UtcDateTime::UNIX_EPOCH)
}

/// The attributes that every instance has, but for the time of its launch, which is that of the
/// decision.
pub fn attributes() -> Map<String, Value> {
    let Value::Object(attributes) = json!({
        "instanceType": "t3.micro",
        "imageId": "ami-0abcdef1234567890",
        "architecture": "x86_64",
        "platformDetails": "Linux/UNIX",
        "tenancy": "default",
        "rootDeviceType": "ebs",
        "imdsv2Required": true,
        "securityGroupIds": [],
    }) else {
        return Map::new();
    };
    attributes
}

/// Adds the time of the launch, if it is not known.
pub fn launched(attributes: &mut Attributes, now: UtcDateTime) {
    attributes.entry(Attribute::LaunchTime).or_insert(Time(now));
}
