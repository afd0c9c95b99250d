//! `GET /transactions`: why a handler ran, or didn't.

use serde_json::{Value, json};

use super::support::client::{exchange, get};
use super::support::eventually::eventually;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json as answer_json, response};

const HANDLERS: &[(&str, &str)] = &[
    (
        "10-tag.request.js",
        "// @match /crm/**\nreq.headers['x-tag'] = '1';\n",
    ),
    ("20-deny.request.js", "// @match /crm/denied\nthrow 'no';\n"),
    ("30-late.request.js", "// @match /crm/**\n"),
    (
        "40-edit.response.js",
        "// @match GET /crm/orders/**\njson.seen = true;\n",
    ),
    ("50-friendly.error.js", "// @match /crm/**\n"),
    (
        "60-audit.queued.js",
        "// @match /crm/orders/**\ng.sys.system.emitEventWS('audited', { id: 7 });\n",
    ),
    (
        "crm.orders.{id}.get.post_process.js",
        "g.sys.system.emitEventWS('order-read', { id: 1 });\n",
    ),
    ("70-off.request.js.off", ""),
];

fn sidecar(upstream: &Upstream, scripts: &ScriptDir, config: &str) -> Sidecar {
    let services = "[[service]]\nname = \"crm\"\nprefix = \"/crm\"\n";
    Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(&format!("{services}{config}"))
        .start()
}

fn upstream() -> Upstream {
    Upstream::answering(|request| match request.target() {
        "/crm/orders/page" => response("200 OK", "Content-Type: text/html\r\n", "<p>"),
        _ => answer_json("{\"id\": 1}"),
    })
}

fn shown(sidecar: &Sidecar) -> Value {
    get(sidecar.admin, "/transactions").json()
}

/// The newest transaction, once it is for this path.
fn newest(sidecar: &Sidecar, path: &str) -> Value {
    eventually("the transaction", || {
        let newest = shown(sidecar)["transactions"][0].clone();
        // What becomes of its handlers is told just after how it ended.
        let is_whole = newest["generation"].is_null() || newest["handlers"] != json!([]);
        (newest["path"] == path && is_whole).then_some(newest)
    })
}

