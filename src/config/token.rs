//! The `[token]` table: how the tokens are verified that claims come from.

use std::time::Duration;

use http::HeaderName;

use crate::transaction::SessionSource;

use super::reader::Reader;
use super::refusal::Refusal;
use super::secret::{Secret, SecretReference};
use super::{units, value};

/// What the text of a session's value begins with where it comes from a token.
const CLAIM: &str = "claim:";

/// What a key in PEM begins with, whatever it is a key for.
const PEM: &str = "-----BEGIN ";

/// The `[token]` table.
#[derive(Debug, Clone)]
pub struct Token {
    /// The request header that holds the token.
    pub header: HeaderName,
    /// How it is signed.
    pub algorithm: TokenAlgorithm,
    /// The secrets or public keys, one of which has signed it.
    pub keys: Vec<Secret>,
    /// Its `iss`, where that matters.
    pub issuer: Option<String>,
    /// What its `aud` may be.
    pub audience: Vec<String>,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
}

/// The keys of [`Token`] with nothing opened and nothing required.
pub(super) struct TokenKeys {
    header: HeaderName,
    algorithm: Option<TokenAlgorithm>,
    keys: Vec<SecretReference>,
    issuer: Option<String>,
    audience: Vec<String>,
    leeway: Duration,
}

impl TokenKeys {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let algorithms = [
            ("HS256", TokenAlgorithm::Hs256),
            ("HS384", TokenAlgorithm::Hs384),
            ("HS512", TokenAlgorithm::Hs512),
            ("RS256", TokenAlgorithm::Rs256),
            ("ES256", TokenAlgorithm::Es256),
        ];
        Self {
            header: reader.or("token.header", "authorization", value::header_name),
            algorithm: reader.optional("token.algorithm", |text| value::choice(text, &algorithms)),
            keys: reader.secrets("token.keys"),
            issuer: reader.optional("token.issuer", value::word),
            audience: reader.list_or("token.audience", &[], value::word),
            leeway: reader.or("token.leeway", "30s", units::duration),
        }
    }

    /// Opens the keys; `None` where no token is to be verified.
    pub(super) fn open(self, reader: &mut Reader) -> Option<Token> {
        let algorithm = self.algorithm?;
        let mut keys = Vec::new();
        for reference in self.keys {
            let opened = reader.opened("token.keys", Some(reference), |reference, variables| {
                let key = reference.read(variables)?;
                algorithm.check(&key).map(|()| key)
            });
            keys.extend(opened);
        }
        Some(Token {
            header: self.header,
            algorithm,
            keys,
            issuer: self.issuer,
            audience: self.audience,
            leeway: self.leeway,
        })
    }
}

/// Refuses claims that nobody verifies, and half of what it takes to verify them.
pub(super) fn refuse_unverified<'s>(
    reader: &mut Reader,
    sources: impl IntoIterator<Item = &'s SessionSource>,
) {
    let needed = ["token.algorithm", "token.keys"];
    let is_claim = |source: &SessionSource| matches!(source, SessionSource::Claim(_));
    let wants_token = sources.into_iter().any(is_claim);
    if !wants_token && !needed.iter().any(|key| reader.was_written(key)) {
        return;
    }
    for key in needed {
        if !reader.was_written(key) {
            reader.refuse(&[key], Refusal::Unverified);
        }
    }
}

/// Reads where a value of a session comes from: the name of a header, or `claim:NAME`.
pub(super) fn session_source(text: &str) -> Result<SessionSource, Refusal> {
    match text.strip_prefix(CLAIM) {
        Some(claim) => value::word(claim).map(SessionSource::Claim),
        None => value::header_name(text).map(SessionSource::Field),
    }
}

impl TokenAlgorithm {
    /// Refuses a key that is plainly one of another kind; the verifier looks closely.
    fn check(self, key: &Secret) -> Result<(), Refusal> {
        let is_pem = key.expose().trim_start().starts_with(PEM);
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 if is_pem => Err(Refusal::PublicSecret),
            Self::Rs256 | Self::Es256 if !key.expose().contains("PUBLIC KEY-----") => {
                Err(Refusal::NoPublicKey)
            }
            Self::Hs256 | Self::Hs384 | Self::Hs512 | Self::Rs256 | Self::Es256 => Ok(()),
        }
    }
}
