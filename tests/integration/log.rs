//! What the log says, and what it must never say.

use std::time::Duration;

use serde_json::Value;

use super::support::client::{get, request, try_exchange};
use super::support::eventually::eventually;
use super::support::launch::Launch;
use super::support::log::Output;
use super::support::logfmt;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json, response};

/// Stands in every body, header value and query, and in the operator's secret.
const CANARY: &str = "c4n4ry";

/// Transactions: method, path, and the kind and text of the handler that runs there. They do
/// their job, reject, and fail in every way there is.
const CALLS: [(&str, &str, &str, &str); 24] = [
    (
        "GET",
        "/address",
        "request",
        "SysUtility.restGet(`http://u:${req.headers['x-secret']}@[/x`);",
    ),
    ("POST", "/text", "request", "json = json + ' ';"),
    ("POST", "/parse", "request", "JSON.parse(json);"),
    (
        "POST",
        "/type",
        "request",
        "JSON.parse('{}').secret.name + json;",
    ),
    ("POST", "/call", "request", "req.headers['x-secret'](json);"),
    (
        "GET",
        "/name",
        "request",
        "return undeclared[req.headers['x-secret']];",
    ),
    ("GET", "/number", "request", "throw 17;"),
    (
        "GET",
        "/time",
        "request",
        "while (req.headers['x-secret']) {}",
    ),
    ("GET", "/memory", "request", "new ArrayBuffer(1 << 30);"),
    (
        "GET",
        "/line",
        "request",
        "req.headers['X-A'] = req.query.key + '\\r\\nX: 1';",
    ),
    (
        "POST",
        "/reject",
        "request",
        "throw { status: 409, message: json, body: { own: json } };",
    ),
    (
        "GET",
        "/resource",
        "request",
        "getResource('fails', { filter: req.query.key });",
    ),
    (
        "GET",
        "/through",
        "request",
        "SysUtility.restPost('/fails', req.query, null, req.headers);",
    ),
    (
        "GET",
        "/host",
        "request",
        "SysUtility.restGet('http://a.example.test', req.query);",
    ),
    (
        "GET",
        "/address",
        "request",
        "SysUtility.restGet('http://[a/?key=' + req.query.key);",
    ),
    (
        "GET",
        "/answer",
        "request",
        "return { own: req.headers['x-secret'] };",
    ),
    (
        "GET",
        "/regexp",
        "request",
        "new RegExp('(' + req.query.key);",
    ),
    (
        "GET",
        "/json",
        "request",
        "JSON.parse('{' + req.query.key);",
    ),
    (
        "GET",
        "/promise",
        "request",
        "Promise.reject(new TypeError('at a loss'));",
    ),
    ("GET", "/response", "response", "json.secret.name.first;"),
    ("GET", "/broken", "response", "json.seen = true;"),
    (
        "GET",
        "/frame",
        "response",
        "res.headers['Content-Length'] = json.secret;",
    ),
    ("GET", "/fails", "error", "json.secret.name.first;"),
    ("GET", "/cut", "error", "json.seen = true;"),
];

/// The handlers of [`CALLS`], and one that runs everywhere.
fn handlers() -> ScriptDir {
    let everywhere = "req.headers['X-Own'] = req.headers['x-secret'];\nreq.query.own = 1;\n";
    let scripts = ScriptDir::with(&[("00-everywhere.request.js", everywhere)]);
    for (number, (_, path, kind, code)) in CALLS.iter().enumerate() {
        let file = format!("{kind}/{}-{}.js", 10 + number, &path[1..]);
        scripts.write(&file, &format!("// @match {path}\n{code}\n"));
    }
    scripts
}

/// An API that tells the canary in everything it says, and breaks on some paths.
fn telling_upstream() -> Upstream {
    let fields = format!(
        "Content-Type: application/json\r\nX-Secret: {CANARY}\r\nSet-Cookie: s={CANARY}\r\n"
    );
    Upstream::conversing(move |conversation| {
        while let Some(request) = conversation.request()? {
            let answer = match request.target().split('?').next() {
                Some("/fails") => response("500 Internal Server Error", &fields, CANARY),
                Some("/broken") => response("200 OK", &fields, &format!("{{\"secret\": {CANARY}")),
                Some("/cut") => format!("HTTP/1.1 200 OK\r\nX-Secret {CANARY}\r\n\r\n").into(),
                _ => response("200 OK", &fields, &format!("{{\"secret\": \"{CANARY}\"}}")),
            };
            conversation.wire.send(&answer)?;
        }
        Ok(())
    })
}

