//! DreamFactory's calls on the admin listener: what can be scripted, and the cache calls
//! that read the scripts again.

use serde_json::json;

use super::support::client::{exchange, get};
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json as answer_json};

/// Handlers that say `mark`, read only when somebody asks.
fn marking(mark: &str) -> String {
    format!("res.headers['x-mark'] = '{mark}';\n")
}

const ON_REQUEST_ONLY: &str = "[scripts]\ncommit = \".commit\"\n";

fn upstream() -> Upstream {
    Upstream::answering(|_| answer_json("{}"))
}

#[test]
fn each_spelling_of_a_cache_call_reads_the_scripts_and_answers_once_they_are_live() {
    let upstream = upstream();
    let scripts = ScriptDir::with(&[("10-mark.response.js", &marking("0"))]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(ON_REQUEST_ONLY)
        .start();

    let spellings = [
        ("DELETE /system/cache", ""),
        ("DELETE /api/v2/system/cache/", ""),
        ("DELETE /api/v2/system/cache/crm", ""),
        ("DELETE /system/cache/_event/crm.orders.get.pre_process", ""),
        (
            "POST /api/v2/system/cache/php-test?api_key=any&method=DELETE",
            "",
        ),
        ("POST /system/cache", "X-HTTP-Method: DELETE\r\n"),
        (
            "POST /system/cache/crm",
            "X-HTTP-Method-Override: DELETE\r\n",
        ),
        (
            "POST /api/v2/system/cache/crm",
            "X-Method-Override: DELETE\r\n",
        ),
    ];
    for (number, (line, field)) in spellings.iter().enumerate() {
        let mark = format!("{}", number + 1);
        scripts.write("10-mark.response.js", &marking(&mark));

        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n");
        let answer = exchange(sidecar.admin, request.as_bytes());

        assert_eq!(answer.status(), 200, "{line} {field}: {}", answer.text());
        let live = sidecar.live_generation();
        assert_eq!(answer.json(), json!({"success": true, "generation": live}));
        let marked = sidecar.get("/");
        assert_eq!(marked.head.value("x-mark"), Some(mark.as_str()), "{line}");
    }
}

#[test]
fn a_bad_set_is_422_with_its_errors_and_changes_nothing() {
    let upstream = upstream();
    let scripts = ScriptDir::with(&[("10-mark.response.js", &marking("good"))]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(ON_REQUEST_ONLY)
        .start();
    scripts.write("10-mark.response.js", "\nthrow )\n");

    let answer = exchange(
        sidecar.admin,
        b"DELETE /api/v2/system/cache HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );

    assert_eq!(answer.status(), 422);
    let told = answer.json();
    assert_eq!(told["success"], false);
    assert_eq!(told["errors"][0]["file"], "10-mark.response.js");
    assert_eq!(told["errors"][0]["line"], 2);
    assert_eq!(sidecar.get("/").head.value("x-mark"), Some("good"));
}

#[test]
fn a_post_that_says_nothing_of_a_delete_is_405() {
    let upstream = upstream();
    let sidecar = Sidecar::before(upstream.url()).start();

    for line in ["POST /system/cache", "GET /system/cache?method=DELETE"] {
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(
            exchange(sidecar.admin, request.as_bytes()).status(),
            405,
            "{line}"
        );
    }
}

#[test]
fn the_token_may_be_the_api_key_of_a_cache_call_and_of_nothing_else() {
    let upstream = upstream();
    let sidecar = Sidecar::before(upstream.url())
        .config("[admin]\ntoken = \"env:ADMIN_TOKEN\"\n")
        .env("ADMIN_TOKEN", "s3 cret")
        .start();
    let status = |line: &str| {
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        exchange(sidecar.admin, request.as_bytes()).status()
    };

    assert_eq!(status("DELETE /system/cache?api_key=s3%20cret"), 200);
    assert_eq!(
        status("POST /api/v2/system/cache/x?method=DELETE&api_key=s3+cret"),
        200
    );
    assert_eq!(status("DELETE /system/cache?api_key=wrong"), 401);
    assert_eq!(status("DELETE /system/cache"), 401);
    assert_eq!(status("GET /generations?api_key=s3%20cret"), 401);
    assert_eq!(status("POST /reload?api_key=s3%20cret"), 401);
}

#[test]
fn what_can_be_scripted_has_the_shape_of_dreamfactorys_list() {
    let upstream = upstream();
    let scripts = ScriptDir::with(&[
        ("crm._table.{table_name}.get.post_process.js", ""),
        ("10-x.request.js", "// @event crm.orders\n"),
    ]);
    let services = "[[service]]\nname = \"crm\"\nprefix = \"/api/v2/crm\"\n\
                    [[service]]\nname = \"hr\"\nprefix = \"/hr\"\n";
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(services)
        .start();

    let all = get(sidecar.admin, "/api/v2/system/event?scriptable=true").json();
    let one = get(sidecar.admin, "/system/event?scriptable=true&service=hr").json();
    let names = get(sidecar.admin, "/system/event?scriptable=true&as_list=true").json();

    let resources: Vec<_> = all["crm"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        resources,
        [
            "crm",
            "crm._table.{table_name}",
            "crm.orders",
            "crm.{resource_path}"
        ]
    );
    let table = &all["crm"]["crm._table.{table_name}"];
    assert_eq!(table["type"], "api");
    assert_eq!(table["parameter"], json!(null));
    assert_eq!(
        table["endpoints"][1],
        "crm._table.{table_name}.get.post_process"
    );
    assert_eq!(one.as_object().unwrap().keys().collect::<Vec<_>>(), ["hr"]);
    let names = names["resource"].as_array().unwrap();
    assert!(
        names.contains(&json!("crm.orders.delete.queued")),
        "{names:?}"
    );
}
