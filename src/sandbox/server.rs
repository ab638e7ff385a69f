//! The sandbox as an HTTP server, for clients in other processes: the AWS CLI, boto3, the built
//! daemon.

use std::io;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Sandbox;

/// More than the largest batch of SQS, in which every byte may be escaped in JSON.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone)]
struct Served {
    sandbox: Sandbox,
    stop: CancellationToken,
}

impl Sandbox {
    /// Serves HTTP until `stop` is cancelled. The connections of calls that are open then, such as
    /// long polls, break.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let served = Served { sandbox: self.clone(), stop: stop.clone() };
        let app = Router::new().fallback(answer).with_state(served);
        axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
    }
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else { return broken() };
    let answer = served.sandbox.respond(Request::from_parts(parts, body));
    let answer = served.stop.run_until_cancelled(answer).await.flatten();
    answer.map_or_else(broken, |response| response.map(Body::from))
}

/// A response whose body fails at once: hyper closes the connection before it writes anything.
fn broken() -> Response {
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(reset)])))
}
