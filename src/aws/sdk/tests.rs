//! A connection over HTTP/2 whose other end falls silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::TrustStore;
use axum::body::Bytes;
use axum::http::Response;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::aws::connection::{Connection, TimeLimits};
use crate::aws::error::AwsError;
use crate::aws::sts;
use crate::domain::ids::Region;

/// The authority that has signed the certificate, which is one for `localhost`.
const AUTHORITY: &str = include_str!("../../../tests/daemon/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../tests/daemon/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../../tests/daemon/tls/server.key");
const ANSWER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
const LIMIT: Duration = Duration::from_secs(2);

fn acceptor() -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Serves HTTP/2 at a port that it returns, with the count of connections. The first one answers
/// one call and is silent then; all others answer every call.
async fn server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (count, acceptor) = (Arc::new(AtomicUsize::new(0)), acceptor());
    let connections = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let is_first = connections.fetch_add(1, Ordering::Relaxed) == 0;
            let answers = if is_first { 1 } else { usize::MAX };
            tokio::spawn(answer(acceptor.clone(), stream, answers));
        }
    });
    (port, count)
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream, answers: usize) {
    let stream = acceptor.accept(stream).await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (mut answered, mut unanswered) = (0, Vec::new());
    while let Some(Ok((request, mut reply))) = connection.accept().await {
        if answered == answers {
            unanswered.push((request, reply));
            continue;
        }
        answered += 1;
        let mut body = reply.send_response(Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(ANSWER.as_bytes()), true).unwrap();
    }
}

#[tokio::test]
async fn after_a_time_out_over_http_2_the_next_call_has_a_new_connection() {
    let (port, connections) = server().await;
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let trusted = TrustStore::empty().with_pem_certificate(AUTHORITY);
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("https://localhost:{port}"))
        .http_client(http_client::plain(&trusted))
        .build();
    let limits = TimeLimits::all(LIMIT);
    let connection = Connection::new(config, &Arc::default(), limits);
    let region = Region::parse("us-east-1").unwrap();
    let call = async || sts::account(&connection, &region).await.map_err(code);
    assert!(call().await.is_ok());
    assert_eq!(call().await.unwrap_err(), "TimeoutError");
    assert!(call().await.is_ok());
    assert!(call().await.is_ok());
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

fn code(error: AwsError) -> String {
    error.code
}
