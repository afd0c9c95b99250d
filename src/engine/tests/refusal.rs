//! Memory that runs out in the middle of something: the request fails, and nothing else does.
//!
//! QuickJS crashes in places where it gets no memory, so each test runs in a process of its own.

use std::process::Command;

use super::super::heap::refusal;
use super::*;

/// Says to a test that it is the process of its own, and where among its rows to begin.
const ROW: &str = "INTERPOSE_TEST_ROW";

/// What is tried; each needs memory in a way of its own. `list` is the client's body, `text` a long
/// text, `many` as many arguments as a function takes.
const ROWS: [&str; 63] = [
    "Promise.allSettled(list)",
    "Promise.any(list)",
    "Promise.all(list)",
    "Promise.race(list)",
    "await Promise.allSettled(list.map(async (it) => { await null; return [it] }))",
    "const bound = []; for (;;) bound.push((function () {}).bind(null, ...many.slice(0, 240)))",
    "list.map((it) => (function () {}).bind(null, it))",
    "const bound = []; for (;;) bound.push(Function.prototype.bind.apply(print, many.slice(0, 240)))",
    "for (let i = 0; i < 900; i++) list[i] = new Array()",
    "Array.of(...many)",
    "Array.from(list)",
    "Array.from({ length: 5000 }, (_, i) => ({ i }))",
    "await Array.fromAsync(list)",
    "list.concat(list, many)",
    "list.slice()",
    "list.splice(1, 500)",
    "list.flat()",
    "list.flatMap((it) => [it, {}])",
    "list.map((it) => ({ it }))",
    "list.filter(() => true)",
    "list.toSorted()",
    "list.toSpliced(3, 9)",
    "list.sort((a, b) => (String(a) < String(b) ? 1 : -1))",
    "Object.groupBy(list, (it) => 'k' + it)",
    "[...list, ...text]",
    "Math.max(...many)",
    "text.split('')",
    "text.split(/,/)",
    "text.replaceAll('a', (it) => it + '!')",
    "text.replace(/(?<w>a)/g, '<$<w>>$`')",
    "[...text.matchAll(/a/g)]",
    "text.match(/a/g)",
    "text.padEnd(200000, 'xyz')",
    "text.normalize('NFD')",
    "text.toUpperCase()",
    "encodeURIComponent(text)",
    "escape(text)",
    "String.raw({ raw: list }, ...many)",
    "String.fromCharCode(...many)",
    "JSON.parse(json)",
    "JSON.stringify(list)",
    "JSON.stringify(JSON.parse(json), null, 2)",
    "const copy = JSON.parse(json); copy[0] = { a: [1] }; json = JSON.stringify(copy)",
    "structuredClone(list)",
    "new Map(list.map((it) => [it, {}]))",
    "new Set(list).union(new Set(many))",
    "Map.groupBy(list, (it) => ({ it }))",
    "Object.fromEntries(list.map((it, i) => ['k' + i, it]))",
    "const o = {}; for (let i = 0; i < 5000; i++) o['k' + i] = i; ({ ...o }); Object.entries(o)",
    "class A { #x = {}; static s = []; get x() { return this.#x } } class B extends A {} list.map(() => new B().x)",
    "function* g(n) { if (n) yield* g(n - 1); yield { n } } [...g(200)]",
    "for (let i = 0; i < 900; i++) list[i] = new Proxy(list, { get: (it, key) => ({ key }) }).map",
    "list.values().map((it) => [it]).filter(() => true).flatMap((it) => it).toArray()",
    "new Uint8Array(200000).map((it) => it + 1)",
    "new TextEncoder().encode(text)",
    "atob(btoa(text))",
    "new URLSearchParams(text.replaceAll(',', '&')).toString()",
    "new URL('http://h/?' + text).searchParams.append('x', text)",
    "10n ** 4000n * 3n ** 3000n / 7n",
    "let s = ''; for (let i = 0; i < 3000; i++) s += 'part' + i",
    "try { null.x } catch (error) { [error.stack, new AggregateError(list)] }",
    "req.headers.x = text.slice(0, 5000); res.headers; Object.entries(req.headers)",
    "for (let i = 0; i < 300; i++) { const re = new RegExp('(a|b' + i + '|(?<n>c))*x', 'u'); re.test('abc') }",
];

/// After how many requests of QuickJS's memory runs out.
const REQUESTS: [usize; 14] = [0, 1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 30, 45, 70];

/// The text of rows that make no code.
const NONE: &str = "''";

