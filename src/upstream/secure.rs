//! TLS to the other end: whom it is believed about its name, and what was wrong where it
//! isn't.
//!
//! Believed is a certificate that an authority of the file has signed, and one that is
//! itself in the file: `openssl req -x509` makes a certificate that is its own authority,
//! which the rules for authorities refuse as that of a server. Without a file, the system's
//! authorities are believed; they are read when the first connection needs them, so that a
//! system without any serves what needs no TLS.

use std::borrow::Cow;
use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use super::SetupError;
use super::stream::Tcp;

/// What is spoken over TLS.
const PROTOCOL: &[u8] = b"http/1.1";

/// The longest text about a certificate, in characters.
const MAX_TEXT: usize = 1024;

/// The most names of a certificate that are named in an error.
const MAX_NAMES: usize = 8;

/// Opens TLS on connections.
pub(super) struct Tls {
    trust: Trust,
    /// Made when the first connection needs it.
    config: OnceLock<Result<Arc<ClientConfig>, Arc<str>>>,
}

/// Who is believed about names.
enum Trust {
    Everybody,
    /// The authorities of the system.
    System,
    /// The certificates of a file.
    File(PathBuf, Vec<CertificateDer<'static>>),
}

impl Tls {
    /// TLS that believes the certificates of `ca_file`, or without one those of the system;
    /// everybody unless it is to `verify`.
    ///
    /// # Errors
    ///
    /// The file can't be read, or holds no certificate or one that can't be used.
    pub(super) fn new(ca_file: Option<&Path>, verify: bool) -> Result<Self, SetupError> {
        let trust = match ca_file {
            Some(path) => {
                let certificates = certificates(path).map_err(|reason| {
                    let path = path.to_owned();
                    SetupError::Certificates { path, reason }
                })?;
                Trust::File(path.to_owned(), certificates)
            }
            None => Trust::System,
        };
        Ok(Self {
            trust: if verify { trust } else { Trust::Everybody },
            config: OnceLock::new(),
        })
    }

    /// Agrees with the other end of a connection on keys, and makes sure that it is `name`.
    ///
    /// # Errors
    ///
    /// Why it can't be spoken to, in words.
    pub(super) async fn open(&self, tcp: Tcp, name: &str) -> Result<TlsStream<Tcp>, String> {
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("TLS: no certificate can carry the name {name}"))?;
        let config = self.config().map_err(|reason| format!("TLS: {reason}"))?;
        let opened = TlsConnector::from(config).connect(server, tcp).await;
        opened.map_err(|error| format!("TLS: {}", described(&error)))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Arc<str>> {
        self.config
            .get_or_init(|| self.verifier().map(config).map_err(Arc::from))
            .clone()
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, String> {
        let mut roots = RootCertStore::empty();
        let (listed, authorities) = match &self.trust {
            Trust::Everybody => return Ok(Arc::new(Unverified(provider()))),
            Trust::System => {
                let found = rustls_native_certs::load_native_certs().map_err(|error| {
                    format!("the system's certificates can't be read: {error}; {NAME_A_FILE}")
                })?;
                if roots.add_parsable_certificates(found).0 == 0 {
                    return Err(format!("this system has no certificates; {NAME_A_FILE}"));
                }
                (Vec::new(), "this system's authorities".to_owned())
            }
            Trust::File(path, listed) => {
                let may_sign = listed.iter().filter(|it| may_be_authority(it)).cloned();
                roots.add_parsable_certificates(may_sign);
                let file = path.display();
                (listed.clone(), format!("the authorities in {file}"))
            }
        };
        // Without any, only what is listed itself is believed.
        let signed = (!roots.is_empty()).then(|| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()
        });
        Ok(Arc::new(Verified {
            signed: signed.transpose().map_err(|error| error.to_string())?,
            listed,
            authorities,
            provider: provider(),
        }))
    }
}

const NAME_A_FILE: &str = "name a file of authorities in the configuration (ca_file)";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn config(verifier: Arc<dyn ServerCertVerifier>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has what both versions need")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Arc::new(config)
}

/// The certificates of a file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut certificates = Vec::new();
    for (number, certificate) in CertificateDer::pem_slice_iter(&text).enumerate() {
        let number = number + 1;
        let certificate =
            certificate.map_err(|error| format!("certificate {number} is no PEM: {error}"))?;
        X509Certificate::from_der(&certificate)
            .map_err(|error| format!("certificate {number} can't be read: {error}"))?;
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        return Err("there is none in it".to_owned());
    }
    Ok(certificates)
}

/// Whether a certificate doesn't say that it signs no others.
fn may_be_authority(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| {
        let constraints = parsed.basic_constraints().ok().flatten();
        constraints.is_none_or(|constraints| constraints.value.ca)
    })
}

/// What was wrong with a handshake, down to the last cause.
fn described(error: &io::Error) -> String {
    let cause = error.get_ref();
    let Some(cause) = cause.and_then(|cause| cause.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                "it closed the connection during the handshake".to_owned()
            }
            _ => format!("the handshake broke off: {error}"),
        };
    };
    match cause {
        Error::InvalidCertificate(CertificateError::Other(OtherError(refused))) => {
            refused.to_string()
        }
        Error::AlertReceived(alert) => format!("it refused the handshake: {alert:?}"),
        Error::InvalidMessage(message) => {
            format!("it does not speak TLS: what it sent is no message ({message:?})")
        }
        other => {
            let mut text = format!("the handshake failed: {other}");
            let mut cause = other.source();
            while let Some(deeper) = cause {
                text.push_str(": ");
                text.push_str(&deeper.to_string());
                cause = deeper.source();
            }
            text
        }
    }
}

