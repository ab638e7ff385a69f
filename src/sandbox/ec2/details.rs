//! What EC2 says of an instance beside what the sandbox works with: addresses, disks, network
//! interfaces and options. A client must read past all of it, so that here an instance takes as
//! much room in an answer as in AWS: 5 kB, and a tag some 80 bytes more.

use quick_xml::escape::escape;

use super::instance::Instance;
use crate::sandbox::dates::rfc3339;

/// Writes the details of an instance, as XML. Addresses and the ids of its parts are made from its
/// own id.
pub(super) fn xml(instance: &Instance, account: &str) -> String {
    let digits = instance.id.trim_start_matches("i-");
    let [high, middle, low] = last_bytes(digits);
    let domain = match instance.region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    };
    format!(
        include_str!("details.xml"),
        account = account,
        dashed = format_args!("10-{high}-{middle}-{low}"),
        digits = digits,
        digits_reversed = digits.chars().rev().collect::<String>(),
        domain = domain,
        dotted = format_args!("10.{high}.{middle}.{low}"),
        image = escape(&instance.image),
        kind = escape(&instance.kind),
        launched = rfc3339(instance.launched),
        mac = format_args!("0a:58:0a:{high:02x}:{middle:02x}:{low:02x}"),
        region = instance.region,
    )
}

/// The last three bytes of a number that is written in hexadecimal digits.
fn last_bytes(digits: &str) -> [u8; 3] {
    let tail = digits.get(digits.len().saturating_sub(6)..).unwrap_or_default();
    let [_, bytes @ ..] = u32::from_str_radix(tail, 16).unwrap_or_default().to_be_bytes();
    bytes
}

#[cfg(test)]
mod tests {
    use super::xml;
    use crate::sandbox::{Launch, Options, Sandbox};

    #[test]
    fn details_are_made_from_the_id_and_take_5_kb() {
        let sandbox = Sandbox::new(Options::default());
        let id = sandbox.launch(Launch::default().id("i-0123456789abcdef0"));
        let xml = xml(&sandbox.instance(&id).unwrap(), "123456789012");
        assert!((5_000..6_000).contains(&xml.len()), "{}", xml.len());
        for part in ["10.188.222.240", "vol-0123456789abcdef0", "0a:58:0a:bc:de:f0"] {
            assert!(xml.contains(part), "{part}");
        }
    }
}
