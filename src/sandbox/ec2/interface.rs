//! The network interface of an instance, as `DescribeInstances` lists it. An instance without a
//! subnet has none.

use quick_xml::escape::escape;

use super::details::Details;
use super::instance::Instance;
use super::{addresses, markup};

/// The margin of an interface's security groups.
const MARGIN: &str = "        ";

/// Writes the set of interfaces, which has one or none. `attached` is when the instance was
/// launched first.
pub(super) fn set(instance: &Instance, shown: &Details, attached: &str) -> String {
    let network = &shown.network;
    let Some(subnet) = &network.subnet else { return "<networkInterfaceSet/>".to_owned() };
    let private = network.private_address.as_deref().unwrap_or_default();
    let public = network.public_address.as_deref();
    let association = |margin| public.map(|one| association(one, &instance.region, margin));
    format!(
        include_str!("interface.xml"),
        account = instance.account,
        address = escape(private),
        address_association = association("                ").unwrap_or_default(),
        association = association(MARGIN).unwrap_or_default(),
        attached = attached,
        digits = instance.id.trim_start_matches("i-"),
        group_set = markup::group_set(&network.security_groups, MARGIN),
        mac = addresses::hardware(&instance.id),
        name = addresses::private_name(private, &instance.region),
        subnet = escape(subnet),
        vpc = escape(network.vpc.as_deref().unwrap_or_default()),
    )
}

/// Writes the public address that belongs to an interface or to one of its private addresses.
fn association(address: &str, region: &str, margin: &str) -> String {
    format!(
        "{margin}<association>\n\
         {margin}    <publicIp>{}</publicIp>\n\
         {margin}    <publicDnsName>{}</publicDnsName>\n\
         {margin}    <ipOwnerId>amazon</ipOwnerId>\n\
         {margin}</association>\n",
        escape(address),
        addresses::public_name(address, region),
    )
}
