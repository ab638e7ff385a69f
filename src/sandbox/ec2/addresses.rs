//! The addresses and names of an instance in the network, which are made from its id and region.

/// The private address that an instance gets if none is asked for, such as `10.188.222.240`.
pub(super) fn private(id: &str) -> String {
    let [high, middle, low] = last_bytes(id);
    format!("10.{high}.{middle}.{low}")
}

/// The public address that an instance gets if it asks for one. It is in a network that nobody has
/// in the internet, since it is kept for benchmarks: 198.18.0.0/15.
pub(super) fn public(id: &str) -> String {
    let [high, middle, low] = last_bytes(id);
    format!("198.{}.{middle}.{low}", 18 + high % 2)
}

/// The hardware address of the network interface.
pub(super) fn hardware(id: &str) -> String {
    let [high, middle, low] = last_bytes(id);
    format!("0a:58:0a:{high:02x}:{middle:02x}:{low:02x}")
}

/// The name of a private address, such as `ip-10-0-0-1.ec2.internal`.
pub(super) fn private_name(address: &str, region: &str) -> String {
    let dashed = address.replace('.', "-");
    match region {
        "us-east-1" => format!("ip-{dashed}.ec2.internal"),
        region => format!("ip-{dashed}.{region}.compute.internal"),
    }
}

/// The name of a public address, such as `ec2-198-18-0-1.compute-1.amazonaws.com`.
pub(super) fn public_name(address: &str, region: &str) -> String {
    let dashed = address.replace('.', "-");
    match region {
        "us-east-1" => format!("ec2-{dashed}.compute-1.amazonaws.com"),
        region => format!("ec2-{dashed}.{region}.compute.amazonaws.com"),
    }
}

/// The last three bytes of an id, which ends in hexadecimal digits.
fn last_bytes(id: &str) -> [u8; 3] {
    let tail = id.get(id.len().saturating_sub(6)..).unwrap_or_default();
    let [_, bytes @ ..] = u32::from_str_radix(tail, 16).unwrap_or_default().to_be_bytes();
    bytes
}
