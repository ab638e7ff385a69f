//! Serves the connections of the admin port: one request on each, and 3 s for all of it. A client
//! that sends nothing, or does not read its answer, takes one of 32 places for no longer than that.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::retry::delays;

/// How many connections are served at a time: ample for probes and scrapes. The others wait in the
/// kernel's backlog, where they cost no file descriptor.
const AT_ONCE: usize = 32;

/// Answers requests for ever.
pub(super) async fn serve(listener: TcpListener, router: Router) -> Infallible {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let seat = Arc::clone(&seats).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let answered = answer(stream, router.clone());
                tokio::spawn(async move {
                    answered.await;
                    drop(seat);
                });
            }
            Err(error) => {
                warn!(%error, "the admin port cannot take a connection");
                sleep(delays::ADMIN_ERROR).await;
            }
        }
    }
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

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    /// Longer than the buffers of a connection.
    const LONG: usize = 64 * 1024 * 1024;

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

    #[tokio::test(start_paused = true)]
    async fn clients_who_do_not_read_and_clients_who_do_not_ask_hold_up_others_for_one_round() {
        let address = open().await;
        let mut others = Vec::new();
        for number in 0..AT_ONCE {
            let says = if number % 2 == 0 { "" } else { "GET /long HTTP/1.1\r\nHost: a\r\n\r\n" };
            others.push(connect(address, says).await);
        }
        let began = Instant::now();
        let answer = rest(connect(address, "GET / HTTP/1.0\r\n\r\n").await).await;
        assert!(answer.ends_with("answer"), "{answer}");
        // Not sooner: no more are taken at once.
        let held_up = began.elapsed();
        assert!(
            (delays::ADMIN_CONNECTION / 2..=2 * delays::ADMIN_CONNECTION).contains(&held_up),
            "{held_up:?}"
        );
    }
}