/// What is made of a text, `code`, where `scripts.allow_eval` allows it. None fits into what a heap grants
/// in any case.
const CODE: [(&str, &str); 8] = [
    ("'[' + '1,'.repeat(20000) + ']'", "eval(code)"),
    (
        "many.map((i) => `let v${i} = { k${i}: [${i}, \\`x${i}\\`] };`).join('')",
        "(0, eval)(code)",
    ),
    (
        "many.map((i) => `let v${i} = function (a, {b}, ...d) { return v${i} };`).join('')",
        "Function(code)()",
    ),
    (
        "'return ' + 'a + '.repeat(20000) + '1'",
        "new Function('a', code)(1)",
    ),
    (
        "'class C { ' + many.map((i) => `m${i}() { return /x${i}/u }`).join('') + '}; C'",
        "new (eval(code))().m1()",
    ),
    (
        "'switch (1) {' + many.map((i) => `case ${i}: l${i}: for (;;) { break l${i} }`).join('') + '}'",
        "eval(code)",
    ),
    (
        "'yield 1;'.repeat(9000)",
        "Object.getPrototypeOf(function* () {}).constructor(code)",
    ),
    ("text", "eval('`' + code + '`')"),
];

/// After how many requests memory runs out where code is made.
const CODE_REQUESTS: [usize; 22] = [
    0, 1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 30, 45, 70, 100, 150, 220, 330, 500, 750, 1100, 1600,
];

/// A host that lets the next request but so many be the first that is refused.
struct RunsOut {
    after: std::sync::atomic::AtomicUsize,
}

#[async_trait::async_trait]
impl Host for RunsOut {
    async fn call(&self, _: &Caller, _: HostRequest) -> Result<HostResponse, HostError> {
        refusal::after(self.after.load(std::sync::atomic::Ordering::Relaxed));
        Ok(response(200, "[]"))
    }
}

fn set(code: &str, source: &str) -> Set {
    let source = format!(
        "if (req.path === '/bad') {{\n\
           const list = JSON.parse(json); const many = Array.from({{ length: 2000 }}, (_, i) => i);\n\
           const text = 'a,b='.repeat(5000); const code = {code};\n\
           getResource('now');\n\
           {source}\n\
         }}\n\
         req.headers.ok = '1'"
    );
    let mut set = Set::of(Kind::Request, &[&source]);
    set.limits.memory = 8 << 20;
    set.limits.handler_time = Duration::from_secs(20);
    set.limits.code_from_text = code != NONE;
    set
}

fn list() -> String {
    format!("[{}0]", "1,".repeat(3000))
}

/// Runs one row with memory for so many requests, then a call that has enough.
fn run_row(code: &str, source: &str, requests: &[usize]) {
    let host = Arc::new(RunsOut {
        after: std::sync::atomic::AtomicUsize::new(0),
    });
    let calls = requests.iter().flat_map(|&requests| {
        let host = Arc::clone(&host);
        ["/bad", "/good"].into_iter().map(move |path| {
            refusal::never();
            host.after
                .store(requests, std::sync::atomic::Ordering::Relaxed);
            call("POST", path, &list())
        })
    });
    if code != NONE {
        let enough = set(code, source).run(call("POST", "/bad", &list()));
        let is_well = matches!(enough.verdict, Verdict::Continue | Verdict::Answer(_));
        assert!(is_well, "{source}: {:?}", enough.verdict);
    }
    let mut refused = 0;
    set(code, source).run_with(Arc::clone(&host) as Arc<dyn Host>, calls, |ran| {
        refusal::never();
        if ran.call.request.path == "/good" {
            assert!(matches!(ran.verdict, Verdict::Continue), "{source}");
            assert_eq!(ran.call.request.fields.get_str("ok"), Some("1"), "{source}");
        } else if let Verdict::Reject(rejection) = ran.verdict {
            let ended = (rejection.status, rejection.fault);
            assert_eq!(
                ended,
                (StatusCode::INTERNAL_SERVER_ERROR, Fault::Script),
                "{source}"
            );
            refused += 1;
        }
    });
    assert!(refused > 0, "{source} needs no memory");
}

/// Runs this test again in a process of its own, from a row on; gives what it printed.
pub(super) fn alone(test: &str, row: usize) -> (bool, String) {
    let process = std::env::current_exe().expect("a test knows its program");
    let output = Command::new(process)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROW, row.to_string())
        .output()
        .expect("a program that runs can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.success(),
        text(&output.stdout) + &text(&output.stderr),
    )
}

pub(super) fn row() -> Option<usize> {
    std::env::var(ROW).ok()?.parse().ok()
}

#[test]
fn memory_that_runs_out_anywhere_ends_its_request_and_nothing_else() {
    let rows: Vec<_> = ROWS.iter().map(|source| (NONE, *source)).collect();
    run_rows(
        "memory_that_runs_out_anywhere_ends_its_request_and_nothing_else",
        &rows,
        &REQUESTS,
    );
}

#[test]
fn memory_that_runs_out_where_code_is_made_ends_its_request_and_nothing_else() {
    run_rows(
        "memory_that_runs_out_where_code_is_made_ends_its_request_and_nothing_else",
        &CODE,
        &CODE_REQUESTS,
    );
}

