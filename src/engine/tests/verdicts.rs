//! How a run ends: with an answer, a rejection of whoever is at fault, or the next handler.

use super::*;

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
