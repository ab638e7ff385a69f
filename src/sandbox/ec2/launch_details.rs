//! The attributes of an instance that a launch can choose.

use std::time::Duration;

use super::details::{Network, architecture};
use super::instance::{Lifecycle, Root};
use super::launch::Launch;

impl Launch {
    /// Launches a type, such as `t4g.micro`, with the architecture that it has.
    #[must_use]
    pub fn instance_type(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        architecture(&name).clone_into(&mut self.details.image.architecture);
        self.details.instance_type = name;
        self
    }

    /// Sets the architecture, which a later call of `instance_type` would replace.
    #[must_use]
    pub fn architecture(mut self, name: impl Into<String>) -> Self {
        self.details.image.architecture = name.into();
        self
    }

    #[must_use]
    pub fn image(mut self, id: impl Into<String>) -> Self {
        self.details.image.id = id.into();
        self
    }

    /// Runs an operating system, as bills name it: `Windows`, `Red Hat Enterprise Linux`.
    #[must_use]
    pub fn platform(mut self, name: impl Into<String>) -> Self {
        self.details.image.platform = name.into();
        self
    }

    #[must_use]
    pub fn root(mut self, root: Root) -> Self {
        self.details.image.root = root;
        self
    }

    #[must_use]
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.details.lifecycle = lifecycle;
        self
    }

    /// Sets the tenancy: `default`, `dedicated` or `host`.
    #[must_use]
    pub fn tenancy(mut self, tenancy: impl Into<String>) -> Self {
        self.details.tenancy = tenancy.into();
        self
    }

    /// Launches it so long ago. It still sends its events now, unless it is launched in a state.
    #[must_use]
    pub fn launched_ago(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Lets the metadata service answer calls without a token, too.
    #[must_use]
    pub fn imdsv2_optional(mut self) -> Self {
        self.details.metadata.requires_tokens = false;
        self
    }

    /// Switches the metadata service off.
    #[must_use]
    pub fn without_metadata(mut self) -> Self {
        self.details.metadata.enabled = false;
        self
    }

    /// Replaces the security groups.
    #[must_use]
    pub fn security_groups<const N: usize>(mut self, ids: [&str; N]) -> Self {
        self.details.network.security_groups = ids.map(str::to_owned).into();
        self
    }

    #[must_use]
    pub fn subnet(mut self, vpc: impl Into<String>, subnet: impl Into<String>) -> Self {
        self.details.network.vpc = Some(vpc.into());
        self.details.network.subnet = Some(subnet.into());
        self
    }

    #[must_use]
    pub fn private_address(mut self, address: impl Into<String>) -> Self {
        self.details.network.private_address = Some(address.into());
        self
    }

    #[must_use]
    pub fn public_address(mut self, address: impl Into<String>) -> Self {
        self.details.network.public_address = Some(address.into());
        self
    }

    /// Leaves out the VPC, the subnet, all addresses and the security groups.
    #[must_use]
    pub fn without_network(mut self) -> Self {
        self.details.network = Network::default();
        self
    }

    #[must_use]
    pub fn key_name(mut self, name: impl Into<String>) -> Self {
        self.details.key_name = Some(name.into());
        self
    }

    #[must_use]
    pub fn without_key(mut self) -> Self {
        self.details.key_name = None;
        self
    }

    /// Sets the instance profile, by its name or its ARN.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.details.profile = Some(name.into());
        self
    }

    #[must_use]
    pub fn without_profile(mut self) -> Self {
        self.details.profile = None;
        self
    }
}
