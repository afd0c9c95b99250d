//! Writes to the scope's objects: under every name, of whole objects, into lists; and those without effect.

use super::*;
use crate::engine::analysis::MEMBERS;

/// The warnings about what a handler's text says, not about what it is for.
fn warnings_of(source: &str) -> Vec<String> {
    let set = Set::of(Kind::Request, &[source]);
    let warnings = set.compile().expect("it compiles").warnings;
    let texts = warnings.iter().map(ToString::to_string);
    texts.filter(|text| !text.contains("`@match`")).collect()
}

fn fields(ran: &Ran, of_response: bool) -> Vec<String> {
    let fields = if of_response {
        &ran.call.response.fields
    } else {
        &ran.call.request.fields
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields
        .iter()
        .map(|field| format!("{}: {}", field.name(), text(field.value())))
        .collect()
}

#[test]
fn a_status_has_the_same_names_everywhere() {
    for source in [
        "res.status = 418",
        "res.statusCode = 418",
        "event.response.status = 418",
        "event.response.status_code = 418",
        "g.res.status = 418",
        "g.res.statusCode = 418",
        "event.response = {status: 418}",
        "return {response: {status: 418}}",
        "if (res.statusCode !== 200 || event.response.status !== 200 || g.res.status !== 200) throw 1; res.statusCode = '418'",
    ] {
        let ran = Set::of(Kind::Response, &[source]).run(answered(200, "application/json", "{}"));
        assert_eq!(ran.call.response.status.as_u16(), 418, "{source}");
    }
    for (source, answers) in [
        ("res.statusCode = 418", true),
        ("event.response.status = 418", true),
        ("g.res.status = 418", false),
    ] {
        let ran = Set::of(Kind::Request, &[source]).run(call("GET", "/", ""));
        assert_eq!(
            matches!(ran.verdict, Verdict::Answer(_)),
            answers,
            "{source}"
        );
    }
    let listed = "if (Object.keys(res).join() + Object.keys(event.response).join() !== 'status,headers,bodystatus_code,headers,content,content_type') throw Object.keys(res).join()";
    let ran = Set::of(Kind::Response, &[listed]).run(answered(200, "application/json", "{}"));
    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{:?}",
        ran.verdict
    );
}

