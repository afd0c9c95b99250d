//! Handlers and files that end their process: what the log says, who runs no more, and who lives on.
//!
//! `FAIL_POINT` makes a handler or the compiler of a file die; only debug builds obey it.

use serde_json::{Value, json};

use super::support::client::{get, request, try_exchange};
use super::support::eventually::eventually;
use super::support::process::run_within;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json as answer, response};

const MARK: &str = "res.headers['X-Mark'] = 'a';\n";

fn api() -> Upstream {
    Upstream::answering(|request| match request.target() {
        "/missing/kill" => response("404 Not Found", "Content-Type: application/json\r\n", "{}"),
        _ => answer("{}"),
    })
}

fn sidecar(upstream: &Upstream, scripts: &ScriptDir, fail_point: &str) -> Sidecar {
    Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .env("FAIL_POINT", fail_point)
        .start()
}

/// The log lines with this message, as JSON.
fn lines(sidecar: &Sidecar, message: &str) -> Vec<Value> {
    let lines = sidecar.log().lines();
    let values = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    values
        .filter(|line: &Value| line["message"] == message)
        .collect()
}

#[track_caller]
fn until_died(sidecar: &Sidecar, times: usize) -> Value {
    eventually("the death of a worker", || {
        lines(sidecar, "worker died").get(times - 1).cloned()
    })
}

/// Sends a request that ends the worker.
#[track_caller]
fn kill(sidecar: &Sidecar, request: &[u8], deaths: usize) {
    let answer = try_exchange(sidecar.proxy, request);
    assert!(
        answer.is_err(),
        "death {deaths}: {}",
        answer.unwrap().status()
    );
    until_died(sidecar, deaths);
}

#[track_caller]
fn checks(sidecar: &Sidecar) -> Value {
    get(sidecar.status, "/readyz?verbose").json()
}

#[test]
fn a_handler_that_workers_die_of_is_named_and_runs_no_more_until_it_is_released_or_changed() {
    let upstream = api();
    let scripts = ScriptDir::with(&[("request/10-kills.js", "// @match /kill\n")]);
    let sidecar = sidecar(&upstream, &scripts, "handler:10-kills=segfault");
    let generation = sidecar.live_generation();
    let to_kill = b"GET /kill HTTP/1.1\r\nHost: a\r\nX-Request-Id: req-1\r\n\r\n";
    assert_eq!(checks(&sidecar)["status"], "ok");

    kill(&sidecar, to_kill, 1);
    let died = until_died(&sidecar, 1);
    for (key, value) in [
        ("signal", "SIGSEGV"),
        ("handler", "10-kills"),
        ("kind", "request"),
        ("file", "request/10-kills.js"),
        ("generation", &*generation),
        ("request", "req-1"),
    ] {
        assert_eq!(died[key], value, "{died}");
    }
    assert_eq!(
        sidecar.generations()["quarantined"],
        json!([]),
        "once is no proof"
    );

    kill(&sidecar, to_kill, 2);
    assert_eq!(sidecar.exchange(to_kill).status(), 500);
    assert_eq!(sidecar.get("/other").status(), 200);
    let quarantined = sidecar.generations()["quarantined"].take();
    assert_eq!(quarantined.as_array().map(Vec::len), Some(1));
    let one = &quarantined[0];
    assert_eq!(
        (&one["name"], &one["kind"], &one["file"], &one["deaths"]),
        (
            &json!("10-kills"),
            &json!("request"),
            &json!("request/10-kills.js"),
            &json!(2)
        )
    );
    assert!(
        one["since"]
            .as_str()
            .is_some_and(|since| since.ends_with('Z'))
    );
    let shown = checks(&sidecar);
    assert_eq!(shown["status"], "degraded", "{shown}");
    assert_eq!(get(sidecar.status, "/readyz").status(), 200);
    sidecar.logs(|line| line.contains("handler quarantined"));

    scripts.write("request/10-kills.js", "// @match /kill\n// changed\n");
    sidecar.generation_after(&generation);
    eventually("the end of the quarantine", || {
        (sidecar.generations()["quarantined"] == json!([])).then_some(())
    });
    assert_eq!(checks(&sidecar)["status"], "ok");

    kill(&sidecar, to_kill, 3);
    kill(&sidecar, to_kill, 4);
    assert_eq!(sidecar.exchange(to_kill).status(), 500);
    let release = |name: &str| {
        let request = request("POST", &format!("/handlers/{name}/release"), "{}");
        try_exchange(sidecar.admin, &request).unwrap()
    };
    assert_eq!(release("none").status(), 404);
    let released = release("10-kills");
    assert_eq!(released.status(), 200);
    let expected = json!({"success": true, "released": [{"name": "10-kills", "kind": "request"}]});
    assert_eq!(released.json(), expected);
    assert_eq!(sidecar.generations()["quarantined"], json!([]));
    kill(&sidecar, to_kill, 5);
}

