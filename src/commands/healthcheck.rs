//! Asks the daemon on this machine whether it is alive, for images without shell or curl.
//!
//! The daemon is whichever has the admin port. While one drains and its successor waits for the
//! port, the one that drains is asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::retry::delays;
use crate::settings;

/// How much of an answer is read, in bytes. Ours is one line; a longer one is not from the daemon.
const LONGEST_ANSWER: u64 = 4096;

/// Asks `/livez` on the admin port that the settings name.
///
/// # Errors
/// The admin port is off, nothing answers there, or the answer is not that the daemon is alive.
pub async fn run(config: Option<&Path>) -> anyhow::Result<()> {
    let Some(address) = settings::admin_listen(config)? else {
        bail!("admin.listen is off, so there is nobody to ask");
    };
    let address = reachable(address);
    let answer = timeout(delays::HEALTHCHECK, ask(address)).await;
    let answer = answer.with_context(|| format!("{address} gives no answer in time"))?;
    let answer = answer.with_context(|| format!("cannot ask {address}"))?;
    judge(&answer)
}

/// The address to connect to: a listener on all addresses is reached on the loopback address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Asks with HTTP 1.0, where the answer ends with the connection.
async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /livez HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn judge(answer: &str) -> anyhow::Result<()> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    bail!("not alive: {status}: {}", body.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn only_200_is_alive() {
        assert!(judge("HTTP/1.0 200 OK\r\n\r\nalive\n").is_ok());
        for answer in ["", "SSH-2.0-OpenSSH", "HTTP/1.0 404 Not Found\r\n\r\n"] {
            assert!(judge(answer).is_err(), "{answer}");
        }
        let stuck = "HTTP/1.0 503 Service Unavailable\r\ndate: x\r\n\r\nstuck: poller\n";
        let message = judge(stuck).unwrap_err().to_string();
        assert_eq!(message, "not alive: HTTP/1.0 503 Service Unavailable: stuck: poller");
    }
}