#[test]
fn whole_objects_are_taken_over() {
    for name in [
        "req.headers",
        "req.httpHeaders",
        "event.request.headers",
        "g.req.headers",
    ] {
        let source = format!("{name} = {{'X-New': '1', cookie: null, 'x-weird': ['a', 'b']}}");
        let ran = Set::of(Kind::Request, &[&source]).run(call("GET", "/", ""));
        let expected = [
            "host: api.test",
            "x-weird: a",
            "x-weird: b",
            "authorization: Basic Ym9iOng=",
            "x-new: 1",
        ];
        assert_eq!(fields(&ran, false), expected, "{name}");
    }
    for name in ["res.headers", "event.response.headers", "g.res.headers"] {
        let source = format!("{name} = {{'X-New': '1', 'Set-Cookie': ['a', 'b']}}");
        let ran = Set::of(Kind::Response, &[&source]).run(answered(200, "application/json", "{}"));
        let expected = [
            "content-type: application/json",
            "x-new: 1",
            "set-cookie: a",
            "set-cookie: b",
        ];
        assert_eq!(fields(&ran, true), expected, "{name}");
    }
    for name in [
        "req.query",
        "req.urlParameters",
        "event.request.parameters",
        "g.req.query",
    ] {
        for (value, expected) in [
            (
                "{limit: 7, page: ['x', 'y']}",
                "/orders?limit=7&page=x&page=y",
            ),
            ("{...req.query, page: 2}", "/orders?limit=1&page=2"),
            ("{}", "/orders"),
        ] {
            let source = format!("{name} = {value}");
            let ran = Set::of(Kind::Request, &[&source]).run(call("GET", "/orders?limit=1", ""));
            assert_eq!(ran.call.request.target(), expected, "{source}");
        }
    }
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one row for each way to write into a list"
)]
fn what_is_written_into_a_list_goes_to_the_message() {
    for (source, expected) in [
        ("req.query.tag.push('c')", "tag=a&tag=b&tag=c"),
        ("req.query.tag[0] = 'x'", "tag=x&tag=b"),
        ("req.query.tag.length = 1", "tag=a"),
        ("req.query.tag.length = 0", ""),
        ("req.query.tag.splice(0, 1)", "tag=b"),
        (
            "req.query.tag.shift(); req.query.tag.push(1, 2)",
            "tag=b&tag=1&tag=2",
        ),
        ("req.query.tag.reverse()", "tag=b&tag=a"),
        ("req.query.tag.sort().unshift('0')", "tag=0&tag=a&tag=b"),
        (
            "const t = req.query.tag; t.push('c'); if (g.req.query.tag.join() !== 'a,b,c') throw 1",
            "tag=a&tag=b&tag=c",
        ),
        (
            "const t = req.query.tag; t.push('c'); req.query.tag = 'z'",
            "tag=z",
        ),
        (
            "const t = req.query.tag; t.push('c'); delete req.query.tag",
            "",
        ),
        (
            "const t = req.query.tag; t.push('c'); req.query.n = t",
            "tag=a&tag=b&tag=c&n=a&n=b&n=c",
        ),
        (
            "const t = req.query.tag; if (t !== req.query.tag || !Array.isArray(t) || t.length !== 2 || JSON.stringify(t) !== '[\"a\",\"b\"]') throw 1",
            "tag=a&tag=b",
        ),
        (
            "Object.keys((req.query.tag.push('c'), req.query))",
            "tag=a&tag=b&tag=c",
        ),
        ("delete req.query.tag[0]", "tag=b"),
        (
            "Object.assign(req.query.tag, ['x', 'y', 'z'])",
            "tag=x&tag=y&tag=z",
        ),
        (
            "const t = req.query.tag; req.path = '/?tag=1&tag=2'; t.push('c')",
            "tag=a&tag=b&tag=c",
        ),
        (
            "[...req.query.tag].push('c'); req.query.tag.slice().push('d')",
            "tag=a&tag=b",
        ),
    ] {
        let ran = Set::of(Kind::Request, &[source]).run(call("GET", "/?tag=a&tag=b", ""));
        assert!(
            matches!(ran.verdict, Verdict::Continue),
            "{source}: {:?}",
            ran.verdict
        );
        let target = ran.call.request.target();
        assert_eq!(
            target.strip_prefix("/?").unwrap_or(""),
            expected,
            "{source}"
        );
    }
    for (source, expected) in [
        ("res.headers['set-cookie'].push('c=3')", "a=1 b=2 c=3"),
        ("res.headers['Set-Cookie'][0] = 'x'", "x b=2"),
        ("event.response.headers['set-cookie'].pop()", "a=1"),
        (
            "g.res.headers['set-cookie'].push('c'); res.headers['set-cookie'].push('d')",
            "a=1 b=2 c d",
        ),
        (
            "for (const c of res.headers['set-cookie']) if (!c) throw 1; res.headers['x-n'] = res.headers['set-cookie']",
            "a=1 b=2",
        ),
    ] {
        let mut call = answered(200, "application/json", "{}");
        for cookie in ["a=1", "b=2"] {
            let value = HeaderValue::from_static(cookie);
            call.response
                .fields
                .receive(header::SET_COOKIE, b"Set-Cookie", value);
        }
        let ran = Set::of(Kind::Response, &[source]).run(call);
        assert!(
            matches!(ran.verdict, Verdict::Continue),
            "{source}: {:?}",
            ran.verdict
        );
        let cookies: Vec<_> = ran.call.response.fields.all(&header::SET_COOKIE).collect();
        let cookies: Vec<_> = cookies
            .iter()
            .map(|it| it.to_str().expect("text"))
            .collect();
        assert_eq!(cookies.join(" "), expected, "{source}");
    }
    let broken = "res.headers['set-cookie'] = 'a'; res.headers['set-cookie'].push('a\\r\\nb')";
    let lines = super::log::logged(|| {
        let ran = Set::of(Kind::Response, &[broken]).run(answered(200, "application/json", "{}"));
        assert_eq!(rejection(ran).status.as_u16(), 500);
    });
    assert!(lines.contains("line break"), "{lines}");
}

#[test]
fn a_write_without_effect_is_told_once_a_minute() {
    for (source, told) in [
        (
            "req.verbb = 1",
            "req.verbb is no member that can be written",
        ),
        ("res.code = 1", "res.code"),
        ("event.reponse = {}", "event.reponse"),
        ("event.request.body = {}", "event.request.body"),
        ("event.response.statusCode = 1", "event.response.statusCode"),
        ("g.resp = 1", "g.resp"),
        ("g.req.url = 1", "g.req.url"),
        ("g.res.body = 1", "g.res.body"),
        ("platform.foo = 1", "platform.foo"),
        ("req.id = 'x'", "req.id can only be read"),
        (
            "event.event_name = 'x'",
            "event.event_name can only be read",
        ),
    ] {
        let lines = super::log::logged(|| {
            let set = Set::of(Kind::Request, &[source]);
            let runs = set.run_all(vec![call("GET", "/", ""), call("GET", "/", "")]);
            for ran in runs {
                assert!(
                    matches!(ran.verdict, Verdict::Continue),
                    "{source}: {:?}",
                    ran.verdict
                );
            }
        });
        let told: Vec<_> = lines.lines().filter(|line| line.contains(told)).collect();
        assert_eq!(told.len(), 1, "{source}: {lines}");
        assert!(told[0].contains("WARN"), "{told:?}");
    }
    let strict = Set::of(Kind::Request, &["'use strict'; req.verbb = 1"]);
    assert_eq!(
        rejection(strict.run(call("GET", "/", ""))).status.as_u16(),
        500
    );
}

