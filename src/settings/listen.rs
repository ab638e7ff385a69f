//! Where the admin port is.

use std::net::SocketAddr;

use super::error::SettingsError;

const KEY: &str = "admin.listen";
const OFF: &str = "off";

/// Reads an address with a port; nothing for `off`.
pub(super) fn checked(written: &str) -> Result<Option<SocketAddr>, SettingsError> {
    if written == OFF {
        return Ok(None);
    }
    let remedy = "give an IP address with a port, such as 127.0.0.1:9464, or off";
    let address: SocketAddr =
        written.parse().map_err(|_| SettingsError::text(KEY, written, remedy))?;
    if address.port() == 0 {
        return Err(SettingsError::text(
            KEY,
            written,
            "give a port from 1 to 65535, so that it is found",
        ));
    }
    Ok(Some(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(written: &str) -> String {
        checked(written).unwrap_err().to_string()
    }

    #[test]
    fn addresses_of_both_families_are_accepted() {
        for address in ["127.0.0.1:9464", "0.0.0.0:80", "[::1]:9464"] {
            assert_eq!(checked(address).unwrap().unwrap().to_string(), address);
        }
    }

    #[test]
    fn off_means_no_port_at_all() {
        assert_eq!(checked("off").unwrap(), None);
    }

    #[test]
    fn what_is_no_address_with_a_port_is_refused_with_an_example() {
        for written in ["", "OFF", "9464", ":9464", "localhost:9464", "127.0.0.1", "[::1]"] {
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
