//! Endpoints behind TLS: which certificate authorities are trusted.

use std::sync::Arc;

use ec2_policy_enforcer::sandbox::Launch;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::program::{Served, call, program, serve, terminate};

/// The authority that has signed the certificate of [`secure`], which is one for `localhost`.
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

fn acceptor() -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
}

/// The URL of an endpoint that passes on to the sandbox what comes over TLS.
async fn secure(served: &Served) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (acceptor, inner) = (acceptor(), served.origin.replace("http://", ""));
    tokio::spawn(async move {
        while let Ok((outer, _)) = listener.accept().await {
            let (acceptor, inner) = (acceptor.clone(), inner.clone());
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(outer).await else { return };
                let mut inner = TcpStream::connect(inner).await.unwrap();
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await.ok();
            });
        }
    });
    url
}

#[tokio::test]
async fn the_authorities_that_the_operator_names_are_trusted() {
    let file = std::env::temp_dir().join(format!("trust-{}", std::process::id()));
    std::fs::write(&file, format!("[default]\nca_bundle = {AUTHORITY}\n")).unwrap();
    let profile = file.to_str().unwrap();
    for (name, value) in [("AWS_CA_BUNDLE", AUTHORITY), ("AWS_CONFIG_FILE", profile)] {
        let served = serve().await;
        let endpoint = secure(&served).await;
        served.aws.launch(Launch::default());
        let mut program = program(&served);
        program.env("AWS_ENDPOINT_URL", &endpoint).env(name, value);
        program.env("SQS_QUEUE_URL", served.resources.queue_url_at(&endpoint));
        let child = program.spawn().unwrap();
        served.aws.until("its start is settled", |aws| aws.messages().is_empty()).await;
        terminate(&child);
        assert_eq!(child.wait_with_output().await.unwrap().status.code(), Some(0));
    }
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn an_authority_that_nobody_names_is_not_trusted() {
    let served = serve().await;
    let mut check = call(&served, "check");
    let checked = check.env("AWS_ENDPOINT_URL", secure(&served).await).output().await.unwrap();
    let shown = String::from_utf8(checked.stdout).unwrap();
    assert!(shown.contains("certificate"), "{shown}");
    assert!(served.aws.calls("GetCallerIdentity").is_empty());
}
