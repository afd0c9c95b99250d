//! `limits.transaction_time`: it ends waiting, and nothing else.

use std::time::{Duration, Instant};

use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json, response};

/// As much as a machine that is busy may need besides.
const SLACK: Duration = Duration::from_secs(10);

const LIMIT: &str = "[limits]\ntransaction_time = \"2s\"\nhandler_time = \"2s\"\n";

/// An API that never answers `/silent`, stops within the body of `/half`, and answers all else.
fn api() -> Upstream {
    Upstream::conversing(|conversation| {
        while let Some(request) = conversation.request()? {
            match request.target() {
                "/silent" => {
                    // Until the sidecar gives up.
                    conversation.wire.rest()?;
                    return Ok(());
                }
                "/half" => {
                    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{";
                    conversation.wire.send(head)?;
                    conversation.wire.rest()?;
                    return Ok(());
                }
                _ => conversation.wire.send(&json("{\"a\":1}"))?,
            }
        }
        Ok(())
    })
}

#[test]
fn waiting_for_the_upstream_ends_with_504() {
    let scripts = ScriptDir::with(&[
        (
            "10-heads.request.js",
            "// @match /silent\nreq.headers['x'] = '1';\n",
        ),
        (
            "20-body.response.js",
            "// @match /half\njson.seen = true;\n",
        ),
        (
            "30-error.error.js",
            "res.headers['x-error'] = String(res.status);\n",
        ),
    ]);
    let upstream = api();
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(LIMIT)
        .start();

    for target in ["/silent", "/half"] {
        let began = Instant::now();

        let answer = sidecar.get(target);

        assert_eq!(answer.status(), 504, "{target}");
        assert!(began.elapsed() < SLACK, "{target}");
        // A handler that begins after the deadline runs.
        assert_eq!(answer.head.value("x-error"), Some("504"), "{target}");
        sidecar.logs(|line| line.contains("limits.transaction_time"));
    }
}

#[test]
fn waiting_for_the_client_ends_with_408() {
    let scripts = ScriptDir::with(&[
        ("10-body.request.js", "// @match /body\nlog.info(json);\n"),
        (
            "20-heads.request.js",
            "// @match /heads\nreq.headers['x'] = '1';\n",
        ),
    ]);
    let upstream = api();
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(LIMIT)
        .start();

    for target in ["/body", "/heads"] {
        let half = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");

        let answer = sidecar.exchange(half.as_bytes());

        assert_eq!(answer.status(), 408, "{target}");
    }
}

#[test]
fn a_handler_that_begins_late_computes_as_long_as_ever_and_calls_nobody() {
    let compute = "let n = 0; for (let i = 0; i < 20000; i++) n += i;\n";
    let caught = "let seen; try { getResource('rows'); } catch (error) { seen = error.statusCode + ' ' + (error instanceof Error); }\n";
    let scripts = ScriptDir::with(&[
        (
            "10-late.error.js",
            &format!("// @match /silent\n{compute}{caught}res.headers['x-seen'] = seen;\n"),
        ),
        (
            "20-fetch.error.js",
            "// @match /silent\nlet seen; try { await fetch('/rows'); } catch (error) { seen = error.statusCode; }\nres.headers['x-fetch'] = String(seen);\n",
        ),
    ]);
    let upstream = api();
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(LIMIT)
        .start();

    let answer = sidecar.get("/silent");

    assert_eq!(answer.status(), 504, "{}", sidecar.log().lines().join("\n"));
    assert_eq!(answer.head.value("x-seen"), Some("504 true"));
    assert_eq!(answer.head.value("x-fetch"), Some("504"));
    let asked: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.target().to_owned())
        .collect();
    assert_eq!(asked, ["/silent"]);
}

#[test]
fn a_call_that_the_deadline_ends_names_it_in_the_log() {
    let scripts = ScriptDir::with(&[(
        "10-call.request.js",
        "// @match /slow\nSysUtility.restGet('/silent');\n",
    )]);
    let upstream = Upstream::conversing(|conversation| {
        while let Some(request) = conversation.request()? {
            if request.target() == "/silent" {
                conversation.wire.rest()?;
                return Ok(());
            }
            conversation.wire.send(&response("200 OK", "", "ok"))?;
        }
        Ok(())
    });
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(LIMIT)
        .start();

    let answer = sidecar.get("/slow");

    assert_eq!(answer.status(), 502);
    sidecar.logs(|line| line.contains("limits.transaction_time"));
}
