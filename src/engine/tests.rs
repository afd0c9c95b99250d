//! Handlers run on calls, without a proxy around them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{Engine, HostSettings, Limits};
use crate::generation::{Compile, Module, Ran, Step};
use crate::handler::host::{Caller, Destination, Host, HostError, HostRequest, HostResponse};
use crate::handler::{
    Answer, Call, Case, Content, Declared, DeclaredFile, Diagnostic, Diagnostics, Emitted, Fault,
    HandlerName, Kept, Kind, Origin, Rejection, Requested, Secrets, Service, Services, Session,
    TransactionId, Verdict, declare,
};
use crate::message::forwarded::Client;
use crate::message::{Body, Fields, Request, Response};
use crate::store::{Bounds, MemoryStore};

/// An engine with one secret and a configuration for scripts.
fn engine(limits: Limits) -> Engine {
    let host = HostSettings {
        secrets: Secrets::new([("crm".to_owned(), Arc::from("s3cret"))]),
        config: r#"{"region":"eu"}"#.to_owned(),
        ..HostSettings::default()
    };
    Engine::new(limits, host, Arc::new(MemoryStore::new(Bounds::default())))
}

mod aliases;
mod bounds;
mod memory;
mod moves;
mod vocabularies;

const LIMITS: Limits = Limits {
    handler_time: Duration::from_millis(50),
    memory: 64 << 20,
    total_memory: 1 << 30,
    text: 32 << 20,
    stuck: 4,
    code_from_text: false,
};

/// A host whose every resource is one row that says what was asked for.
struct Echo;

#[async_trait::async_trait]
impl Host for Echo {
    async fn call(
        &self,
        _caller: &Caller,
        request: HostRequest,
    ) -> Result<HostResponse, HostError> {
        match request.to {
            Destination::Upstream(target) if target.starts_with("/missing") => {
                Ok(response(404, "{}"))
            }
            Destination::Upstream(target) | Destination::Chains(target) => Ok(response(
                200,
                &format!(
                    r#"[{{"asked":"{} {target}","price":1.10}}]"#,
                    request.method
                ),
            )),
            Destination::Host(host) => Err(HostError::NotAllowed { host }),
        }
    }
}

