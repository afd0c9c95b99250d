//! Method, target, fields and status, as handlers see and write them.

use super::*;

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