#[test]
fn members_that_are_not_there_are_warnings_and_all_that_are_there_are_known() {
    for source in [
        "req.verbb()",
        "if (res['code']) return",
        "log.info(_event.reponse)",
        "event.request.body = 1",
        "g.res.body = 1",
        "platform.store.put('a', 1)",
    ] {
        let warnings = warnings_of(source);
        assert!(
            warnings[0].contains("has no member"),
            "{source}: {warnings:?}"
        );
    }
    for source in [
        "const req = {}; req.foo = 1",
        "module.exports = function (g) { g.anything() }",
        "req.headers.foo = req.query.bar; res.headers.x = 'a'; json = String(req.toString) + event.request.payload.foo",
        "req[json] = 1",
    ] {
        assert_eq!(warnings_of(source), [""; 0], "{source}");
    }
    for (path, known) in MEMBERS {
        let source = format!("return Object.getOwnPropertyNames({path})");
        let set = Set::of(Kind::Response, &[&source]);
        let there = response_body(&set.run(answered(200, "application/json", "{}"))).to_owned();
        let there: Vec<String> = serde_json::from_str(&there).expect("a list");
        for name in there {
            assert!(
                known.split_whitespace().any(|it| it == name),
                "`{path}.{name}` is not in the table of members"
            );
        }
    }
}

#[test]
fn only_the_verb_has_a_name() {
    for source in [
        "if (typeof 'GET'.name !== 'undefined') throw 1",
        "if (('G' + 'ET').name !== undefined || ['GET'][0].name || `GET`.name) throw 1",
        "if (req.verb.name() !== 'GET' || req.verb.name != 'GET' || `${req.verb.name}` !== 'GET') throw 1",
        "const { verb } = req; if (verb.name() !== 'GET' || verb !== 'GET' || typeof verb !== 'string') throw 1",
        "if (typeof JSON.parse('{\"a\":\"GET\"}').a.name !== 'undefined' || typeof req.query.m.name !== 'undefined') throw 1",
        "const before = req.verb; req.method = 'PUT'; if (req.verb.name() !== 'PUT' || typeof 'PUT'.name !== 'undefined' || typeof before.name !== 'undefined') throw 1",
        "const o = {}; o[req.verb] = 1; if (typeof 'GET'.name !== 'undefined' || req.verb.name() !== 'GET') throw 1",
    ] {
        let ran = Set::of(Kind::Request, &[source]).run(call("GET", "/?m=GET", ""));
        assert!(
            matches!(ran.verdict, Verdict::Continue),
            "{source}: {:?}",
            ran.verdict
        );
    }
}

#[test]
fn what_a_call_brings_has_no_byte_order_mark() {
    for source in [
        "return getResource('marked')",
        "return SysUtilityV2.restGet('/marked')",
        "return JSON.parse(SysUtility.restGet('/marked'))",
        "return platform.api.get('/marked').content",
        "let told; platform.api.get('/marked', null, null, (text) => { told = text }); return JSON.parse(told)",
        "return await (await fetch('/marked')).json()",
        "return JSON.parse(await (await fetch('/marked')).text())",
        "return (await g.sys.system.callExternalApi({url: '/marked'})).body",
        "return await new Response('\\uFEFF{\"a\":1}').json()",
    ] {
        let ran = Set::of(Kind::Request, &[source]).run(call("GET", "/", ""));
        assert!(
            matches!(ran.verdict, Verdict::Answer(_)),
            "{source}: {:?}",
            ran.verdict
        );
        assert_eq!(response_body(&ran), r#"{"a":1}"#, "{source}");
    }
}

#[test]
fn arguments_about_languages_are_warnings() {
    for (source, is_told) in [
        (
            "json = (1.5).toLocaleString('de-CH', {style: 'currency'})",
            true,
        ),
        ("json = new Date(0).toLocaleDateString('de')", true),
        ("json = new Date(0).toLocaleTimeString('de', {})", true),
        ("json = json.toLocaleUpperCase('tr')", true),
        (
            "json = String('a'.localeCompare('b', 'de', {numeric: true}))",
            true,
        ),
        ("json = new Intl.NumberFormat('de').format(1)", true),
        (
            "json = (1.5).toLocaleString() + 'a'.localeCompare('b')",
            false,
        ),
        ("const Intl = {}; json = String(Intl.x)", false),
    ] {
        let warnings = warnings_of(source);
        assert_eq!(!warnings.is_empty(), is_told, "{source}: {warnings:?}");
    }
}
