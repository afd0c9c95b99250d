//! What the words of the three systems reach beyond their transaction: other hosts, and a place
//! in it where the upstream is gone.

use std::net::TcpListener;

use serde_json::json;

use super::support::gate::Gate;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json as answer_json, response};

const LISTED: &str = "[hosts]\nallow = [\"127.0.0.1\"]\n";

fn nothing() -> Upstream {
    Upstream::answering(|_| response("404 Not Found", "", ""))
}

#[test]
fn a_listed_host_is_called_in_every_vocabulary() {
    let other = Upstream::answering(|request| {
        let asked = format!(r#"{{"asked":"{} {}"}}"#, request.method(), request.target());
        response("201 Created", "Content-Type: application/json\r\n", &asked)
    });
    let upstream = nothing();
    let script = format!(
        "// @match /all\n\
         const other = '{}';\n\
         const platformSays = platform.api.post(other + '/p', {{ a: 1 }});\n\
         const fetched = await fetch(other + '/f', {{ method: 'PUT', body: new Uint8Array([0, 255]) }});\n\
         const called = await g.sys.system.callExternalApi({{ url: other + '/c', queryParams: {{ q: 1 }} }});\n\
         return [\n\
           platformSays.status_code, platformSays.content.asked,\n\
           fetched.status, (await fetched.json()).asked,\n\
           called.statusCode, called.body.asked,\n\
         ];\n",
        other.url()
    );
    let scripts = ScriptDir::with(&[("10-all.request.js", &script)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(LISTED)
        .start();

    let answer = sidecar.get("/all");

    assert_eq!(
        answer.json(),
        json!([201, "POST /p", 201, "PUT /f", 201, "GET /c?q=1"])
    );
    let requests = other.requests();
    assert_eq!(requests[0].text(), r#"{"a":1}"#);
    assert_eq!(requests[1].body, [0, 255]);
}

#[test]
fn a_host_that_is_not_listed_is_called_in_none() {
    let other = Upstream::answering(|_| answer_json("{}"));
    let upstream = nothing();
    let call = |call: &str| format!("// @match /a\nconst other = '{}';\n{call};\n", other.url());
    for calls in [
        "platform.api.get(other)",
        "await fetch(other)",
        "await g.sys.system.callExternalApi([{ url: other }])",
        "SysUtility.restGet(other)",
    ] {
        let scripts = ScriptDir::with(&[("10-out.request.js", &call(calls))]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .start();

        assert_eq!(sidecar.get("/a").status(), 500, "{calls}");
        sidecar.logs(|line| line.contains("is not allowed; list it in [hosts] allow"));
    }
    assert!(other.connections().is_empty());
}

#[test]
fn a_call_ends_at_its_own_limit() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let other = Upstream::answering(move |_| {
        its_gate.pass();
        answer_json("{}")
    });
    let upstream = nothing();
    let script = format!(
        "// @match /slow\n\
         try {{ await fetch('{}', {{ timeout: 50 }}); }}\n\
         catch (error) {{ return {{ statusCode: error.statusCode, says: error.message }}; }}\n",
        other.url()
    );
    let scripts = ScriptDir::with(&[("10-slow.request.js", &script)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(LISTED)
        .start();

    let answer = sidecar.get("/slow");
    gate.open();

    assert_eq!(
        answer.json(),
        json!({"statusCode": 502, "says": "no response in time"})
    );
}

#[test]
fn an_output_is_the_answer_where_the_upstream_is_gone() {
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let scripts = ScriptDir::with(&[
        (
            "10-default.pre_hook.js",
            "module.exports = async (g) => {\n\
               if (g.req.query.any) { g.res.output = { from: 'hook' }; g.res.statusCode = 203; }\n\
             };\n",
        ),
        (
            "20-mark.post_process.js",
            "event.response.headers['x-status'] = String(event.response.status_code);\n",
        ),
    ]);
    let sidecar = Sidecar::before(format!("http://{gone}"))
        .scripts(scripts.path())
        .start();

    let with = sidecar.get("/orders?any=1");
    let without = sidecar.get("/orders");

    assert_eq!(with.status(), 203);
    assert_eq!(with.head.value("x-status"), Some("203"));
    assert_eq!(with.json(), json!({"from": "hook"}));
    assert_eq!(without.status(), 502);
    sidecar.logs(|line| line.contains("upstream failed"));
}
