//! Every odd thing JSON allows and forbids, through the proxy in both directions: past handlers,
//! under one that reads all of it, and under one that edits one member.
//!
//! The texts are those of `tests/json/texts.txt`, and with `JSON_TEST_SUITE=…/test_parsing` those of
//! <https://github.com/nst/JSONTestSuite> as well.

mod text;

use std::sync::Arc;

use self::text::{Text, Validity};
use super::support::client::exchange;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::Upstream;
use super::support::wire::Message;

const READ: &str = "
const look = value => {
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) look(value[key]);
};
";

/// Handlers that read what is at `/read` and edit what is at `/edit`.
fn handlers() -> ScriptDir {
    let read = |verb: &str, code: &str| format!("// @match {verb} /read/**\n{READ}{code}\n");
    ScriptDir::with(&[
        (
            "10-read.request.js",
            &read("POST", "if (json !== null) look(JSON.parse(json));"),
        ),
        (
            "20-edit.request.js",
            "// @match POST /edit/**
             if (json !== null) {
               const data = JSON.parse(json);
               data.edited = 'new';
               json = JSON.stringify(data);
             }\n",
        ),
        ("10-read.response.js", &read("GET", "look(json);")),
        (
            "20-edit.response.js",
            "// @match GET /edit/**\nif (json !== null) json.edited = 'new';\n",
        ),
    ])
}

/// Sends back what it is sent, as no JSON, and has the text of a number below every path.
fn api(texts: &Arc<Vec<Text>>) -> Upstream {
    let texts = Arc::clone(texts);
    Upstream::answering(move |request| {
        let kind = if request.method() == "POST" {
            "application/octet-stream"
        } else {
            "application/json"
        };
        let number = request.target().rsplit('/').next().unwrap_or_default();
        let text = number.parse().ok().and_then(|at: usize| texts.get(at));
        match text {
            Some(text) if request.method() == "GET" => message(
                &format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"),
                &text.sent(request.target().starts_with("/edit")),
            ),
            Some(_) | None => message(
                &format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"),
                &request.body,
            ),
        }
    })
}

fn message(head: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    message.extend(body);
    message
}

fn get(sidecar: &Sidecar, target: &str) -> Message {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    exchange(sidecar.proxy, request.as_bytes())
}

fn post(sidecar: &Sidecar, target: &str, body: &[u8]) -> Message {
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    exchange(sidecar.proxy, &message(&head, body))
}

/// What must come of a message.
enum Expected {
    /// It arrives with this body.
    Body(Vec<u8>),
    /// It is refused with this status.
    Refused(u16),
    /// It arrives with this body, or is refused.
    BodyOrRefused(Vec<u8>),
}

impl Expected {
    /// What is wrong with a response, if anything.
    fn difference(&self, response: &Message) -> Option<String> {
        let is_refusal = response.json_object_has("errorMessage");
        let is_met = match self {
            Self::Body(body) => response.status() == 200 && response.body == *body,
            Self::Refused(status) => response.status() == *status && is_refusal,
            Self::BodyOrRefused(body) => {
                (response.status() == 200 && response.body == *body)
                    || (response.status() >= 400 && is_refusal)
            }
        };
        let body = String::from_utf8_lossy(&response.body);
        let start: String = body.chars().take(200).collect();
        (!is_met).then(|| format!("{} {start:?}", response.status()))
    }
}

impl Message {
    fn json_object_has(&self, key: &str) -> bool {
        let read: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        read.is_some_and(|read| read.get(key).is_some())
    }
}

/// What must come of a response with a text that a handler reads, or edits.
fn seen_response(text: &Text, edits: bool, unreadable: &Expected) -> Expected {
    let sent = text.sent(edits);
    match text.validity {
        Validity::Yes if edits => Expected::Body(text.edited()),
        Validity::Yes | Validity::Empty => Expected::Body(sent),
        Validity::No | Validity::Deep => match unreadable {
            Expected::Refused(status) => Expected::Refused(*status),
            Expected::Body(_) | Expected::BodyOrRefused(_) => Expected::Body(sent),
        },
        Validity::Either if edits => Expected::BodyOrRefused(text.edited()),
        Validity::Either => Expected::BodyOrRefused(sent),
    }
}