/// A request with the canary in its query, its fields and its body.
fn telling_request(method: &str, path: &str) -> Vec<u8> {
    let body = if method == "POST" {
        format!("{{\"secret\": \"{CANARY}\", {CANARY}}}")
    } else {
        String::new()
    };
    let target = format!("{path}?key={CANARY}");
    let fields = format!(
        " HTTP/1.1\r\nX-Secret: {CANARY}\r\nAuthorization: Bearer {CANARY}\r\nCookie: s={CANARY}\r\n"
    );
    let text = String::from_utf8(request(method, &target, &body)).expect("it is text");
    text.replacen(" HTTP/1.1\r\n", &fields, 1).into()
}

#[test]
fn no_body_query_header_value_or_secret_is_ever_logged() {
    let scripts = handlers();
    for format in ["json", "text"] {
        let upstream = telling_upstream();
        let mut launch = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .env("ADMIN_TOKEN", CANARY)
            .config("[admin]\ntoken = \"env:ADMIN_TOKEN\"\n[limits]\nhandler_memory = \"16MiB\"\n")
            .args(&["--log-level", "trace"]);
        if format == "text" {
            launch = launch.text_log();
        }
        let sidecar = launch.start();

        for (method, path, ..) in CALLS {
            let answer = try_exchange(sidecar.proxy, &telling_request(method, path));
            assert!(answer.is_ok(), "{method} {path}");
        }
        for unsound in [
            format!("GET /a?{CANARY} HTTP/1.1\r\nX Secret: {CANARY}\r\n\r\n"),
            format!("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: {CANARY}\r\n\r\n"),
            format!("{CANARY} /a\r\n\r\n"),
        ] {
            assert!(
                try_exchange(sidecar.proxy, unsound.as_bytes()).is_ok(),
                "{unsound}"
            );
        }
        for (_, path, ..) in CALLS {
            sidecar.logs(|line| line.contains(path));
        }

        let lines = sidecar.log().lines();
        let telling: Vec<_> = lines.iter().filter(|line| line.contains(CANARY)).collect();
        assert!(telling.is_empty(), "{telling:#?}");
        let failures = lines.iter().filter(|line| line.contains("handler failed"));
        assert!(failures.count() >= 14, "{lines:#?}");
    }
}

#[test]
fn transactions_are_told_on_stdout_and_the_rest_on_stderr() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("10-say.request.js", "log.info('said');\n")]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let id = sidecar.live_generation();

    sidecar.exchange(b"GET /orders/7?a=1 HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: tx-17\r\n\r\n");
    sidecar.logs(|line| line.contains("\"/orders/7\""));
    sidecar.logs(|line| line.contains("said"));

    let (out, err) = (
        sidecar.log().lines_of(Output::Stdout),
        sidecar.log().lines_of(Output::Stderr),
    );
    let access: Value = serde_json::from_str(&out[0]).unwrap();
    assert_eq!(out.len(), 1, "{out:#?}");
    assert_eq!(access["transaction"], "tx-17");
    assert_eq!(access["method"], "GET");
    assert_eq!(access["path"], "/orders/7");
    assert_eq!(access["status"], 200);
    assert_eq!(access["generation"], id.as_str());
    let duration = access["duration_ms"]
        .as_f64()
        .expect("a duration is a number");
    assert!(duration > 0.0 && duration < Duration::from_secs(20).as_secs_f64() * 1000.0);
    assert!(err.iter().any(|line| line.contains("said")), "{err:#?}");
}

#[test]
fn without_an_access_log_nothing_is_told_of_transactions() {
    let upstream = Upstream::answering(|_| json("{}"));
    let ended = Sidecar::before(upstream.url())
        .args(&["--access-log", "off"])
        .run_while(|proxy| {
            let ask = || try_exchange(proxy, &request("GET", "/orders/7", "")).ok();
            let answered = || ask().filter(|answer| answer.status() == 200);
            eventually("an answer", answered);
        });

    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains("/orders/7"), "{}", ended.stderr);
}

