//! Nothing that a handler can reach keeps what is written to it: walked by properties, getters,
//! prototypes, calls and constructors.

use super::*;

const WALK: &str = include_str!("reachable.js");

/// What a handler has at hand besides the globals, and what its literals make.
const ROOTS: &str = "{
    globalThis, self: this, arguments, callee: arguments.callee,
    function: function () {}, arrow: () => 1, generator: function* () {}, async: async () => 1, asyncGenerator: async function* () {},
    list: [], regexp: /x/, template: ((it) => it)`x`, iterator: [].values(), error: new Error('x'), class: class {}, proxy: new Proxy({}, {}),
    strict: (function () { 'use strict'; return arguments })(), cryptoKey: await crypto.subtle.importKey('raw', new Uint8Array(8), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']),
}";

/// Gives the paths of the marks that it finds, or where `mode` is `'write'` leaves them.
fn handler(mode: &str, roots: &str) -> String {
    // Of the realm there is so much; a walk that finds less finds nothing.
    let least = if roots == ROOTS { 900 } else { 1 };
    format!(
        "const walk = {WALK};\n\
         const first = await walk({mode}, {roots});\n\
         if (first.objects < {least} || first.calls < 2 * {least}) throw `it reached ${{first.objects}} objects with ${{first.calls}} calls only`;\n\
         if (first.found.length > 0) throw first.found.join('\\n');"
    )
}

fn found(ran: Ran) -> String {
    match ran.verdict {
        Verdict::Continue => String::new(),
        Verdict::Reject(rejection) => {
            assert_eq!(rejection.fault, Fault::Handler, "the walk failed");
            message(&rejection).to_owned()
        }
        other => format!("{other:?}"),
    }
}

const WRITES: &str = "req.path === '/write' ? 'write' : 'look'";

/// What the second handler of a transaction finds of what the first one left, and what the next
/// transaction finds, in a job as well.
fn left(roots: &str) -> [String; 2] {
    let (writes, looks) = (handler(WRITES, roots), handler("'look'", roots));
    let job = format!("await Promise.resolve();\n{looks}");
    let set = Set::of(Kind::Request, &[&writes, &looks, &job]);
    let mut set = set.with_module(
        "lib/shared.js",
        "module.exports = { held: () => made }; const made = {};",
    );
    set.limits.handler_time = Duration::from_secs(300);
    set.limits.memory = 256 << 20;
    let calls = ["/write", "/look"].map(|path| {
        let mut call = call("GET", path, "");
        call.deadline = Instant::now() + Duration::from_secs(600);
        call
    });
    let ran = set.run_all(calls.into());
    let [write, look] = <[Ran; 2]>::try_from(ran).expect("two");
    [found(write), found(look)]
}

#[test]
fn what_a_handler_writes_to_whatever_it_reaches_is_seen_by_nobody_else() {
    let [another_handler, next_transaction] = left(ROOTS);

    assert_eq!(another_handler, "");
    assert_eq!(next_transaction, "");
}

#[test]
fn what_is_shared_though_only_by_what_a_call_gives_is_found() {
    let roots = "{ callee: arguments.callee, module: require('shared') }";

    for found in left(roots) {
        assert!(found.lines().any(|path| path == "module.held()"), "{found}");
    }
}
