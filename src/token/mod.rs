//! Signed tokens (JWT, RFC 7519): whether one is good, and what it claims.
//!
//! There is one algorithm and what it needs as keys, both the operator's choice. What a
//! token says of its algorithm is compared with that and decides nothing, so that no token
//! can have a public key taken for a secret, or ask not to be verified.
//!
//! Knows no requests: [`SessionSources`](crate::transaction::SessionSources) finds the
//! token and takes what it wants of the claims.

mod provider;

use std::time::Duration;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde_json::{Map, Value};

use crate::handler::TokenRefusal;
use crate::transaction::ports::Tokens;

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256 and a secret.
    Hs256,
    /// HMAC with SHA-384 and a secret.
    Hs384,
    /// HMAC with SHA-512 and a secret.
    Hs512,
    /// RSA (PKCS #1 v1.5) with SHA-256; keys are public ones in PEM.
    Rs256,
    /// ECDSA with P-256 and SHA-256; keys are public ones in PEM.
    Es256,
}

/// What a token has to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How it is signed.
    pub algorithm: Algorithm,
    /// The secrets or public keys, one of which has signed it.
    pub keys: Vec<String>,
    /// Its `iss`, where that matters.
    pub issuer: Option<String>,
    /// What its `aud` may be; where there is none, it has no `aud`.
    pub audience: Vec<String>,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

/// A key is no key of its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("token.keys: key {number} is no public key for {algorithm}; give one in PEM, of {kind}")]
pub struct KeyError {
    /// Its place among the keys, from 1.
    number: usize,
    algorithm: &'static str,
    kind: &'static str,
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<DecodingKey>,
    validation: Validation,
}

/// An RSA key of 2048 bits is no shorter, and `ring` takes no weaker one.
const SHORTEST_RSA_KEY: usize = 256;

/// A point on P-256, uncompressed.
const POINT: usize = 65;

impl Verifier {
    /// One that accepts tokens of these settings.
    ///
    /// # Errors
    ///
    /// A key is none.
    pub fn new(settings: &Settings) -> Result<Self, KeyError> {
        provider::install();
        let algorithm = settings.algorithm;
        let key = |(number, text): (usize, &String)| {
            algorithm.key(text).ok_or(KeyError {
                number,
                algorithm: algorithm.name(),
                kind: algorithm.kind(),
            })
        };
        Ok(Self {
            keys: (1..)
                .zip(&settings.keys)
                .map(key)
                .collect::<Result<_, _>>()?,
            validation: validation(settings),
        })
    }
}

fn validation(settings: &Settings) -> Validation {
    let mut validation = Validation::new(settings.algorithm.foreign());
    let mut required = vec!["exp"];
    validation.validate_nbf = true;
    validation.leeway = settings.leeway.as_secs();
    if let Some(issuer) = &settings.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    if !settings.audience.is_empty() {
        validation.set_audience(&settings.audience);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    validation
}

impl Tokens for Verifier {
    fn verify(&self, token: &str) -> Result<Map<String, Value>, TokenRefusal> {
        let mut refused = TokenRefusal::Signature;
        for key in &self.keys {
            match decode(token, key, &self.validation) {
                // What is critical is not understood here (RFC 7515, 4.1.11).
                Ok(token) if token.header.crit.is_some() => return Err(TokenRefusal::Malformed),
                Ok(token) => return Ok(token.claims),
                Err(error) => refused = refusal(&error),
            }
            if refused != TokenRefusal::Signature {
                break;
            }
        }
        Err(refused)
    }
}

/// Why a token is worth nothing.
fn refusal(error: &Error) -> TokenRefusal {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenRefusal::Signature,
        ErrorKind::ExpiredSignature => TokenRefusal::Expired,
        ErrorKind::ImmatureSignature => TokenRefusal::NotYet,
        ErrorKind::InvalidIssuer => TokenRefusal::Issuer,
        ErrorKind::InvalidAudience => TokenRefusal::Audience,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            TokenRefusal::Claims
        }
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::MissingAlgorithm => TokenRefusal::Algorithm,
        // The enum is open; whatever else it is, the token is none of ours.
        _ => TokenRefusal::Malformed,
    }
}

impl Algorithm {
    /// As tokens spell it.
    fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// What its keys are.
    fn kind(self) -> &'static str {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => "any bytes",
            Self::Rs256 => "RSA with 2048 bits or more",
            Self::Es256 => "the curve P-256",
        }
    }

    fn foreign(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
        }
    }

    /// A key of its own, where `text` is one.
    fn key(self, text: &str) -> Option<DecodingKey> {
        let is_fit = |key: &DecodingKey, fits: fn(usize) -> bool| {
            key.try_get_as_bytes().is_ok_and(|bytes| fits(bytes.len()))
        };
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => {
                Some(DecodingKey::from_secret(text.as_bytes()))
            }
            Self::Rs256 => DecodingKey::from_rsa_pem(text.as_bytes())
                .ok()
                .filter(|key| is_fit(key, |length| length > SHORTEST_RSA_KEY)),
            Self::Es256 => DecodingKey::from_ec_pem(text.as_bytes())
                .ok()
                .filter(|key| is_fit(key, |length| length == POINT)),
        }
    }
}

#[cfg(test)]
mod tests;
