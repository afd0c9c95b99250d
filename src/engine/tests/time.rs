//! The time of handlers on a machine that has none for them.

use std::thread;

use super::log::logged;
use super::*;
use crate::generation::Compiled;
use crate::handler::Store;

/// Whatever is looked up in it takes the thread its processor away for so long. To the kernel and
/// to our clocks that is what a busy machine looks like.
struct Busy(Duration);

impl Store for Busy {
    fn get(&self, _key: &str) -> Option<Arc<str>> {
        thread::sleep(self.0);
        None
    }

    fn set(&self, _key: &str, _value: Arc<str>, _lasts: Option<Duration>) {}

    fn del(&self, _key: &str) {}
}

const LIMIT: Duration = LIMITS.handler_time;

/// Asks for the time again and again, and computes hardly anything.
const GOES_ON: &str = "for (let i = 0; i < 30000; i++);";

/// What becomes of `source` where the machine takes the processor away for `busy` in it: the first
/// time, on a thread of its own, and once it is known to be quick, on the worker.
fn run(kind: Kind, source: &str, busy: Duration) -> Vec<Verdict> {
    let set = Set::of(kind, &[source]).with_module("lib/slow.js", "platform.store.get('x');");
    let host = HostSettings::default();
    let engine = Engine::new(set.limits, host, Arc::new(Busy(busy)));
    let Ok(Compiled { program, .. }) = engine.compile(&set.handlers, &set.modules) else {
        panic!("it compiles");
    };
    let host: Arc<dyn Host> = Arc::new(Echo);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    // Those between make it known as quick.
    ["/busy", "/", "/", "/", "/", "/", "/busy"]
        .into_iter()
        .map(|target| {
            let mut call = answered(200, "application/json", r#"{"a":1}"#);
            call.request = super::call("POST", target, r#"{"a":1}"#).request;
            let steps = vec![Step { handler: 0, kind }];
            runtime
                .block_on(program.run(Box::new(call), steps, &host))
                .verdict
        })
        .collect()
}

/// Where a handler may be when it loses its processor.
fn everywhere() -> Vec<String> {
    let busy = "if (req.path === '/busy') platform.store.get('x');";
    [
        "BUSY GOES_ON",
        "await null; BUSY GOES_ON",
        "Promise.resolve().then(() => { BUSY GOES_ON })",
        "BUSY await getResource('/x'); GOES_ON",
        "if (req.path === '/busy') { require('slow') } GOES_ON",
        "BUSY JSON.parse(`[${'1,'.repeat(20000)}1]`)",
        "Object.defineProperty({}, 'a', { get() { BUSY GOES_ON } }).a",
        "[2, 1].sort((a, b) => { BUSY GOES_ON return a - b })",
        "'x'.replace(/x/, () => { BUSY GOES_ON return 'y' })",
        "req.userProperties.a = { toJSON() { BUSY GOES_ON return 1 } }",
    ]
    .map(|source| source.replace("BUSY", busy).replace("GOES_ON", GOES_ON))
    .to_vec()
}

#[test]
fn a_quick_handler_does_not_fail_because_the_machine_is_busy() {
    for kind in [Kind::Request, Kind::Response] {
        for source in everywhere() {
            let verdicts = run(kind, &source, LIMIT * 4);

            let has_failed = |verdict: &&Verdict| !matches!(verdict, Verdict::Continue);
            assert!(
                !verdicts.iter().any(|it| has_failed(&it)),
                "{kind:?} {source}: {verdicts:?}"
            );
        }
    }
}

#[test]
fn ten_times_its_limit_on_the_clock_ends_a_handler_whatever_it_computes() {
    let source = format!("if (req.path === '/busy') platform.store.get('x'); {GOES_ON}");
    let mut verdicts = Vec::new();
    let lines = logged(|| verdicts = run(Kind::Request, &source, LIMIT * 11));

    let failed: Vec<bool> = verdicts
        .iter()
        .map(|verdict| matches!(verdict, Verdict::Reject(_)))
        .collect();
    assert_eq!(failed, [true, false, false, false, false, false, true]);
    let told =
        "it ran longer than its limit: 500ms on the clock, 10 times its 50ms of computing time";
    assert_eq!(lines.matches(told).count(), 2, "{lines}");
}

#[test]
fn a_handler_that_computes_on_is_told_which_limit_it_met() {
    for source in [
        "while (true);",
        "for (;;) await null",
        "throw { get status() { for (;;); } }",
    ] {
        let lines = logged(|| {
            thrown_by(source);
        });

        let told = "ran longer than its limit: 50ms of computing time";
        assert!(lines.contains(told), "{source}: {lines}");
    }
}
