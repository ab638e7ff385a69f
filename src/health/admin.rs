//! The admin port: `/livez`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::health::{Health, connections};
use crate::retry::delays;

/// The admin port of this daemon, open or still to be taken over.
#[derive(Debug)]
pub(crate) struct Admin {
    address: SocketAddr,
    /// `None` while another process has the port.
    listener: Option<TcpListener>,
}

impl Admin {
    /// Opens the port; `None` if it is switched off. A port that another process has is left to
    /// [`Admin::serve`].
    ///
    /// # Errors
    /// The address cannot work, whoever has the port.
    pub(crate) async fn open(address: Option<SocketAddr>) -> anyhow::Result<Option<Self>> {
        let Some(address) = address else { return Ok(None) };
        let listener = match listen(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => None,
            opened => Some(opened.with_context(|| remedy(address))?),
        };
        Ok(Some(Self { address, listener }))
    }

    /// Answers requests for ever. While another process has the port, tries again for `patience`.
    /// Cancels `open` when the port is open.
    ///
    /// # Errors
    /// The other process still has the port then.
    pub(crate) async fn serve(
        self,
        health: Arc<Health>,
        patience: Duration,
        open: &CancellationToken,
    ) -> anyhow::Result<Infallible> {
        let Self { address, listener } = self;
        let listener = match listener {
            Some(listener) => listener,
            None => take_over(address, patience).await.with_context(|| remedy(address))?,
        };
        open.cancel();
        Ok(connections::serve(listener, router(health)).await)
    }
}

/// Waits until the process that has the port leaves it.
async fn take_over(address: SocketAddr, patience: Duration) -> io::Result<TcpListener> {
    warn!(
        "admin.listen = {address} is taken, perhaps by a daemon that is draining; \
         trying again for {} s",
        patience.as_secs()
    );
    let deadline = Instant::now() + patience;
    loop {
        sleep(delays::ADMIN_TAKEN).await;
        match listen(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {}
            opened => return opened,
        }
    }
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    info!(%address, "the admin port is open");
    Ok(listener)
}

fn remedy(address: SocketAddr) -> String {
    format!("cannot listen on admin.listen = {address}; give another address, or off")
}

fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn livez(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    match health.stuck() {
        None => (StatusCode::OK, "alive\n".to_owned()),
        Some(name) => (StatusCode::SERVICE_UNAVAILABLE, format!("stuck: {name}\n")),
    }
}

async fn readyz(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let (mut lines, mut status) = (health.troubles(), StatusCode::SERVICE_UNAVAILABLE);
    if lines.is_empty() {
        (lines, status) = (vec!["ready".to_owned()], StatusCode::OK);
    }
    lines.extend(health.remarks());
    (status, lines.join("\n") + "\n")
}

async fn metrics(State(health): State<Arc<Health>>) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.scrape())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn answers(health: &Arc<Health>) -> [(u16, String); 2] {
        let live = livez(State(Arc::clone(health))).await;
        let ready = readyz(State(Arc::clone(health))).await;
        [live, ready].map(|(status, body)| (status.as_u16(), body))
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_that_takes_long_is_alive_and_not_ready() {
        let health = Arc::new(Health::default());
        tokio::time::sleep(Duration::from_hours(1)).await;
        let [live, ready] = answers(&health).await;
        assert_eq!(live, (200, "alive\n".to_owned()));
        assert_eq!(ready, (503, "starting: no contact with the queue and STS yet\n".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_loop_is_named() {
        let health = Arc::new(Health::default());
        let task =
            tokio::spawn(Arc::clone(&health.liveness).watch("poller", std::future::pending()));
        tokio::time::sleep(Duration::from_mins(1)).await;
        let [live, _] = answers(&health).await;
        assert_eq!(live, (503, "stuck: poller\n".to_owned()));
        task.abort();
    }

    #[tokio::test]
    async fn a_drain_is_not_ready() {
        let health = Arc::new(Health::default());
        health.draining();
        let [_, ready] = answers(&health).await;
        assert_eq!(ready, (503, "draining\n".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_stays_taken_is_named_with_its_key_and_the_remedy() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let admin = Admin::open(Some(address)).await.unwrap().unwrap();
        let open = CancellationToken::new();
        let Err(error) = admin.serve(Arc::default(), Duration::from_secs(9), &open).await;
        assert!(!open.is_cancelled());
        let message = format!(
            "cannot listen on admin.listen = {address}; give another address, or off: \
             Address already in use (os error 98)"
        );
        assert_eq!(format!("{error:#}"), message);
    }
}
