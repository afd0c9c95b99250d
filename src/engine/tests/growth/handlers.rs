//! Work that handlers have done for them.

use std::rc::Rc;

use super::*;

/// A handler, the smallest size, and calls of a size.
type Source = (&'static str, usize, fn(usize) -> Call);

/// Handlers that are compiled together, and what they are called with.
struct Handlers {
    kind: Kind,
    sources: Vec<Source>,
}

impl Handlers {
    fn rows(self) -> Vec<Row> {
        let sources: Vec<&str> = self.sources.iter().map(|(source, ..)| *source).collect();
        let mut set = Set::of(self.kind, &sources);
        set.limits.handler_time = Duration::from_secs(600);
        set.limits.memory = 1 << 30;
        let compiled = set.compile().unwrap_or_else(|errors| panic!("{errors:?}"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let shared = Rc::new((compiled, runtime));
        let kind = self.kind;
        let row_of = |(handler, (source, from, call)): (usize, Source)| {
            let shared = Rc::clone(&shared);
            row(source, from, move |size| {
                let mut call = call(size);
                call.deadline = Instant::now() + Duration::from_secs(600);
                let mut call = Some(Box::new(call));
                let shared = Rc::clone(&shared);
                Box::new(move || {
                    let (compiled, runtime) = &*shared;
                    let call = call.take().expect("it is run once");
                    let host: Arc<dyn Host> = Arc::new(Echo);
                    let step = Step { handler, kind };
                    let ran = runtime.block_on(compiled.program.run(call, vec![step], &host));
                    let is_done = !matches!(ran.verdict, Verdict::Reject(_));
                    assert!(is_done, "{source}: {:?}", ran.verdict);
                })
            })
        };
        self.sources.into_iter().enumerate().map(row_of).collect()
    }
}

pub(super) fn rows() -> Vec<Row> {
    let of_requests = |sources: &[&'static str], from, call: fn(usize) -> Call| {
        let sources = sources.iter().map(|source| (*source, from, call));
        sources.collect::<Vec<_>>()
    };
    let requests = [
        of_requests(&NAMES, 96, |size| {
            let names = list(size, |at| format!("n{at}=v"), "&");
            call("GET", &format!("/?{names}"), "")
        }),
        of_requests(&VALUES, 64, |size| {
            let values = list(size, |at| format!("a={at}"), "&");
            call("GET", &format!("/?{values}"), "")
        }),
        of_requests(&SIZED, 128, |size| call("GET", &format!("/?n={size}"), "")),
    ];
    let responses = [
        of_requests(&COOKIES, 24, |size| {
            let mut call = answered(200, "application/json", "{}");
            let value = |at: usize| HeaderValue::try_from(format!("n{at}=v")).expect("a value");
            for at in 0..size {
                call.response
                    .fields
                    .receive(header::SET_COOKIE, b"Set-Cookie", value(at));
            }
            call
        }),
        of_requests(&OBJECTS, 64, |size| {
            let members = list(size, |at| format!(r#""k{at}":{at}.50"#), ",");
            answered(200, "application/json", &format!("{{{members}}}"))
        }),
        of_requests(&DUPLICATES, 64, |size| {
            let members = list(size, |at| format!(r#""k":{at}.50"#), ",");
            let mut call = answered(200, "application/json", &format!("{{{members}}}"));
            let count = HeaderValue::from_str(&size.to_string()).expect("digits");
            let name = HeaderName::from_static("x-n");
            call.response.fields.insert(name, count);
            call
        }),
        of_requests(&ROWS, 32, |size| {
            let row = |at| format!(r#"{{"id":{at}.0,"l":[1.5,{at}.50]}}"#);
            let rows = list(size, row, ",");
            answered(200, "application/json", &format!("[{rows}]"))
        }),
        of_requests(&NUMBERS, 64, |size| {
            let numbers = list(size, |at| format!("{at}.50"), ",");
            answered(200, "application/json", &format!("[{numbers}]"))
        }),
    ];
    let of = |kind, sources: Vec<_>| Handlers { kind, sources }.rows();
    let mut rows = of(Kind::Request, requests.concat());
    rows.extend(of(Kind::Response, responses.concat()));
    rows
}

/// A query of many names.
const NAMES: [&str; 7] = [
    "for (const name in req.query) if (!req.query[name]) throw 1",
    "const all = {...req.query}; if (!all.n1) throw 1",
    "for (const name of Object.keys(req.query)) delete req.query[name]",
    "for (const name of Object.keys(req.query)) req.query[name] = 'x'",
    "req.query = {...req.query, x: 1}",
    "JSON.stringify(req.query)",
    "const n = Object.keys(req.query).length; for (let i = 0; i < n; i++) req.query['x' + i] = i",
];

/// A query of many values of one name.
const VALUES: [&str; 2] = [
    "for (let i = 0; i < req.query.a.length; i++) if (!req.query.a[i]) throw 1",
    "for (const value of req.query.a) if (!value) throw 1",
];

/// What a script makes as much of as the query says.
const SIZED: [&str; 13] = [
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
];

/// A response that sets many cookies.
const COOKIES: [&str; 3] = [
    "for (const one of res.headers['set-cookie']) if (!one) throw 1",
    "res.headers['set-cookie'] = res.headers['set-cookie'].map(it => it + '; Secure')",
    "for (let i = 0; i < res.headers['set-cookie'].length; i++) if (!res.headers['set-cookie'][i]) throw 1",
];

/// An object of many members.
const OBJECTS: [&str; 8] = [
    "for (const key in json) if (!json.hasOwnProperty(key)) throw 1",
    "for (const key of Object.keys(json)) delete json[key]",
    "for (const key of Object.keys(json)) json['x' + key] = json[key]",
    "for (const key of Object.keys(json)) json[key] = json[key] + 1",
    "json = {...json}",
    "json = Object.fromEntries(Object.entries(json).reverse())",
    "json = structuredClone(json)",
    "for (const key of Object.keys(json)) exact.text(json, key)",
];

/// Many members of one name.
const DUPLICATES: [&str; 2] = [
    "const n = Number(res.headers['x-n'] || 400); for (let i = 0; i < n; i++) json.k = i",
    "json.k = 1; Object.keys(json)",
];

/// A list of many objects.
const ROWS: [&str; 6] = [
    "json = json.map(({id, ...rest}) => ({...rest, id}))",
    "json = structuredClone(json)",
    "json = json.filter(row => row.id % 2 === 0).reverse()",
    "json = json.map(row => row.l[1])",
    "while (json.length > 1) json.splice(json.length - 1, 1)",
    "json = json.flatMap(row => row.l)",
];

/// A list of many numbers.
const NUMBERS: [&str; 5] = [
    "json = json.slice()",
    "json = [0, ...json]",
    "json.reverse()",
    "for (let i = 0; i < json.length; i++) exact.text(json, i)",
    "for (let i = json.length - 1; i >= 0; i--) exact.text(json, i)",
];
