//! Reads the attributes of an instance from DescribeInstances.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{
    ArchitectureValues, DeviceType, HttpTokensState, IamInstanceProfile, Instance,
    InstanceLifecycleType, InstanceMetadataEndpointState, InstanceType, Placement, Tenancy,
};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcDateTime};

use crate::domain::policy::attribute::{Attribute, Attributes, Value};

/// The element of an instance, in EC2's XML, that has an attribute.
pub(super) fn element(attribute: Attribute) -> &'static [u8] {
    match attribute {
        Attribute::InstanceType => b"instanceType",
        Attribute::ImageId => b"imageId",
        Attribute::Architecture => b"architecture",
        Attribute::PlatformDetails => b"platformDetails",
        Attribute::Tenancy => b"placement",
        Attribute::RootDeviceType => b"rootDeviceType",
        Attribute::LaunchTime => b"launchTime",
        Attribute::Imdsv2Required => b"metadataOptions",
        Attribute::SecurityGroupIds => b"groupSet",
        Attribute::Lifecycle => b"instanceLifecycle",
        Attribute::KeyName => b"keyName",
        Attribute::VpcId => b"vpcId",
        Attribute::SubnetId => b"subnetId",
        Attribute::PrivateIpAddress => b"privateIpAddress",
        Attribute::PublicIpAddress => b"ipAddress",
        Attribute::IamInstanceProfileArn => b"iamInstanceProfile",
    }
}

/// The attributes of an instance, as far as they are wanted and the instance has them.
pub(super) fn of(instance: &Instance, wanted: &BTreeSet<Attribute>) -> Attributes {
    let read = |attribute: &Attribute| Some((*attribute, value(instance, *attribute)?));
    wanted.iter().filter_map(read).collect()
}

fn value(instance: &Instance, attribute: Attribute) -> Option<Value> {
    match attribute {
        Attribute::InstanceType => text(instance.instance_type().map(InstanceType::as_str)),
        Attribute::ImageId => text(instance.image_id()),
        Attribute::Architecture => text(instance.architecture().map(ArchitectureValues::as_str)),
        Attribute::PlatformDetails => text(instance.platform_details()),
        Attribute::Tenancy => {
            text(instance.placement().and_then(Placement::tenancy).map(Tenancy::as_str))
        }
        Attribute::RootDeviceType => text(instance.root_device_type().map(DeviceType::as_str)),
        Attribute::LaunchTime => instance.launch_time().and_then(time).map(Value::Time),
        Attribute::Imdsv2Required => imdsv2_required(instance),
        Attribute::SecurityGroupIds => {
            let groups = instance.security_groups().iter();
            let ids = groups.filter_map(|group| group.group_id().map(str::to_owned));
            Some(Value::Texts(ids.collect()))
        }
        Attribute::Lifecycle => {
            text(instance.instance_lifecycle().map(InstanceLifecycleType::as_str))
        }
        Attribute::KeyName => text(instance.key_name()),
        Attribute::VpcId => text(instance.vpc_id()),
        Attribute::SubnetId => text(instance.subnet_id()),
        Attribute::PrivateIpAddress => address(instance.private_ip_address()),
        Attribute::PublicIpAddress => address(instance.public_ip_address()),
        Attribute::IamInstanceProfileArn => {
            text(instance.iam_instance_profile().and_then(IamInstanceProfile::arn))
        }
    }
}

/// A text; EC2 sends an empty one for what an instance has not.
fn text(text: Option<&str>) -> Option<Value> {
    text.filter(|text| !text.is_empty()).map(|text| Value::Text(text.to_owned()))
}

fn address(text: Option<&str>) -> Option<Value> {
    text?.parse::<IpAddr>().ok().map(Value::Address)
}

fn time(time: &DateTime) -> Option<UtcDateTime> {
    UtcDateTime::from_unix_timestamp_nanos(time.as_nanos()).ok()
}

/// The time in a reason for the last change of the state, such as `User initiated (2026-11-26
/// 03:08:39 GMT)`. EC2 gives it after a stop, and an empty reason after a start.
pub(super) fn stopped_at(reason: &str) -> Option<UtcDateTime> {
    let (_, time) = reason.rsplit_once('(')?;
    let (day, time) = time.strip_suffix(" GMT)")?.split_once(' ')?;
    let time = OffsetDateTime::parse(&format!("{day}T{time}Z"), &Rfc3339).ok()?;
    time.checked_to_utc()
}

/// Whether the metadata service takes calls with a token only. One that is off takes none without.
fn imdsv2_required(instance: &Instance) -> Option<Value> {
    let options = instance.metadata_options()?;
    let is_off = options.http_endpoint() == Some(&InstanceMetadataEndpointState::Disabled);
    let needs_token = options.http_tokens() == Some(&HttpTokensState::Required);
    Some(Value::Truth(is_off || needs_token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_stop_is_read_from_ec2s_reason() {
        let at = stopped_at("User initiated (2026-11-26 03:08:39 GMT)").unwrap();
        assert_eq!(at.unix_timestamp(), 1_795_662_519);
        for reason in ["", "User initiated", "(2026-11-26)", "User initiated (soon GMT)"] {
            assert_eq!(stopped_at(reason), None, "{reason}");
        }
    }
}
