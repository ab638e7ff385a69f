//! Serves the connections of the admin port: one request on each, and 3 s for all of it. Clients
//! that send nothing, or do not read their answer, keep nobody waiting: a new connection takes the
//! seat of the oldest one that has not asked yet.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::middleware::map_request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::retry::delays;

/// How many connections from other machines are served at a time: ample for probes and scrapes.
const AT_ONCE: usize = 32;
/// How many connections from this machine, such as those of `healthcheck`, are served besides.
const LOCAL_AT_ONCE: usize = 8;

/// Answers requests for ever.
pub(super) async fn serve(listener: TcpListener, router: Router) -> Infallible {
    let mut local = Seats { taken: VecDeque::new(), count: LOCAL_AT_ONCE };
    let mut others = Seats { taken: VecDeque::new(), count: AT_ONCE };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let is_local = peer.ip().to_canonical().is_loopback();
                let seats = if is_local { &mut local } else { &mut others };
                seats.take(stream, router.clone());
            }
            Err(error) => {
                warn!(%error, "the admin port cannot take a connection");
                sleep(delays::ADMIN_ERROR).await;
            }
        }
    }
}

/// The connections that are served, the oldest first.
struct Seats {
    taken: VecDeque<Seat>,
    count: usize,
}

/// A connection that is served by a task of its own.
struct Seat {
    has_asked: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Seats {
    /// Serves a connection, in place of another one if all seats are taken.
    fn take(&mut self, stream: TcpStream, router: Router) {
        self.taken.retain(|seat| !seat.task.is_finished());
        if self.taken.len() == self.count {
            self.make_room();
        }
        let has_asked = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(answer(stream, noting(&has_asked, router))).abort_handle();
        self.taken.push_back(Seat { has_asked, task });
    }

    /// Breaks the oldest connection that has not asked yet, or else the oldest one, which does not
    /// read its answer.
    fn make_room(&mut self) {
        let is_silent = |seat: &Seat| !seat.has_asked.load(Ordering::Relaxed);
        let oldest = self.taken.iter().position(is_silent).unwrap_or(0);
        if let Some(seat) = self.taken.remove(oldest) {
            seat.task.abort();
        }
    }
}

/// A router that notes when a request has come.
fn noting(has_asked: &Arc<AtomicBool>, router: Router) -> Router {
    let has_asked = Arc::clone(has_asked);
    router.layer(map_request(move |request: Request| {
        has_asked.store(true, Ordering::Relaxed);
        std::future::ready(request)
    }))
}

async fn answer(stream: TcpStream, router: Router) {
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server.http1().keep_alive(false);
    let service = TowerToHyperService::new(router);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    // A client that broke off, or was cut off, gets no answer.
    drop(timeout(delays::ADMIN_CONNECTION, connection).await);
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    /// Longer than the buffers of a connection.
    const LONG: usize = 16 * 1024 * 1024;

    async fn open() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "answer"));
        let router = router.route("/long", get(async || "x".repeat(LONG)));
        tokio::spawn(serve(listener, router));
        address
    }

    async fn connect(address: SocketAddr, said: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_with_its_answer() {
        let address = open().await;
        let began = Instant::now();
        let answer = rest(connect(address, "GET / HTTP/1.1\r\nHost: daemon\r\n\r\n").await).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n") && answer.ends_with("answer"), "{answer}");
        assert!(began.elapsed() < delays::ADMIN_CONNECTION);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_or_half_a_request_is_cut_off() {
        let address = open().await;
        for said in ["", "GET / HTTP/1.1\r\nHost: dae"] {
            let began = Instant::now();
            assert_eq!(rest(connect(address, said).await).await, "");
            assert!(began.elapsed() <= delays::ADMIN_CONNECTION, "{said:?}: {:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_on_slowly_is_cut_off() {
        let mut stream = connect(open().await, "GET / HTTP/1.1\r\n").await;
        let began = Instant::now();
        while stream.write_all(b"a: b\r\n").await.is_ok() {
            assert!(began.elapsed() < 2 * delays::ADMIN_CONNECTION, "it may go on");
            sleep(delays::ADMIN_CONNECTION / 10).await;
        }
    }

    /// How long a request takes beside so many connections that were opened before it.
    async fn held_up_by(connections: usize, says: &str) -> Duration {
        let address = open().await;
        let mut others = Vec::new();
        for _ in 0..connections {
            others.push(connect(address, says).await);
        }
        let began = Instant::now();
        let answer = rest(connect(address, "GET / HTTP/1.0\r\n\r\n").await).await;
        assert!(answer.ends_with("answer"), "{answer}");
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn hundreds_of_silent_or_slow_clients_hold_up_nobody() {
        let half = "GET / HTTP/1.1\r\nHost: dae";
        let unread = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n";
        for says in ["", half, unread] {
            let held_up = held_up_by(300, says).await;
            assert!(held_up < Duration::from_millis(100), "{says:?}: {held_up:?}");
        }
    }

    /// By the real clock: a paused one goes on by seconds while a long answer is under way.
    #[tokio::test]
    async fn a_client_that_has_asked_keeps_its_seat_beside_silent_ones() {
        let address = open().await;
        let mut asking = connect(address, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
        asking.read_exact(&mut [0; 10]).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..3 * LOCAL_AT_ONCE {
            others.push(connect(address, "").await);
        }
        assert!(rest(asking).await.len() > LONG);
    }
}
