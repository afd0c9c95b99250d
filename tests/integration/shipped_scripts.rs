//! The handlers in `scripts/`: none of them breaks a body that is not what it is written for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, response};

/// Bodies, each with its `Content-Type`; none where it is empty.
const BODIES: &[(&str, &str)] = &[
    ("application/json", ""),
    ("", ""),
    ("application/json", "{}"),
    ("application/json", "[]"),
    ("application/json", "null"),
    ("application/json", "17"),
    ("application/json", "\"text\""),
    ("application/json", "[null,1,\"a\",[],{}]"),
    ("application/json", "{\"errorMessage\":null}"),
    ("text/html", "<p>not found</p>"),
    ("text/plain", "not found"),
    ("", "not found"),
    ("", "{\"a\": 1.10}"),
    ("application/x-www-form-urlencoded", "a=1&b=2"),
    ("image/png", "PNG"),
    ("application/problem+json", "[{\"title\":\"no\"}]"),
];

const STATUSES: &[&str] = &[
    "200 OK",
    "201 Created",
    "400 Bad Request",
    "404 Not Found",
    "405 Method Not Allowed",
    "500 Internal Server Error",
];

const TARGETS: &[(&str, &str)] = &[
    ("GET", "/employees"),
    ("GET", "/employees/7"),
    ("POST", "/orders"),
    ("PUT", "/orders/7"),
    ("DELETE", "/orders/7"),
];

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

/// Each shipped handler alone, with `lib/`.
fn each_alone() -> Vec<(String, ScriptDir)> {
    let library = fs::read_to_string(shipped().join("lib/money.js")).expect("it is shipped");
    let mut alone = Vec::new();
    for kind in ["request", "response", "error"] {
        for file in fs::read_dir(shipped().join(kind)).expect("it is shipped") {
            let file = file.expect("it can be listed");
            let name = format!("{kind}/{}", file.file_name().to_string_lossy());
            let text = fs::read_to_string(file.path()).expect("a handler is text");
            let scripts = ScriptDir::with(&[("lib/money.js", &library), (&name, &text)]);
            alone.push((name, scripts));
        }
    }
    assert!(alone.len() > 3, "{alone:?}", alone = alone.len());
    alone
}

#[test]
fn every_shipped_handler_works_on_bodies_of_every_kind() {
    let answer = Arc::new(Mutex::new(Vec::new()));
    let its_answer = Arc::clone(&answer);
    let upstream = Upstream::answering(move |_| its_answer.lock().unwrap().clone());

    for (name, scripts) in each_alone() {
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .start();
        for status in STATUSES {
            for (content_type, body) in BODIES {
                let field = match *content_type {
                    "" => String::new(),
                    it => format!("Content-Type: {it}\r\n"),
                };
                *answer.lock().unwrap() = response(status, &field, body);
                for (method, target) in TARGETS {
                    let sent = if *method == "GET" { "" } else { body };
                    let length = sent.len();
                    let request = format!(
                        "{method} {target} HTTP/1.1\r\nHost: a\r\n{field}Content-Length: {length}\r\n\r\n{sent}"
                    );

                    let got = sidecar.exchange(request.as_bytes());

                    let case = format!("{name} {method} {target}: {status} {content_type} {body}");
                    assert_eq!(got.status().to_string(), status[..3], "{case}");
                    let is_json = content_type.contains("json") || body.starts_with('{');
                    if !is_json {
                        assert_eq!(got.text(), *body, "{case}");
                    }
                }
            }
        }
    }
}
