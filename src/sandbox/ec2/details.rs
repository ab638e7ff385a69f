//! The attributes of an instance that `DescribeInstances` shows and a policy can read.

use std::time::{SystemTime, UNIX_EPOCH};

use super::instance::{Lifecycle, Root};

/// The image of an instance that is launched without one, in every region.
pub(in crate::sandbox) const IMAGE: &str = "ami-0abcdef1234567890";

/// The security groups of an instance that is launched without one, with their names.
const GROUPS: [(&str, &str); 2] =
    [("sg-0a1f9bb2c0d84e6f7", "default-egress"), ("sg-04d8f5f1a9c3b2e60", "application")];

/// The attributes of an instance, with the values that EC2 writes. By default those of a
/// `t3.micro` in a private subnet that requires IMDSv2 and has a key pair and an instance profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The type, such as `t3.micro`.
    pub instance_type: String,
    pub image: Image,
    /// `default`, `dedicated` or `host`.
    pub tenancy: String,
    pub lifecycle: Lifecycle,
    /// The time of the last start.
    pub launched: SystemTime,
    pub metadata: Metadata,
    pub network: Network,
    pub key_name: Option<String>,
    /// The ARN of the instance profile. A launch takes the profile's name, too.
    pub profile: Option<String>,
    pub(super) reservation: String,
}

/// What an instance has from its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub id: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The operating system as bills name it, such as `Linux/UNIX` or `Windows`.
    pub platform: String,
    pub root: Root,
}

/// How an instance reads its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Whether the metadata service answers at all: `HttpEndpoint` is `enabled`.
    pub enabled: bool,
    /// Whether it answers only calls with a token, which is IMDSv2: `HttpTokens` is `required`.
    pub requires_tokens: bool,
}

/// Where an instance is in the network. Empty for one that is terminated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The ids of the VPC and of the subnet.
    pub vpc: Option<String>,
    pub subnet: Option<String>,
    /// If none is given, a launch into a subnet makes one from the instance id.
    pub private_address: Option<String>,
    /// EC2 takes it back at a stop and gives another one at the next start. Here the same one is
    /// shown again.
    pub public_address: Option<String>,
    /// The ids of the security groups.
    pub security_groups: Vec<String>,
}

impl Default for Details {
    fn default() -> Self {
        Self {
            instance_type: "t3.micro".to_owned(),
            image: Image::default(),
            tenancy: "default".to_owned(),
            lifecycle: Lifecycle::default(),
            launched: UNIX_EPOCH,
            metadata: Metadata { enabled: true, requires_tokens: true },
            network: Network {
                vpc: Some("vpc-0c7c2385cdd3c4ab1".to_owned()),
                subnet: Some("subnet-0b1946ac92492d234".to_owned()),
                private_address: None,
                public_address: None,
                security_groups: GROUPS.map(|(id, _)| id.to_owned()).into(),
            },
            key_name: Some("operations".to_owned()),
            profile: Some("application".to_owned()),
            reservation: String::new(),
        }
    }
}

impl Default for Image {
    fn default() -> Self {
        Self {
            id: IMAGE.to_owned(),
            architecture: "x86_64".to_owned(),
            platform: "Linux/UNIX".to_owned(),
            root: Root::default(),
        }
    }
}

impl Details {
    /// Whether it is a spot instance, of either kind.
    pub(super) fn is_spot(&self) -> bool {
        self.lifecycle != Lifecycle::OnDemand
    }
}

/// Names a security group, which has a name beside its id.
pub(super) fn group_name(id: &str) -> String {
    let known = GROUPS.iter().find(|(known, _)| *known == id);
    known.map_or_else(|| id.replacen("sg-", "group-", 1), |(_, name)| (*name).to_owned())
}

/// The architecture of an instance type: Graviton families are `a1` and those with a `g` behind
/// their generation, such as `t4g`, `m6gd` and `c7gn`, while `g4dn` is none.
pub(super) fn architecture(instance_type: &str) -> &'static str {
    let family = instance_type.split('.').next().unwrap_or_default();
    let options = family.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let generation = options.trim_start_matches(|c: char| c.is_ascii_digit());
    let graviton = generation.len() < options.len() && generation.starts_with('g');
    if family == "a1" || graviton { "arm64" } else { "x86_64" }
}

#[cfg(test)]
mod tests {
    use super::architecture;

    #[test]
    fn the_family_of_a_type_tells_its_architecture() {
        for arm in
            ["t4g.micro", "m6gd.large", "c7gn.metal", "is4gen.large", "g5g.xlarge", "a1.medium"]
        {
            assert_eq!(architecture(arm), "arm64", "{arm}");
        }
        for intel in
            ["t3.micro", "g4dn.xlarge", "m7i-flex.large", "u-6tb1.metal", "p4d.24xlarge", "g"]
        {
            assert_eq!(architecture(intel), "x86_64", "{intel}");
        }
    }
}
