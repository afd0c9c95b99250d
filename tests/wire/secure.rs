//! The upstream behind TLS: its certificate is checked against the name it has to carry.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use interpose::handler::Verdict;
use interpose::upstream::{Client, Settings, SetupError};
use pingora_core::tls::{
    ServerConfig, TlsAcceptor, install_default_crypto_provider, load_certs_and_key_files,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Handlers, Setup, ok};

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/wire/certificates")
        .join(name)
}

/// An upstream for `api.test` that answers every request with `secret`.
async fn upstream() -> SocketAddr {
    install_default_crypto_provider();
    let path = |name| certificate(name).to_string_lossy().into_owned();
    let (certificates, key) =
        load_certs_and_key_files(&path("server.pem"), &path("server-key.pem"))
            .expect("files that can be read")
            .expect("a certificate and a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, acceptor.clone()));
        }
    });
    address
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor) {
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.is_ok_and(|size| size > 0) {
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            let answer = ok("", "secret");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The statuses of both ways: streamed, and with a handler that sees the bodies.
async fn statuses(server_name: &str, ca_file: Option<PathBuf>, verify: bool) -> [u16; 2] {
    let address = upstream().await;
    let looks = Handlers::default().on_request(|_| Verdict::Continue);
    let mut statuses = [0; 2];
    for (way, handlers) in [Handlers::default(), looks].into_iter().enumerate() {
        let mut setup = Setup::at(address).handlers(handlers);
        setup.upstream.url = format!("https://{address}").parse().expect("an address");
        setup.upstream.server_name = Some(server_name.to_owned());
        setup.upstream.ca_file.clone_from(&ca_file);
        setup.upstream.verify = verify;
        let sidecar = setup.start();
        statuses[way] = sidecar.client().await.get("/").await.status();
    }
    statuses
}

#[tokio::test]
async fn the_right_name_under_a_known_authority_is_believed() {
    assert_eq!(
        statuses("api.test", Some(certificate("ca.pem")), true).await,
        [200, 200]
    );
}

#[tokio::test]
async fn another_name_is_not_believed() {
    assert_eq!(
        statuses("other.test", Some(certificate("ca.pem")), true).await,
        [502, 502]
    );
}

#[tokio::test]
async fn an_unknown_authority_is_not_believed() {
    assert_eq!(statuses("api.test", None, true).await, [502, 502]);
}

#[tokio::test]
async fn everybody_is_believed_where_nobody_is_checked() {
    assert_eq!(statuses("other.test", None, false).await, [200, 200]);
}

#[test]
fn certificates_that_cannot_be_used_are_told_of_at_the_start() {
    for file in ["missing.pem", "server-key.pem"] {
        let mut settings = Settings::new("https://api.test".parse().expect("an address"));
        settings.ca_file = Some(certificate(file));

        let Err(error) = Client::new(settings) else {
            panic!("{file} holds no certificates");
        };

        assert!(matches!(error, SetupError::Certificates { .. }), "{error}");
    }
}
