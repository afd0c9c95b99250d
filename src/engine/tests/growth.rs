//! What clients and handlers can make more of takes a time that grows as it does: no native and no parser of ours compares each
//! with each.
//!
//! Counted is the time that the quickest of some runs takes, at one, two, four and eight times a size, since neither the
//! natives nor QuickJS count their steps, and not every machine lets a program count its instructions. Work that
//! grows with the square takes sixty-four times as long at eight times the size; what is linear eight times, and some more
//! for sorting and for caches. All three doublings are judged together, by a bound between the two: what disturbs one of
//! them is smoothed out, and a square is found all the same.

use super::*;

use crate::message::coding::Codings;
use crate::message::{Query, forwarded};

/// What three doublings may make of a time.
const THREE_DOUBLINGS: f64 = 3.0 * 3.0 * 3.0;

/// What a run must take to be measured: less is mostly what surrounds it.
const LONG_ENOUGH: Duration = Duration::from_millis(2);

/// How often each size is tried.
const TRIES: usize = 5;

fn quickest(mut run: impl FnMut() -> Duration) -> Duration {
    (0..TRIES).map(|_| run()).min().expect("there are some")
}

/// Fails where the time of a size grows faster than it. The size is at least `from`; it is doubled until a run is long
/// enough to be measured.
fn check(name: &str, from: usize, mut run: impl FnMut(usize) -> Duration) {
    let mut size = from;
    while quickest(|| run(size)) < LONG_ENOUGH && size < 64 * from {
        size *= 2;
    }
    let mut ratio = f64::INFINITY;
    // A machine that does something else meanwhile makes times longer, never shorter.
    for _ in 0..6 {
        let (small, large) = (quickest(|| run(size)), quickest(|| run(8 * size)));
        ratio = ratio.min(large.as_secs_f64() / small.as_secs_f64());
        if ratio < THREE_DOUBLINGS {
            return;
        }
    }
    panic!("{name}: eight times {size} takes {ratio:.1} times as long");
}

/// The times of a handler's runs on calls of a size.
fn check_handler(name: &str, kind: Kind, source: &str, from: usize, call: impl Fn(usize) -> Call) {
    let mut set = Set::of(kind, &[source]);
    set.limits.handler_time = Duration::from_secs(60);
    set.limits.memory = 1 << 30;
    let compiled = set.compile().unwrap_or_else(|errors| panic!("{errors:?}"));
    let host: Arc<dyn Host> = Arc::new(Echo);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    check(name, from, |size| {
        let call = Box::new(call(size));
        runtime.block_on(async {
            let began = Instant::now();
            let ran = compiled
                .program
                .run(call, vec![Step { handler: 0, kind }], &host)
                .await;
            let took = began.elapsed();
            assert!(
                !matches!(ran.verdict, Verdict::Reject(_)),
                "{name}: {:?}",
                ran.verdict
            );
            took
        })
    });
}

fn list(size: usize, item: impl Fn(usize) -> String, between: &str) -> String {
    (0..size).map(item).collect::<Vec<_>>().join(between)
}

#[test]
fn parameters_take_as_long_as_they_are_many() {
    let names = |size| {
        call(
            "GET",
            &format!("/?{}", list(size, |at| format!("n{at}=v"), "&")),
            "",
        )
    };
    let values = |size| {
        call(
            "GET",
            &format!("/?{}", list(size, |at| format!("a={at}"), "&")),
            "",
        )
    };
    for source in [
        "for (const name in req.query) if (!req.query[name]) throw 1",
        "const all = {...req.query}; if (!all.n1) throw 1",
        "for (const name of Object.keys(req.query)) delete req.query[name]",
        "for (const name of Object.keys(req.query)) req.query[name] = 'x'",
        "req.query = {...req.query, x: 1}",
        "JSON.stringify(req.query)",
        "const n = Object.keys(req.query).length; for (let i = 0; i < n; i++) req.query['x' + i] = i",
    ] {
        check_handler(source, Kind::Request, source, 128, names);
    }
    for source in [
        "for (let i = 0; i < req.query.a.length; i++) if (!req.query.a[i]) throw 1",
        "for (const value of req.query.a) if (!value) throw 1",
    ] {
        check_handler(source, Kind::Request, source, 64, values);
    }
}