/// Runs all rows of a test, in processes of their own.
fn run_rows(test: &str, rows: &[(&str, &str)], requests: &[usize]) {
    if let Some(first) = row() {
        for (at, (code, source)) in rows.iter().enumerate().skip(first) {
            println!("\nrow {at}: {source}");
            run_row(code, source, requests);
        }
        return;
    }
    let test = format!("engine::tests::refusal::{test}");
    let mut failed = Vec::new();
    let mut next = 0;
    while next < rows.len() {
        let (is_well, said) = alone(&test, next);
        if is_well {
            break;
        }
        let begun = said
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("row "));
        let at = begun.and_then(|line| line.split(':').next()?.parse::<usize>().ok());
        let at = at.unwrap_or_else(|| panic!("it did not begin: {said}"));
        let end: Vec<_> = said.lines().rev().take(12).collect();
        failed.push(format!("{:?}\n{}", rows[at], end.join("\n")));
        next = at + 1;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn isolates_that_ran_out_of_memory_leave_nothing_behind() {
    const WARM: usize = 16;
    const MORE: usize = 48;
    /// What the process may have more for any reason, in bytes: far less than a few bytes for each.
    const SLACK: isize = 16 * 1024;

    if row().is_none() {
        let test = "engine::tests::refusal::isolates_that_ran_out_of_memory_leave_nothing_behind";
        let (is_well, said) = alone(test, 0);
        assert!(is_well, "{said}");
        return;
    }
    let source = "JSON.parse(json).map((it) => ({ it })); crypto.randomUUID(); new URL('http://h/');\n\
        const rows = JSON.parse('[{\"a\":{\"b\":1}},{\"a\":{}}]'); rows[0].a.c = 1; req.headers.x;\n\
        if (req.path === '/time') for (;;) {}\n\
        const all = []; for (;;) all.push({})";
    let mut set = Set::of(Kind::Request, &[source]);
    set.limits.memory = 2 << 20;
    let calls = (0..WARM + MORE).map(|at| {
        let path = if at % 8 == 0 { "/time" } else { "/memory" };
        call("POST", path, "[1,2,3]")
    });
    let mut live = Vec::new();
    set.run_with(Arc::new(Echo), calls, |ran| {
        assert_eq!(rejection(ran).fault, Fault::Script);
        live.push(super::counting::live());
    });

    let grown = live[WARM + MORE - 1] - live[WARM - 1];
    assert!(grown < SLACK, "{grown} bytes");
}

#[test]
fn a_list_of_a_clients_that_needs_too_much_memory_is_a_failure_like_any_other() {
    let body = format!("[{}0]", "1,".repeat(63_000));
    for source in [
        "Promise.allSettled(JSON.parse(json))",
        "Promise.any(JSON.parse(json))",
        "try { Promise.allSettled(JSON.parse(json)) } catch {}; Promise.allSettled(JSON.parse(json)).catch(() => 1)",
        "const list = JSON.parse(json); const all = []; for (;;) all.push(print.bind(null, ...list.slice(0, 240)))",
    ] {
        let source = format!("if (req.path === '/bad') {{ {source} }}\nreq.headers.ok = '1'");
        let mut set = Set::of(Kind::Request, &[&source]);
        set.limits.memory = 4 << 20;
        set.limits.handler_time = Duration::from_secs(20);

        let ran = set.run_all(vec![
            call("POST", "/bad", &body),
            call("POST", "/good", &body),
        ]);

        let [bad, good] = <[Ran; 2]>::try_from(ran).expect("two");
        let bad = rejection(bad);
        let ended = (bad.status, bad.fault);
        assert_eq!(
            ended,
            (StatusCode::INTERNAL_SERVER_ERROR, Fault::Script),
            "{source}"
        );
        assert_eq!(
            good.call.request.fields.get_str("ok"),
            Some("1"),
            "{source}"
        );
    }
}

#[test]
fn a_script_that_catches_that_there_is_no_memory_ends_all_the_same() {
    for source in [
        "try { 'x'.repeat(1 << 24) } catch {}",
        "try { new Uint8Array(1 << 24) } catch {}",
        "const all = []; try { for (;;) all.push({}) } catch {} finally { all.length = 0 }",
        "try { JSON.parse('[' + '1,'.repeat(900000) + '1]') } catch {}",
        "const f = () => { try { f() } catch {} try { 'x'.repeat(1 << 24) } catch { return f() } }; f()",
        "await Promise.reject('x'.padEnd(1 << 24)).catch(() => 1); 1",
    ] {
        let mut set = Set::of(Kind::Request, &[&format!("{source}\nreq.headers.ok = '1'")]);
        set.limits.memory = 4 << 20;
        set.limits.handler_time = Duration::from_secs(20);

        let rejected = rejection(set.run(call("GET", "/", "")));

        assert_eq!(
            rejected.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{source}"
        );
    }
}
