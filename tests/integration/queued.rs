//! Queued handlers: once the response is on the wire, as often as they have to, and never
//! silently not.
//!
//! What a queued handler saw it tells the upstream, which records it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::client::{connect, request};
use super::support::eventually::eventually;
use super::support::gate::Gate;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json as answer_json, response};

/// An API with an order, and a place where queued handlers tell what they saw.
fn orders() -> Upstream {
    Upstream::answering(|request| match request.target() {
        "/told" => answer_json("{}"),
        "/missing" => response(
            "404 Not Found",
            "Content-Type: application/json\r\n",
            "{\"why\":\"gone\"}",
        ),
        "/page" => response("200 OK", "Content-Type: text/html\r\n", "<p>"),
        _ => answer_json("{\"id\": 9007199254740993, \"total\": 1.10}"),
    })
}

/// What was told so far, in order.
fn told(upstream: &Upstream) -> Vec<Value> {
    let requests = upstream.requests();
    let told = requests
        .iter()
        .filter(|request| request.target() == "/told");
    told.map(|request| request.json()).collect()
}

fn told_all(upstream: &Upstream, count: usize) -> Vec<Value> {
    eventually("what queued handlers saw", || {
        Some(told(upstream)).filter(|told| told.len() >= count)
    })
}

fn sidecar(upstream: &Upstream, scripts: &ScriptDir, config: &str) -> Sidecar {
    Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(config)
        .start()
}

#[test]
fn a_queued_handler_sees_the_transaction_as_it_ended_and_changes_nothing() {
    let upstream = orders();
    let scripts = ScriptDir::with(&[
        (
            "10-edit.request.js",
            "// @match /orders/**\nreq.headers['x-tenant'] = 'north';\nreq.setUserProperty('by', 'ann');\n",
        ),
        (
            "20-edit.response.js",
            "// @match /orders/**\njson.seen = true;\nres.status = 202;\nres.headers['x-res'] = 'edited';\n",
        ),
        (
            "30-tell.queued.js",
            "// @match /orders/**\n\
             json.later = 'no';\n\
             res.status = 500;\n\
             res.headers['x-res'] = 'never';\n\
             SysUtility.restPost('/told', null, null, { id: String(JSON.stringify(json)), status: res.status,\n\
             verb: req.verb, path: req.path, sent: req.json, tenant: req.headers['x-tenant'] || null,\n\
             by: req.userProperties.by });\n",
        ),
    ]);
    let sidecar = sidecar(&upstream, &scripts, "");

    let answer = sidecar.send_json("POST", "/orders/7?a=1", "{\"qty\": 1.50}");

    assert_eq!(answer.status(), 202);
    assert_eq!(
        answer.text(),
        "{\"id\": 9007199254740993, \"total\": 1.10, \"seen\": true}"
    );
    assert_eq!(answer.head.value("x-res"), Some("edited"));
    assert_eq!(
        told_all(&upstream, 1),
        [json!({
            "id": "{\"id\":9007199254740993,\"total\":1.10,\"seen\":true,\"later\":\"no\"}",
            "status": 500,
            "verb": "POST",
            "path": "/orders/7",
            "sent": "{\"qty\": 1.50}",
            "tenant": null,
            "by": "ann",
        })]
    );
}

#[test]
fn a_response_does_not_wait_for_queued_handlers() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |request| {
        if request.target() == "/told" {
            its_gate.pass();
        }
        answer_json("{}")
    });
    let scripts = ScriptDir::with(&[(
        "10-tell.queued.js",
        "// @match /orders\nSysUtility.restPost('/told', null, null, {});\n",
    )]);
    let sidecar = sidecar(&upstream, &scripts, "[queue]\nconcurrency = 1\n");

    let mut client = connect(sidecar.proxy);
    for _ in 0..3 {
        client.send(&request("GET", "/orders", "")).unwrap();
        assert_eq!(client.response("GET").unwrap().status(), 200);
    }
    assert!(told(&upstream).len() <= 1, "one worker waits at the gate");
    gate.open();

    told_all(&upstream, 3);
}

