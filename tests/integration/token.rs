//! `platform.session` from the claims of a token.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::support::client::get;
use super::support::eventually::eventually;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json as answer_json};

const SECRET: &str = "nobody knows but who signs";

const CONFIG: &str = "[transactions]\nkeep = 10\n\
    [session]\n\"user.id\" = \"claim:sub\"\n\"role.names\" = \"claim:realm.roles\"\napp = \"x-app\"\n\
    [token]\nalgorithm = \"HS256\"\nkeys = [\"env:SESSION_KEY\"]\n";

/// Answers with the session; `/blind` doesn't look at it.
const WHO: (&str, &str) = (
    "10-who.request.js",
    "if (req.path === '/blind') return { blind: true };\n\
     return { session: platform.session, auth: g.req.auth };\n",
);

/// A token that is signed with `secret` and lasts for `seconds` from now.
fn token(secret: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("the clock is past 1970").as_secs();
    let until = i64::try_from(now).expect("it fits") + seconds;
    let claims = json!({"sub": "7", "realm": {"roles": ["clerk"]}, "exp": until});
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(json!({"alg": "HS256"})), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn asked(sidecar: &Sidecar, path: &str, authorization: &str) -> Value {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nX-App: web\r\n{authorization}\r\n");
    sidecar.exchange(request.as_bytes()).json()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn a_verified_token_fills_the_session_and_another_one_empties_it() {
    let upstream = Upstream::answering(|_| answer_json("{}"));
    let scripts = ScriptDir::with(&[WHO]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(CONFIG)
        .env("SESSION_KEY", SECRET)
        .start();
    let session = |authorization: &str| asked(&sidecar, "/who", authorization)["session"].clone();
    let user = json!({"id": "7"});

    let good = session(&bearer(&token(SECRET, 60)));
    assert_eq!(good["user"], user, "{good}");
    assert_eq!(good["role"]["names"], json!(["clerk"]));
    assert_eq!(good["app"], "web");
    let none = session("");
    assert_eq!(
        (&none["user"], &none["app"]),
        (&json!({}), &json!("web")),
        "{none}"
    );
    for bad in [token("another", 60), token(SECRET, -60), "x.y.z".to_owned()] {
        let empty = session(&bearer(&bad));
        assert!(!empty.to_string().contains("web"), "{empty}");
        assert!(!empty.to_string().contains('7'), "{empty}");
    }
    asked(&sidecar, "/blind", &bearer(&token(SECRET, 60)));

    let expected = [
        "accepted",
        "expired",
        "malformed",
        "missing",
        "signature",
        "unseen",
    ];
    let tokens = eventually("the stories of all", || {
        let seen = get(sidecar.admin, "/transactions").json();
        let seen = seen["transactions"].as_array().cloned()?;
        // Of two requests the later one's story may be told first.
        let tokens = seen.iter().filter_map(|one| one["token"].as_str());
        let mut tokens: Vec<_> = tokens.map(str::to_owned).collect();
        tokens.sort();
        (tokens.len() >= expected.len()).then_some(tokens)
    });
    assert_eq!(tokens, expected);
    sidecar.logs(|line| line.contains("token refused") && line.contains("expired"));
    assert!(!sidecar.log().has(|line| line.contains(SECRET)));
}

#[test]
fn a_queued_handler_has_the_session_of_its_transaction() {
    let upstream = Upstream::answering(|_| answer_json("{}"));
    let scripts = ScriptDir::with(&[(
        "10-note.queued.js",
        "log.info('it was ' + platform.session.user.id);\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(&format!(
            "{CONFIG}leeway = \"0s\"\n[queue]\ndelay = \"3200ms\"\n"
        ))
        .env("SESSION_KEY", SECRET)
        .start();

    asked(&sidecar, "/orders", &bearer(&token(SECRET, 2)));

    sidecar.logs(|line| line.contains("it was 7"));
}

#[test]
fn a_key_that_is_none_ends_the_start() {
    let scripts = ScriptDir::with(&[WHO]);
    let ended = Sidecar::before("http://127.0.0.1:9")
        .scripts(scripts.path())
        .config(&CONFIG.replace("HS256", "ES256"))
        .env(
            "SESSION_KEY",
            include_str!("../../src/token/tests/rsa-2048.public.pem"),
        )
        .run();

    assert_eq!(ended.code, Some(1), "{}", ended.said);
    let said = "token.keys: key 1 is no public key for ES256";
    assert!(ended.said.contains(said), "{}", ended.said);
    assert!(!ended.said.contains("listening"), "{}", ended.said);
}