/// What must come of a request with a text that a handler parses, or edits: a text that is no JSON
/// is the client's mistake.
fn seen_request(text: &Text, edits: bool, unreadable: &Expected) -> Expected {
    let arrives = if edits {
        text::compact(&text.edited())
    } else {
        text.bytes.clone()
    };
    match text.validity {
        Validity::Yes => Expected::Body(arrives),
        Validity::Empty => Expected::Body(text.bytes.clone()),
        Validity::No | Validity::Deep => match unreadable {
            Expected::Refused(_) => Expected::Refused(400),
            Expected::Body(_) | Expected::BodyOrRefused(_) => Expected::Body(text.sent(edits)),
        },
        Validity::Either => Expected::BodyOrRefused(arrives),
    }
}

fn differences(texts: Vec<Text>, config: &str, unreadable: &Expected) -> Vec<String> {
    let texts = Arc::new(texts);
    let upstream = api(&texts);
    let scripts = handlers();
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(config)
        .start();
    let mut found = Vec::new();
    let mut check = |name: &str, way: &str, expected: &Expected, response: &Message| {
        let difference = expected.difference(response);
        found.extend(difference.map(|difference| format!("{name}, {way}: {difference}")));
    };
    for (number, text) in texts.iter().enumerate() {
        let passed = Expected::Body(text.bytes.clone());
        let name = &text.name;
        for (way, expected, response) in [
            (
                "response past",
                &passed,
                get(&sidecar, &format!("/past/{number}")),
            ),
            (
                "request past",
                &passed,
                post(&sidecar, "/past", &text.bytes),
            ),
        ] {
            check(name, way, expected, &response);
        }
        for edits in [false, true] {
            let path = if edits { "edit" } else { "read" };
            let response = get(&sidecar, &format!("/{path}/{number}"));
            let expected = seen_response(text, edits, unreadable);
            check(name, &format!("response {path}"), &expected, &response);
            let response = post(&sidecar, &format!("/{path}"), &text.sent(edits));
            let expected = seen_request(text, edits, unreadable);
            check(name, &format!("request {path}"), &expected, &response);
        }
    }
    check(
        "the end",
        "still there",
        &Expected::Body(b"{}".to_vec()),
        &post(&sidecar, "/past", b"{}"),
    );
    found
}

#[track_caller]
fn assert_none(found: &[String]) {
    assert!(
        found.is_empty(),
        "{} differ\n{}",
        found.len(),
        found.join("\n")
    );
}

/// A handler must not lose its time to a busy machine.
const PATIENT: &str = "[limits]\nhandler_time = \"5s\"\n";

/// The texts without one whose mark says that it is UTF-16: `tests/wire/charset.rs` has those.
fn utf_8() -> Vec<Text> {
    let mut texts = text::corpus();
    texts.retain(|text| !text.bytes.starts_with(b"\xff\xfe"));
    texts
}

#[test]
fn odd_texts_are_kept_edited_or_refused_and_never_half_fixed() {
    let unreadable = Expected::Refused(502);

    assert_none(&differences(utf_8(), PATIENT, &unreadable));
}

#[test]
fn odd_texts_that_cannot_be_read_may_pass() {
    let config = format!("{PATIENT}[bodies]\nunavailable = \"pass\"\n");
    let texts = utf_8().into_iter().filter(|text| {
        // Of requests it says nothing but where they are no text.
        text.validity != Validity::No || std::str::from_utf8(&text.bytes).is_ok()
    });

    let unreadable = Expected::Body(Vec::new());
    assert_none(&differences(texts.collect(), &config, &unreadable));
}

#[test]
fn the_json_test_suite_is_kept_edited_or_refused() {
    let Some(directory) = std::env::var_os("JSON_TEST_SUITE") else {
        return;
    };
    let texts = text::suite(directory.as_ref());
    assert!(texts.len() > 300, "{} texts", texts.len());
    let unreadable = Expected::Refused(502);

    assert_none(&differences(texts, PATIENT, &unreadable));
}