/// Why a certificate isn't believed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotBelieved(String);

impl From<NotBelieved> for Error {
    fn from(refused: NotBelieved) -> Self {
        CertificateError::Other(OtherError(Arc::new(refused))).into()
    }
}

/// Believes what authorities have signed, and what is listed itself.
#[derive(Debug)]
struct Verified {
    /// None where there is no authority.
    signed: Option<Arc<WebPkiServerVerifier>>,
    listed: Vec<CertificateDer<'static>>,
    /// Who the authorities are, in words.
    authorities: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = if self.listed.contains(certificate) {
            verify_listed(certificate, name, now)
        } else if let Some(signed) = &self.signed {
            signed.verify_server_cert(certificate, chain, name, ocsp, now)
        } else {
            Err(CertificateError::UnknownIssuer.into())
        };
        verified.map_err(|error| match error {
            Error::InvalidCertificate(cause) => {
                NotBelieved(printable(&self.refusal(certificate, name, &cause))).into()
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

impl Verified {
    /// Why a certificate isn't believed, with what it says and what was wanted.
    fn refusal(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        cause: &CertificateError,
    ) -> String {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return format!("its certificate can't be read: {cause}");
        };
        let subject = parsed.subject();
        match cause {
            CertificateError::UnknownIssuer => format!(
                "its certificate ({subject}) has an unknown issuer ({}), none of {}",
                parsed.issuer(),
                self.authorities
            ),
            CertificateError::BadSignature => format!(
                "its certificate ({subject}) is signed by another {} than the one among {}: the \
                 signature is not that one's",
                parsed.issuer(),
                self.authorities
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "its certificate is for {}, not for {}",
                    names(&parsed),
                    name.to_str()
                )
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                let (whose, end) = (whose(parsed.validity().not_after, *not_after), *not_after);
                format!(
                    "{whose} ({subject}) has expired: it was valid until {}",
                    date(end)
                )
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                let (whose, begin) = (
                    whose(parsed.validity().not_before, *not_before),
                    *not_before,
                );
                format!(
                    "{whose} ({subject}) is not valid yet: it is from {} on",
                    date(begin)
                )
            }
            other => format!("its certificate ({subject}) is not believed: {other}"),
        }
    }
}

/// A text that has parts of a certificate in it, which may hold anything.
fn printable(text: &str) -> String {
    let shown = text.chars().take(MAX_TEXT);
    shown
        .map(|it| if it.is_control() { '\u{fffd}' } else { it })
        .collect()
}

/// Looks at a certificate that is itself believed: at its time and its name only.
fn verify_listed(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.validity();
    if seconds(now) > validity.not_after.timestamp() {
        let not_after = unix(validity.not_after);
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        }
        .into());
    }
    if seconds(now) < validity.not_before.timestamp() {
        let not_before = unix(validity.not_before);
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
        .into());
    }
    // One that was made in a hurry has its name as a common name only.
    let is_named_so = if alternative_names(&parsed).is_empty() {
        common_names(&parsed).any(|common| common.eq_ignore_ascii_case(&name.to_str()))
    } else {
        let certificate = ParsedCertificate::try_from(certificate)?;
        verify_server_name(&certificate, name).is_ok()
    };
    if is_named_so {
        Ok(ServerCertVerified::assertion())
    } else {
        Err(CertificateError::NotValidForName.into())
    }
}

/// The names that a certificate is for, in words.
fn names(certificate: &X509Certificate<'_>) -> String {
    let mut names = alternative_names(certificate);
    if names.is_empty() {
        names = common_names(certificate)
            .map(|name| Cow::from(format!("{name} (as a common name only)")))
            .collect();
    }
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    match (names.is_empty(), more) {
        (true, _) => "no name".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

fn alternative_names<'c>(certificate: &'c X509Certificate<'_>) -> Vec<Cow<'c, str>> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map_or(&[][..], |extension| &extension.value.general_names);
    names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Cow::from(*name)),
            GeneralName::IPAddress(address) => match address.len() {
                4 => <[u8; 4]>::try_from(*address)
                    .ok()
                    .map(|it| std::net::Ipv4Addr::from(it).to_string().into()),
                _ => <[u8; 16]>::try_from(*address)
                    .ok()
                    .map(|it| std::net::Ipv6Addr::from(it).to_string().into()),
            },
            _ => None,
        })
        .collect()
}

fn common_names<'c>(certificate: &'c X509Certificate<'_>) -> impl Iterator<Item = &'c str> {
    let names = certificate.subject().iter_common_name();
    names.filter_map(|name| name.as_str().ok())
}

/// Whose time is over or has not begun: one of these bounds is the certificate's own.
fn whose(own: ASN1Time, passed: UnixTime) -> &'static str {
    if own.timestamp() == seconds(passed) {
        "its certificate"
    } else {
        "a certificate that signed its certificate"
    }
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn unix(time: ASN1Time) -> UnixTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn date(time: UnixTime) -> String {
    let date = ASN1Time::from_timestamp(seconds(time)).ok();
    let date = date.and_then(|date| date.to_rfc2822().ok());
    date.unwrap_or_else(|| format!("{} s after 1970", time.as_secs()))
}

/// Believes everybody.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