#[test]
fn searches_and_fields_of_scripts_take_as_long_as_they_are_many() {
    let sized = |size| call("GET", &format!("/?n={size}"), "");
    for source in [
        "const p = new URLSearchParams(); for (let i = 0; i < req.query.n; i++) p.append('a' + i, i); p.toString()",
        "const u = new URL('http://a/'); for (let i = 0; i < req.query.n; i++) u.searchParams.append('a' + i, i); u.href",
        "const p = new URLSearchParams('a=b&'.repeat(req.query.n)); p.set('a', 1); p.sort()",
        "const h = new Headers(); for (let i = 0; i < req.query.n; i++) h.append('a', i); h.get('a')",
        "const p = []; for (let i = 0; i < req.query.n; i++) p.push(Promise.reject(i)); for (const it of p) it.catch(() => {})",
        "const r = []; for (let i = 0; i < req.query.n; i++) r.push(JSON.parse('[1.5, 2.0]')); JSON.stringify(r)",
        "const k = []; for (let i = 0; i < req.query.n; i++) k.push('k' + i); JSON.stringify({k1: 1}, k)",
        "new TextEncoder().encode('\\ud800'.repeat(req.query.n))",
        "JSON.parse(JSON.stringify('\\ud800'.repeat(req.query.n)))",
        "JSON.parse(JSON.stringify('\\ud55c\\n'.repeat(req.query.n)))",
        "JSON.parse(JSON.stringify('\\ud55c'.repeat(req.query.n)))",
        "atob(btoa('a'.repeat(req.query.n)))",
        "for (let i = 0; i < req.query.n; i++) platform.store.set('k' + i, i, 1)",
    ] {
        check_handler(source, Kind::Request, source, 128, sized);
    }
}

#[test]
fn bodies_take_as_long_as_they_are_long() {
    let object = |size| list(size, |at| format!(r#""k{at}":{at}.50"#), ",");
    let object = |size| answered(200, "application/json", &format!("{{{}}}", object(size)));
    for source in [
        "for (const key in json) if (!json.hasOwnProperty(key)) throw 1",
        "for (const key of Object.keys(json)) delete json[key]",
        "for (const key of Object.keys(json)) json['x' + key] = json[key]",
        "for (const key of Object.keys(json)) json[key] = json[key] + 1",
        "json = {...json}",
        "json = Object.fromEntries(Object.entries(json).reverse())",
        "json = structuredClone(json)",
        "for (const key of Object.keys(json)) exact.text(json, key)",
    ] {
        check_handler(source, Kind::Response, source, 64, object);
    }
    let twice = |size| list(size, |at| format!(r#""k":{at}.50"#), ",");
    let twice = |size| answered(200, "application/json", &format!("{{{}}}", twice(size)));
    for source in [
        "const n = Number(res.headers['x-n'] || 400); for (let i = 0; i < n; i++) json.k = i",
        "json.k = 1; Object.keys(json)",
    ] {
        check_handler(source, Kind::Response, source, 64, |size| {
            let mut call = twice(size);
            let count = HeaderValue::from_str(&size.to_string()).expect("digits");
            call.response
                .fields
                .insert(HeaderName::from_static("x-n"), count);
            call
        });
    }
    let rows = |size| {
        list(
            size,
            |at| format!(r#"{{"id":{at}.0,"l":[1.5,{at}.50]}}"#),
            ",",
        )
    };
    let rows = |size| answered(200, "application/json", &format!("[{}]", rows(size)));
    for source in [
        "json = json.map(({id, ...rest}) => ({...rest, id}))",
        "json = structuredClone(json)",
        "json = json.filter(row => row.id % 2 === 0).reverse()",
        "json = json.map(row => row.l[1])",
        "while (json.length > 1) json.splice(json.length - 1, 1)",
        "json = json.flatMap(row => row.l)",
    ] {
        check_handler(source, Kind::Response, source, 32, rows);
    }
    let numbers = |size| list(size, |at| format!("{at}.50"), ",");
    let numbers = |size| answered(200, "application/json", &format!("[{}]", numbers(size)));
    for source in [
        "json = json.slice()",
        "json = [0, ...json]",
        "json.reverse()",
        "for (let i = 0; i < json.length; i++) exact.text(json, i)",
        "for (let i = json.length - 1; i >= 0; i--) exact.text(json, i)",
    ] {
        check_handler(source, Kind::Response, source, 64, numbers);
    }
}

#[test]
fn parsers_take_as_long_as_their_texts() {
    let mut fields = Fields::default();
    let mut given = |name: &'static str, size: usize, item: &str| {
        let value = vec![item; size].join(",");
        fields = Fields::default();
        fields.insert(
            HeaderName::from_static(name),
            HeaderValue::try_from(value).expect("a value"),
        );
        fields.clone()
    };
    let timed = |run: &dyn Fn()| {
        let began = Instant::now();
        run();
        began.elapsed()
    };
    check("content codings", 256, |size| {
        let fields = given("content-encoding", size, "identity");
        timed(&|| drop(Codings::of(&fields)))
    });
    check("hops", 256, |size| {
        let fields = given("x-forwarded-for", size, "10.0.0.1");
        let trusted = ["10.0.0.0/8".parse().expect("a net")];
        let peer = "10.1.1.1:1".parse().expect("an address");
        timed(&|| {
            let _ = forwarded::client(peer, false, &fields, &trusted);
        })
    });
    check("a query", 256, |size| {
        let raw = list(size, |at| format!("n{at}=%20"), "&");
        timed(&|| {
            let mut query = Query::parse(&raw);
            query.set("n1", &["x"]);
            drop((query.names().len(), query.to_string()));
        })
    });
}
