//! Attributes: what policies can read of an instance besides its tags. They are named as in
//! DescribeInstances, but in camelCase.

use std::collections::BTreeMap;
use std::net::IpAddr;

use time::UtcDateTime;

/// What policies can read of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    InstanceType,
    ImageId,
    Architecture,
    PlatformDetails,
    Tenancy,
    RootDeviceType,
    LaunchTime,
    Imdsv2Required,
    SecurityGroupIds,
    Lifecycle,
    KeyName,
    VpcId,
    SubnetId,
    PrivateIpAddress,
    PublicIpAddress,
    IamInstanceProfileArn,
}

/// The kinds of value that an attribute can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Texts,
    Truth,
    Time,
    Address,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Texts(Vec<String>),
    Truth(bool),
    Time(UtcDateTime),
    Address(IpAddr),
}

/// The attributes of an instance, as far as they were read and the instance has them.
pub type Attributes = BTreeMap<Attribute, Value>;

/// What is fixed about an attribute.
struct Facet {
    attribute: Attribute,
    name: &'static str,
    kind: Kind,
    is_optional: bool,
    meaning: &'static str,
}

/// Every attribute, in the order of the documentation: first those that each instance has.
const FACETS: [Facet; 16] = {
    use Attribute as A;
    use Kind::{Address, Text, Texts, Time, Truth};
    [
        always(A::InstanceType, "instanceType", Text, "the instance type, such as `t3.micro`"),
        always(A::ImageId, "imageId", Text, "the id of the AMI that it was launched from"),
        always(A::Architecture, "architecture", Text, "`x86_64`, `arm64`, `i386`, …"),
        always(A::PlatformDetails, "platformDetails", Text, "such as `Linux/UNIX` or `Windows`"),
        always(A::Tenancy, "tenancy", Text, "`default`, `dedicated` or `host`"),
        always(A::RootDeviceType, "rootDeviceType", Text, "`ebs` or `instance-store`"),
        always(A::LaunchTime, "launchTime", Time, "when it was last started"),
        always(
            A::Imdsv2Required,
            "imdsv2Required",
            Truth,
            "whether its metadata service takes calls with a token only (IMDSv2), or is off",
        ),
        always(A::SecurityGroupIds, "securityGroupIds", Texts, "the ids of its security groups"),
        optional(
            A::Lifecycle,
            "lifecycle",
            Text,
            "`spot`, `scheduled` or `capacity-block`; an on-demand instance has none",
        ),
        optional(A::KeyName, "keyName", Text, "the name of its key pair"),
        optional(A::VpcId, "vpcId", Text, "the id of its VPC"),
        optional(A::SubnetId, "subnetId", Text, "the id of its subnet"),
        optional(A::PrivateIpAddress, "privateIpAddress", Address, "its private IPv4 address"),
        optional(
            A::PublicIpAddress,
            "publicIpAddress",
            Address,
            "its public IPv4 address, elastic or not",
        ),
        optional(
            A::IamInstanceProfileArn,
            "iamInstanceProfileArn",
            Text,
            "the ARN of its instance profile",
        ),
    ]
};

const fn always(
    attribute: Attribute,
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
) -> Facet {
    Facet { attribute, name, kind, is_optional: false, meaning }
}

const fn optional(
    attribute: Attribute,
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
) -> Facet {
    Facet { attribute, name, kind, is_optional: true, meaning }
}

impl Attribute {
    /// Every attribute, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        FACETS.iter().map(|facet| facet.attribute)
    }

    /// The attribute of a name; `None` if there is none.
    pub fn parse(name: &str) -> Option<Self> {
        FACETS.iter().find(|facet| facet.name == name).map(|facet| facet.attribute)
    }

    /// The name in policies.
    pub fn name(self) -> &'static str {
        self.facet().name
    }

    /// The kind of its value.
    pub fn kind(self) -> Kind {
        self.facet().kind
    }

    /// Whether an instance may be without it, so that a policy must ask `has` first.
    pub fn is_optional(self) -> bool {
        self.facet().is_optional
    }

    /// What it says, for the documentation.
    pub fn meaning(self) -> &'static str {
        self.facet().meaning
    }

    #[expect(clippy::indexing_slicing, reason = "a test holds that the table is in this order")]
    fn facet(self) -> &'static Facet {
        &FACETS[self as usize]
    }
}

impl Kind {
    /// The type in Cedar's schema.
    pub fn cedar_type(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Texts => "Set<String>",
            Self::Truth => "Bool",
            Self::Time => "datetime",
            Self::Address => "ipaddr",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_finds_its_own_row_of_the_table() {
        for (place, attribute) in Attribute::all().enumerate() {
            assert_eq!(attribute as usize, place);
            assert_eq!(Attribute::parse(attribute.name()), Some(attribute));
        }
    }
}
