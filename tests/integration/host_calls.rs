//! Calls that handlers make: they block their handler and nobody else, say who calls, and end.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::client::{connect, exchange, request};
use super::support::eventually::eventually;
use super::support::gate::Gate;
use super::support::script_dir::{Files, ScriptDir};
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json, response};
use super::support::wire::{Message, Wire};

const CALLERS: usize = 32;

/// Two calls, one after the other, where there are any.
const TWO_CALLS: &Files<'static> = &[(
    "10-two.request.js",
    "// @match /two\n\
     const first = getResource('slow', { part: 1 });\n\
     const second = getResource('slow', { part: 2 });\n\
     return [first, second];\n",
)];

/// So many connections, each with a request for this target under way.
fn asking(sidecar: &Sidecar, target: &str) -> Vec<Wire> {
    let ask = |_| {
        let mut connection = connect(sidecar.proxy);
        connection.send(&request("GET", target, "")).unwrap();
        connection
    };
    (0..CALLERS).map(ask).collect()
}

#[track_caller]
fn answers(connections: Vec<Wire>) -> Vec<Message> {
    connections
        .into_iter()
        .map(|mut connection| connection.response("GET").unwrap())
        .collect()
}

fn asked_for(upstream: &Upstream, path: &str) -> usize {
    let requests = upstream.requests();
    requests
        .iter()
        .filter(|request| request.target().starts_with(path))
        .count()
}

mod at_once {
    use super::*;

    #[test]
    fn handlers_that_wait_hold_up_nobody_else() {
        let gate = Gate::default();
        let its_gate = gate.clone();
        let upstream = Upstream::answering(move |request| {
            if request.target().starts_with("/slow") {
                its_gate.pass();
            }
            json("{}")
        });
        let scripts = ScriptDir::with(TWO_CALLS);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .args(&["--workers", "2"])
            .start();

        let callers = asking(&sidecar, "/two");
        eventually("a call of each handler", || {
            (asked_for(&upstream, "/slow") == CALLERS).then_some(())
        });
        let plain = sidecar.get("/plain");
        gate.open();

        assert_eq!(plain.status(), 200);
        for answer in answers(callers) {
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.json(), json!([{}, {}]));
        }
        assert_eq!(asked_for(&upstream, "/slow"), 2 * CALLERS);
    }

    #[test]
    fn thirty_two_handlers_that_wait_twice_take_hardly_longer_than_one() {
        let delay = Duration::from_millis(100);
        let upstream = Upstream::answering(move |request| {
            if request.target().starts_with("/slow") {
                thread::sleep(delay);
            }
            json("{}")
        });
        let scripts = ScriptDir::with(TWO_CALLS);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .args(&["--workers", "2"])
            .start();

        // So many isolates are built once; this is about waiting.
        answers(asking(&sidecar, "/two"));

        let began = Instant::now();
        let callers = asking(&sidecar, "/two");
        let before_plain = Instant::now();
        let plain = sidecar.get("/plain");
        let plain_took = before_plain.elapsed();
        let answers = answers(callers);
        let took = began.elapsed();

        assert_eq!(plain.status(), 200);
        assert!(answers.iter().all(|answer| answer.status() == 200));
        // One after the other they would take more than six seconds.
        assert!(took > 2 * delay, "{took:?}");
        assert!(took < Duration::from_millis(1500), "{took:?}");
        assert!(plain_took < Duration::from_millis(750), "{plain_took:?}");
    }
}

mod to_the_upstream {
    use super::*;