#[test]
fn queued_handlers_run_whatever_the_outcome() {
    let upstream = orders();
    let tell =
        "SysUtility.restPost('/told', null, null, { path: req.path, status: res.status });\n";
    let scripts = ScriptDir::with(&[
        (
            "10-refuse.request.js",
            "// @match /refused\nthrow { status: 403, message: 'no' };\n",
        ),
        (
            "20-answer.request.js",
            "// @match /answered\nreturn { by: 'handler' };\n",
        ),
        (
            "30-tell.queued.js",
            &format!(
                "// @match /refused\n// @match /answered\n// @match /missing\n// @match /page\n{tell}"
            ),
        ),
        (
            "40-body.queued.js",
            "// @match /page\nSysUtility.restPost('/told', null, null, { body: json });\n",
        ),
    ]);
    let sidecar = sidecar(&upstream, &scripts, "");

    let mut seen = Vec::new();
    for (path, status) in [
        ("/refused", 403),
        ("/answered", 200),
        ("/missing", 404),
        ("/page", 200),
    ] {
        assert_eq!(sidecar.get(path).status(), status, "{path}");
        seen.push(json!({"path": path, "status": status}));
        assert_eq!(told_all(&upstream, seen.len()), seen);
    }

    // A page is no JSON: who wants to see it doesn't run, and that is told.
    sidecar.logs(|line| line.contains("were left out") && line.contains("\"no_body\""));
    assert_eq!(told(&upstream), seen);
}

#[test]
fn a_handler_that_fails_is_tried_again_and_then_given_up_aloud() {
    let upstream = orders();
    let scripts = ScriptDir::with(&[
        (
            "10-fail.queued.js",
            "// @match /orders\n\
             SysUtility.restPost('/told', null, null, { by: 'fail' });\n\
             throw 'not yet';\n",
        ),
        (
            "20-fine.queued.js",
            "// @match /orders\nSysUtility.restPost('/told', null, null, { by: 'fine' });\n",
        ),
    ]);
    let config = "[queue]\nmax_attempts = 3\nbackoff = \"20ms\"\n";
    let sidecar = sidecar(&upstream, &scripts, config);

    let began = Instant::now();
    assert_eq!(sidecar.get("/orders").status(), 200);
    sidecar.logs(|line| {
        line.contains("queued handlers were dropped")
            && line.contains("\"10-fail\"")
            && line.contains("\"failed\"")
    });

    let by: Vec<_> = told(&upstream)
        .iter()
        .map(|told| told["by"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(by, ["fail", "fine", "fail", "fail"]);
    // 20 ms, then twice as long.
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_handler_that_takes_too_long_is_stopped_and_the_next_one_runs() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |request| {
        if request.target() == "/slow" {
            its_gate.pass();
        }
        answer_json("{}")
    });
    let scripts = ScriptDir::with(&[
        (
            "10-slow.queued.js",
            "// @match /orders\nSysUtility.restGet('/slow');\n",
        ),
        (
            "20-fine.queued.js",
            "// @match /orders\nSysUtility.restPost('/told', null, null, {});\n",
        ),
    ]);
    let config = "[queue]\nmax_attempts = 1\ntimeout = \"100ms\"\n";
    let sidecar = sidecar(&upstream, &scripts, config);

    assert_eq!(sidecar.get("/orders").status(), 200);

    told_all(&upstream, 1);
    sidecar.logs(|line| line.contains("were dropped") && line.contains("\"10-slow\""));
    gate.open();
}

#[test]
fn what_finds_no_room_is_dropped_aloud_and_harms_no_response() {
    for (bound, room) in [("capacity = 2", 2), ("memory = \"1MiB\"", 2)] {
        let upstream = orders();
        let scripts = ScriptDir::with(&[
            (
                "10-keep.request.js",
                "// @match /orders\ng.shared.all = 'x'.repeat(400 << 10);\n",
            ),
            (
                "10-tell.queued.js",
                "// @match /orders\nSysUtility.restPost('/told', null, null, {});\n",
            ),
        ]);
        let config = format!("[queue]\ndelay = \"1h\"\n{bound}\n");
        let sidecar = sidecar(&upstream, &scripts, &config);

        for _ in 0..5 {
            assert_eq!(sidecar.get("/orders").status(), 200);
        }

        let dropped = eventually("the drops", || {
            let lines = sidecar.log().lines();
            let full = |line: &&String| line.contains("were dropped") && line.contains("\"full\"");
            Some(lines.iter().filter(full).count()).filter(|count| *count >= 5 - room)
        });
        assert_eq!(dropped, 5 - room, "{bound}");
        assert!(told(&upstream).is_empty());
    }
}

#[test]
fn sigterm_runs_what_waits_without_waiting_for_its_time() {
    let upstream = orders();
    let scripts = ScriptDir::with(&[(
        "10-tell.queued.js",
        "// @match /orders\nSysUtility.restPost('/told', null, null, {});\n",
    )]);
    let config = "[queue]\ndelay = \"1h\"\n[drain]\ndelay = \"0s\"\ntimeout = \"10s\"\n";
    let mut sidecar = sidecar(&upstream, &scripts, config);
    for _ in 0..20 {
        sidecar.get("/orders");
    }
    assert!(told(&upstream).is_empty());

    sidecar.signal(Signal::TERM);

    assert!(sidecar.ended().success());
    assert_eq!(told(&upstream).len(), 20);
}

#[test]
fn what_is_left_when_the_drain_is_over_is_told() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |request| {
        if request.target() == "/told" {
            its_gate.pass();
        }
        answer_json("{}")
    });
    let scripts = ScriptDir::with(&[(
        "10-tell.queued.js",
        "// @match /orders\nSysUtility.restPost('/told', null, null, {});\n",
    )]);
    let config = "[queue]\nconcurrency = 1\ntimeout = \"700ms\"\n[drain]\ndelay = \"0s\"\ntimeout = \"200ms\"\n";
    let mut sidecar = sidecar(&upstream, &scripts, config);
    for _ in 0..3 {
        assert_eq!(sidecar.get("/orders").status(), 200);
    }

    sidecar.signal(Signal::TERM);
    let status = sidecar.ended();
    gate.open();

    assert!(status.success());
    let lines = sidecar.log().lines();
    let ending = |line: &&String| line.contains("were dropped") && line.contains("\"ending\"");
    // The third runs: it may still say so itself.
    assert!(lines.iter().filter(ending).count() >= 2, "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("were cut off")),
        "{lines:#?}"
    );
}

