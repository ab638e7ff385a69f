//! What EC2 says of an instance beside its id, its state and its tags: attributes, addresses,
//! disks, network interfaces and options. A client must read past most of it, so that here an
//! instance takes as much room in an answer as in AWS: 5 kB, and a tag some 80 bytes more.

use std::time::SystemTime;

use quick_xml::escape::escape;

use super::details::{Details, group_name};
use super::instance::Instance;
use super::{addresses, interface};
use crate::sandbox::dates::rfc3339;

/// Writes the details of an instance, as XML. `created` is when it was launched first. The ids of
/// its parts are made from its own id.
pub(super) fn details(instance: &Instance, created: SystemTime) -> String {
    let shown = instance.shown();
    let (network, region) = (&shown.network, instance.region.as_str());
    let digits = instance.id.trim_start_matches("i-");
    let (private, public) = (&network.private_address, &network.public_address);
    let name = |address: &String| addresses::private_name(address, region);
    let attached = rfc3339(created.min(shown.launched));
    format!(
        include_str!("details.xml"),
        architecture = escape(&shown.image.architecture),
        attached = attached,
        digits = digits,
        digits_reversed = digits.chars().rev().collect::<String>(),
        endpoint = if shown.metadata.enabled { "enabled" } else { "disabled" },
        group_set = group_set(&network.security_groups, ""),
        image = escape(&shown.image.id),
        interfaces = interface::set(instance, &shown, &attached),
        key_name = optional("keyName", shown.key_name.as_deref()),
        kind = escape(&shown.instance_type),
        launched = rfc3339(shown.launched),
        platform = optional("platform", platform(&shown)),
        platform_details = escape(&shown.image.platform),
        private_address = optional("privateIpAddress", private.as_deref()),
        private_name = private.as_ref().map(name).unwrap_or_default(),
        profile = shown.profile.as_deref().map(profile).unwrap_or_default(),
        public_address = optional("ipAddress", public.as_deref()),
        public_name =
            public.as_ref().map(|one| addresses::public_name(one, region)).unwrap_or_default(),
        reason = instance.reason.text(),
        region = region,
        state_reason = state_reason(instance),
        subnet = optional("subnetId", network.subnet.as_deref()),
        tenancy = escape(&shown.tenancy),
        tokens = if shown.metadata.requires_tokens { "required" } else { "optional" },
        vpc = optional("vpcId", network.vpc.as_deref()),
    )
}

/// Writes an element that is absent if it has no text.
fn optional(name: &str, text: Option<&str>) -> String {
    text.map(|text| format!("<{name}>{}</{name}>\n", escape(text))).unwrap_or_default()
}

/// Writes the security groups, each line after a margin.
pub(super) fn group_set(ids: &[String], margin: &str) -> String {
    let item = |id: &String| {
        format!(
            "{margin}    <item>\n\
             {margin}        <groupId>{}</groupId>\n\
             {margin}        <groupName>{}</groupName>\n\
             {margin}    </item>\n",
            escape(id),
            escape(group_name(id)),
        )
    };
    let items: String = ids.iter().map(item).collect();
    format!("{margin}<groupSet>\n{items}{margin}</groupSet>\n")
}

/// The only platform that EC2 names beside the platform details.
fn platform(details: &Details) -> Option<&'static str> {
    details.image.platform.starts_with("Windows").then_some("windows")
}

/// Writes why an instance is in its state, unless it runs.
fn state_reason(instance: &Instance) -> String {
    let Some((code, message)) = instance.reason.coded(instance.state) else { return String::new() };
    format!(
        "<stateReason>\n    <code>{code}</code>\n    <message>{message}</message>\n</stateReason>\n"
    )
}

fn profile(arn: &str) -> String {
    format!(
        "<iamInstanceProfile>\n    <arn>{}</arn>\n    <id>AIPA4XTY6RG7LZ5M2QWEB</id>\n\
         </iamInstanceProfile>\n",
        escape(arn)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Launch, Options, Sandbox};

    fn xml(launch: Launch) -> String {
        let sandbox = Sandbox::new(Options::default());
        let id = sandbox.launch(launch.id("i-0123456789abcdef0"));
        details(&sandbox.instance(&id).unwrap(), SystemTime::now())
    }

    #[test]
    fn details_are_made_from_the_id_and_take_5_kb() {
        let xml = xml(Launch::default());
        assert!((5_000..6_000).contains(&xml.len()), "{}", xml.len());
        for part in ["10.188.222.240", "vol-0123456789abcdef0", "0a:58:0a:bc:de:f0"] {
            assert!(xml.contains(part), "{part}");
        }
    }

    #[test]
    fn what_an_instance_does_not_have_is_absent() {
        let launch = Launch::default().without_key().without_profile().without_network();
        let xml = xml(launch);
        for part in ["keyName", "iamInstanceProfile", "vpcId", "subnetId", "ddress>", "platform>"] {
            assert!(!xml.contains(part), "{part}");
        }
    }
}
