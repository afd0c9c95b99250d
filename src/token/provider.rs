//! The signatures of `jsonwebtoken`, verified by `ring`, as TLS is: there is no second
//! library for cryptography in the program. Nothing is signed.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use ring::{hmac, signature};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    // For keys in JSON, which are not taken.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has `jsonwebtoken` verify by `ring`.
pub(super) fn install() {
    // It takes one provider for the process, and refuses the same one a second time.
    RING.install_default().ok();
}

/// One signature's way to be verified, with its key.
enum Check {
    Secret(hmac::Key),
    Public(signature::UnparsedPublicKey<Vec<u8>>),
}

struct RingVerifier {
    algorithm: Algorithm,
    check: Check,
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let bytes = key.try_get_as_bytes()?;
    let secret = |hash| Check::Secret(hmac::Key::new(hash, bytes));
    let public = |scheme: &'static dyn signature::VerificationAlgorithm| {
        Check::Public(signature::UnparsedPublicKey::new(scheme, bytes.to_vec()))
    };
    let check = match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => secret(hmac::HMAC_SHA256),
        (Algorithm::HS384, AlgorithmFamily::Hmac) => secret(hmac::HMAC_SHA384),
        (Algorithm::HS512, AlgorithmFamily::Hmac) => secret(hmac::HMAC_SHA512),
        (Algorithm::RS256, AlgorithmFamily::Rsa) => public(&signature::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::ES256, AlgorithmFamily::Ec) => public(&signature::ECDSA_P256_SHA256_FIXED),
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(RingVerifier { algorithm, check }))
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        match &self.check {
            Check::Secret(key) => hmac::verify(key, message, signature),
            Check::Public(key) => key.verify(message, signature),
        }
        .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