#[test]
fn a_scripts_line_tells_transaction_and_handler() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[
        ("10-say.request.js", "log.warning('from the request');\n"),
        (
            "20-say.response.js",
            "console.log('from', 'the response', { a: 1 });\n",
        ),
    ]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();

    sidecar.exchange(b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: tx-17\r\n\r\n");

    for (text, level, handler) in [
        ("from the request", "WARN", "10-say"),
        ("from the response {\"a\":1}", "INFO", "20-say"),
    ] {
        sidecar.logs(|line| {
            let line: Value = serde_json::from_str(line).expect("a line is JSON");
            line["message"] == text
                && line["level"] == level
                && line["handler"] == handler
                && line["transaction"] == "tx-17"
        });
    }
}

/// What scripts say in several lines: a message, an error, a stack.
fn lines_of_several(launch: impl FnOnce(Launch) -> Launch) -> Vec<String> {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[
        (
            "10-say.request.js",
            "log.info('first\\nforged\\rforged\\u001b[31mforged');\n",
        ),
        (
            "20-throw.request.js",
            "// @match /throw\nthrow new TypeError('second\\nforged\\r\\nforged');\n",
        ),
        (
            "30-stack.request.js",
            "// @match /stack\nfunction forged() { undefined.third; }\nforged();\n",
        ),
    ]);
    let sidecar = launch(Sidecar::before(upstream.url()).scripts(scripts.path())).start();
    for path in ["/", "/throw", "/stack"] {
        sidecar.get(path);
    }
    for told in ["first", "second", "30-stack", "/stack"] {
        sidecar.logs(|line| line.contains(told));
    }
    sidecar.log().lines()
}

#[test]
fn whatever_a_script_says_is_one_line_of_json() {
    for line in lines_of_several(|launch| launch) {
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    }
}

#[test]
fn whatever_a_script_says_is_one_line_of_text() {
    for line in lines_of_several(Launch::text_log) {
        let time = line.split(' ').next().unwrap_or_default();
        assert!(time.ends_with('Z'), "not a line of ours: {line:?}");
        assert!(!line.contains(['\r', '\u{1b}']), "{line:?}");
    }
}

#[test]
fn a_handler_that_logs_without_end_is_cut_off_and_the_log_says_so() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[
        (
            "10-many.request.js",
            "// @match /many\nfor (let i = 0; i < 3000; i++) log.info(`line ${i}`);\n",
        ),
        (
            "10-long.request.js",
            "// @match /long\nfor (let i = 0; i < 100; i++) log.info('x'.repeat(5000));\n",
        ),
        (
            "10-framing.request.js",
            "// @match /framing\nfor (let i = 0; i < 3000; i++) req.headers.connection = 'x';\n",
        ),
    ]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[limits]\nhandler_time = \"2s\"\n")
        .start();

    for (path, most) in [
        ("/many", 1000),
        ("/long", 256 * 1024 / 5000),
        ("/framing", 1000),
    ] {
        assert_eq!(sidecar.get(path).status(), 200);

        let name = format!("\"10-{}\"", &path[1..]);
        let told = |line: &str| line.contains(&name) && line.contains("logs too much");
        sidecar.logs(told);
        let lines = sidecar.log().lines_of(Output::Stderr);
        let of_it = lines.iter().filter(|line| line.contains(&name));
        assert_eq!(of_it.count(), most + 1, "{path}");
        assert!(told(lines.last().unwrap()), "{path}");
    }
}