#[test]
fn every_kind_fails_closed_in_quarantine_whatever_on_error_says() {
    let preflight = "OPTIONS /kill HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\
                     Access-Control-Request-Method: GET\r\n\r\n";
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    for (kind, request, status) in [
        ("request", get("/kill"), 500),
        ("response", get("/kill"), 500),
        ("error", get("/missing/kill"), 500),
        ("post_process", get("/kill"), 500),
        ("options", preflight.to_owned(), 500),
    ] {
        let upstream = api();
        let file = format!("10-kills.{kind}.js");
        let text = "// @match /kill\n// @match /missing/kill\n// @onError skip\n";
        let scripts = ScriptDir::with(&[(&*file, text)]);
        let sidecar = sidecar(&upstream, &scripts, "handler:10-kills=abort");

        kill(&sidecar, request.as_bytes(), 1);
        kill(&sidecar, request.as_bytes(), 2);

        assert_eq!(
            sidecar.exchange(request.as_bytes()).status(),
            status,
            "{kind}"
        );
        let died = until_died(&sidecar, 2);
        assert_eq!(
            (&died["signal"], &died["kind"]),
            (&json!("SIGABRT"), &json!(kind))
        );
    }
}

#[test]
fn a_queued_handler_in_quarantine_does_not_run() {
    let upstream = api();
    let scripts = ScriptDir::with(&[("10-kills.queued.js", "// @match /kill\n// @onError skip\n")]);
    let sidecar = sidecar(&upstream, &scripts, "handler:10-kills=segfault");

    for deaths in 1..=2 {
        // The job may end the worker before the answer is read.
        let _ = try_exchange(sidecar.proxy, &request("GET", "/kill", ""));
        until_died(&sidecar, deaths);
    }

    assert_eq!(sidecar.get("/kill").status(), 200);
    sidecar.logs(|line| line.contains("handler is quarantined and did not run"));
    assert_eq!(lines(&sidecar, "worker died").len(), 2);
}

#[test]
fn a_quarantined_handler_does_not_run_for_a_call_of_another_one_either() {
    let upstream = api();
    let scripts = ScriptDir::with(&[
        (
            "request/10-calls.js",
            "// @match /calls\nreturn SysUtility.restGet(req.baseUrl + 'kill');\n",
        ),
        ("request/20-kills.js", "// @match /kill\n"),
    ]);
    let sidecar = sidecar(&upstream, &scripts, "handler:20-kills=segfault");
    let to_kill = request("GET", "/kill", "");
    kill(&sidecar, &to_kill, 1);
    kill(&sidecar, &to_kill, 2);

    let answer = sidecar.get("/calls");

    assert_ne!(answer.status(), 200);
    sidecar.logs(|line| line.contains("handler is quarantined and did not run"));
}

const BAD: &str = "request/20-bad.js";

fn dies(failure: &str) -> String {
    format!("compile:{BAD}={failure}")
}

