//! Calls that are answered in a content coding nobody asked for: handlers see the text.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};
use super::support::wire::Message;

const TEXT: &str = r#"{"price": 1.10}"#;

/// A response in gzip whatever was asked for, with these fields.
fn gzipped(fields: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(TEXT.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{fields}\r\n"
    );
    [head.as_bytes(), &body].concat()
}

/// What `script` answers a request for `/` with, where calls are answered with `called`.
fn answer(script: &str, called: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Message {
    let upstream = Upstream::answering(move |request| match request.target() {
        "/" => json("{}"),
        _ => called(),
    });
    let host = upstream.address;
    let script = format!("// @match /\n{}", script.replace("HOST", &host.to_string()));
    let scripts = ScriptDir::with(&[
        ("10-call.request.js", script.as_str()),
        // Calls that go through handlers meet one that sees the body.
        (
            "20-see.response.js",
            "// @match /through\nlog.debug(json);\n",
        ),
    ]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(&format!("[hosts]\nallow = [\"{host}\"]\n"))
        .start();
    sidecar.get("/")
}

#[test]
fn a_handler_sees_the_text_of_what_it_called() {
    for call in [
        "return getResource('straight');",
        "return JSON.parse(SysUtility.restGet(req.baseUrl + 'through'));",
        "return JSON.parse(SysUtility.restGet(req.baseUrl + 'unseen'));",
        "return JSON.parse(SysUtility.restGet('http://HOST/other'));",
    ] {
        let answer = answer(call, || gzipped("Content-Encoding: gzip\r\n"));

        assert_eq!(answer.status(), 200, "{call}: {}", answer.text());
        assert_eq!(answer.json()["price"], 1.1, "{call}: {}", answer.text());
    }
}

#[test]
fn a_call_whose_answer_cannot_be_decoded_fails() {
    for fields in [
        "Content-Encoding: exi\r\n",
        "Content-Encoding: br\r\n",
        "Content-Encoding: gzip, gzip\r\n",
    ] {
        let answer = answer("return getResource('straight');", || gzipped(fields));

        assert_eq!(answer.status(), 502, "{fields}: {}", answer.text());
    }
}