/// The fate of each handler, by name.
fn fates(transaction: &Value) -> Vec<(String, String)> {
    let handlers = transaction["handlers"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    handlers
        .iter()
        .map(|told| (text(&told["name"]), text(&told["fate"])))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, fate): &(&str, &str)| ((*name).to_owned(), (*fate).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn each_handler_that_applied_is_told_with_what_became_of_it() {
    let upstream = upstream();
    let scripts = ScriptDir::with(HANDLERS);
    let sidecar = sidecar(&upstream, &scripts, "[transactions]\nkeep = 10\n");

    assert_eq!(sidecar.get("/crm/orders/7?secret=hunter2").status(), 200);
    newest(&sidecar, "/crm/orders/7");
    let transaction = eventually("the end of its queued handler", || {
        let newest = newest(&sidecar, "/crm/orders/7");
        (newest["handlers"][5]["fate"] != "queued").then_some(newest)
    });

    assert_eq!(
        fates(&transaction),
        pairs(&[
            ("10-tag", "ran"),
            ("30-late", "ran"),
            ("40-edit", "ran"),
            ("50-friendly", "other_status"),
            ("crm.orders.{id}.get", "ran"),
            ("60-audit", "ran"),
        ])
    );
    assert!(transaction["handlers"][0]["ms"].as_f64().unwrap() >= 0.0);
    assert_eq!(transaction["way"], "buffered");
    assert_eq!(transaction["why"], "a body is seen by 40-edit");
    assert_eq!(
        transaction["events"],
        json!([
            "crm.orders.7.get.pre_process",
            "crm.orders.7.get.post_process",
            "crm.orders.7.get.queued",
        ])
    );
    assert_eq!(transaction["status"], 200);
    assert_eq!(transaction["outcome"], "forwarded");
    assert_eq!(transaction["generation"], sidecar.live_generation());
    assert_eq!(transaction["emitted"][0]["name"], "order-read");
    assert_eq!(transaction["emitted"][0]["for"], "feed");
    assert_eq!(transaction["emitted"][1]["name"], "audited");
    assert_eq!(transaction["handlers"][5]["tries"], 1);
    let others = transaction["others"].as_array().unwrap();
    let why = |name: &str| {
        let other = others.iter().find(|other| other["name"] == name);
        other.unwrap_or_else(|| panic!("no {name} in {others:?}"))["why"].clone()
    };
    assert_eq!(why("20-deny"), "its @match is for other requests");
    assert_eq!(why("70-off"), "it is switched off");
    assert!(!transaction.to_string().contains("hunter2"));
}

#[test]
fn a_rejection_a_missing_body_and_another_event_are_reasons() {
    let upstream = upstream();
    let scripts = ScriptDir::with(HANDLERS);
    let sidecar = sidecar(&upstream, &scripts, "[transactions]\nkeep = 10\n");

    assert_eq!(sidecar.get("/crm/denied").status(), 400);
    let denied = newest(&sidecar, "/crm/denied");
    assert_eq!(sidecar.get("/crm/orders/page").status(), 200);
    let page = newest(&sidecar, "/crm/orders/page");
    assert_eq!(sidecar.get("/elsewhere").status(), 200);
    let elsewhere = newest(&sidecar, "/elsewhere");

    assert_eq!(
        fates(&denied),
        pairs(&[
            ("10-tag", "ran"),
            ("20-deny", "ran"),
            ("30-late", "ended"),
            ("50-friendly", "ran"),
        ])
    );
    assert_eq!(denied["outcome"], "rejected");
    assert_eq!(denied["way"], "heads");
    assert!(fates(&page).contains(&("40-edit".to_owned(), "no_body".to_owned())));
    assert_eq!(page["unseen_bodies"]["response"], "other_type");
    assert_eq!(elsewhere["way"], "stream");
    assert_eq!(elsewhere["events"], json!([]));
    let others = elsewhere["others"].as_array().unwrap();
    assert_eq!(others.len(), HANDLERS.len());
    assert!(others.contains(&json!({
        "name": "crm.orders.{id}.get",
        "kind": "post_process",
        "why": "its event is another one",
    })));
    assert_eq!(
        shown(&sidecar)["unseen_bodies"]["responses"]["other_type"],
        1
    );
}

#[test]
fn nothing_is_kept_until_somebody_asks_for_it() {
    let upstream = upstream();
    let scripts = ScriptDir::with(HANDLERS);
    let sidecar = sidecar(&upstream, &scripts, "");
    sidecar.get("/crm/orders/1");
    let off = shown(&sidecar);
    assert_eq!(
        (&off["keep"], &off["transactions"]),
        (&json!(0), &json!([]))
    );

    let on = exchange(
        sidecar.admin,
        b"POST /transactions?keep=2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert_eq!(on.json(), json!({"keep": 2}));
    for path in ["/crm/orders/1", "/crm/orders/2", "/crm/orders/3"] {
        sidecar.get(path);
        newest(&sidecar, path);
    }

    let paths: Vec<_> = shown(&sidecar)["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|transaction| transaction["path"].clone())
        .collect();
    assert_eq!(paths, ["/crm/orders/3", "/crm/orders/2"]);
}

#[test]
fn requests_that_handlers_make_are_told_too() {
    let upstream = upstream();
    let scripts = ScriptDir::with(&[
        (
            "10-call.request.js",
            "// @match /crm/outer\nreturn SysUtilityV2.restGet('/crm/inner');\n",
        ),
        (
            "20-inner.response.js",
            "// @match /crm/inner\njson.seen = 1;\n",
        ),
    ]);
    let sidecar = sidecar(&upstream, &scripts, "[transactions]\nkeep = 10\n");

    assert_eq!(sidecar.get("/crm/outer").status(), 200);
    newest(&sidecar, "/crm/outer");

    let inner = shown(&sidecar)["transactions"][1].clone();
    assert_eq!(inner["path"], "/crm/inner");
    assert_eq!(inner["called_by_a_handler"], true);
    assert_eq!(fates(&inner), pairs(&[("20-inner", "ran")]));
}

#[test]
fn what_became_of_queued_handlers_is_counted() {
    let upstream = upstream();
    let scripts = ScriptDir::with(&[
        ("10-fine.queued.js", "// @match /fine\n"),
        ("20-bad.queued.js", "// @match /bad\nthrow 'never';\n"),
    ]);
    let config = "[queue]\nmax_attempts = 2\nbackoff = \"1ms\"\n";
    let sidecar = sidecar(&upstream, &scripts, config);

    sidecar.get("/fine");
    sidecar.get("/bad");

    let queued = eventually("the end of both", || {
        let queued = shown(&sidecar)["queued"].clone();
        (queued["done"] == 1 && queued["dropped"]["failed"] == 1).then_some(queued)
    });
    assert_eq!(queued["retried"], 1);
    assert_eq!(
        (&queued["waiting"], &queued["running"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn what_queued_handlers_emit_is_told_of_each_try_counted_and_bounded() {
    let upstream = upstream();
    let scripts = ScriptDir::with(&[
        (
            "10-tell.request.js",
            "g.sys.system.emitEvent('asked', {});\n",
        ),
        (
            "20-flaky.queued.js",
            "const tries = (platform.store.get('tries') || 0) + 1;\n\
             platform.store.set('tries', tries);\n\
             for (let i = 0; i < 60; i++) g.sys.system.emitEventWS(`try-${tries}`, i);\n\
             if (tries === 1) throw 'again';\n",
        ),
        (
            "30-flood.queued.js",
            "for (let i = 0; i < 70; i++) g.sys.system.emitEventWS('flood', i);\n",
        ),
    ]);
    let config = "[transactions]\nkeep = 10\n[queue]\nmax_attempts = 2\nbackoff = \"1ms\"\n";
    let sidecar = sidecar(&upstream, &scripts, config);

    sidecar.get("/fine");

    let transaction = eventually("the end of both", || {
        let newest = newest(&sidecar, "/fine");
        let has_ended = |number: usize| newest["handlers"][number]["fate"] == "ran";
        (has_ended(1) && has_ended(2)).then_some(newest)
    });
    assert_eq!(transaction["handlers"][1]["tries"], 2);
    assert_eq!(transaction["handlers"][2]["tries"], 1);
    let emitted = transaction["emitted"].as_array().unwrap();
    let of = |name: &str| emitted.iter().filter(|one| one["name"] == name).count();
    assert_eq!(
        ["asked", "try-1", "try-2", "flood"].map(of),
        [1, 60, 60, 64]
    );
    assert_eq!(transaction["emitted_and_dropped"], 6);
    assert_eq!(
        shown(&sidecar)["emitted"],
        json!({"listeners": 1, "feed": 184, "dropped": 6})
    );
}