#[test]
fn a_failure_is_told_with_its_place_and_stack() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[(
        "10-fail.request.js",
        "// Fails.\nfunction deeper(order) {\n  return order.customer.name;\n}\ndeeper({});\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();

    assert_eq!(sidecar.get("/").status(), 500);

    sidecar.logs(|line| {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let stack = line["stack"].as_str().unwrap_or_default();
        line["message"] == "handler failed"
            && line["level"] == "ERROR"
            && line["handler"] == "10-fail"
            && line["file"] == "10-fail.request.js"
            && line["line"] == 3
            && line["column"].is_u64()
            && line["error"]
                .as_str()
                .is_some_and(|error| error.starts_with("TypeError"))
            && stack.contains("deeper (10-fail.request.js:3:")
            && stack.contains("10-fail.request.js:5:")
    });
}

/// What a client, a handler and the API put where it may reach the log.
const HOSTILE: [&str; 8] = [
    "a b",
    "a\" level=ERROR msg=\"forged",
    "x=1",
    "back\\slash \\\" \\u0041",
    "tab\there",
    "caf\u{e9} \u{6f22}",
    "\u{202e}txt.exe\u{2066}",
    "{\"level\":\"ERROR\"}",
];

/// Everything that a sidecar logs while hostile texts come from all sides, and what access lines
/// have to say of the id and the path.
fn hostile_lines(launch: impl FnOnce(Launch) -> Launch) -> Vec<String> {
    let upstream = Upstream::conversing(|conversation| {
        while let Some(request) = conversation.request()? {
            let head = match request.target().split('?').next() {
                Some("/broken") => "HTTP/1.1 200 OK\r\nBad \" =Field\u{202e}: level=ERROR\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            };
            conversation.wire.send(head.as_bytes())?;
        }
        Ok(())
    });
    let said: Vec<_> = HOSTILE
        .iter()
        .map(|text| format!("{text}\n\u{1b}[31m"))
        .collect();
    let say = format!(
        "for (const text of {}) {{ log.info(text); console.warn(text, {{ text }}); }}\n",
        serde_json::to_string(&said).unwrap()
    );
    let scripts = ScriptDir::with(&[
        ("10-say.request.js", &*say),
        (
            "20-throw.request.js",
            "// @match /throw\nthrow new TypeError(`${req.headers['x-request-id']}\\n level=ERROR`);\n",
        ),
    ]);
    let sidecar = launch(Sidecar::before(upstream.url()).scripts(scripts.path())).start();
    for text in HOSTILE {
        for path in ["/a\"b=c", "/throw", "/broken"] {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: {text}\r\n\
                 User-Agent: {text}\r\nReferer: {text}\r\n\r\n"
            );
            try_exchange(sidecar.proxy, request.as_bytes()).ok();
        }
        // What can't be a request.
        for unsound in [
            format!("G=\" /a HTTP/1.1\r\nHost: {text}\r\n\r\n"),
            format!("GET /{text} HTTP/1.1\r\nHost: a\r\n\r\n"),
        ] {
            try_exchange(sidecar.proxy, unsound.as_bytes()).ok();
        }
    }
    sidecar.get("/the-end");
    sidecar.logs(|line| line.contains("/the-end"));
    sidecar.log().lines()
}

/// Each line as a reader of its format has it.
#[track_caller]
fn assert_nothing_is_forged(lines: &[Vec<(String, String)>], message: &str) {
    let of = |line: &[(String, String)], key: &str| {
        let found = line.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.clone())
    };
    let accesses = lines
        .iter()
        .filter(|line| of(line, "target").as_deref() == Some("access"));
    let ids: Vec<_> = accesses
        .filter_map(|line| of(line, "transaction"))
        .collect();
    let said: Vec<_> = lines
        .iter()
        .filter(|line| of(line, "target").as_deref() == Some("script"))
        .filter_map(|line| of(line, message))
        .collect();
    for text in [
        "a b",
        "a\" level=ERROR msg=\"forged",
        "x=1",
        "{\"level\":\"ERROR\"}",
    ] {
        assert!(ids.iter().any(|id| id == text), "{text:?} in {ids:#?}");
    }
    for text in HOSTILE {
        assert!(
            said.iter().any(|it| it.starts_with(text)),
            "{text:?} in {said:#?}"
        );
    }
    let forged = lines.iter().filter(|line| {
        of(line, "level").as_deref() == Some("ERROR")
            && of(line, "target").is_none_or(|target| !target.starts_with("interpose"))
    });
    assert_eq!(forged.count(), 0, "{lines:#?}");
}

#[test]
fn every_line_of_text_is_logfmt_whatever_comes_from_outside() {
    let lines = hostile_lines(Launch::text_log);
    let read = lines.iter().map(|line| {
        let pairs = logfmt::read(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys[..4], ["ts", "level", "msg", "target"], "{line:?}");
        pairs
    });
    assert_nothing_is_forged(&read.collect::<Vec<_>>(), "msg");
}

#[test]
fn every_line_of_json_is_one_object_whatever_comes_from_outside() {
    let lines = hostile_lines(|launch| launch);
    let read = lines.iter().map(|line| {
        let object: serde_json::Map<String, Value> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let pairs = object.into_iter().map(|(key, value)| (key, text(value)));
        pairs.collect::<Vec<_>>()
    });
    assert_nothing_is_forged(&read.collect::<Vec<_>>(), "message");
}