fn response(status: u16, body: &str) -> HostResponse {
    HostResponse {
        status: StatusCode::from_u16(status).expect("a status"),
        fields: Vec::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// Handlers of one phase, in the order they are written.
struct Set {
    handlers: Vec<Declared>,
    modules: Vec<Module>,
    limits: Limits,
}

impl Set {
    fn of(kind: Kind, sources: &[&str]) -> Self {
        let declared = |(at, source): (usize, &&str)| {
            let name = format!("{at}0-x");
            let file = DeclaredFile {
                name: HandlerName::parse(&name).expect("a name"),
                kind,
                path: format!("{name}.js").into(),
                active: true,
                source: (*source).into(),
            };
            let mut diagnostics = Diagnostics::default();
            let declared = declare(file, None, &Services::default(), &mut diagnostics);
            assert_eq!(diagnostics, Diagnostics::default());
            declared
        };
        Self {
            handlers: sources.iter().enumerate().map(declared).collect(),
            modules: Vec::new(),
            limits: LIMITS,
        }
    }

    fn with_module(mut self, path: &str, text: &str) -> Self {
        self.modules.push(Module {
            path: path.into(),
            file: path.into(),
            text: text.into(),
        });
        self
    }

    fn compile(&self) -> Result<crate::generation::Compiled, Vec<Diagnostic>> {
        engine(self.limits).compile(&self.handlers, &self.modules)
    }

    fn problem(&self) -> String {
        let errors = self.compile().err().expect("it has a problem");
        errors[0].to_string()
    }

    /// Runs the set on calls, one after the other on the same isolates.
    fn run_all(&self, calls: Vec<Call>) -> Vec<Ran> {
        let compiled = self.compile().unwrap_or_else(|errors| panic!("{errors:?}"));
        let host: Arc<dyn Host> = Arc::new(Echo);
        let steps = || {
            self.handlers
                .iter()
                .enumerate()
                .map(|(handler, it)| Step {
                    handler,
                    kind: it.kind,
                })
                .collect()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut ran = Vec::new();
            for call in calls {
                ran.push(compiled.program.run(Box::new(call), steps(), &host).await);
            }
            ran
        })
    }

    fn run(&self, call: Call) -> Ran {
        self.run_all(vec![call]).remove(0)
    }
}

fn call(method: &str, target: &str, body: &str) -> Call {
    let mut fields = Fields::default();
    for (name, value) in [
        ("Host", "api.test"),
        ("X-Weird", "w"),
        ("Authorization", "Basic Ym9iOng="),
        ("cookie", "c=1"),
    ] {
        fields.receive(
            name.to_ascii_lowercase().parse().expect("a name"),
            name.as_bytes(),
            HeaderValue::from_static(value),
        );
    }
    let mut request = Request::new(method.parse::<Method>().expect("a method"), target, fields);
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    request.body = if body.is_empty() {
        Body::Empty
    } else {
        Body::Whole(bytes.clone())
    };
    let origin = Origin {
        client: Client {
            address: [192, 0, 2, 7].into(),
            peer: [192, 0, 2, 7].into(),
            https: false,
            through_trusted: false,
        },
        host: "api.test".to_owned(),
        requested: Requested {
            method: Method::GET,
            path: "/orders".into(),
            services: Services::new([Service::new("crm", "/")]),
            case: Case::Counts,
        },
        local: SocketAddr::from(([127, 0, 0, 1], 8080)),
        service: Arc::new(Service::new("crm", "/")),
        resource: "orders".to_owned(),
        metadata_name: "@metadata".into(),
        session: Arc::default(),
        depth: 0,
        running: Vec::new(),
    };
    Call {
        id: TransactionId("tx-1".into()),
        request,
        received: (!body.is_empty()).then_some(bytes),
        response: Response::new(StatusCode::OK),
        origin: Arc::new(origin),
        fallback: None,
        kept: Kept::default(),
        emitted: Emitted::default(),
        deadline: Instant::now() + Duration::from_secs(30),
    }
}

fn answered(status: u16, content_type: &str, body: &str) -> Call {
    let mut call = call("GET", "/orders?limit=1", "");
    call.response.status = StatusCode::from_u16(status).expect("a status");
    call.response.fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(content_type).expect("a value"),
    );
    call.response.body = if body.is_empty() {
        Body::Empty
    } else {
        Body::Whole(Bytes::copy_from_slice(body.as_bytes()))
    };
    call
}

fn request_body(ran: &Ran) -> &str {
    text(&ran.call.request.body)
}

fn response_body(ran: &Ran) -> &str {
    text(&ran.call.response.body)
}

fn text(body: &Body) -> &str {
    std::str::from_utf8(body.bytes().map_or(&b""[..], |bytes| bytes)).expect("text")
}

