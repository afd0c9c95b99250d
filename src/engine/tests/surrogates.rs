//! Half of a surrogate pair on each way out of JavaScript: U+FFFD in its place, and nothing fails for it.

use super::*;

/// What a request handler leaves, by where it leaves it.
fn left(source: &str) -> (String, String, String) {
    let ran = Set::of(Kind::Request, &[source]).run(call("POST", "/orders?a=1", r#"{"a":1}"#));
    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{source}: {:?}",
        ran.verdict
    );
    let field = ran.call.request.fields.get("x-a");
    let field = field.map(|value| String::from_utf8(value.as_bytes().to_vec()).expect("UTF-8"));
    (
        request_body(&ran).to_owned(),
        ran.call.request.target(),
        field.unwrap_or_default(),
    )
}

#[test]
fn what_goes_on_has_replacements() {
    for (source, body, target, field) in [
        ("json = 'a\\ud800b'", "a\u{FFFD}b", "/orders?a=1", ""),
        (
            "event.request.content = '\\udc00'",
            "\u{FFFD}",
            "/orders?a=1",
            "",
        ),
        (
            "json = JSON.stringify({a: '\\ud800', b: '\\ud83d\\ude42'})",
            "{\"a\":\"\\ud800\",\"b\":\"\u{1F642}\"}",
            "/orders?a=1",
            "",
        ),
        (
            "g.req.body = {a: '\\ud800'}",
            r#"{"a":"\ud800"}"#,
            "/orders?a=1",
            "",
        ),
        (
            "req.headers['x-a'] = 'a\\ud800\\ud800b'",
            r#"{"a":1}"#,
            "/orders?a=1",
            "a\u{FFFD}\u{FFFD}b",
        ),
        (
            "req.headers['x-a'] = ['\\ud83d\\ude42\\ud83d']",
            r#"{"a":1}"#,
            "/orders?a=1",
            "\u{1F642}\u{FFFD}",
        ),
        (
            "req.query.a = '\\ud800'",
            r#"{"a":1}"#,
            "/orders?a=%EF%BF%BD",
            "",
        ),
        (
            "req.query['\\ud800'] = ['x']",
            r#"{"a":1}"#,
            "/orders?a=1&%EF%BF%BD=x",
            "",
        ),
        ("req.path = '/\\ud800'", r#"{"a":1}"#, "/\u{FFFD}?a=1", ""),
        (
            "req.headers['x-a'] = new URLSearchParams({'\\ud800': '\\udc00'}).toString()",
            r#"{"a":1}"#,
            "/orders?a=1",
            "%EF%BF%BD=%EF%BF%BD",
        ),
        (
            "const p = new URLSearchParams('a=b'); p.append('a', '\\ud800'); req.headers['x-a'] = p.getAll('a').join() + p.has('a', '\\udc00')",
            r#"{"a":1}"#,
            "/orders?a=1",
            "b,\u{FFFD}true",
        ),
        (
            "req.headers['x-a'] = new URL('http://a/\\ud800?\\ud800').href",
            r#"{"a":1}"#,
            "/orders?a=1",
            "http://a/%EF%BF%BD?%EF%BF%BD",
        ),
        (
            "req.headers['x-a'] = new TextEncoder().encode('\\ud800').join()",
            r#"{"a":1}"#,
            "/orders?a=1",
            "239,191,189",
        ),
        (
            "req.headers['x-a'] = await new Response('\\ud800').text()",
            r#"{"a":1}"#,
            "/orders?a=1",
            "\u{FFFD}",
        ),
    ] {
        assert_eq!(
            left(source),
            (body.to_owned(), target.to_owned(), field.to_owned()),
            "{source}"
        );
    }
}

#[test]
fn what_answers_has_replacements() {
    for (source, body) in [
        ("return 'a\\ud800b'", "a\u{FFFD}b"),
        ("res.body = '\\ud800'", "\u{FFFD}"),
        ("event.setResponse('\\ud800', 200, 'text')", "\u{FFFD}"),
        ("return {a: '\\ud800'}", r#"{"a":"\ud800"}"#),
        (
            "res.headers['content-type'] = 'application/json'; return '\\ud800'",
            r#""\ud800""#,
        ),
    ] {
        let ran = Set::of(Kind::Request, &[source]).run(call("GET", "/", ""));
        assert!(matches!(ran.verdict, Verdict::Answer(_)), "{source}");
        assert_eq!(response_body(&ran), body, "{source}");
    }
}

#[test]
fn what_is_thrown_keeps_its_status_and_has_replacements() {
    for (source, status, said) in [
        ("throw 'a\\ud800b'", 400, "a\u{FFFD}b"),
        ("throw new Error('\\udc00')", 400, "\u{FFFD}"),
        ("throw {status: 422, message: '\\ud800'}", 422, "\u{FFFD}"),
        (
            "throw {status: 422, errorMessage: '\\ud800'}",
            422,
            "\u{FFFD}",
        ),
        ("throw [{code: 422, message: '\\ud800'}]", 422, "\u{FFFD}"),
    ] {
        let refused = thrown_by(source);
        assert_eq!(refused.status.as_u16(), status, "{source}");
        assert_eq!(message(&refused), said, "{source}");
    }
    let own = thrown_by(
        "throw {status: 422, body: '\\ud800', headers: {'x-a': '\\ud800', 'content-type': 'text/plain'}}",
    );
    let Content::Own { fields, body } = own.content else {
        panic!("a body of its own");
    };
    assert_eq!(&body[..], "\u{FFFD}".as_bytes());
    assert!(
        fields
            .iter()
            .any(|(_, value)| value.as_bytes() == "\u{FFFD}".as_bytes())
    );
    let own = thrown_by("throw {status: 422, body: {a: '\\ud800'}}");
    assert!(matches!(own.content, Content::Own { body, .. } if &body[..] == br#"{"a":"\ud800"}"#));
    for source in [
        "null.f['\\ud800']",
        "throw new TypeError('\\ud800')",
        "throw Symbol('\\ud800')",
        "req.headers['x-\\ud800'] = '1'",
        "req.method = '\\ud800'",
        "g.sys.system.getSecret('\\ud800')",
    ] {
        let lines = super::log::logged(|| {
            assert_eq!(thrown_by(source).status.as_u16(), 500, "{source}");
        });
        assert!(!lines.contains("can't be read"), "{source}: {lines}");
    }
}

#[test]
fn what_is_told_called_and_kept_has_replacements() {
    let lines = super::log::logged(|| {
        left(
            "log.info('one \\ud800', {two: '\\ud800'}); console.log('three\\udc00'); print('\\ud83d');
             log.info(new Error('four \\ud800'));
             platform.store.set('\\ud800', '\\ud800');
             log.info('store', platform.store.get('\\udc00') === '\\ud800');
             log.info('called', getResource('\\ud800', {filter: '\\ud800'})[0].asked);
             log.info('called', SysUtilityV2.restPost('/x?\\ud800', {a: '\\ud800'}, {headers: {'x-a': '\\ud800'}}, '\\ud800')[0].asked);
             log.info('called', platform.api.get('/p\\ud800', {a: '\\udc00'}).content[0].asked);
             const answer = await fetch('/f\\ud800', {method: 'POST', body: '\\ud800', headers: {'x-a': '\\ud800'}});
             log.info('called', (await answer.json())[0].asked);
             g.sys.system.emitEvent('\\ud800', {a: '\\ud800'});
             req.setUserProperty('a', '\\ud800'); g.shared['\\ud800'] = '\\ud800';
             let found; try { require('\\ud800' + '') } catch (e) { found = String(e) } log.info('module', found);
             log.info('kept', req.userProperties.a === '\\ud800');",
        );
    });

    for expected in [
        "one \u{FFFD} {\"two\":\"\\ud800\"}",
        "three\u{FFFD}",
        "four \u{FFFD}",
        "store true",
        "called GET /%EF%BF%BD?filter=%EF%BF%BD",
        "called POST /x?\u{FFFD}&a=%EF%BF%BD",
        "called GET /p\u{FFFD}?a=%EF%BF%BD",
        "called POST /f\u{FFFD}",
        "module ",
        "kept true",
    ] {
        assert!(lines.contains(expected), "{expected}: {lines}");
    }
}
