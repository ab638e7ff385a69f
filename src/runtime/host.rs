//! The name of the host.

use std::fs;

/// Where Linux tells the name of the host.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// The name of the host, as `hostname` prints it; `None` where it cannot be read.
pub(crate) fn name() -> Option<String> {
    let name = fs::read_to_string(HOST_NAME).ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
