//! `event`, `platform`, `g` and the web's names, as views of one transaction.

use super::*;

fn continues(ran: &Ran) {
    assert!(matches!(ran.verdict, Verdict::Continue), "{ran:?}");
}

fn request(source: &str, call: Call) -> Ran {
    Set::of(Kind::Request, &[source]).run(call)
}

fn post(body: &str) -> Call {
    let mut call = call("POST", "/orders?limit=1&tag=a&tag=b", body);
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    call.request.fields.insert(header::CONTENT_TYPE, json);
    call
}

/// Runs a request handler that throws what doesn't hold.
fn holds(source: &str) {
    continues(&request(source, post(r#"{"a":1,"b":[2]}"#)));
}

#[test]
fn the_views_of_a_request_are_one() {
    holds(
        r#"
        if (event !== _event || event.request !== event.request) throw 'event';
        if (event.request.payload !== g.req.body || event.request.payload.a !== 1) throw 'payload';
        if (event.request.parameters !== req.query || req.query !== g.req.query) throw 'parameters';
        event.request.payload.a = 2;
        if (g.req.body.a !== 2) throw 'an edit is seen through all';
        if (event.request.content !== '{"a":1,"b":[2]}' || json !== event.request.content) throw 'content';
        event.request.payload.a = 1;
        if (event.request.method !== 'POST' || event.request.uri !== '/orders' || g.req.path !== '/orders') throw 'head';
        if (event.request.content_type !== 'application/json; charset=utf-8') throw 'type';
        if (event.request.service !== 'crm' || event.request.resource !== 'orders') throw event.request.resource;
        if (event.event_name !== 'crm.orders.get.pre_process' || JSON.stringify(event.resource) !== '{}') throw event.event_name;
        if (JSON.stringify(event.response) !== '{"headers":{}}' && JSON.stringify(event.response) !== '{}') throw JSON.stringify(event.response);
        if (Object.keys(event.response).length > 0 || event.response.content !== undefined) throw 'response';
        if (JSON.parse(JSON.stringify(event)).request.payload.b[0] !== 2) throw 'a copy';
        if ({...event.request}.method !== 'POST') throw 'a spread';
        "#,
    );
}

#[test]
fn the_views_of_a_response_are_one() {
    let source = r"
        if (json !== event.response.content || json !== g.res.output || json !== res.body) throw 'content';
        g.res.output.a = 2;
        if (json.a !== 2) throw 'an edit is seen through all';
        if (event.response.status_code !== 200 || g.res.statusCode !== 200) throw 'status';
        if (event.response.content_type !== 'application/json' || g.res.contentType !== 'application/json') throw 'type';
        if (event.event_name !== 'crm.orders.get.post_process') throw event.event_name;
        if (event.request.payload !== null || g.req.body !== null) throw 'the request has none';
        event.response.headers = { 'X-A': '1', 'content-type': null };
        g.res.statusCode = 202;
    ";

    let ran =
        Set::of(Kind::Response, &[source]).run(answered(200, "application/json", r#"{"a":1}"#));

    continues(&ran);
    assert_eq!(response_body(&ran), r#"{"a":2}"#);
    assert_eq!(ran.call.response.status, 202);
    assert_eq!(ran.call.response.fields.get_str("x-a"), Some("1"));
    assert!(!ran.call.response.fields.contains("content-type"));
}

#[test]
fn the_clients_body_is_seen_in_the_response_phase() {
    let mut call = answered(200, "application/json", "{}");
    call.received = Some(Bytes::from_static(br#"{"name":"x"}"#));
    call.request.body = Body::Whole(r#"{"name":"x"}"#.into());
    let source = "json.name = g.req.body.name; json.same = event.request.payload === g.req.body; json.text = event.request.content";

    let ran = Set::of(Kind::Response, &[source]).run(call);

    assert_eq!(
        response_body(&ran),
        r#"{"name":"x","same":true,"text":"{\"name\":\"x\"}"}"#
    );
}

#[test]
fn a_request_body_is_written_through_any_name() {
    for (source, expected) in [
        ("event.request.payload.a = 2", r#"{"a":2,"b":[2]}"#),
        ("delete g.req.body.b", r#"{"a":1}"#),
        ("event.request.payload = { c: 3 }", r#"{"c":3}"#),
        ("g.req.body = [1]", "[1]"),
        ("event.request.content = 'plain'", "plain"),
        ("event.request.content = { d: 1 }", r#"{"d":1}"#),
        ("event.request.payload = 'text'", r#""text""#),
        ("event.request.payload = null", ""),
        ("event.request = { payload: { e: 1 } }", r#"{"e":1}"#),
        ("event.setRequest({ content: 'f' })", "f"),
        // `json` before the parsed body before `content`.
        (
            "json = '[1]'; g.req.body.a = 2; event.request.content = '[3]'",
            "[1]",
        ),
        (
            "g.req.body.a = 2; event.request.content = '[3]'",
            r#"{"a":2,"b":[2]}"#,
        ),
        (
            "event.request.content = '{\"x\":1}'; g.req.body.y = 2",
            r#"{"x":1,"y":2}"#,
        ),
        ("g.req.body; event.request.content = '[3]'", "[3]"),
        ("json = json; g.req.body.a = 2", r#"{"a":2,"b":[2]}"#),
        ("return event", r#"{"a":1,"b":[2]}"#),
        ("return { request: { payload: { g: 1 } } }", r#"{"g":1}"#),
    ] {
        let ran = request(source, post(r#"{"a":1,"b":[2]}"#));
        continues(&ran);
        assert_eq!(request_body(&ran), expected, "{source}");
    }
}

#[test]
fn a_request_without_json_has_no_payload_and_keeps_its_text() {
    let source = "if (event.request.payload !== null || g.req.body !== null || event.request.content !== json) throw 'x'";

    let ran = request(source, post("a=1&b"));

    continues(&ran);
    assert_eq!(request_body(&ran), "a=1&b");
}

#[test]
fn the_head_of_a_request_is_written_in_the_words_of_dreamfactory() {
    let source = r"
        event.request.headers['X-NEW'] = 'n';
        event.request.headers = { cookie: null, accept: ['a/a', 'b/b'] };
        if (event.request.headers.accept !== 'a/a, b/b' || req.headers.accept.length !== 2) throw event.request.headers.accept;
        if (Object.keys(event.request.headers).join() !== 'host,x-weird,authorization,content-type,x-new,accept') throw Object.keys(event.request.headers).join();
        event.request.parameters = { limit: 2, page: 'x' };
        event.request.method = 'PUT';
        event.request.uri = '/other';
        event.request.content_type = 'json';
    ";

    let ran = request(source, post("{}"));

    continues(&ran);
    assert_eq!(ran.call.request.target(), "/other?limit=2&page=x");
    assert_eq!(ran.call.request.method, Method::PUT);
    let fields = &ran.call.request.fields;
    assert_eq!(fields.get_str("x-new"), Some("n"));
    assert_eq!(fields.get_str("content-type"), Some("application/json"));
    assert_eq!(fields.get_all("accept").count(), 2);
}

#[test]
fn cookies_that_are_set_are_a_list_in_every_view() {
    let mut call = answered(200, "application/json", "{}");
    for cookie in ["a=1", "b=2"] {
        let value = HeaderValue::from_static(cookie);
        call.response
            .fields
            .receive(header::SET_COOKIE, b"Set-Cookie", value);
    }
    let source = "json.c = event.response.headers['set-cookie']";

    let ran = Set::of(Kind::Response, &[source]).run(call);

    assert_eq!(response_body(&ran), r#"{"c":["a=1","b=2"]}"#);
}

/// Runs request handlers that answer: source, how, status, content type, body.
fn answers(table: &[(&str, Answer, u16, &str, &str)]) {
    for (source, answer, status, content_type, body) in table {
        let ran = request(source, post("{}"));
        assert!(
            matches!(ran.verdict, Verdict::Answer(how) if how == *answer),
            "{source}: {ran:?}"
        );
        let response = &ran.call.response;
        let told = response.fields.get_str("content-type").unwrap_or("");
        assert_eq!(response.status, *status, "{source}");
        assert_eq!(told, *content_type, "{source}");
        assert_eq!(response_body(&ran), *body, "{source}");
    }
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

#[test]
#[rustfmt::skip]
fn a_request_handler_answers_in_the_words_of_dreamfactory() {
    answers(&[
        ("event.response.content = { a: 1 }", Answer::Open, 200, JSON, r#"{"a":1}"#),
        ("event.response.content = 'text'", Answer::Open, 200, TEXT, "text"),
        ("event.response.status_code = 403", Answer::Open, 403, "", ""),
        ("event.setResponse({ a: 1 }, 201)", Answer::Open, 201, JSON, r#"{"a":1}"#),
        ("event.setResponse('<a/>', 404, 'xml')", Answer::Open, 404, "application/xml", "<a/>"),
        ("event.setResponse('{\"raw\": 1}', 200, 'application/json')", Answer::Open, 200, JSON, r#"{"raw": 1}"#),
        ("event.response = { status_code: 409, content: ['x'], headers: { 'X-A': 'b' } }", Answer::Open, 409, JSON, r#"["x"]"#),
        ("return { response: { content: { b: 2 }, status_code: 418 } }", Answer::Open, 418, JSON, r#"{"b":2}"#),
        ("event.response.content = [1]; return event", Answer::Open, 200, JSON, "[1]"),
        ("g.res.output = { o: 1 }; event.response.status_code = 203", Answer::Open, 203, JSON, r#"{"o":1}"#),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_request_handler_answers_with_what_it_returns() {
    answers(&[
        ("return { response: 1, other: 2 }", Answer::Final, 200, JSON, r#"{"response":1,"other":2}"#),
        ("g.res.statusCode = 202; return [1]", Answer::Final, 202, JSON, "[1]"),
        ("return 'text'", Answer::Final, 200, TEXT, "text"),
        ("res.headers['content-type'] = 'application/json'; return 'text'", Answer::Final, 200, JSON, r#""text""#),
        ("module.exports = async function main(g) { return { q: g.req.query.limit } }", Answer::Final, 200, JSON, r#"{"q":"1"}"#),
    ]);
}

#[test]
fn an_output_of_a_request_handler_waits_for_the_upstream_to_have_none() {
    let set = Set::of(
        Kind::Request,
        &[
            "g.res.output = { cached: 1 }; g.res.statusCode = 203",
            "if (g.res.output.cached !== 1 || event.response.content !== undefined) throw 'x'",
        ],
    );

    let ran = set.run(post("{}"));

    continues(&ran);
    let fallback = ran.call.fallback.expect("an output");
    assert_eq!(
        (fallback.body, fallback.usual_type),
        (r#"{"cached":1}"#.into(), "application/json")
    );
    assert_eq!(ran.call.response.status, 203);
}

#[test]
fn a_response_is_written_through_any_name() {
    for (source, expected) in [
        ("event.response.content = 'as it stands'", "as it stands"),
        ("g.res.output = 'quoted'", r#""quoted""#),
        ("json = 'quoted'", r#""quoted""#),
        ("return 'quoted'", r#""quoted""#),
        ("event.response.content = { b: 1 }", r#"{"b":1}"#),
        ("event.setResponse([1], 201)", "[1]"),
        ("event.response.content = null", ""),
        ("json = [1]; event.response.content = [2]", "[1]"),
        (
            "event.response.content = [2]; if (json.a !== 1) throw 'json does not follow'",
            "[2]",
        ),
        ("return event", r#"{"a":1}"#),
        ("return { response: { content: { c: 1 } } }", r#"{"c":1}"#),
        (
            "json.b = 2; return { response: { status_code: 202 } }",
            r#"{"a":1,"b":2}"#,
        ),
        ("return json", r#"{"a":1}"#),
    ] {
        let ran =
            Set::of(Kind::Response, &[source]).run(answered(200, "application/json", r#"{"a":1}"#));
        assert!(
            !matches!(ran.verdict, Verdict::Reject(_)),
            "{source}: {ran:?}"
        );
        assert_eq!(response_body(&ran), expected, "{source}");
    }
}

#[test]
fn a_text_that_a_handler_gave_is_what_the_next_one_sees() {
    let set = Set::of(
        Kind::Response,
        &[
            "event.response.content = 'no json'",
            "if (json !== 'no json') throw 'seen as ' + json",
        ],
    );

    let ran = set.run(answered(200, "application/json", "{}"));

    continues(&ran);
    assert_eq!(response_body(&ran), "no json");
}

#[test]
fn stopping_the_propagation_skips_the_later_handlers_of_the_phase() {
    for source in [
        "event.stop_propagation = true",
        "return { request: event.request, stop_propagation: true }",
    ] {
        let ran = Set::of(Kind::Request, &[source, "throw 'must not run'"]).run(post("{}"));

        continues(&ran);
        assert_eq!(ran.begun, 1);
    }
}

#[test]
fn what_is_shared_reaches_the_later_phase() {
    let ran = request(
        "g.shared.user = { id: 7 }; req.setUserProperty('a', 1)",
        post("{}"),
    );
    let mut call = answered(200, "application/json", "{}");
    call.kept = ran.call.kept;

    let ran = Set::of(
        Kind::Response,
        &["json.user = g.shared.user.id + req.userProperties.a"],
    )
    .run(call);

    assert_eq!(response_body(&ran), r#"{"user":8}"#);
}

#[test]
fn edits_that_are_not_allowed_are_taken_back() {
    let mut set = Set::of(
        Kind::Request,
        &[
            "req.headers.x = '1'; event.request.payload.a = 2; g.shared.seen = 1; event.response.status_code = 403; event.stop_propagation = true",
            "if (g.shared.seen !== 1 || req.headers.x || json !== '{\"a\":1}') throw 'edited'",
        ],
    );
    set.handlers[0].allows_edits = false;

    let ran = set.run(post(r#"{"a":1}"#));

    continues(&ran);
    assert_eq!(ran.begun, 2);
    assert_eq!(request_body(&ran), r#"{"a":1}"#);

    set.handlers[0].source = "throw { status: 422, message: 'no' }".into();
    let rejected = rejection(set.run(post("{}")));
    assert_eq!((rejected.status.as_u16(), message(&rejected)), (422, "no"));
}

#[test]
fn a_hook_exports_a_function_that_is_called_with_g() {
    for source in [
        "import * as T from 'types';\nimport * as db from \"db-interfaces\";\nmodule.exports = async function main(g) { g.req.body.s = T.EStatusCode.CREATED; };",
        "import * as types from 'types';\nasync function main(h) { h.req.body.s = await types.EStatusCode.CREATED; }\nmodule.exports = main;",
        "import { EStatusCode as S } from 'types';\nmodule.exports = (g) => { g.req.body.s = S.CREATED };",
        "'use strict';\nmodule.exports = (g) => { g.req.body.s = T.EStatusCode.CREATED };",
    ] {
        let ran = request(source, post("{}"));
        continues(&ran);
        assert_eq!(request_body(&ran), r#"{"s":201}"#, "{source}");
    }
}

#[test]
fn what_one_handler_exports_is_not_the_next_ones() {
    let set = Set::of(
        Kind::Request,
        &[
            "module.exports = () => { g.shared.n = (g.shared.n || 0) + 1 }",
            "if (typeof module.exports === 'function') throw 'left over'; if (g.shared.n !== 1) throw 'n'",
            "const module = { exports: () => { throw 'not mine' } }; let exports = 1",
        ],
    );

    continues(&set.run(post("{}")));
}

#[test]
fn a_hooks_throw_and_its_missing_database_are_told() {
    let thrown =
        thrown_by("module.exports = async (g) => { throw { statusCode: 409, message: 'sold' } }");
    assert_eq!((thrown.status.as_u16(), message(&thrown)), (409, "sold"));

    for source in [
        "module.exports = async (g) => await g.sys.db.getAll({ collection: 'x' })",
        "g.sys.system.encrypt('x')",
        "SysUtility.findEntities('x')",
    ] {
        assert_eq!(thrown_by(source).fault, Fault::Script, "{source}");
    }
    holds(
        "try { g.sys.db.getById({}) } catch (e) { if (e.message !== 'not available in a proxy: g.sys.db.getById') throw e.message }",
    );
}

#[test]
fn events_are_kept_on_the_call_with_their_audience() {
    let source = "module.exports = async (g) => { await g.sys.system.emitEventWS('stock', { left: 1 }); g.sys.system.emitEvent('x') }";

    let ran = request(source, post("{}"));

    let told: Vec<_> = ran
        .call
        .emitted
        .events()
        .iter()
        .map(|event| (event.audience, &*event.name, &*event.data))
        .collect();
    assert_eq!(
        told,
        [
            (crate::handler::Audience::Feed, "stock", r#"{"left":1}"#),
            (crate::handler::Audience::Listeners, "x", "null"),
        ]
    );
}

#[test]
fn secrets_configuration_and_session_are_given() {
    let mut call = post("{}");
    let origin = Arc::make_mut(&mut call.origin);
    origin.session = Arc::new(Session::Told(
        serde_json::from_str(r#"{"user":{"id":"7"},"role":{"name":"clerk"}}"#).expect("an object"),
    ));
    let source = r"
        if (await g.sys.system.getSecret('crm') !== 's3cret') throw 'secret';
        if (platform.config.region !== 'eu') throw 'config';
        if (platform.session.user.id !== '7' || platform.session.role.name !== 'clerk') throw 'session';
        if (platform.session.app.id !== undefined || g.req.auth.user.id !== '7') throw 'app';
    ";

    continues(&request(source, call));
    assert_eq!(
        thrown_by("await g.sys.system.getSecret('other')").fault,
        Fault::Script
    );
}

#[test]
fn the_store_outlives_a_transaction() {
    let set = Set::of(
        Kind::Request,
        &[r"
        const hits = platform.store.get('hits') || { n: 0 };
        hits.n++;
        platform.store.set('hits', hits, 60);
        platform.store.set('gone', 1); platform.store.del('gone');
        if (platform.store.get('gone') !== null) throw 'gone';
        if (hits.n === 2) throw 'twice';
    "],
    );

    let mut ran = set.run_all(vec![post("{}"), post("{}")]);

    assert_eq!(message(&rejection(ran.remove(1))), "twice");
    assert_eq!(
        thrown_by("platform.store.set('a', () => 1)").fault,
        Fault::Script
    );
    assert_eq!(
        thrown_by("platform.store.set('a', 1, -1)").fault,
        Fault::Script
    );
}

#[test]
fn calls_are_made_in_every_vocabulary() {
    holds(
        r"
        const got = platform.api.get('orders', { limit: 2 }, { headers: { 'X-A': 1 } });
        if (got.status_code !== 200 || got.content[0].asked !== 'GET /orders?limit=2') throw JSON.stringify(got);
        let called;
        platform.api.post('/orders', { a: 1 }, (text, answer) => { called = [JSON.parse(text)[0].asked, answer.statusCode]; });
        if (called.join() !== 'POST /orders,200') throw called.join();
        if (platform.api.get('crm/orders').content[0].asked !== 'GET /orders') throw 'a service name';
        const response = await fetch('/orders?x=1', { method: 'put', body: JSON.stringify({ a: 1 }) });
        if (!response.ok || response.status !== 200 || response.statusText !== 'OK') throw 'status';
        const copy = response.clone();
        if ((await response.json())[0].asked !== 'PUT /orders?x=1') throw 'json';
        if ((await copy.arrayBuffer()).byteLength !== 42) throw 'bytes';
        let again; try { await response.text() } catch (e) { again = e.name } if (again !== 'TypeError') throw 'read twice';
        const one = await g.sys.system.callExternalApi({ url: '/orders', queryParams: { a: 1 } });
        if (one.statusCode !== 200 || one.body[0].asked !== 'GET /orders?a=1') throw 'one';
        const all = await g.sys.system.callExternalApi([{ id: 'x', url: '/a' }, { type: 'parallel', data: [{ url: '/b', method: 'POST' }] }]);
        if (all.length !== 2 || all[0].id !== 'x' || all[1].output.body[0].asked !== 'POST /b') throw 'all';
        ",
    );
    for source in [
        "platform.api.get('http://elsewhere.test/')",
        "await fetch('http://elsewhere.test/')",
        "await g.sys.system.callExternalApi({ url: 'http://elsewhere.test/' })",
    ] {
        let thrown = thrown_by(source);
        assert_eq!(
            (thrown.fault, thrown.status.as_u16()),
            (Fault::Host, 500),
            "{source}"
        );
    }
}

#[test]
fn addresses_and_queries_are_those_of_the_web() {
    holds(
        r"
        const url = new URL('../b?x=1&y=2#h', 'https://u:p@h.test:8443/a/c/');
        if (String(url) !== 'https://u:p@h.test:8443/a/b?x=1&y=2#h' || url.host !== 'h.test:8443') throw String(url);
        url.searchParams.set('x', 'ö'); url.searchParams.append('z', '3'); url.searchParams.delete('y');
        if (url.search !== '?x=%C3%B6&z=3') throw url.search;
        url.search = 'q=1'; url.port = ''; url.hash = '';
        if (url.searchParams.get('q') !== '1' || url.href !== 'https://u:p@h.test/a/b?q=1') throw url.href;
        let no; try { new URL('/a') } catch (e) { no = e.name } if (no !== 'TypeError' || URL.canParse('/a')) throw 'no URL';
        const params = new URLSearchParams({ a: 1, b: 'x y' });
        if (`${params}` !== 'a=1&b=x+y' || params.size !== 2 || [...params][1][1] !== 'x y') throw `${params}`;
        if (new URLSearchParams('?a=1&a=2').getAll('a').join() !== '1,2' || !params.has('a', '1')) throw 'all';
        params.sort(); params.set('a', 2); params.set('a', 3); if (params.get('a') !== '3' || params.get('none') !== null) throw 'set';
        ",
    );
}

#[test]
fn texts_bytes_and_digests_are_those_of_the_web() {
    holds(
        r"
        const bytes = new TextEncoder().encode('aö');
        if (bytes.length !== 3 || new TextDecoder().decode(bytes) !== 'aö' || new TextDecoder().decode(bytes.buffer) !== 'aö') throw 'utf-8';
        let bad; try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])) } catch (e) { bad = e.name } if (bad !== 'TypeError') throw 'fatal';
        if (btoa('aÿ') !== 'Yf8=' || atob('Yf8=') !== 'aÿ') throw 'base64';
        const hex = (buffer) => [...new Uint8Array(buffer)].map((it) => it.toString(16).padStart(2, '0')).join('');
        if (hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc'))).slice(0, 16) !== 'ba7816bf8f01cfea') throw 'digest';
        const key = await crypto.subtle.importKey('raw', new TextEncoder().encode('Jefe'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
        const data = new TextEncoder().encode('what do ya want for nothing?');
        const tag = await crypto.subtle.sign('HMAC', key, data);
        if (hex(tag).slice(0, 16) !== '5bdcc146bf60754e') throw hex(tag);
        if (!await crypto.subtle.verify('HMAC', key, tag, data) || await crypto.subtle.verify('HMAC', key, tag.slice(1), data)) throw 'verify';
        if (!/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())) throw 'uuid';
        const random = crypto.getRandomValues(new Uint32Array(4)); if (random.length !== 4 || random.every((it) => it === 0)) throw 'random';
        ",
    );
}

#[test]
fn a_structured_clone_is_another_one_and_the_same() {
    holds(
        r"
        const tree = { a: [1, { b: 2 }], d: new Date(5), m: new Map([['k', new Set([1])]]), r: /x/gi, u: undefined, e: new RangeError('no') };
        tree.self = tree;
        const copy = structuredClone(tree);
        if (copy === tree || copy.self !== copy || copy.a[1] === tree.a[1] || copy.a[1].b !== 2) throw 'tree';
        if (copy.d.getTime() !== 5 || !copy.m.get('k').has(1) || String(copy.r) !== '/x/gi' || !('u' in copy)) throw 'classes';
        if (!(copy.e instanceof RangeError) || copy.e.message !== 'no') throw 'error';
        const body = structuredClone(g.req.body); body.b.push(3);
        if (g.req.body.b.length !== 1 || body.b.length !== 2) throw 'body';
        if (new Uint8Array(structuredClone(new Uint8Array([1, 2]).buffer))[1] !== 2 || structuredClone(new Uint16Array([7]))[0] !== 7) throw 'bytes';
        let no; try { structuredClone({ f() {} }) } catch (e) { no = e.name } if (no !== 'TypeError') throw 'functions';
        ",
    );
}

#[test]
fn nothing_of_the_new_names_outlives_a_transaction() {
    let source = r"
        'use strict';
        const shared = [event, event.request, event.response, platform, platform.api, platform.store, g, g.req, g.res, g.sys, g.sys.system, T,
            T.EStatusCode, URL, URL.prototype, URLSearchParams.prototype, Headers.prototype, Response, crypto, crypto.subtle, fetch, structuredClone];
        for (const [at, object] of shared.entries()) { if (Object.hasOwn(object, 'leak')) throw 'leak ' + at; let refused = false; try { object.leak = 1 } catch (e) { refused = true } if (!refused) throw 'open ' + at; }
        if (g.shared.leak || platform.session.user.leak || platform.config.leak) throw 'leak';
        g.shared.leak = 1; platform.session.user.leak = 1; platform.config.leak = 1;
    ";

    for ran in Set::of(Kind::Request, &[source]).run_all(vec![post("{}"), post("{}")]) {
        continues(&ran);
    }
}

#[test]
fn a_umd_library_finds_its_place() {
    // The way lodash and its kin look for what they run in.
    let library = r"
        ;(function () {
            var freeGlobal = typeof global == 'object' && global && global.Object === Object && global;
            var freeSelf = typeof self == 'object' && self && self.Object === Object && self;
            var root = freeGlobal || freeSelf || Function('return this')();
            var freeExports = typeof exports == 'object' && exports && !exports.nodeType && exports;
            var freeModule = freeExports && typeof module == 'object' && module && !module.nodeType && module;
            var moduleExports = freeModule && freeModule.exports === freeExports;
            function _() {}
            _.prototype = Object.create(null); _.prototype.constructor = _;
            _.chunk = function (list, size) { var out = []; for (var i = 0; i < list.length; i += size) out.push(list.slice(i, i + size)); return out; };
            _.root = root;
            if (freeModule) { (freeModule.exports = _)._ = _; freeExports._ = _; } else { root._ = _; }
        }.call(this));
    ";
    let set = Set::of(
        Kind::Request,
        &["const _ = require('lodash'); if (_.chunk([1, 2, 3], 2).length !== 2 || _.root !== globalThis || _._ !== _) throw 'x'"],
    )
    .with_module("lib/lodash.js", library);

    continues(&set.run(post("{}")));
}