#[test]
fn a_set_that_ends_its_compiler_is_a_load_error_and_nobody_else_notices() {
    for (failure, how) in [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("overflow", "SIGSEGV"),
        ("memory", "SIGABRT"),
        ("hang", "it did not come to an end within 10 s"),
    ] {
        let upstream = api();
        let scripts = ScriptDir::with(&[("response/10-mark.js", MARK)]);
        let sidecar = sidecar(&upstream, &scripts, &dies(failure));
        let live = sidecar.live_generation();

        scripts.write(BAD, "// fine\n");
        let error = sidecar.next_load_failure().to_string();

        assert_eq!(
            error,
            format!("{BAD}:1:1: the compiler died on {BAD}: {how}")
        );
        assert_eq!(sidecar.live_generation(), live);
        assert_eq!(sidecar.get("/").head.value("X-Mark"), Some("a"));
        assert_eq!(checks(&sidecar)["status"], "degraded");
        assert_eq!(lines(&sidecar, "worker died"), [Value::Null; 0]);

        scripts.remove(BAD);
        eventually("no rejected set", || {
            sidecar.generations()["rejected"].is_null().then_some(())
        });
    }
}

#[test]
fn a_start_with_a_set_that_ends_its_compiler_is_not_ready_and_goes_on() {
    let upstream = api();
    let scripts = ScriptDir::with(&[(BAD, "")]);
    for args in [&[][..], &["--no-supervisor"]] {
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .env("FAIL_POINT", &dies("segfault"))
            .args(args)
            .unready()
            .start();

        let error = sidecar.next_load_failure().to_string();
        assert!(error.contains("the compiler died on"), "{error}");
        assert_eq!(get(sidecar.status, "/readyz").status(), 503);
        assert_eq!(sidecar.get("/").status(), 503);
        assert_eq!(lines(&sidecar, "worker died"), [Value::Null; 0]);

        scripts.write(BAD, MARK);
        scripts.remove(BAD);
        scripts.write("response/10-mark.js", MARK);
        eventually("a good set", || {
            (get(sidecar.status, "/readyz").status() == 200).then_some(())
        });
        scripts.remove("response/10-mark.js");
        scripts.write(BAD, "");
    }
}

#[test]
fn check_says_which_file_ends_its_compiler() {
    let scripts = ScriptDir::with(&[(BAD, "")]);
    let directory = scripts.path().to_str().unwrap();
    let point = format!("FAIL_POINT={}", dies("abort"));

    let args = ["check", "--format", "json", "--scripts", directory];
    let ended = run_within(&["env", &point], &args);

    assert_eq!(ended.code, Some(1), "{}", ended.said);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let message = format!("the compiler died on {BAD}: SIGABRT");
    assert_eq!(report["errors"][0]["message"], message);
}

