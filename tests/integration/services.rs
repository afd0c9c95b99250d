//! Services: where their requests go, and what their events are called.

use serde_json::json;

use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json as answer_json};

/// An API that tells its name and the path it was asked for.
fn called(name: &'static str) -> Upstream {
    Upstream::answering(move |request| {
        answer_json(&format!(
            "{{\"by\": \"{name}\", \"path\": \"{}\"}}",
            request.target()
        ))
    })
}

/// Two services below one prefix, of which the inner one has an upstream of its own.
fn config(billing: &Upstream) -> String {
    format!(
        "[[service]]\nname = \"shop\"\nprefix = \"/shop\"\n\
         [[service]]\nname = \"billing\"\nprefix = \"/shop/billing\"\n\
         upstream = \"{}\"\napi_version = \"v7\"\n",
        billing.url()
    )
}

/// A handler for each path a transaction can take, and those of calls.
const HANDLERS: &[(&str, &str)] = &[
    (
        "10-heads.response.js",
        "// @match /shop/heads\n// @match /shop/billing/heads\nres.headers['x-heads'] = 'yes';\n",
    ),
    (
        "20-body.response.js",
        "// @match /shop/body\n// @match /shop/billing/body\njson.seen = true;\n",
    ),
    (
        "30-strip.request.js",
        "// @match /shop/billing/stripped\nreq.path = '/stripped';\n",
    ),
    (
        "40-calls.request.js",
        "// @match /shop/calls\n\
         return [\n\
         SysUtilityV2.restGet('/shop/billing/plain').by,\n\
         SysUtilityV2.restGet('/shop/billing/body').by,\n\
         SysUtilityV2.restGet('/shop/plain').by,\n\
         getResource('orders').by,\n\
         getResource('billing:orders').by,\n\
         ];\n",
    ),
];

#[test]
fn a_request_goes_to_the_upstream_of_the_service_with_the_longest_prefix_on_every_path() {
    let (main, billing) = (called("main"), called("billing"));
    let scripts = ScriptDir::with(HANDLERS);
    let sidecar = Sidecar::before(main.url())
        .scripts(scripts.path())
        .config(&config(&billing))
        .start();

    for (path, by) in [
        ("/elsewhere", "main"),
        ("/shop/plain", "main"),
        ("/shop/heads", "main"),
        ("/shop/body", "main"),
        ("/shop/billingx", "main"),
        ("/shop/billing", "billing"),
        ("/shop/billing/plain?a=1", "billing"),
        ("/shop/billing/heads", "billing"),
        ("/shop/billing/body", "billing"),
        ("/shop//billing/../billing/plain", "billing"),
    ] {
        assert_eq!(sidecar.get(path).json()["by"], by, "{path}");
    }
}

#[test]
fn the_service_stays_the_one_that_the_client_asked_for_when_a_handler_edits_the_path() {
    let (main, billing) = (called("main"), called("billing"));
    let scripts = ScriptDir::with(HANDLERS);
    let sidecar = Sidecar::before(main.url())
        .scripts(scripts.path())
        .config(&config(&billing))
        .start();

    let answer = sidecar.get("/shop/billing/stripped");

    assert_eq!(answer.json(), json!({"by": "billing", "path": "/stripped"}));
}

#[test]
fn calls_to_this_api_go_to_the_upstream_of_the_service_they_name() {
    let (main, billing) = (called("main"), called("billing"));
    let scripts = ScriptDir::with(HANDLERS);
    let sidecar = Sidecar::before(main.url())
        .scripts(scripts.path())
        .config(&config(&billing))
        .start();

    let answer = sidecar.get("/shop/calls");

    assert_eq!(
        answer.json(),
        json!(["billing", "billing", "main", "main", "billing"]),
        "{}",
        answer.text()
    );
    let asked: Vec<_> = billing.requests();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[2].target(), "/shop/billing/orders");
}

#[test]
fn a_service_whose_upstream_is_gone_takes_no_other_along() {
    let main = called("main");
    let gone = called("gone");
    let config = config(&gone);
    drop(gone);
    let scripts = ScriptDir::with(HANDLERS);
    let sidecar = Sidecar::before(main.url())
        .scripts(scripts.path())
        .config(&config)
        .start();

    for path in ["plain", "heads", "body"] {
        assert_eq!(
            sidecar.get(&format!("/shop/billing/{path}")).status(),
            502,
            "{path}"
        );
        assert_eq!(sidecar.get(&format!("/shop/{path}")).status(), 200);
    }
}
