//! A panic in whatever QuickJS calls, or around it, is a 500 for one request and nothing else.

use super::*;

/// Each place that can panic, and a handler that comes by it.
const PLACES: [(&str, &str); 29] = [
    // Views of fields and parameters, and lazy objects: the same hooks of either.
    ("get_own_property", "req.headers['x-weird']"),
    ("get_own_property", "JSON.parse(json).a"),
    ("get_own_property_names", "Object.keys(req.headers)"),
    ("get_own_property_names", "Object.keys(JSON.parse(json))"),
    ("delete_property", "delete req.query.a"),
    ("delete_property", "delete JSON.parse(json).a"),
    (
        "define_own_property",
        "Object.defineProperty(req.query, 'a', { value: 1 })",
    ),
    ("define_own_property", "JSON.parse(json).b = 1"),
    ("set_property", "req.query.a = 'b'"),
    ("finalizer", "(() => { JSON.parse(json) })()"),
    (
        "gc_mark",
        "const o = JSON.parse(json); o.a; o.o = o; const keep = []; for (let i = 0; i < 300000; i++) keep.push({ i }); o.a",
    ),
    // Functions.
    ("call_text", "req.verb"),
    ("give_held", "req.headers"),
    ("guarded", "[1, 2].slice(1)"),
    ("mapped", "[1].flatMap((x) => [x])"),
    ("called", "JSON.stringify({})"),
    ("native", "const verb = 'PUT'; req.method = verb"),
    (
        "native",
        "for (;;) try { req.method = 'PUT' } catch {} finally {}",
    ),
    ("interrupt", "for (let i = 0; i < 1e9; i++);"),
    ("track", "Promise.reject(new Error('x')); 1"),
    // Stages of a run.
    ("build", ""),
    ("open", "log.debug(1)"),
    ("begin", "log.debug(1)"),
    ("compile", "log.debug(1)"),
    ("settle", "log.debug(1)"),
    ("verdict", "log.debug(1)"),
    ("explain", "throw new TypeError('x')"),
    ("finish", "log.debug(1)"),
    ("apply", "log.debug(1)"),
];

/// A set with one handler, and a runtime.
struct Fixture {
    engine: Engine,
    compiled: crate::generation::Compiled,
    host: Arc<dyn Host>,
    runtime: tokio::runtime::Runtime,
}

impl Fixture {
    fn of(source: &str) -> Self {
        let set = Set::of(Kind::Request, &[source]);
        let mut limits = LIMITS;
        limits.handler_time = Duration::from_secs(5);
        let engine = engine(limits);
        let compiled = engine.compile(&set.handlers, &set.modules);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        Self {
            engine,
            compiled: compiled.unwrap_or_else(|errors| panic!("{errors:?}")),
            host: Arc::new(Echo),
            runtime: runtime.expect("a runtime"),
        }
    }

    fn panics_at(&self, place: Option<&'static str>) {
        if place == Some("build") {
            // None is left that was built before.
            self.panics_at(Some("open"));
            self.run();
        }
        *self.engine.fail_at.lock().expect("nothing panics with it") = place;
    }

    fn run(&self) -> Ran {
        let call = Box::new(call("POST", "/orders?a=1", r#"{"a":{"b":1}}"#));
        let steps = vec![Step {
            handler: 0,
            kind: Kind::Request,
        }];
        let running = self.compiled.program.run(call, steps, &self.host);
        self.runtime.block_on(running)
    }
}

fn is_fault_of_ours(ran: &Ran) -> bool {
    matches!(
        &ran.verdict,
        Verdict::Reject(Rejection {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            fault: Fault::Sidecar,
            ..
        })
    )
}

#[test]
fn a_panic_wherever_it_is_fails_one_request_and_is_a_fault_of_ours() {
    for (place, source) in PLACES {
        let fixture = Fixture::of(source);
        for _ in 0..3 {
            fixture.panics_at(Some(place));
            let ran = fixture.run();
            assert!(
                is_fault_of_ours(&ran),
                "{place}: {source}: {:?}",
                ran.verdict
            );
            assert_eq!(
                ran.call.id.0.as_ref(),
                "tx-1",
                "{place}: the call comes back"
            );
            assert_eq!(ran.call.request.path, "/orders", "{place}");
        }
    }
}

#[test]
fn after_a_panic_the_next_request_is_served() {
    for (place, _) in PLACES {
        let fixture = Fixture::of("req.headers['x-a'] = 'b'; json = '[]'");
        fixture.panics_at(Some(place));
        fixture.run();

        fixture.panics_at(None);
        for _ in 0..2 {
            let ran = fixture.run();
            assert!(
                matches!(ran.verdict, Verdict::Continue),
                "{place}: {:?}",
                ran.verdict
            );
            assert_eq!(request_body(&ran), "[]", "{place}");
        }
    }
}

#[test]
fn no_number_of_panics_uses_up_what_there_is_of_isolates() {
    const MORE_THAN_THERE_ARE: usize = 512 + 1;
    for place in ["call_text", "open", "build", "apply"] {
        let fixture = Fixture::of("req.verb");
        fixture.panics_at(Some(place));
        for _ in 0..MORE_THAN_THERE_ARE {
            assert!(is_fault_of_ours(&fixture.run()), "{place}");
        }

        fixture.panics_at(None);
        assert!(
            matches!(fixture.run().verdict, Verdict::Continue),
            "{place}"
        );
    }
}

#[test]
fn a_panic_that_a_handler_may_skip_is_not_skipped() {
    let fixture = Fixture::of("// @onError skip\nreq.verb");
    fixture.panics_at(Some("call_text"));

    assert!(is_fault_of_ours(&fixture.run()));
}