    #[test]
    fn a_resource_has_the_path_and_the_parameter_names_that_are_configured() {
        let upstream = Upstream::answering(|_| json("[]"));
        let scripts = ScriptDir::with(&[(
            "10-ask.request.js",
            "// @match /ask\n\
             getResource('employees', { filter: \"name = 'O & K'\", order: null, pagesize: 2 });\n\
             getResource('crm:orders');\n\
             return true;\n",
        )]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config(
                "[resources]\n\
                 employees = \"/hr/v2/employees\"\n\
                 [resources.settings]\n\
                 filter = \"where\"\n",
            )
            .start();

        let answer = sidecar.get("/ask");

        assert_eq!(answer.text(), "true");
        let asked: Vec<_> = upstream
            .requests()
            .iter()
            .map(|request| request.head.start_line.clone())
            .collect();
        assert_eq!(
            asked,
            [
                "GET /hr/v2/employees?where=name%20%3D%20%27O%20%26%20K%27&pagesize=2 HTTP/1.1",
                "GET /crm/orders HTTP/1.1",
            ]
        );
    }

    #[test]
    fn calls_carry_the_callers_authentication_and_none_of_its_other_fields() {
        let upstream = Upstream::answering(|_| json("{}"));
        let scripts = ScriptDir::with(&[(
            "10-ask.request.js",
            "// @match /ask\n\
             getResource('direct');\n\
             SysUtility.restGet('/through');\n\
             SysUtility.restGet('/other', null, { headers: { Authorization: 'Bearer own' } });\n\
             return true;\n",
        )]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .start();

        let answer = sidecar.exchange(
            b"GET /ask HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer t\r\nCookie: s=1\r\n\
              X-API-Key: k\r\nX-Secret: hidden\r\nIf-None-Match: \"x\"\r\n\r\n",
        );

        assert_eq!(answer.status(), 200, "{}", answer.text());
        let fields: Vec<_> = upstream
            .requests()
            .iter()
            .map(|request| {
                let field = |name| request.head.value(name).map(str::to_owned);
                json!([
                    request.target(),
                    field("Authorization"),
                    field("Cookie"),
                    field("X-API-Key"),
                    field("X-Secret"),
                    field("If-None-Match"),
                ])
            })
            .collect();
        assert_eq!(
            fields,
            [
                json!(["/direct", "Bearer t", "s=1", "k", null, null]),
                json!(["/through", "Bearer t", "s=1", "k", null, null]),
                json!(["/other", "Bearer own", "s=1", "k", null, null]),
            ]
        );
    }
}

mod through_handlers {
    use super::*;

    /// Six handlers of which each calls the next; `last` is what the fifth does with its call.
    fn ladder(last: &str) -> ScriptDir {
        let scripts = ScriptDir::with(&[]);
        for level in 0..6 {
            let call = format!("SysUtilityV2.restGet('/level/{}')", level + 1);
            let text = match level {
                4 => last.replace("CALL", &call),
                _ => format!("return {{ level: {level}, below: {call} }};"),
            };
            let path = format!("{level}0-level.request.js");
            scripts.write(&path, &format!("// @match /level/{level}\n{text}\n"));
        }
        scripts
    }

    fn before_no_upstream_calls(scripts: &ScriptDir) -> (Upstream, Sidecar) {
        let upstream = Upstream::answering(|_| json("{}"));
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config("[limits]\nhandler_time = \"2s\"\n")
            .start();
        (upstream, sidecar)
    }

    /// Goes down `levels` times.
    fn below(value: &Value, levels: usize) -> &Value {
        (0..levels).fold(value, |value, _| &value["below"])
    }

    #[test]
    fn four_calls_below_the_clients_request_the_next_one_throws_508() {
        let scripts = ladder(
            "try { CALL; } catch (error) {\n\
             return { status: error.statusCode, isError: error instanceof Error };\n}",
        );
        let (upstream, sidecar) = before_no_upstream_calls(&scripts);

        let answer = sidecar.get("/level/0");

        assert_eq!(answer.status(), 200, "{}", answer.text());
        let told = answer.json();
        assert_eq!(below(&told, 3)["level"], 3);
        assert_eq!(below(&told, 4), &json!({"status": 508, "isError": true}));
        assert!(upstream.requests().is_empty());
    }

    #[test]
    fn a_call_that_is_too_deep_and_not_caught_is_502_all_the_way_up() {
        let scripts = ladder("return CALL;");
        let (upstream, sidecar) = before_no_upstream_calls(&scripts);

        let answer = sidecar.get("/level/0");

        assert_eq!(answer.status(), 502);
        assert_eq!(answer.json()["errorMessage"], "Bad Gateway");
        sidecar.logs(|line| line.contains("nested too deeply"));
        assert!(upstream.requests().is_empty());
    }
}

#[test]
fn a_call_that_gets_no_answer_ends_at_the_transactions_deadline() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |request| {
        if request.target().starts_with("/slow") {
            its_gate.pass();
        }
        json("{}")
    });
    let scripts = ScriptDir::with(TWO_CALLS);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[limits]\ntransaction_time = \"300ms\"\n")
        .start();

    let began = Instant::now();
    let late = exchange(sidecar.proxy, &request("GET", "/two", ""));
    let took = began.elapsed();
    gate.open();

    assert_eq!(late.status(), 502);
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(sidecar.get("/two").status(), 200);
}

#[test]
fn what_a_call_is_answered_with_has_its_limit() {
    let upstream = Upstream::answering(|request| match request.target() {
        "/long" => json(&format!("\"{}\"", "x".repeat(2000))),
        _ => json("{}"),
    });
    let scripts = ScriptDir::with(&[(
        "10-ask.request.js",
        "// @match /ask\n\
         const got = [];\n\
         for (const ask of [() => getResource('long'), () => SysUtility.restGet('/long')]) {\n\
         try { ask(); } catch (error) { got.push(error.statusCode); }\n}\n\
         return got;\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[limits]\nresponse_body = \"1KiB\"\n")
        .start();

    assert_eq!(sidecar.get("/ask").json(), json!([502, 502]));
}

#[test]
fn a_failure_of_the_upstream_is_told_to_the_handler_that_asked() {
    let upstream = Upstream::answering(|request| match request.target() {
        "/gone" => response("410 Gone", "", "{\"why\": \"sold\"}"),
        _ => json("{}"),
    });
    let scripts = ScriptDir::with(&[(
        "10-ask.request.js",
        "// @match /ask\n\
         try { getResource('gone'); } catch (error) {\n\
         return [error instanceof Error, error.statusCode, error.body];\n}\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();

    let answer = sidecar.get("/ask");

    assert_eq!(answer.json(), json!([true, 410, "{\"why\": \"sold\"}"]));
}
