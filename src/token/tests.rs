//! Tokens as others make them, good and bad ones.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::{hmac, signature};
use serde_json::json;

use super::*;

const SECRET: &str = "a secret of 32 bytes, or a bit more";
const RSA: &str = include_str!("tests/rsa-2048.public.pem");
const RSA_1024: &str = include_str!("tests/rsa-1024.public.pem");
const P256: &str = include_str!("tests/p-256.public.pem");
const P384: &str = include_str!("tests/p-384.public.pem");

fn settings(algorithm: Algorithm, keys: &[&str]) -> Settings {
    Settings {
        algorithm,
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
        issuer: None,
        audience: Vec::new(),
        leeway: Duration::from_secs(30),
    }
}

fn verify(settings: &Settings, token: &str) -> Result<Map<String, Value>, TokenRefusal> {
    let verifier = Verifier::new(settings).expect("the keys are good");
    verifier.verify(token)
}

/// Seconds from now, as claims count time.
fn from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("the clock is past 1970").as_secs();
    i64::try_from(now).expect("it fits for a while") + seconds
}

fn good() -> Value {
    json!({"sub": "7", "role": "clerk", "exp": from_now(60)})
}

/// The token of a header and claims, signed as told.
fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn by_secret(secret: &str) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

fn hs256(claims: &Value) -> String {
    token(
        &json!({"alg": "HS256", "typ": "JWT"}),
        claims,
        by_secret(SECRET),
    )
}

/// The key between the lines of a PEM file.
fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    STANDARD
        .decode(lines.collect::<String>())
        .expect("PEM is base64")
}

fn by_rsa(message: &[u8]) -> Vec<u8> {
    let key = der(include_str!("tests/rsa-2048.private.pem"));
    let key = signature::RsaKeyPair::from_pkcs8(&key).expect("a key");
    let mut signed = vec![0; key.public().modulus_len()];
    key.sign(
        &signature::RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signed,
    )
    .expect("it can sign");
    signed
}

fn by_p256(message: &[u8]) -> Vec<u8> {
    let key = der(include_str!("tests/p-256.private.pem"));
    let random = SystemRandom::new();
    let scheme = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = signature::EcdsaKeyPair::from_pkcs8(scheme, &key, &random).expect("a key");
    key.sign(&random, message)
        .expect("it can sign")
        .as_ref()
        .to_vec()
}

#[test]
fn a_token_of_each_kind_of_key_is_accepted() {
    let rsa = token(&json!({"alg": "RS256"}), &good(), by_rsa);
    let p256 = token(&json!({"alg": "ES256"}), &good(), by_p256);

    for (algorithm, key, token) in [
        (Algorithm::Hs256, SECRET, hs256(&good())),
        (Algorithm::Rs256, RSA, rsa),
        (Algorithm::Es256, P256, p256),
    ] {
        let claims = verify(&settings(algorithm, &[key]), &token);
        assert_eq!(claims.expect(key)["role"], "clerk");
    }
}

/// The example of RFC 7515, A.1, whose time was over in 2011.
#[test]
fn the_example_of_the_standard_is_verified() {
    let secret =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = URL_SAFE_NO_PAD.decode(secret).expect("it is base64");
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let mut verifier = Verifier::new(&settings(Algorithm::Hs256, &[])).expect("no keys");
    verifier.keys = vec![DecodingKey::from_secret(&secret)];

    assert_eq!(verifier.verify(token), Err(TokenRefusal::Expired));
    verifier.validation.validate_exp = false;
    assert_eq!(verifier.verify(token).expect("it is good")["iss"], "joe");
}

#[test]
fn the_algorithm_is_the_operators_and_never_the_tokens() {
    let rsa = settings(Algorithm::Rs256, &[RSA]);
    let secret = settings(Algorithm::Hs256, &[SECRET]);
    let unsigned = |_: &[u8]| Vec::new();

    // The public key, which everybody knows, as the secret.
    let confused = token(&json!({"alg": "HS256"}), &good(), by_secret(RSA));
    assert_eq!(verify(&rsa, &confused), Err(TokenRefusal::Algorithm));
    // The same, by another name of the algorithm.
    let renamed = token(&json!({"alg": "RS256"}), &good(), by_secret(RSA));
    assert_eq!(verify(&rsa, &renamed), Err(TokenRefusal::Signature));
    let stronger = token(&json!({"alg": "HS512"}), &good(), by_secret(SECRET));
    assert_eq!(verify(&secret, &stronger), Err(TokenRefusal::Algorithm));
    for name in ["none", "None", "NONE", ""] {
        let token = token(&json!({"alg": name}), &good(), unsigned);
        let refused = verify(&secret, &token).expect_err(name);
        assert!(
            matches!(refused, TokenRefusal::Algorithm | TokenRefusal::Malformed),
            "{name}"
        );
    }
}

