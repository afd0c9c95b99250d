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

/// Who looks for the marks of another.
struct Left {
    another_handler: String,
    next_transaction: String,
    /// In a job that a later handler of its own kind runs for.
    job: String,
    next_job: String,
    /// In a transaction, of a job.
    of_job: String,
}

impl Left {
    fn all(&self) -> [&str; 5] {
        let Self {
            another_handler,
            next_transaction,
            job,
            next_job,
            of_job,
        } = self;
        [another_handler, next_transaction, job, next_job, of_job].map(String::as_str)
    }
}

/// What each finds of what the handler before it left: one of the same transaction, the next
/// transaction, also behind an `await`, a queued job, the next job, and a transaction after it.
fn left(roots: &str) -> Left {
    let (writes, looks) = (handler(WRITES, roots), handler("'look'", roots));
    let later = format!("await Promise.resolve();\n{looks}");
    let set = Set::of(Kind::Request, &[&writes, &looks, &later]);
    let mut set = set.with_module(
        "lib/shared.js",
        "module.exports = { held: () => made }; const made = {};",
    );
    set.handlers
        .extend(Set::of(Kind::Queued, &[&writes]).handlers);
    set.limits.handler_time = Duration::from_secs(300);
    set.limits.memory = 256 << 20;
    let compiled = set.compile().unwrap_or_else(|errors| panic!("{errors:?}"));
    let host: Arc<dyn Host> = Arc::new(Echo);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let run = |path: &str, handlers: &[usize]| {
        let mut call = call("GET", path, "");
        call.deadline = Instant::now() + Duration::from_secs(600);
        let step = |&handler: &usize| Step {
            handler,
            kind: set.handlers[handler].kind,
        };
        let steps = handlers.iter().map(step).collect();
        found(runtime.block_on(compiled.program.run(Box::new(call), steps, &host)))
    };
    Left {
        another_handler: run("/write", &[0, 1]),
        next_transaction: run("/look", &[1, 2]),
        job: run("/look", &[3]),
        next_job: [run("/write", &[3]), run("/look", &[3])].concat(),
        of_job: run("/look", &[2]),
    }
}

#[test]
fn what_a_handler_writes_to_whatever_it_reaches_is_seen_by_nobody_else() {
    assert_eq!(left(ROOTS).all(), [""; 5]);
}

#[test]
fn what_is_shared_though_only_by_what_a_call_gives_is_found() {
    let roots = "{ callee: arguments.callee, module: require('shared') }";

    for found in left(roots).all() {
        assert!(found.lines().any(|path| path == "module.held()"), "{found}");
    }
}
