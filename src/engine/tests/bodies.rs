//! Bodies that handlers read, edit, replace or leave alone.

use super::*;

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

    assert_eq!(ran.call.response.body, Body::Whole(came.into()));
}

#[test]
fn a_copy_that_would_be_a_guess_fails_the_handler_and_names_exact() {
    let body =
        r#"{"rows":[{"id":12345678901234567890,"n":1.0},{"id":12345678901234567891,"n":2}]}"#;

    for source in [
        "json.ids = json.rows.map(row => row.id)",
        "return json.rows.map(row => row.id)",
        "return JSON.stringify(json.rows.map(row => row.id))",
        "res.body = [json.rows[0].id]",
        "g.shared.ids = [json.rows[0].id]",
        "platform.store.set('ids', [json.rows[0].id])",
    ] {
        let lines = super::log::logged(|| {
            let set = Set::of(Kind::Response, &[source]);
            let refused = rejection(set.run(answered(200, "application/json", body)));
            assert_eq!(
                refused.status,
                StatusCode::INTERNAL_SERVER_ERROR,
                "{source}"
            );
        });
        assert!(
            lines.contains("12345678901234567000 was copied"),
            "{source}: {lines}"
        );
        assert!(lines.contains("exact"), "{source}: {lines}");
    }
    for source in [
        "json = structuredClone(json)",
        "json = { ...json }",
        "json.rows = structuredClone(json.rows).map(({ x, ...row }) => row)",
        "json.rows = json.rows.map(row => ({ ...row, id: exact(row, 'id') }))",
    ] {
        assert_eq!(json(source, body), body, "{source}");
    }
}