#[test]
fn a_set_whose_trial_does_not_come_to_its_end_is_refused_and_the_log_says_why() {
    for args in [&[][..], &["--no-supervisor"]] {
        let upstream = api();
        let scripts = ScriptDir::with(&[("response/10-mark.js", MARK)]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .env("FAIL_POINT", &dies("exit"))
            .args(args)
            .start();
        let live = sidecar.live_generation();

        scripts.write(BAD, "// fine\n");
        let error = sidecar.next_load_failure().to_string();

        for said in ["could not try the set", "exit status: 3", "POST /reload"] {
            assert!(error.contains(said), "{error}");
        }
        sidecar.logs(|line| {
            line.contains("script set refused") && line.contains("could not try the set")
        });
        assert_eq!(sidecar.live_generation(), live);
        assert_eq!(sidecar.get("/").head.value("X-Mark"), Some("a"));
        assert_eq!(lines(&sidecar, "worker died"), [Value::Null; 0]);
    }
}

#[test]
fn a_compiler_that_panics_is_a_fault_of_ours_and_the_set_is_refused() {
    let upstream = api();
    let scripts = ScriptDir::with(&[("response/10-mark.js", MARK)]);
    let sidecar = sidecar(&upstream, &scripts, &dies("panic"));
    let live = sidecar.live_generation();

    scripts.write(BAD, "// fine\n");
    let error = sidecar.next_load_failure().to_string();

    assert!(error.contains("please report it"), "{error}");
    assert_eq!(sidecar.live_generation(), live);
    assert_eq!(sidecar.get("/").status(), 200);
}

#[test]
fn sets_are_tried_after_the_program_was_replaced_or_deleted() {
    let upstream = api();
    let scripts = ScriptDir::with(&[("response/10-mark.js", MARK)]);
    let site = ScriptDir::with(&[]);
    let program = site.path().join("interpose");
    let program = program.to_str().unwrap();
    let start = format!("cp \"$0\" '{program}' && exec '{program}' \"$@\"");
    let sidecar = Sidecar::before(upstream.url())
        .within(&["sh", "-c", &start])
        .scripts(scripts.path())
        .env("FAIL_POINT", &dies("segfault"))
        .start();
    std::fs::remove_file(program).unwrap();

    scripts.write(BAD, "// fine\n");

    let error = sidecar.next_load_failure().to_string();
    assert!(error.contains("the compiler died on"), "{error}");
    assert_eq!(sidecar.get("/").status(), 200);
}

#[test]
fn where_no_child_can_be_started_the_set_is_live_without_a_trial_and_the_log_says_so() {
    // Without /proc this program can't be found.
    let hide = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";
    let words = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        hide,
    ];
    let probe = std::process::Command::new(words[0])
        .args(&words[1..])
        .arg("true")
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("not shown here: no namespaces of mounts");
        return;
    }
    let upstream = api();
    let scripts = ScriptDir::with(&[("response/10-mark.js", MARK)]);

    let sidecar = Sidecar::before(upstream.url())
        .within(&words)
        .scripts(scripts.path())
        .args(&["--no-supervisor"])
        .start();

    assert_eq!(sidecar.get("/").head.value("X-Mark"), Some("a"));
    let said = |line: &str| {
        line.contains("\"WARN\"") && line.contains("no child can be started that tries the set")
    };
    sidecar.logs(said);
    scripts.write("response/10-mark.js", "res.headers['X-Mark'] = 'b';\n");
    eventually("a new set", || {
        (sidecar.get("/").head.value("X-Mark") == Some("b")).then_some(())
    });
}

#[test]
fn a_release_outlives_the_worker_that_answered_it() {
    let upstream = api();
    let scripts = ScriptDir::with(&[("request/10-kills.js", "// @match /kill\n")]);
    let sidecar = sidecar(&upstream, &scripts, "handler:10-kills=segfault");
    let to_kill = request("GET", "/kill", "");
    kill(&sidecar, &to_kill, 1);
    kill(&sidecar, &to_kill, 2);
    assert_eq!(sidecar.exchange(&to_kill).status(), 500);

    for deaths in 3..6 {
        let release = request("POST", "/handlers/10-kills/release", "{}");
        let released = try_exchange(sidecar.admin, &release).unwrap();
        assert_eq!(released.status(), 200);
        // At once: whatever the worker has not said before it answered is lost.
        sidecar.kill_worker(rustix::process::Signal::KILL);
        until_died(&sidecar, deaths);
        assert_eq!(sidecar.generations()["quarantined"], json!([]));
    }
}

#[test]
fn a_start_with_a_set_whose_trial_fails_is_not_ready_until_somebody_asks_or_it_changes() {
    let upstream = api();
    let scripts = ScriptDir::with(&[(BAD, "")]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .env("FAIL_POINT", &dies("exit"))
        .unready()
        .start();

    let error = sidecar.next_load_failure().to_string();
    assert!(error.contains("could not try the set"), "{error}");
    assert_eq!(get(sidecar.status, "/readyz").status(), 503);
    assert_eq!(sidecar.get("/").status(), 503);

    scripts.write("response/10-mark.js", MARK);
    scripts.remove(BAD);
    eventually("a good set", || {
        (get(sidecar.status, "/readyz").status() == 200).then_some(())
    });
}