#[test]
fn every_number_of_the_log_and_of_the_record_has_three_decimals_at_most() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("10-a.request.js", "req.headers.a = String(1);\n")]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[transactions]\nkeep = 50\n")
        .start();
    for _ in 0..50 {
        sidecar.get("/orders");
    }
    let is_access = |line: &&String| line.contains("duration_ms");
    eventually("the access lines", || {
        (sidecar.log().lines().iter().filter(is_access).count() == 50).then_some(())
    });

    let shown = get(sidecar.admin, "/transactions").text();
    let texts = sidecar.log().lines();
    let texts = texts.iter().map(String::as_str).chain([&*shown]);
    let mut seen = 0;
    for text in texts {
        for (at, _) in text.match_indices("ms\":") {
            let value = &text[at + 4..];
            let end = value.find([',', '}']).expect("something follows");
            let decimals = value[..end].trim().split_once('.').map_or("", |it| it.1);
            assert!(decimals.len() <= 3, "{text}");
            seen += 1;
        }
    }
    assert!(seen >= 150, "{seen}");
}

/// The real binary with its log in `file`; it is ended with its value.
struct LoggingTo {
    file: std::path::PathBuf,
    child: std::process::Child,
}

impl LoggingTo {
    fn start(
        file: std::path::PathBuf,
        scripts: &std::path::Path,
        level: &str,
        more: &[&str],
    ) -> Self {
        let log = std::fs::File::create(&file).unwrap();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_interpose"))
            .args([
                "run",
                "--listen",
                "127.0.0.1:0",
                "--upstream",
                "http://127.0.0.1:9",
            ])
            .args([
                "--status",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--log-level",
                level,
            ])
            .arg("--scripts")
            .arg(scripts)
            .args(more)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the binary was built");
        Self { file, child }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }
}

impl Drop for LoggingTo {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_log_that_is_written_beside_the_scripts_comes_to_rest_at_every_level() {
    for (level, more) in [
        ("trace", &[][..]),
        ("trace", &["--no-supervisor"][..]),
        ("debug", &[]),
        ("info", &[]),
    ] {
        for name in ["site/interpose.log", "site/scripts/interpose.log"] {
            let site = ScriptDir::with(&[("site/scripts/10-a.request.js", "log.info('a');\n")]);
            let scripts = site.path().join("site/scripts");
            let logging = LoggingTo::start(site.path().join(name), &scripts, level, more);
            eventually("a generation", || {
                logging.text().contains("generation is live").then_some(())
            });
            site.write("site/scripts/10-a.request.js", "log.info('b');\n");
            eventually("another one", || {
                (logging.text().matches("generation is live").count() > 1).then_some(())
            });

            // The spare starts meanwhile; then nothing happens, and nothing is written.
            let mut last = (0, std::time::Instant::now());
            eventually("a log that has come to rest", || {
                let length = logging.text().len();
                if length != last.0 {
                    last = (length, std::time::Instant::now());
                }
                (last.1.elapsed() > Duration::from_millis(1500)).then_some(())
            });
        }
    }
}

/// `FAIL_POINT` makes a handler's run panic; only debug builds obey it.
#[cfg(debug_assertions)]
#[test]
fn a_panic_of_ours_is_one_line_of_the_log_too() {
    for format in ["text", "json"] {
        let upstream = Upstream::answering(|_| json("{}"));
        let scripts = ScriptDir::with(&[("10-a.request.js", "// @match /panic\n")]);
        let mut launch = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .env("FAIL_POINT", "handler:10-a=panic");
        if format == "text" {
            launch = launch.text_log();
        }
        let sidecar = launch.start();

        assert_eq!(sidecar.get("/panic").status(), 500);
        assert_eq!(sidecar.get("/").status(), 200);

        sidecar.logs(|line| line.contains("wanted by a test") && line.contains("ERROR"));
        for line in sidecar.log().lines() {
            if format == "text" {
                logfmt::read(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            } else {
                let read: Result<Value, _> = serde_json::from_str(&line);
                assert!(read.is_ok(), "{line:?}");
            }
        }
    }
}