fn rejection(ran: Ran) -> Rejection {
    match ran.verdict {
        Verdict::Reject(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}

fn message(rejection: &Rejection) -> &str {
    match &rejection.content {
        Content::Message(message) => &message.text,
        Content::Own { .. } => panic!("a body of its own"),
    }
}

fn thrown_by(source: &str) -> Rejection {
    rejection(Set::of(Kind::Request, &[source]).run(call("POST", "/orders", r#"{"a":1}"#)))
}

fn json(source: &str, body: &str) -> String {
    response_body(&Set::of(Kind::Response, &[source]).run(answered(200, "application/json", body)))
        .to_owned()
}

#[test]
fn a_request_body_is_text_that_the_next_handler_finds_edited() {
    let set = Set::of(
        Kind::Request,
        &[
            "var data = JSON.parse(json);\ndelete data.uselessData;\njson = JSON.stringify(data);",
            "if (json !== '{\"a\":1}') throw json;\njson = json.replace('1', '2')",
        ],
    );

    let ran = set.run(call("POST", "/orders", r#"{"a":1,"uselessData":[1,2]}"#));

    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{:?}",
        ran.verdict
    );
    assert_eq!(request_body(&ran), r#"{"a":2}"#);
}

#[test]
fn every_idiom_of_a_body_works() {
    for (source, expected) in [
        ("if (json) return; json = 'never'", r#"{"a":1}"#),
        ("var json = '[]'", "[]"),
        (
            "json = edited(json); function edited(text) { return text + ' ' }",
            r#"{"a":1} "#,
        ),
        ("'use strict'; json = 'x'", "x"),
        ("for (i = 0; i < 3; i++) json += i", r#"{"a":1}012"#),
        ("json = { b: [1] }", r#"{"b":[1]}"#),
        ("json = null", ""),
        (
            "const req = 1, out = [], res = {}; let event; json = 'x' // a comment at the end",
            "x",
        ),
        ("await null; json = 'later'", "later"),
        ("Promise.resolve().then(() => { json = 'later' })", "later"),
        ("json = this === globalThis ? 'global' : 'not'", "global"),
    ] {
        let ran = Set::of(Kind::Request, &[source]).run(call("POST", "/orders", r#"{"a":1}"#));
        assert!(
            matches!(ran.verdict, Verdict::Continue),
            "{source}: {:?}",
            ran.verdict
        );
        assert_eq!(request_body(&ran), expected, "{source}");
    }
}

#[test]
fn a_response_body_is_a_value_that_is_edited_in_place_or_replaced() {
    assert_eq!(
        json("json.a = 2; delete json.b", r#"{"a":1,"b":0}"#),
        r#"{"a":2}"#
    );
    assert_eq!(json("json = ['x']", r#"{"a":1}"#), r#"["x"]"#);
    assert_eq!(json("json = 'x'", "[]"), r#""x""#);
    assert_eq!(json("res.body.a = json.a + 1", r#"{"a":1}"#), r#"{"a":2}"#);
    assert_eq!(json("res.body = [1]", r#"{"a":1}"#), "[1]");
    assert_eq!(json("json = null", r#"{"a":1}"#), "");
    assert_eq!(
        json("json.v = new String(req.verb.name())", "{}"),
        r#"{"v":"GET"}"#
    );
}

#[test]
fn a_body_nobody_wrote_is_the_one_that_came() {
    let came = "{ \"id\": 9007199254740993, \"price\": 1.10,\n \"a\":1, \"a\":2 }";

    let ran = Set::of(Kind::Response, &["log.debug(json.id + json.a)"]).run(answered(
        200,
        "application/json",
        came,
    ));

    assert_eq!(ran.call.response.body, Body::Whole(Bytes::from(came)));
}

#[test]
fn the_request_answers_to_the_names_of_live_api_creator() {
    let source = r#"
        if (req.verb != "GET" || req.verb !== "GET" || req.verb.name() !== "GET" || 'GET' != req.verb.name) throw 'verb';
        if (req.verb.toString() !== 'GET' || 'other'.name !== undefined) throw 'verb as text';
        if (req.resourceName !== 'orders' || req.clientAddress !== '192.0.2.7' || req.clientUsesHttps) throw 'client';
        if (req.httpHeaders['x-WEIRD'] !== 'w' || req.httpHeaders.authorization !== undefined) throw 'headers';
        if (req.headers.Authorization === undefined || Object.keys(req.httpHeaders).join() !== 'host,x-weird,cookie') throw 'all headers';
        if (req.urlParameters.limit !== '1' || req.urlParameters.none != null) throw 'parameters';
        if (req.metadata_name !== '@metadata' || req.json !== null) throw 'metadata';
        if (req.baseUrl !== 'http://api.test/' || req.localFullBaseURL !== 'http://127.0.0.1:8080/') throw req.baseUrl;
        if (req.getApiKey().getUserIdentifier() !== 'bob' || req.apiVersion.getName() !== '') throw 'key';
        if (!'abc'.contains('b') || req.path !== '/orders' || req.method !== 'GET' || req.id !== 'tx-1') throw 'own';
        var text = `${req.verb}`; var copy = {...req.urlParameters}; if (text + copy.limit !== 'GET1') throw 'copies';
    "#;

    let ran = Set::of(Kind::Response, &[source]).run(answered(200, "application/json", "{}"));

    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{:?}",
        ran.verdict
    );
}

#[test]
fn fields_and_parameters_are_written_through() {
    let set = Set::of(
        Kind::Request,
        &[r"
        req.headers['x-new'] = 5; req.headers['X-WEIRD'] = ['a', 'b']; delete req.headers.cookie;
        req.headers['content-length'] = '99';
        req.query.limit = 'ö'; req.query.many = [1, 2]; delete req.query.gone; req.method = 'PUT'; req.path = '/other';
    "],
    );

    let Ran {
        call: after,
        verdict,
        ..
    } = set.run(call("POST", "/orders?gone=1&limit=2&kept=%7e", ""));

    assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
    let shown: Vec<_> = after
        .request
        .fields
        .iter()
        .map(|it| format!("{}={}", it.name(), it.value().to_str().expect("text")))
        .collect();
    assert_eq!(
        shown,
        [
            "host=api.test",
            "x-weird=a",
            "x-weird=b",
            "authorization=Basic Ym9iOng=",
            "x-new=5"
        ]
    );
    assert_eq!(
        after.request.target(),
        "/other?limit=%C3%B6&kept=%7e&many=1&many=2"
    );
    assert_eq!(after.request.method, Method::PUT);
}

#[test]
fn a_value_that_would_begin_another_field_is_refused() {
    let ran = Set::of(Kind::Request, &["req.headers.x = 'a\\r\\nb: c'"]).run(call("GET", "/", ""));

    assert_eq!(rejection(ran).fault, Fault::Script);
}

#[test]
fn status_and_headers_of_a_response_are_open() {
    let set = Set::of(
        Kind::Response,
        &[
            "res.status = 202; res.headers['x-a'] = res.headers['content-type']; res.headers['set-cookie'] = ['a=1', 'b=2']",
        ],
    );

    let ran = set.run(answered(200, "application/json", "{}"));

    assert_eq!(ran.call.response.status, 202);
    assert_eq!(
        ran.call.response.fields.get_str("x-a"),
        Some("application/json")
    );
    assert_eq!(ran.call.response.fields.get_all("set-cookie").count(), 2);
}

#[test]
fn an_answer_skips_the_rest() {
    for (source, answer, status, content_type, body) in [
        (
            "return { ok: true }",
            Answer::Final,
            200,
            "application/json",
            r#"{"ok":true}"#,
        ),
        (
            "return 'text'",
            Answer::Final,
            200,
            "text/plain; charset=utf-8",
            "text",
        ),
        (
            "res.status = 404; res.body = { no: 1 }",
            Answer::Open,
            404,
            "application/json",
            r#"{"no":1}"#,
        ),
        (
            "res.headers['content-type'] = 'application/json'; res.body = 'x'",
            Answer::Open,
            200,
            "application/json",
            r#""x""#,
        ),
        (
            "res.status = 201; return [1]",
            Answer::Final,
            201,
            "application/json",
            "[1]",
        ),
    ] {
        let ran = Set::of(Kind::Request, &[source, "throw 'never reached'"])
            .run(call("GET", "/orders", ""));
        assert!(
            matches!(ran.verdict, Verdict::Answer(it) if it == answer),
            "{source}: {:?}",
            ran.verdict
        );
        assert_eq!(ran.begun, 1, "{source}");
        assert_eq!(ran.call.response.status, status, "{source}");
        assert_eq!(
            ran.call.response.fields.get_str("content-type"),
            Some(content_type),
            "{source}"
        );
        assert_eq!(response_body(&ran), body, "{source}");
    }
}

#[test]
fn what_is_thrown_on_purpose_is_told() {
    for (source, status, text) in [
        ("throw 'no'", 400, "no"),
        ("throw new Error('no')", 400, "no"),
        ("throw { status: 422, message: 'm' }", 422, "m"),
        ("throw { statusCode: '409', errorMessage: 'e' }", 409, "e"),
        ("throw { code: 7, message: 'm' }", 400, "m"),
        (
            "class Mine extends Error {}; const e = new Mine('x'); e.status = 451; throw e",
            451,
            "x",
        ),
        ("await Promise.reject('later')", 400, "later"),
        ("Promise.reject('unhandled')", 400, "unhandled"),
        ("throw [{ code: 418, message: 'first' }]", 418, "first"),
    ] {
        let rejection = thrown_by(source);
        assert_eq!(
            (rejection.status.as_u16(), message(&rejection)),
            (status, text),
            "{source}"
        );
        assert_eq!(rejection.fault, Fault::Handler, "{source}");
    }
}

#[test]
fn a_body_of_its_own_is_sent_as_it_is() {
    let rejection =
        thrown_by("throw { status: 403, headers: { 'x-a': 'b' }, body: { error: 'missing' } }");

    let Content::Own { fields, body } = rejection.content else {
        panic!("{rejection:?}")
    };
    assert_eq!(body, r#"{"error":"missing"}"#);
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        .collect();
    assert_eq!(fields, [("x-a", "b"), ("content-type", "application/json")]);
}

#[test]
fn a_mistake_is_not_told_and_is_500() {
    for source in [
        "null.x",
        "undefinedName()",
        "throw new TypeError('x')",
        "throw null",
        "throw 5",
        "new Array(-1)",
        "throw { get status() { throw 1 } }",
        "throw new Proxy({}, { get() { throw 1 } })",
        "eval('1')",
        "Function('1')",
        "(async () => {}).constructor('1')",
        "'use strict'; undeclared = 1",
        "throw new (class extends RangeError {})('x')",
        "throw { get message() { for (;;); } }",
        "await new Promise(() => {})",
        "require(1 + 'x')",
    ] {
        let rejection = thrown_by(source);
        assert_eq!(
            (rejection.status.as_u16(), rejection.fault),
            (500, Fault::Script),
            "{source}"
        );
        assert_eq!(message(&rejection), "", "{source}");
    }
}

#[test]
fn a_client_text_that_does_not_parse_is_the_clients_fault() {
    let ran = Set::of(Kind::Request, &["JSON.parse(json)"]).run(call("POST", "/orders", "{oops"));

    let rejection = rejection(ran);
    assert_eq!(
        (rejection.status.as_u16(), rejection.fault),
        (400, Fault::Client)
    );
}

#[test]
fn loops_and_bombs_end_and_the_next_transaction_is_well() {
    for source in [
        "while (true) { }",
        "for (;;) { try { for (;;) { } } catch (e) { } finally { continue } }",
        "async function f() { for (;;) await null } f()",
        "/(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')",
        "const all = []; for (;;) all.push('x'.repeat(1e6))",
        "new Uint8Array(1e9).fill(1)",
        "(function f() { f() })()",
    ] {
        let set = Set::of(
            Kind::Request,
            &[&format!(
                "if (req.path === '/bad') {{ {source} }}\nreq.headers.ok = '1'"
            )],
        );
        let began = Instant::now();
        let ran = set.run_all(vec![call("GET", "/bad", ""), call("GET", "/good", "")]);
        assert!(began.elapsed() < Duration::from_secs(5), "{source}");
        let [bad, good] = <[Ran; 2]>::try_from(ran).expect("two");
        assert_eq!(rejection(bad).fault, Fault::Script, "{source}");
        assert!(
            matches!(good.verdict, Verdict::Continue),
            "{source}: {:?}",
            good.verdict
        );
        assert_eq!(good.call.request.fields.get_str("ok"), Some("1"));
    }
}

#[test]
fn a_realm_and_a_small_handler_fit_into_what_a_heap_has_from_the_start() {
    let mut set = Set::of(Kind::Request, &["req.headers.path = req.path"]);
    set.limits.total_memory = super::heap::LEAST;

    let ran = set.run_all(vec![call("GET", "/1", ""), call("GET", "/2", "")]);

    let paths = ran.iter().map(|it| it.call.request.fields.get_str("path"));
    assert_eq!(paths.collect::<Vec<_>>(), [Some("/1"), Some("/2")]);
}

#[test]
fn nothing_a_handler_does_outlives_its_transaction() {
    let set = Set::of(
        Kind::Request,
        &[r"
        if (req.path === '/look') {
            var seen = [];
            if (typeof leak !== 'undefined' || globalThis.leak || ({}).leak || [].leak || req.leak || res.leak || log.leak) seen.push('leak');
            if (Math.random() === 4 || JSON.parse('1') !== 1 || [1].map(x => x)[0] !== 1) seen.push('patched');
            if (Object.keys(req.userProperties).length > 0 || req.headers['x-leak']) seen.push('properties');
            if (req.headers.leak || req.query.leak || res.headers.leak || req.verb.name.leak) seen.push('views');
            if (typeof Error.prepareStackTrace === 'function' || Error.stackTraceLimit === 0 || String(new Error('x').stack) === 'leak') seen.push('stack');
            if (req.getApiKey().leak || console.log.leak || Object.getPrototypeOf(function* () {}).leak) seen.push('deep');
            throw seen.join() || 'clean';
        }
        leak = 1;
        const attempts = [
            () => { globalThis.leak = 1 }, () => { Object.prototype.leak = 1 }, () => { Array.prototype.leak = 1 },
            () => { Math.random = () => 4 }, () => { JSON.parse = () => 0 }, () => { Array.prototype.map = () => [] },
            () => { req.leak = 1 }, () => { res.leak = 1 }, () => { log.leak = 1 }, () => { console.log.leak = 1 },
            () => { req.setUserProperty('leak', 1) }, () => { req.headers['x-leak'] = '1' },
            () => { req.getApiKey().leak = 1 }, () => { Object.getPrototypeOf(function* () {}).leak = 1 },
            () => { Object.setPrototypeOf(req.headers, { leak: 1 }) }, () => { req.query.__proto__ = { leak: 1 } },
            () => { Reflect.setPrototypeOf(res.headers, { leak: 1 }) }, () => { req.verb.name.leak = 1 },
            () => { Error.prepareStackTrace = () => 'leak' }, () => { Error.stackTraceLimit = 0 },
            () => { Object.defineProperty(String.prototype, 'contains', { value: () => true }) },
        ];
        for (const attempt of attempts) { try { attempt() } catch (e) { } }
    "],
    );

    let ran = set.run_all(vec![call("GET", "/leak", ""), call("GET", "/look", "")]);

    let [leaks, looks] = <[Ran; 2]>::try_from(ran).expect("two");
    assert!(
        matches!(leaks.verdict, Verdict::Continue),
        "{:?}",
        leaks.verdict
    );
    assert_eq!(message(&rejection(looks)), "clean");
}

#[test]
fn a_frozen_realm_does_not_get_in_the_way() {
    let source = r"
        var o = {}; o.toString = () => 'mine'; if (String(o) !== 'mine') throw 'toString';
        function F() {} F.prototype.toString = () => 'f'; if (`${new F()}` !== 'f') throw 'prototype';
        class Mine extends Error { constructor(m) { super(m); this.name = 'Mine'; this.message = m + '!' } }
        if (String(new Mine('x')) !== 'Mine: x!') throw 'class';
        if (Object.keys(Object.assign(Object.create({}), { constructor: 1 })).join() !== 'constructor') throw 'constructor';
        if (!(function () {} instanceof Function) || typeof eval !== 'function') throw 'typeof';
    ";
    let ran = Set::of(Kind::Request, &[source]).run(call("GET", "/", ""));
    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{:?}",
        ran.verdict
    );
}

#[test]
fn a_handler_that_may_fail_leaves_no_trace() {
    let set = Set::of(
        Kind::Response,
        &[
            "json.a = 2",
            "// @onError skip\njson.a = 3; res.status = 500; res.headers.x = 'y'; null.x",
            "// @onError skip\njson.a = 4; while (true) { }",
            "json.b = json.a",
        ],
    );

    let ran = set.run(answered(200, "application/json", r#"{"a":1}"#));

    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{:?}",
        ran.verdict
    );
    assert_eq!(response_body(&ran), r#"{"a":2,"b":2}"#);
    assert_eq!(ran.call.response.status, 200);
    assert!(!ran.call.response.fields.contains("x"));
    assert_eq!(ran.begun, 4);
}

#[test]
fn host_calls_give_values_and_their_failures_are_502() {
    let rows = json(
        "json.rows = getResource('purchase:orders', { filter: 'a = 1', order: null, pagesize: 30 })",
        "{}",
    );
    assert_eq!(
        rows,
        r#"{"rows":[{"asked":"GET /purchase/orders?filter=a%20%3D%201&pagesize=30","price":1.10}]}"#
    );
    let text = json(
        "json.t = SysUtility.restGet('x', {a: 1}); json.v = SysUtilityV2.restPost('/y', null, null, {b: 2})[0].asked",
        "{}",
    );
    assert_eq!(
        text,
        r#"{"t":"[{\"asked\":\"GET /x?a=1\",\"price\":1.10}]","v":"POST /y"}"#
    );
    assert_eq!(
        json(
            "try { getResource('missing') } catch (e) { json.s = e.statusCode }",
            "{}"
        ),
        r#"{"s":404}"#
    );

    for (source, status) in [
        ("getResource('missing')", 502),
        ("SysUtility.restGet('http://elsewhere.test/x')", 500),
    ] {
        let rejection = thrown_by(source);
        assert_eq!(
            (rejection.status.as_u16(), rejection.fault),
            (status, Fault::Host),
            "{source}"
        );
    }
    assert_eq!(
        thrown_by("SysUtility.findEntities('x')").fault,
        Fault::Script
    );
}

#[test]
fn user_properties_reach_the_later_phase() {
    let first = Set::of(
        Kind::Request,
        &[
            "req.setUserProperty('who', {n: 1})",
            "req.userProperties.more = [2]",
        ],
    )
    .run(call("GET", "/", ""));

    let mut later = answered(200, "application/json", "{}");
    later.kept = first.call.kept;
    let ran = Set::of(
        Kind::Response,
        &["json.who = req.getUserProperties().get('who'); json.more = req.userProperties.more"],
    )
    .run(later);

    assert_eq!(response_body(&ran), r#"{"who":{"n":1},"more":[2]}"#);
}

#[test]
fn what_a_handler_kept_that_rejects_stays_with_its_transaction() {
    let set = Set::of(
        Kind::Request,
        &["
        if (req.path === '/look') throw JSON.stringify([req.userProperties, g.shared, platform.config]);
        req.setUserProperty('who', 'me'); g.shared.who = 'me'; platform.config.who = 'me';
        throw 'no';
    "],
    );

    let ran = set.run_all(vec![call("GET", "/keep", ""), call("GET", "/look", "")]);

    let [kept, looks] = <[Ran; 2]>::try_from(ran).expect("two");
    let who = Some(r#"{"who":"me"}"#);
    assert_eq!(kept.call.kept.user_properties.as_deref(), who);
    assert_eq!(kept.call.kept.shared.as_deref(), who);
    assert_eq!(message(&rejection(looks)), r#"[{},{},{"region":"eu"}]"#);
}

#[test]
fn what_cannot_be_kept_is_seen_by_nobody_else() {
    let set = Set::of(
        Kind::Request,
        &["
        if (req.path === '/look') throw JSON.stringify(g.shared);
        g.shared.who = { toJSON() { throw new Error('no text') } };
        if (req.path === '/answer') return 'an answer';
        if (req.path === '/reject') throw 'no';
    "],
    );

    for path in ["/go-on", "/answer", "/reject"] {
        let ran = set.run_all(vec![call("GET", path, ""), call("GET", "/look", "")]);

        let [_, looks] = <[Ran; 2]>::try_from(ran).expect("two");
        assert_eq!(message(&rejection(looks)), "{}", "{path}");
    }
}

#[test]
fn an_error_handlers_status_code_is_the_status() {
    let ran = Set::of(
        Kind::Error,
        &["json.statusCode = 418; json.errorMessage = 'mine'"],
    )
    .run(answered(404, "application/json", r#"{"statusCode":404}"#));

    assert_eq!(ran.call.response.status, 418);
    assert_eq!(
        response_body(&ran),
        r#"{"statusCode":418,"errorMessage":"mine"}"#
    );
}

#[test]
fn what_a_module_keeps_of_a_body_outlives_its_transaction() {
    let set = Set::of(
        Kind::Response,
        &["const kept = require('keep'); json.before = kept.last(); kept.keep(json.rows[0])"],
    )
    .with_module(
        "lib/keep.js",
        "let row = null; exports.last = () => row; exports.keep = (next) => { row = next };",
    );
    let body = |id: &str| format!(r#"{{"rows":[{{"id": {id}, "price":1.10 ,"s":"\u00e9"}}]}}"#);
    let calls = ["9007199254740993", "9007199254740995", "7"]
        .map(|id| answered(200, "application/json", &body(id)));

    let ran = set.run_all(calls.into());

    assert!(response_body(&ran[0]).ends_with(r#","before":null}"#));
    for (ran, id) in ran[1..]
        .iter()
        .zip(["9007199254740993", "9007199254740995"])
    {
        let row = format!(r#""before":{{"id": {id}, "price":1.10 ,"s":"\u00e9"}}"#);
        assert!(response_body(ran).contains(&row), "{}", response_body(ran));
    }
}

#[test]
fn modules_are_loaded_once_an_isolate_and_missing_ones_are_load_errors() {
    let set = Set::of(Kind::Request, &["const m = require('./lib/m'); json = m.twice('a') + require('m').loads()"])
        .with_module("lib/m.js", "let loads = 0; loads++; exports.twice = (x) => x + x; exports.loads = () => loads + require('./data').n;")
        .with_module("lib/data.json", r#"{"n":1}"#);
    assert_eq!(request_body(&set.run(call("POST", "/", "x"))), "aa2");

    assert_eq!(
        Set::of(Kind::Request, &["\nrequire('nope')"]).problem(),
        "00-x.js:2:9: there is no module `nope` in lib/"
    );
    let broken = Set::of(Kind::Request, &["1"]).with_module("lib/b.json", "{\n  x\n}");
    assert_eq!(broken.problem(), "lib/b.json:2:3: key must be a string");
}

#[test]
fn a_broken_file_is_told_with_its_place() {
    assert_eq!(
        Set::of(Kind::Request, &["throw ("]).problem(),
        "00-x.js:1:8: unexpected end of the text"
    );
    assert_eq!(
        Set::of(Kind::Request, &["\n  let json = 1"])
            .problem()
            .split(": ")
            .next(),
        Some("00-x.js:2:7")
    );
}

#[test]
fn a_failure_is_logged_with_the_place_in_the_file() {
    let lines = logged(|| {
        Set::of(
            Kind::Request,
            &["var a;\nfunction f() {\n  a.b();\n}\nf();"],
        )
        .run(call("GET", "/", ""));
        Set::of(Kind::Request, &["null.x"]).run(call("GET", "/", ""));
    });

    assert!(
        lines.contains(r#"file="00-x.js" line=3 column="#),
        "{lines}"
    );
    assert!(
        lines.contains(r#"file="00-x.js" line=1 column=1"#)
            || lines.contains(r#"file="00-x.js" line=1 column=5"#),
        "{lines}"
    );
    assert!(lines.contains("at f (00-x.js:3:"), "{lines}");
    assert!(!lines.contains("prelude"), "{lines}");
}

#[test]
fn what_a_script_logs_is_one_line_with_its_handler() {
    let lines = logged(|| {
        Set::of(Kind::Request, &["log.info('a\\nb', {c: 1}); out.println('d'); console.warn(new Error('e')); log.finest('never'); if (log.isDebugEnabled()) throw 1"])
            .run(call("GET", "/", ""));
    });

    assert!(
        lines.contains(r"handler=00-x") && lines.contains("transaction=tx-1"),
        "{lines}"
    );
    assert!(
        lines.contains(r#"{"c":1}"#) && !lines.contains("never"),
        "{lines}"
    );
}

/// What all threads have written to the log, while somebody listens: handlers run on others
/// than the test's.
static WRITTEN: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Writes log lines to whoever listens.
struct ToTheListener;

impl std::io::Write for ToTheListener {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(written) = WRITTEN.lock().expect("nobody panics with it").as_mut() {
            written.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is written to the log at info and above while `run` runs, by other tests too.
fn logged(run: impl FnOnce()) -> String {
    static STARTED: std::sync::Once = std::sync::Once::new();
    static TURN: Mutex<()> = Mutex::new(());
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(|| ToTheListener)
            .init();
    });
    let _turn = TURN.lock().expect("no run panics");
    let listen = |to| std::mem::replace(&mut *WRITTEN.lock().expect("nobody panics with it"), to);
    listen(Some(Vec::new()));
    run();
    let written = listen(None).expect("it listens");
    String::from_utf8(written).expect("text")
}
