//! What a handler may use, and that whoever comes after one that wanted more is well.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::support::client::{connect, request};
use super::support::eventually::eventually;
use super::support::gate::Gate;
use super::support::load::Load;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};
use super::support::wire::{Message, Wire};

/// How long anything here may take on a machine that does other things too.
const GENEROUS: Duration = Duration::from_secs(3);

fn api() -> Upstream {
    Upstream::answering(|_| json(r#"{"name": "Inês"}"#))
}

#[track_caller]
fn ask(connection: &mut Wire, target: &str) -> Message {
    connection.send(&request("GET", target, "")).unwrap();
    connection.response("GET").unwrap()
}

/// A 500 that tells nothing of the handler, the engine or the machine.
#[track_caller]
fn assert_is_a_bare_500(response: &Message) {
    assert_eq!(response.status(), 500, "{}", response.text());
    assert_eq!(response.json()["errorMessage"], "Internal Server Error");
    for internal in [
        "hostile", ".js", "stack", "limit", "memory", "quickjs", "/tmp",
    ] {
        let raw = String::from_utf8_lossy(&response.raw).to_lowercase();
        assert!(!raw.contains(internal), "{raw}");
    }
}

/// Runs this handler on `/hostile`, then a well-behaved one on the same connection.
#[track_caller]
fn endure(config: &str, directives: &str, code: &str) -> Sidecar {
    let upstream = api();
    // On the heads alone, a failure after the upstream's answered ends the connection.
    let hostile = format!("// @match /hostile\n// @body full\n{directives}\n{code}\n");
    let scripts = ScriptDir::with(&[
        ("10-hostile.response.js", &hostile),
        (
            "20-well.response.js",
            "// @match /well\njson.seen = true;\n",
        ),
    ]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(config)
        .start();
    let mut connection = connect(sidecar.proxy);

    for _ in 0..2 {
        let began = Instant::now();
        let answer = ask(&mut connection, "/hostile");
        let took = began.elapsed();
        let next = ask(&mut connection, "/well");

        assert_is_a_bare_500(&answer);
        assert!(took < GENEROUS, "{took:?}: {code}");
        assert_eq!(next.text(), r#"{"name": "Inês", "seen": true}"#, "{code}");
    }
    sidecar
}

mod time {
    use super::*;

    #[test]
    fn a_handler_that_never_ends_is_stopped() {
        for code in [
            "while (true) {}",
            "for (;;) json.length;",
            "function again() { Promise.resolve().then(again); }\nagain();",
            "async function again() { await null; return again(); }\nawait again();",
            "/^(a+)+$/.test('a'.repeat(40) + '!');",
            "try { while (true) {} } catch (error) {}\nwhile (true) {}",
            "try { while (true) {} } finally { while (true) {} }",
            "throw { get status() { while (true) {} } };",
            "json.a = { toJSON() { while (true) {} } };",
            "[3, 2, 1].sort(() => { while (true) {} });",
            "'a'.repeat(1 << 20).replace(/a/g, () => 'b'.repeat(1 << 12));",
        ] {
            let sidecar = endure("", "", code);

            sidecar.logs(|line| line.contains("handler failed") && line.contains("10-hostile"));
        }
    }

    /// Works for so many milliseconds: more than ten times the usual limit, which ends it though
    /// it may have had a processor for a part of them only.
    const WORK: &str = "const end = Date.now() + 600;\nwhile (Date.now() < end) {}\n";

    #[test]
    fn a_handler_may_set_its_own_limit_higher() {
        let upstream = api();
        let scripts = ScriptDir::with(&[
            ("10-usual.response.js", &format!("// @match /usual\n{WORK}")),
            (
                "20-own.response.js",
                &format!("// @match /own\n// @timeout 5s\n{WORK}"),
            ),
        ]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .start();

        assert_is_a_bare_500(&sidecar.get("/usual"));
        assert_eq!(sidecar.get("/own").status(), 200);
        sidecar.logs(|line| line.contains("time limit") && line.contains("10-usual"));
    }

    #[test]
    fn a_handler_may_set_its_own_limit_lower() {
        endure(
            "[limits]\nhandler_time = \"20s\"\n",
            "// @timeout 20ms",
            "while (true) {}",
        );
    }

    #[test]
    fn a_process_that_is_stopped_for_a_while_fails_no_handler() {
        // Some 50 ms of computing. It says how long it got no processor in between.
        const COMPUTES: &str = "// @match /compute\n// @timeout 200ms\n\
            log.info('it computes');\n\
            let longest = 0, last = Date.now();\n\
            for (let i = 0; i < 150000; i++) {\n\
              const now = Date.now();\n\
              if (now - last > longest) longest = now - last;\n\
              last = now;\n\
            }\n\
            return { longest };\n";
        let stop = Duration::from_millis(400);
        let upstream = api();
        let scripts = ScriptDir::with(&[("10-compute.request.js", COMPUTES)]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .start();

        // The stop may come when the handler has ended.
        let mut was_in_between = false;
        for attempt in 1..=20 {
            let answer = thread::scope(|scope| {
                let asked = scope.spawn(|| sidecar.get("/compute"));
                eventually("a handler that computes", || {
                    let lines = sidecar.log().lines();
                    let lines = lines.iter().filter(|it| it.contains("it computes")).count();
                    (lines == attempt).then_some(())
                });
                sidecar.signal_worker(Signal::STOP);
                thread::sleep(stop);
                sidecar.signal_worker(Signal::CONT);
                asked.join().unwrap()
            });

            assert_eq!(answer.status(), 200, "{}", answer.text());
            was_in_between = answer.json()["longest"].as_u64() >= Some(300);
            if was_in_between {
                break;
            }
        }
        assert!(was_in_between, "no stop came while a handler computed");
    }

    #[test]
    fn waiting_for_a_call_costs_a_handler_nothing() {
        let upstream = Upstream::answering(|request| {
            if request.target() == "/slow" {
                thread::sleep(Duration::from_millis(200));
            }
            json("{}")
        });
        let scripts = ScriptDir::with(&[(
            "10-wait.request.js",
            "// @match /wait\nreturn getResource('slow');\n",
        )]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .start();

        assert_eq!(sidecar.get("/wait").status(), 200);
    }
}

mod memory_and_stack {
    use super::*;

    /// Time is no object, memory is.
    const SMALL: &str = "[limits]\nhandler_time = \"20s\"\nhandler_memory = \"16MiB\"\n";

    #[test]
    fn a_handler_that_wants_too_much_memory_is_stopped() {
        for code in [
            "const all = []; while (true) all.push(new Array(1000).fill(1.5));",
            "let text = 'x'; while (true) text += text;",
            "new ArrayBuffer(1 << 30);",
            "json.a = 'x'.repeat(1 << 28);",
        ] {
            endure(SMALL, "", code);
        }
    }

    #[test]
    fn the_log_says_that_it_was_memory() {
        let sidecar = endure(SMALL, "", "new ArrayBuffer(1 << 30);");

        sidecar.logs(|line| line.contains("memory limit") && line.contains("10-hostile"));
    }

    #[test]
    fn a_heap_that_is_full_of_cycles_is_not_used_again() {
        for code in [
            "const all = []; while (true) all.push([1.5, all]);",
            "const all = new Map(); for (let i = 0; ; i++) all.set(i, { all });",
            "const first = {}; for (let last = first; ; last = last.next) last.next = { last };",
        ] {
            let sidecar = endure(SMALL, "", code);

            sidecar.logs(|line| line.contains("memory") && line.contains("10-hostile"));
        }
    }

    /// What each handler's failure is called in the log.
    #[test]
    fn the_log_tells_null_from_memory_and_names_the_limit() {
        for (code, told) in [
            ("throw null;", "threw null, which is no string"),
            (
                "new ArrayBuffer(1 << 30);",
                "more memory than limits.handler_memory",
            ),
            (
                "const all = []; try { while (true) all.push(new Array(1000).fill(1.5)); } catch (error) { throw error; }",
                "more memory than limits.handler_memory",
            ),
            (
                "throw new InternalError('out of memory');",
                "InternalError: out of memory",
            ),
        ] {
            let sidecar = endure(SMALL, "", code);

            sidecar.logs(|line| line.contains("handler failed") && line.contains(told));
        }
    }

    #[test]
    fn handlers_that_need_more_memory_together_than_there_is_are_answered_with_503() {
        let (reached, end) = (Gate::default(), Gate::default());
        let (at_upstream, held) = (reached.clone(), end.clone());
        let upstream = Upstream::answering(move |request| {
            if request.target() == "/held" {
                at_upstream.open();
                held.pass();
            }
            json("{}")
        });
        let scripts = ScriptDir::with(&[
            (
                "10-hold.request.js",
                "// @match /hold\nconst much = new ArrayBuffer(12 << 20);\ngetResource('held');\nreturn { much: much.byteLength };\n",
            ),
            (
                "20-much.request.js",
                "// @match /much\nreturn { much: new ArrayBuffer(12 << 20).byteLength };\n",
            ),
        ]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config("[limits]\nhandler_memory = \"20MiB\"\ntotal_memory = \"20MiB\"\n")
            .start();
        let (mut holder, mut other) = (connect(sidecar.proxy), connect(sidecar.proxy));

        holder.send(&request("GET", "/hold", "")).unwrap();
        reached.pass();
        let refused = ask(&mut other, "/much");
        end.open();
        let held = holder.response("GET").unwrap();
        let after = ask(&mut other, "/much");

        assert_eq!(refused.status(), 503, "{}", refused.text());
        assert!(refused.head.value("retry-after").is_some());
        sidecar.logs(|line| line.contains("more memory than limits.total_memory"));
        for fine in [held, after] {
            assert_eq!(fine.json(), json!({"much": 12 << 20}));
        }
    }

    #[test]
    fn a_handler_that_calls_itself_too_deeply_is_stopped() {
        for code in [
            "function deeper() { return deeper() + 1; }\ndeeper();",
            "const deeper = () => [1].map(deeper);\ndeeper();",
            "let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep];\njson.deep = deep;",
            "JSON.parse('['.repeat(1e5));",
        ] {
            endure("[limits]\nhandler_time = \"20s\"\n", "", code);
        }
    }
}

mod code_from_text {
    use super::*;

    const ALLOWED: &str = "[scripts]\nallow_eval = true\n";

    /// What becomes of each way to make code of a text.
    const EACH: &str = "\
const makers = [(async () => {}), function* () {}, async function* () {}].map((it) => it.constructor);
const made = [() => eval('1 + 1'), () => (0, eval)('2'), () => Function('return 2')(), () => new Function('return 2')(),
  ...makers.map((maker) => () => typeof maker('yield 2'.slice(8)) === 'function' && 2)];
json.made = made.map((make) => { try { return make(); } catch (error) { return error.message; } });
json.are = typeof eval === 'function' && typeof Function === 'function' && (() => {}) instanceof Function;
";

    fn made(config: &str) -> serde_json::Value {
        let upstream = api();
        let scripts = ScriptDir::with(&[("10-each.response.js", EACH)]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config(config)
            .start();
        ask(&mut connect(sidecar.proxy), "/").json()
    }

    #[test]
    fn no_code_is_made_unless_that_is_allowed() {
        let refused = made("");
        let allowed = made(ALLOWED);

        for (at, message) in refused["made"].as_array().unwrap().iter().enumerate() {
            let message = message.as_str().unwrap_or_default();
            assert!(
                message.ends_with("is not available to handlers"),
                "{at}: {message}"
            );
        }
        assert_eq!(allowed["made"], json!([2, 2, 2, 2, 2, 2, 2]));
        assert_eq!(
            (&refused["are"], &allowed["are"]),
            (&json!(true), &json!(true))
        );
    }

    #[test]
    fn code_that_is_made_obeys_the_limits() {
        for code in [
            "eval('for (;;);');",
            "new Function('while (true) {}')();",
            "(async () => {}).constructor('for (;;) await null;')();",
            "function bomb(code) { for (;;) eval(code); }\nbomb('bomb');",
            "eval('['.repeat(1e6));",
            "eval('1' + '+1'.repeat(1e7));",
            "eval('/(a+)+$/.test(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\")');",
            "let text = 'throw 1'; for (;;) text = `try { eval(${JSON.stringify(text)}) } finally { for (;;); }`;",
        ] {
            endure(ALLOWED, "", code);
        }
    }

    #[test]
    fn code_that_is_made_changes_nothing_for_others() {
        endure(
            ALLOWED,
            "",
            "eval('try { JSON.parse = 1; Array.prototype.at = 1; var mark = 1; globalThis.mark = 1 } catch {} null.x');",
        );
    }
}

mod bodies {
    use super::*;

    #[test]
    fn a_body_that_a_handler_blows_up_is_not_sent() {
        endure(
            "[limits]\nhandler_time = \"20s\"\nresponse_body = \"4KiB\"\nrequest_body = \"4KiB\"\n",
            "",
            "json.all = new Array(1000).fill('x'.repeat(1000));",
        );
    }

    #[test]
    fn a_response_beyond_the_limit_is_502_where_a_handler_would_see_it() {
        let upstream = Upstream::answering(|request| {
            let length = if request.target().ends_with("long") {
                2000
            } else {
                20
            };
            json(&format!("\"{}\"", "x".repeat(length)))
        });
        let scripts = ScriptDir::with(&[(
            "10-see.response.js",
            "// @match /seen/**\njson = json.length;\n",
        )]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config("[limits]\nresponse_body = \"1KiB\"\n")
            .start();
        let mut connection = connect(sidecar.proxy);

        let too_long = ask(&mut connection, "/seen/long");
        let short = ask(&mut connection, "/seen/short");
        let unseen = ask(&mut connection, "/unseen/long");

        assert_eq!(too_long.status(), 502);
        assert_eq!(too_long.json()["errorMessage"], "Bad Gateway");
        assert_eq!(short.text(), "20");
        assert_eq!(unseen.body.len(), 2002);
    }

    #[test]
    fn a_chunked_response_beyond_the_limit_is_502_too() {
        let upstream = Upstream::conversing(|conversation| {
            conversation.request()?;
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            conversation.wire.send(head)?;
            let chunk = format!("400\r\n{}\r\n", "1".repeat(0x400));
            // Ends with the connection, which whoever has read enough closes.
            while conversation.wire.send(chunk.as_bytes()).is_ok() {}
            Ok(())
        });
        let scripts = ScriptDir::with(&[("10-see.response.js", "json = 1;\n")]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config("[limits]\nresponse_body = \"64KiB\"\n")
            .start();

        assert_eq!(sidecar.get("/").status(), 502);
    }
}

mod beside_others {
    use super::*;

    /// Which of the workers has the sockets in its care when a handler begins is chance, so
    /// the handler begins several times.
    #[test]
    fn a_handler_that_spins_on_one_of_two_workers_leaves_the_other_to_plain_requests() {
        let upstream = api();
        let scripts = ScriptDir::with(&[(
            "10-spin.request.js",
            "// @match /spin/{round}\n// @timeout 2s\nlog.warn(req.path);\nwhile (true) {}\n",
        )]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .args(&["--workers", "2"])
            .start();

        for round in 0..6 {
            let path = format!("/spin/{round}");
            let mut spinning = connect(sidecar.proxy);
            spinning.send(&request("GET", &path, "")).unwrap();
            sidecar.logs(|line| line.contains(&format!("\"message\":\"{path}\"")));

            let began = Instant::now();
            let plain = sidecar.get("/plain");
            let took = began.elapsed();

            assert_eq!(plain.status(), 200);
            assert!(took < Duration::from_secs(1), "round {round}: {took:?}");
            assert_eq!(spinning.response("GET").unwrap().status(), 500);
        }
    }

    #[test]
    fn handlers_that_are_stopped_all_the_time_hold_up_nobody_for_long() {
        let upstream = api();
        let scripts = ScriptDir::with(&[(
            "10-spin.request.js",
            "// @match /customers\nwhile (true) {}\n",
        )]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .args(&["--workers", "2"])
            .start();
        let hostile = Load::of(1, sidecar.proxy);
        hostile.wait_for_more(2);

        let slowest = (0..30).map(|_| {
            let began = Instant::now();
            assert_eq!(sidecar.get("/plain").status(), 200);
            began.elapsed()
        });
        let slowest = slowest.max().expect("there were some");

        assert!(hostile.end().iter().all(|answer| answer.status() == 500));
        assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    }
}

/// Leaves its mark wherever it can be left.
const LITTER: &str = "\
// @match /litter
const tries = [
  () => { globalThis.mark = 1; },
  () => { leaked = 1; },
  () => { this.mark = 1; },
  () => { Object.prototype.mark = 1; },
  () => { Array.prototype.mark = 1; },
  () => { Array.prototype.push = () => 'mark'; },
  () => { String.prototype.contains = () => 'mark'; },
  () => { Function.prototype.call = () => 'mark'; },
  () => { Object.defineProperty(Object.prototype, 'mark', { value: 1 }); },
  () => { Object.setPrototypeOf(Array.prototype, { mark: 1 }); },
  () => { JSON.parse = () => 'mark'; },
  () => { JSON.mark = 1; },
  () => { Math.mark = 1; },
  () => { log.mark = 1; },
  () => { req.mark = 1; },
  () => { res.mark = 1; },
  () => { req.headers.__proto__.mark = 1; },
  () => { Object.getPrototypeOf(json).mark = 1; },
  () => { Object.getPrototypeOf(async function () {}).mark = 1; },
  () => { Object.getPrototypeOf(function* () {}).prototype.mark = 1; },
  () => { req = 'mark'; },
  () => { log = 'mark'; },
  () => { JSON = 'mark'; },
  () => { Symbol.mark = 1; },
  () => { Error.prepareStackTrace = () => 'mark'; },
  () => { Error.stackTraceLimit = 0; },
  () => { RegExp.prototype.exec = () => 'mark'; },
  () => { /(mark)/.exec('mark'); },
  () => { req.setUserProperty('mark', 1); },
  () => { require('kept').mark.call; },
];
for (const attempt of tries) { try { attempt(); } catch (error) {} }
throw { status: 418, message: 'littered' };
";

/// Tells of every mark that it finds.
const PROBE: &str = "\
// @match /probe
const found = [];
const look = (name, mark) => { if (mark) found.push(name); };
look('globalThis', 'mark' in globalThis || typeof leaked !== 'undefined');
look('Object', 'mark' in {});
look('Array', [].push(1) !== 1 || [].mark);
look('String', 'ab'.contains('b') !== true || 'ab'.contains('c') !== false);
look('Function', (function () { return this; }).call(7) != 7);
look('JSON', JSON.parse('1') !== 1 || JSON.mark);
look('Math', Math.mark);
look('log', typeof log !== 'object' || log.mark);
look('req', typeof req !== 'object' || req.mark || req.headers.mark);
look('res', res.mark);
look('async', (async function () {}).mark);
look('generator', (function* () {})().mark);
look('Symbol', Symbol.mark);
look('prepareStackTrace', Error.prepareStackTrace);
look('stackTraceLimit', Error.stackTraceLimit === 0);
look('RegExp', /b/.exec('ab').index !== 1 || RegExp.$1);
look('properties', req.userProperties.mark);
return { found };
";

/// Visits everything that can be reached from the globals, with the way to it.
const WALK: &str = "\
function walk(visit) {
  const roots = [globalThis, [][Symbol.iterator](), new Map().entries(), new Set().values(), ''[Symbol.iterator](), 'a'.matchAll(/a/g)]
    .map((it, at) => at === 0 ? it : Object.getPrototypeOf(it));
  for (const it of [function* () {}, async function () {}, async function* () {}]) roots.push(Object.getPrototypeOf(it));
  const pending = roots.map((it, at) => [`${at}`, it]);
  for (const key of Reflect.ownKeys(globalThis)) {
    if (Object.getOwnPropertyDescriptor(globalThis, key).get) pending.push([`${String(key)}.<got>`, globalThis[key]]);
  }
  const seen = new Set();
  for (let next = 0; next < pending.length; next++) {
    const [path, it] = pending[next];
    if (it === null || typeof it !== 'object' && typeof it !== 'function' || seen.has(it)) continue;
    seen.add(it);
    pending.push([`${path}.<prototype>`, Object.getPrototypeOf(it)]);
    for (const key of Reflect.ownKeys(it)) {
      const member = Object.getOwnPropertyDescriptor(it, key);
      for (const part of ['value', 'get', 'set']) pending.push([`${path}.${String(key)}.${part}`, member[part]]);
      const isGetter = member.get && path.includes('<got>') || path.startsWith('0.req.') && /^get[A-Z]/.test(String(key));
      if (isGetter && path.length < 100) {
        try { pending.push([`${path}.${String(key)}.<got>`, (member.get ?? member.value).call(it)]); } catch (error) {}
      }
    }
    visit(path, it);
  }
}
";

/// Tries to change each of them in every way there is.
const VANDAL: &str = "\
const all = [];
walk((path, it) => all.push(it));
const symbol = Symbol.for('mark');
for (const it of all) {
  const attempts = [
    () => { it.mark = 1; }, () => { it[symbol] = 1; },
    () => Object.defineProperty(it, 'mark', { value: 1 }), () => Reflect.defineProperty(it, symbol, { value: 1 }),
    () => Object.setPrototypeOf(it, { mark: 1 }), () => { it.__proto__ = { mark: 1 }; },
    () => Object.assign(it, { mark: 1 }), () => it.__defineGetter__('mark', () => 1),
  ];
  for (const key of Reflect.ownKeys(it)) {
    attempts.push(
      () => { it[key] = () => 'mark'; }, () => { delete it[key]; },
      () => Object.defineProperty(it, key, { value: 'mark' }), () => Object.defineProperty(it, key, { get() { return 'mark'; } }),
      () => Object.defineProperty(it, key, { writable: true, enumerable: true, configurable: true }),
    );
    const { set } = Object.getOwnPropertyDescriptor(it, key) ?? {};
    if (set) attempts.push(() => set.call(it, 'mark'), () => set.call(undefined, 'mark'));
  }
  for (const attempt of attempts) { try { attempt(); } catch (error) {} }
}
throw { status: 418, message: `${all.length}` };
";

/// Says what each of them is.
const INVENTORY: &str = "\
const lines = [];
walk((path, it) => {
  const members = Reflect.ownKeys(it).map((key) => {
    const { value, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(it, key);
    const simple = value !== null && (typeof value === 'object' || typeof value === 'function') ? typeof value : String(value);
    return `${String(key)}=${simple}/${writable}/${enumerable}/${configurable}`;
  });
  const text = typeof it === 'function' ? Function.prototype.toString.call(it) : '';
  lines.push(`${path} ${typeof it} ${Object.isExtensible(it)} ${text} ${members.join(' ')}`);
});
return { lines };
";

#[test]
fn whatever_a_handler_tries_on_whatever_it_can_reach_changes_nothing_for_the_next() {
    let upstream = api();
    let with_walk = |path: &str, code: &str| format!("// @match {path}\n{WALK}{code}");
    let scripts = ScriptDir::with(&[
        ("10-vandal.response.js", &with_walk("/vandal", VANDAL)),
        (
            "20-inventory.response.js",
            &with_walk("/inventory", INVENTORY),
        ),
    ]);
    // One worker and one client, and so one isolate.
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .args(&["--workers", "1"])
        .config("[limits]\nhandler_time = \"10s\"\n")
        .start();
    let mut connection = connect(sidecar.proxy);

    let before = ask(&mut connection, "/inventory").json();
    let count = before["lines"].as_array().map_or(0, Vec::len);
    assert!(count > 700, "{count} objects are not all there are");
    for round in 0..100 {
        let tried = ask(&mut connection, "/vandal");
        assert_eq!(tried.status(), 418, "{}", tried.text());
        assert_eq!(tried.json()["errorMessage"], count.to_string());

        let after = ask(&mut connection, "/inventory").json();
        let lines = |it: &serde_json::Value| it["lines"].as_array().cloned().unwrap_or_default();
        for (before, after) in lines(&before).iter().zip(lines(&after)) {
            assert_eq!(*before, after, "round {round}");
        }
        assert_eq!(before, after, "round {round}");
    }
}

#[test]
fn nothing_that_a_hostile_handler_leaves_reaches_a_later_transaction() {
    let upstream = api();
    let scripts = ScriptDir::with(&[
        ("10-litter.response.js", LITTER),
        ("20-probe.response.js", PROBE),
        ("lib/kept.js", "module.exports = Object.freeze({});\n"),
    ]);
    // One worker, and so one isolate that all of them share.
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .args(&["--workers", "1"])
        .config("[limits]\nhandler_time = \"2s\"\n")
        .start();
    let mut connection = connect(sidecar.proxy);

    let clean = ask(&mut connection, "/probe").json();
    assert_eq!(clean, json!({"found": []}));
    for round in 0..100 {
        let littered = ask(&mut connection, "/litter");
        assert_eq!(littered.status(), 418, "{}", littered.text());

        let probed = ask(&mut connection, "/probe").json();
        assert_eq!(probed, json!({"found": []}), "round {round}");
    }
}