#[test]
fn a_queued_handler_belongs_to_the_generation_its_transaction_ran_on() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |request| {
        if request.target() == "/held" {
            its_gate.pass();
        }
        answer_json("{}")
    });
    let telling = |mark: &str| {
        format!(
            "// @match /orders\nSysUtility.restGet('/held');\nSysUtility.restPost('/told', null, null, {{ mark: '{mark}' }});\n"
        )
    };
    let scripts = ScriptDir::with(&[("10-tell.queued.js", &telling("old"))]);
    let sidecar = sidecar(&upstream, &scripts, "[queue]\nconcurrency = 1\n");
    let old = sidecar.live_generation();
    // The first holds the only worker; the second waits for it across the reload.
    for _ in 0..2 {
        assert_eq!(sidecar.get("/orders").status(), 200);
    }
    scripts.write("10-tell.queued.js", &telling("new"));
    sidecar.generation_after(&old);
    assert_eq!(sidecar.get("/orders").status(), 200);
    gate.open();

    let marks = told_all(&upstream, 3);

    assert_eq!(
        marks,
        ["old", "old", "new"].map(|mark| json!({ "mark": mark }))
    );
}

#[test]
fn a_client_that_takes_no_response_leaves_no_queued_handlers() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |request| {
        if request.target() == "/slow" {
            its_gate.pass();
        }
        answer_json("{}")
    });
    let scripts = ScriptDir::with(&[(
        "10-tell.queued.js",
        "SysUtility.restPost('/told', null, null, {});\n",
    )]);
    let sidecar = sidecar(&upstream, &scripts, "");

    let mut client = connect(sidecar.proxy);
    client.send(&request("GET", "/slow", "")).unwrap();
    eventually("the request upstream", || {
        (!upstream.requests().is_empty()).then_some(())
    });
    client.end_with_reset().unwrap();
    drop(client);
    gate.open();
    sidecar.logs(|line| line.contains("were left out") && line.contains("\"unsent\""));

    assert!(told(&upstream).is_empty());
}
