//! Reads the address of the admin port.

use std::net::SocketAddr;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

const OFF: &str = "off";

/// Reads an address with a port; `None` for `off`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    checked(&String::deserialize(deserializer)?)
}

fn checked<E: Error>(written: &str) -> Result<Option<SocketAddr>, E> {
    let refused = |remedy: &str| E::invalid_value(Unexpected::Str(written), &remedy);
    if written == OFF {
        return Ok(None);
    }
    let no_address = "give an IP address with a port, such as 127.0.0.1:9464, or off";
    let address: SocketAddr = written.parse().map_err(|_| refused(no_address))?;
    if address.port() == 0 {
        return Err(refused("give a port from 1 to 65535, so that it is found"));
    }
    Ok(Some(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsError;
    use crate::settings::tests;

    fn read(written: &str) -> Option<SocketAddr> {
        checked::<SettingsError>(written).unwrap()
    }

    fn refusal(written: &str) -> String {
        tests::refusal("ENFORCER_ADMIN__LISTEN", written)
    }

    #[test]
    fn addresses_of_both_families_are_accepted() {
        for address in ["127.0.0.1:9464", "0.0.0.0:80", "[::1]:9464"] {
            assert_eq!(read(address).unwrap().to_string(), address);
        }
    }

    #[test]
    fn off_means_no_port_at_all() {
        assert_eq!(read("off"), None);
    }

    #[test]
    fn what_is_no_address_with_a_port_is_refused_with_an_example() {
        for written in ["OFF", "9464", ":9464", "localhost:9464", "127.0.0.1", "[::1]"] {
            let message = format!(
                "admin.listen = {written:?}: \
                 give an IP address with a port, such as 127.0.0.1:9464, or off"
            );
            assert_eq!(refusal(written), message);
        }
    }

    #[test]
    fn a_port_that_nobody_could_find_is_refused() {
        assert_eq!(
            refusal("127.0.0.1:0"),
            "admin.listen = \"127.0.0.1:0\": give a port from 1 to 65535, so that it is found"
        );
    }
}