#[test]
fn a_token_of_another_key_or_with_other_claims_is_refused() {
    let settings = settings(Algorithm::Hs256, &[SECRET]);
    let foreign = token(&json!({"alg": "HS256"}), &good(), by_secret("another"));
    assert_eq!(verify(&settings, &foreign), Err(TokenRefusal::Signature));

    let genuine = hs256(&good());
    let parts: Vec<_> = genuine.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(json!({"sub": "1", "exp": from_now(60)}).to_string());
    for (changed, refused) in [
        (
            [parts[0], &forged, parts[2]].join("."),
            TokenRefusal::Signature,
        ),
        ([parts[0], parts[1], ""].join("."), TokenRefusal::Signature),
        ([parts[0], parts[1]].join("."), TokenRefusal::Malformed),
        (format!("{genuine}.x"), TokenRefusal::Malformed),
        (format!("{genuine}="), TokenRefusal::Malformed),
        ("x".to_owned(), TokenRefusal::Malformed),
    ] {
        assert_eq!(verify(&settings, &changed), Err(refused), "{changed}");
    }
}

#[test]
fn a_key_of_several_is_enough() {
    let settings = settings(Algorithm::Hs256, &["the one before", SECRET]);

    assert!(verify(&settings, &hs256(&good())).is_ok());
}

#[test]
fn a_token_counts_in_its_time_give_or_take_the_leeway() {
    let settings = settings(Algorithm::Hs256, &[SECRET]);
    for (claims, refused) in [
        (json!({"exp": from_now(60)}), None),
        (json!({"exp": from_now(-20)}), None),
        (json!({"exp": from_now(-40)}), Some(TokenRefusal::Expired)),
        (json!({}), Some(TokenRefusal::Claims)),
        (json!({"exp": null}), Some(TokenRefusal::Claims)),
        (json!({"exp": "never"}), Some(TokenRefusal::Claims)),
        (json!({"exp": -1}), Some(TokenRefusal::Claims)),
        (json!({"exp": from_now(60), "nbf": from_now(20)}), None),
        (
            json!({"exp": from_now(60), "nbf": from_now(40)}),
            Some(TokenRefusal::NotYet),
        ),
        (
            json!({"exp": from_now(60), "nbf": "later"}),
            Some(TokenRefusal::Claims),
        ),
    ] {
        assert_eq!(
            verify(&settings, &hs256(&claims)).err(),
            refused,
            "{claims}"
        );
    }
}

#[test]
fn issuer_and_audience_are_what_is_configured() {
    let any = settings(Algorithm::Hs256, &[SECRET]);
    let ours = Settings {
        issuer: Some("https://id.test".to_owned()),
        audience: vec!["crm".to_owned(), "shop".to_owned()],
        ..any.clone()
    };
    let claims = |iss: Value, aud: Value| {
        let mut claims = good();
        for (name, value) in [("iss", iss), ("aud", aud)] {
            if !value.is_null() {
                claims[name] = value;
            }
        }
        hs256(&claims)
    };
    let (iss, none) = (json!("https://id.test"), Value::Null);

    for (iss, aud, refused) in [
        (iss.clone(), json!("crm"), None),
        (iss.clone(), json!(["x", "shop"]), None),
        (iss.clone(), json!("x"), Some(TokenRefusal::Audience)),
        (iss.clone(), json!([]), Some(TokenRefusal::Audience)),
        (iss.clone(), none.clone(), Some(TokenRefusal::Claims)),
        (iss.clone(), json!(7), Some(TokenRefusal::Claims)),
        (
            json!("https://id"),
            json!("crm"),
            Some(TokenRefusal::Issuer),
        ),
        (none.clone(), json!("crm"), Some(TokenRefusal::Claims)),
        (json!(7), json!("crm"), Some(TokenRefusal::Claims)),
    ] {
        let token = claims(iss.clone(), aud.clone());
        assert_eq!(verify(&ours, &token).err(), refused, "{iss} {aud}");
    }
    // RFC 7519, 4.1.3: who is not in the audience has to refuse it.
    let to_others = claims(none.clone(), json!("crm"));
    assert_eq!(verify(&any, &to_others), Err(TokenRefusal::Audience));
}

#[test]
fn what_a_token_calls_critical_is_refused() {
    let header = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    let token = token(&header, &good(), by_secret(SECRET));

    let refused = verify(&settings(Algorithm::Hs256, &[SECRET]), &token);

    assert_eq!(refused, Err(TokenRefusal::Malformed));
}

#[test]
fn a_key_of_another_algorithm_is_refused_when_it_is_read() {
    let private = include_str!("tests/rsa-2048.private.pem");
    for (algorithm, key) in [
        (Algorithm::Rs256, P256),
        (Algorithm::Rs256, RSA_1024),
        (Algorithm::Rs256, "secret"),
        (Algorithm::Es256, RSA),
        (Algorithm::Es256, P384),
        (Algorithm::Es256, private),
        (Algorithm::Es256, ""),
    ] {
        let refused = Verifier::new(&settings(algorithm, &[P256, RSA, key])).expect_err(key);
        assert!(
            refused.to_string().starts_with("token.keys: key "),
            "{refused}"
        );
    }
    let refused = Verifier::new(&settings(Algorithm::Rs256, &[RSA, P256])).expect_err("P-256");
    assert_eq!(
        refused.to_string(),
        "token.keys: key 2 is no public key for RS256; give one in PEM, of RSA with 2048 bits or more"
    );
}
