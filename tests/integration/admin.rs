//! Who may use the admin listener, through the real binary.

use super::support::client::{connect, exchange};
use super::support::process::run_to_end;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

const MARK: &str = "res.headers['X-Mark'] = 'a';\n";

/// The status that the admin listener answers these lines of a head with.
fn status(sidecar: &Sidecar, head: &[&str], body: &str) -> u16 {
    let head = head.join("\r\n");
    exchange(sidecar.admin, format!("{head}\r\n\r\n{body}").as_bytes()).status()
}

#[test]
fn a_page_that_a_browser_shows_changes_nothing() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("10-mark.response.js", MARK)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        // Nothing but a request makes it look.
        .config("[scripts]\ncommit = \".commit\"\n")
        .start();
    let live = sidecar.live_generation();
    scripts.write("10-mark.response.js", "res.headers['X-Mark'] = 'b';\n");

    let post = "POST /reload HTTP/1.1";
    for (head, body, expected) in [
        // A name of somebody else's that was resolved to this address.
        (vec![post, "Host: evil.test"], "", 421),
        (
            vec!["GET /generations HTTP/1.1", "Host: evil.test"],
            "",
            421,
        ),
        (
            vec![post, "Host: localhost", "Origin: http://evil.test"],
            "",
            403,
        ),
        (vec![post, "Host: localhost", "Origin: null"], "", 403),
        // What a form can send without being asked about.
        (
            vec![
                post,
                "Host: localhost",
                "Content-Type: application/x-www-form-urlencoded",
                "Content-Length: 3",
            ],
            "a=b",
            415,
        ),
        (
            vec![
                post,
                "Host: localhost",
                "Content-Type: text/plain",
                "Content-Length: 2",
            ],
            "{}",
            415,
        ),
        (vec!["GET /reload HTTP/1.1", "Host: localhost"], "", 405),
    ] {
        assert_eq!(status(&sidecar, &head, body), expected, "{head:?}");
    }

    assert_eq!(sidecar.live_generation(), live);
    assert_eq!(status(&sidecar, &[post, "Host: localhost"], ""), 200);
    assert_ne!(sidecar.live_generation(), live);
}

#[test]
fn where_a_token_is_set_nothing_is_told_without_it() {
    let upstream = Upstream::answering(|_| json("{}"));
    let sidecar = Sidecar::before(upstream.url())
        .env("ADMIN_TOKEN", "s3cret-s3cret-s3cret")
        .config("[admin]\ntoken = \"env:ADMIN_TOKEN\"\n")
        .start();

    for (line, path) in [
        ("X-Nothing: 1", "/generations"),
        ("Authorization: Bearer s3cret-s3cret-s3creT", "/generations"),
        ("Authorization: Bearer s3cret", "/transactions"),
        (
            "Authorization: Basic czNjcmV0",
            "/system/event?scriptable=true",
        ),
        // Queries end up in logs.
        ("X-Nothing: 1", "/generations?api_key=s3cret-s3cret-s3cret"),
    ] {
        let request = format!("GET {path} HTTP/1.1");
        assert_eq!(
            status(&sidecar, &[&request, "Host: localhost", line], ""),
            401,
            "{line} {path}"
        );
    }

    let shown = "Authorization: Bearer s3cret-s3cret-s3cret";
    let request = "GET /generations HTTP/1.1";
    assert_eq!(
        status(&sidecar, &[request, "Host: any.test", shown], ""),
        200
    );
    let said = sidecar.log().lines().join("\n");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn beyond_loopback_there_is_no_admin_listener_without_a_token() {
    let scripts = ScriptDir::with(&[]);

    let ended = run_to_end(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://127.0.0.1:9",
        "--scripts",
        scripts.path().to_str().unwrap(),
        "--admin",
        "0.0.0.0:0",
    ]);

    assert_eq!(ended.code, Some(64), "{}", ended.said);
    assert!(ended.said.contains("admin.token"), "{}", ended.said);
}

#[test]
fn the_operators_listeners_have_the_limits_of_heads_and_of_idle_connections() {
    let upstream = Upstream::answering(|_| json("{}"));
    let slow = b"GET /livez HTTP/1.1\r\nHo";
    let idle = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

    let sidecar = Sidecar::before(upstream.url())
        .config("[limits]\nhead_time = \"100ms\"\n")
        .start();
    for listener in [sidecar.status, sidecar.admin] {
        let mut wire = connect(listener);
        wire.send(slow).unwrap();
        // Cut, since nobody knows what it would have asked.
        assert_eq!(wire.rest().unwrap_or_default(), b"", "{listener}");
        let mut wire = connect(listener);
        for _ in 0..2 {
            wire.send(idle).unwrap();
            wire.response("GET").unwrap();
        }
    }

    let sidecar = Sidecar::before(upstream.url())
        .config("[limits]\nidle_timeout = \"100ms\"\n")
        .start();
    for listener in [sidecar.status, sidecar.admin] {
        assert_eq!(connect(listener).rest().unwrap_or_default(), b"");
        let mut wire = connect(listener);
        wire.send(idle).unwrap();
        wire.response("GET").unwrap();
        assert_eq!(wire.rest().unwrap_or_default(), b"", "{listener}");
    }
}

#[test]
fn operators_who_ask_for_nothing_keep_nobody_else_out() {
    let upstream = Upstream::answering(|_| json("{}"));
    let sidecar = Sidecar::before(upstream.url()).start();

    for listener in [sidecar.status, sidecar.admin] {
        let mut busy = connect(listener);
        let mut held: Vec<_> = (0..200).map(|_| connect(listener)).collect();
        let part = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n";
        for wire in &mut held {
            drop(wire.send(part));
        }

        for _ in 0..3 {
            let answer = exchange(
                listener,
                b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
            );
            assert_eq!(answer.status(), 404);
        }
        // Who was idle longest had to go.
        assert_eq!(busy.rest().unwrap_or_default(), b"");
    }
}
