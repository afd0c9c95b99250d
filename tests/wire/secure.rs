//! The upstream behind TLS: whose certificate is believed, and what is said where it isn't.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use interpose::handler::Verdict;
use interpose::upstream::{Client, Egress, EgressSettings, Settings, SetupError};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto, version};

use crate::support::{Act, Handlers, Setup, Upstream, eventually, ok};

/// A certificate and its key, PEM.
#[derive(Clone)]
struct Pair {
    certificate: String,
    key: String,
}

/// An authority that signs.
struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        Self::named("Test Authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate, key }
    }

    fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn signs(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.certificate, &self.key);
        Pair {
            certificate: signed.expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate that nobody else has signed.
fn self_signed(params: CertificateParams) -> Pair {
    let key = KeyPair::generate().expect("a key");
    Pair {
        certificate: params.self_signed(&key).expect("a certificate").pem(),
        key: key.serialize_pem(),
    }
}

fn named(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params
        .distinguished_name
        .push(DnType::CommonName, "some service");
    params
}

fn kept(certificate: &Path) -> Pair {
    let read = |name: &str| fs::read_to_string(certificate.join(name)).expect("a file");
    Pair {
        certificate: read("server.pem"),
        key: read("server-key.pem"),
    }
}

/// An upstream that answers every request with `secret`, over TLS 1.3 or 1.2.
async fn upstream(pair: &Pair, is_old: bool) -> SocketAddr {
    let certificates = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
    let certificates = certificates.collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    let versions = [if is_old {
        &version::TLS12
    } else {
        &version::TLS13
    }];
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .expect("a version")
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

/// What is believed by a client.
struct Trust {
    directory: TempDir,
    server_name: &'static str,
    ca_file: Option<PathBuf>,
    verify: bool,
}

impl Trust {
    /// In these certificates, for this name.
    fn of(certificates: &[&str], server_name: &'static str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let ca_file = directory.path().join("trusted.pem");
        fs::write(&ca_file, certificates.concat()).expect("it is ours");
        Self {
            directory,
            server_name,
            ca_file: Some(ca_file),
            verify: true,
        }
    }

    fn setup(&self, address: SocketAddr) -> Setup {
        let mut setup = Setup::at(address);
        setup.upstream.url = format!("https://{address}").parse().expect("an address");
        setup.upstream.server_name = Some(self.server_name.to_owned());
        setup.upstream.ca_file.clone_from(&self.ca_file);
        setup.upstream.verify = self.verify;
        setup
    }

    /// What comes of a request on both ways, streamed and with a handler that sees the
    /// bodies: the body of the response, or why there is none.
    async fn asks(&self, address: SocketAddr) -> String {
        let looks = Handlers::default().on_request(|_| Verdict::Continue);
        let mut came = Vec::new();
        for handlers in [Handlers::default(), looks] {
            let sidecar = self.setup(address).handlers(handlers).start();
            let mut client = sidecar.client().await;
            let response = client.get("/").await;
            if response.status() == 200 {
                assert_eq!(client.get("/").await.status(), 200);
                came.push(response.text().to_owned());
            } else {
                assert_eq!(response.status(), 502);
                assert!(!response.text().contains("TLS"), "{}", response.text());
                eventually(|| !sidecar.errors().is_empty()).await;
                let shown = sidecar.errors()[0].clone();
                let file = self.directory.path().display().to_string();
                came.push(shown.replace(&file, "DIR"));
            }
        }
        assert_eq!(came[0], came[1]);
        came.remove(0)
            .replace(&format!("upstream {address}: "), "")
            .replace("could not connect: TLS: ", "")
    }
}

#[tokio::test]
async fn a_name_under_a_known_authority_is_believed() {
    let authority = Authority::new();
    for (names, server_name) in [
        (&["api.test"][..], "api.test"),
        (&["other.test", "*.api.test"], "v1.api.test"),
        (&["127.0.0.1"], "127.0.0.1"),
    ] {
        for is_old in [false, true] {
            let pair = authority.signs(named(names));
            let trust = Trust::of(&[&authority.pem()], server_name);

            let came = trust.asks(upstream(&pair, is_old).await).await;

            assert_eq!(came, "secret", "{server_name}");
        }
    }
    let kept_ones = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/certificates");
    let ca = fs::read_to_string(kept_ones.join("ca.pem")).expect("a file");
    let trust = Trust::of(&[&ca], "api.test");
    let address = upstream(&kept(&kept_ones), false).await;
    assert_eq!(trust.asks(address).await, "secret");
}

#[tokio::test]
async fn a_certificate_that_is_itself_in_the_file_is_believed_for_its_names() {
    let with = |is_ca: IsCa, names: &[&str]| {
        let mut params = named(names);
        params.is_ca = is_ca;
        params
    };
    let authority = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut common = with(authority.clone(), &[]);
    common
        .distinguished_name
        .push(DnType::CommonName, "api.test");
    for (what, pair) in [
        (
            "its own authority",
            self_signed(with(authority, &["api.test"])),
        ),
        (
            "no authority",
            self_signed(with(IsCa::ExplicitNoCa, &["api.test"])),
        ),
        ("says neither", self_signed(with(IsCa::NoCa, &["api.test"]))),
        ("named by a common name", self_signed(common)),
        (
            "of an authority that is not there",
            Authority::new().signs(named(&["api.test"])),
        ),
    ] {
        for is_old in [false, true] {
            let address = upstream(&pair, is_old).await;
            // Among others, and not as the first.
            let listed = [&Authority::new().pem(), pair.certificate.as_str()];

            let believed = Trust::of(&listed, "api.test").asks(address).await;
            assert_eq!(believed, "secret", "{what}");
            let other = Trust::of(&listed, "other.test").asks(address).await;
            assert!(
                other.starts_with("its certificate is for api.test"),
                "{what}: {other}"
            );
            assert!(other.ends_with("not for other.test"), "{what}: {other}");
        }
    }
}

#[tokio::test]
async fn what_openssl_makes_is_believed_where_it_is_in_the_file() {
    for extension in [
        &[][..],
        &["-addext", "subjectAltName=DNS:api.test"],
        &["-addext", "basicConstraints=critical,CA:FALSE"],
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
            ])
            .args(["-keyout", "server-key.pem", "-out", "server.pem"])
            .args(["-subj", "/CN=api.test"])
            .args(extension)
            .current_dir(directory.path())
            .output();
        let Ok(made) = made else {
            println!("not shown here: there is no openssl");
            return;
        };
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let pair = kept(directory.path());

        let trust = Trust::of(&[&pair.certificate], "api.test");

        let came = trust.asks(upstream(&pair, false).await).await;
        assert_eq!(came, "secret", "{extension:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_only_signs_nothing_makes_no_other_one_believed() {
    let mut params = named(&["api.test"]);
    params.is_ca = IsCa::ExplicitNoCa;
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let no_authority = Authority { certificate, key };
    let pair = no_authority.signs(named(&["api.test"]));
    let trust = Trust::of(&[&no_authority.pem()], "api.test");

    let came = trust.asks(upstream(&pair, false).await).await;

    assert!(came.contains("has an unknown issuer"), "{came}");
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said() {
    let authority = Authority::new();
    let at = |from: i32, until: i32| {
        let mut params = named(&["api.test"]);
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params
    };
    let trusted = authority.pem();
    let expired = self_signed(at(2019, 2020));
    for (pair, listed, said) in [
        (
            Authority::named("Another Authority").signs(named(&["api.test"])),
            &trusted,
            "its certificate (CN=some service) has an unknown issuer (CN=Another Authority), \
             none of the authorities in DIR/trusted.pem",
        ),
        (
            Authority::new().signs(named(&["api.test"])),
            &trusted,
            "its certificate (CN=some service) is signed by another CN=Test Authority than the \
             one among the authorities in DIR/trusted.pem: the signature is not that one's",
        ),
        (
            self_signed(named(&["api.test"])),
            &trusted,
            "its certificate (CN=some service) has an unknown issuer (CN=some service), \
             none of the authorities in DIR/trusted.pem",
        ),
        (
            authority.signs(named(&["www.test", "10.0.0.1", "::1"])),
            &trusted,
            "its certificate is for www.test, 10.0.0.1, ::1, not for api.test",
        ),
        (
            authority.signs(named(&[])),
            &trusted,
            "its certificate is for some service (as a common name only), not for api.test",
        ),
        (
            authority.signs(at(2019, 2020)),
            &trusted,
            "its certificate (CN=some service) has expired: \
             it was valid until Wed, 01 Jan 2020 00:00:00 +0000",
        ),
        (
            expired.clone(),
            &expired.certificate,
            "its certificate (CN=some service) has expired: \
             it was valid until Wed, 01 Jan 2020 00:00:00 +0000",
        ),
        (
            authority.signs(at(2090, 2091)),
            &trusted,
            "its certificate (CN=some service) is not valid yet: \
             it is from Sun, 01 Jan 2090 00:00:00 +0000 on",
        ),
    ] {
        let trust = Trust::of(&[listed], "api.test");

        let came = trust.asks(upstream(&pair, false).await).await;

        assert_eq!(came, said);
    }
}

#[tokio::test]
async fn an_upstream_that_speaks_no_tls_or_refuses_is_said_to() {
    // A TLS alert: handshake failure.
    let alert = [21, 3, 3, 0, 2, 2, 40];
    for (acts, said) in [
        (
            vec![Act::send("HTTP/1.1 400 Bad Request\r\n\r\n")],
            "it does not speak TLS: ",
        ),
        (vec![Act::send("SSH-2.0-x\r\n")], "it does not speak TLS: "),
        (
            vec![Act::send(alert)],
            "it refused the handshake: HandshakeFailure",
        ),
        (
            vec![Act::Close],
            "it closed the connection during the handshake",
        ),
    ] {
        let upstream = Upstream::greeting(acts).await;
        let trust = Trust::of(&[&Authority::new().pem()], "api.test");

        let came = trust.asks(upstream.address).await;

        assert!(came.starts_with(said), "{came}");
    }
}

#[tokio::test]
async fn everybody_is_believed_where_nobody_is_checked() {
    let pair = self_signed(named(&["api.test"]));
    let trust = Trust {
        ca_file: None,
        verify: false,
        ..Trust::of(&[], "other.test")
    };

    assert_eq!(trust.asks(upstream(&pair, false).await).await, "secret");
}

#[tokio::test]
async fn the_systems_authorities_are_believed_where_no_file_is_named() {
    let pair = self_signed(named(&["api.test"]));
    let trust = Trust {
        ca_file: None,
        ..Trust::of(&[], "api.test")
    };

    let came = trust.asks(upstream(&pair, false).await).await;

    let is_told = came.contains("none of this system's authorities")
        || came.contains("this system has no certificates");
    assert!(is_told, "{came}");
}

#[test]
fn certificates_that_cannot_be_used_are_named_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = KeyPair::generate().expect("a key").serialize_pem();
    for (name, text) in [
        ("missing.pem", None),
        ("empty.pem", Some("")),
        ("key.pem", Some(key.as_str())),
        ("broken.pem", Some(broken)),
    ] {
        let path = directory.path().join(name);
        if let Some(text) = text {
            fs::write(&path, text).expect("it is ours");
        }
        let mut settings = Settings::new("https://api.test".parse().expect("an address"));
        settings.ca_file = Some(path.clone());
        let egress = EgressSettings {
            ca_file: Some(path),
            ..EgressSettings::default()
        };

        let errors = [Client::new(&settings).err(), Egress::new(egress).err()];

        for error in errors {
            let error = error.unwrap_or_else(|| panic!("{name} holds no certificates"));
            assert!(matches!(error, SetupError::Certificates { .. }), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
