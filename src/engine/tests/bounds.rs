//! What handlers make besides their heap has its bounds.

use super::*;

/// What the error says that `source` runs into.
fn refusal(kind: Kind, source: &str) -> String {
    let source = format!("try {{ {source} }} catch (error) {{ throw error.message }}");
    let call = match kind {
        Kind::Request => call("POST", "/orders", "{}"),
        _ => answered(200, "application/json", "{}"),
    };
    let mut set = Set::of(kind, &[&source]);
    set.limits.handler_time = Duration::from_secs(5);
    message(&rejection(set.run(call))).to_owned()
}

#[test]
fn heads_are_bounded_in_every_way_they_can_be_written() {
    let fields = "a message has at most 512 header fields, of 1048576 bytes together";
    let values = "a name has at most 512 values";
    for (source, told) in [
        ("for (let i = 0; ; i++) req.headers[`x-${i}`] = 'y'", fields),
        ("req.headers['x-a'] = 'y'.repeat(1 << 20)", fields),
        (
            "for (let i = 0; ; i++) req.httpHeaders[`x-${i}`] = 'y'.repeat(100000)",
            fields,
        ),
        (
            "for (let i = 0; ; i++) event.request.headers[`x-${i}`] = 'y'",
            fields,
        ),
        (
            "for (let i = 0; ; i++) event.response.headers[`x-${i}`] = 'y'",
            fields,
        ),
        ("req.headers['x-a'] = new Array(1e9)", values),
        ("req.query.a = new Array(1e9)", values),
        ("req.headers['x-a'] = new Array(512).fill('y')", fields),
        (
            "req.path = '/' + 'y'.repeat(1 << 20)",
            "a path has at most 1048576 bytes",
        ),
        (
            "req.path = '/?' + 'y'.repeat(1 << 20)",
            "a path has at most 1048576 bytes",
        ),
        (
            "req.query.a = 'y'.repeat(1 << 20)",
            "a query has at most 1048576 bytes",
        ),
        (
            "for (let i = 0; ; i++) req.query[`x-${i}`] = 'y'.repeat(10000)",
            "a query has at most 1048576 bytes",
        ),
    ] {
        assert_eq!(refusal(Kind::Request, source), told, "{source}");
    }
    for source in [
        "for (let i = 0; ; i++) res.headers[`x-${i}`] = 'y'",
        "for (let i = 0; ; i++) g.res.headers[`x-${i}`] = 'y'",
        "res.headers['set-cookie'] = new Array(513).fill('y').map(String)",
    ] {
        let told = refusal(Kind::Response, source);
        assert!(
            [fields, values].contains(&told.as_str()),
            "{source}: {told}"
        );
    }
}

#[test]
fn what_fits_is_written_and_can_be_written_again() {
    let mut set = Set::of(
        Kind::Request,
        &[
            "for (let i = 0; i < 200; i++) req.headers[`x-${i}`] = 'y'.repeat(5000);\n\
           for (let i = 0; i < 200; i++) req.headers[`x-${i}`] = 'z'.repeat(5000);",
        ],
    );

    set.limits.handler_time = Duration::from_secs(5);

    let ran = set.run(call("POST", "/orders", "{}"));

    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{:?}",
        ran.verdict
    );
    assert_eq!(ran.call.request.fields.len(), 204);
}

#[test]
fn a_rejection_has_no_more_fields_than_a_message() {
    for source in [
        "throw { status: 400, body: 'x', headers: Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`x-${i}`, 'y'])) }",
        "throw { status: 400, body: 'x', headers: { 'x-a': 'y'.repeat(1 << 20) } }",
    ] {
        let rejected = thrown_by(source);
        assert_eq!(rejected.fault, Fault::Script, "{source}");
    }
}

#[test]
fn what_is_kept_for_later_handlers_is_bounded() {
    for source in [
        "req.userProperties.a = 'y'.repeat(1 << 20)",
        "g.shared.a = 'y'.repeat(1 << 20)",
    ] {
        let ran = Set::of(Kind::Request, &[source]).run(call("POST", "/orders", "{}"));
        assert_eq!(
            ran.call.kept.user_properties.as_ref().map(String::len),
            None
        );
        assert_eq!(rejection(ran).fault, Fault::Script, "{source}");
    }
}

#[test]
fn host_calls_are_counted_and_their_bodies_and_fields_measured() {
    let counted = "let made = 0;\n\
        try { for (;;) { getResource('orders'); made++; } }\n\
        catch (error) { throw `${made}: ${error.message}, ${error.statusCode}` }";
    let thrown = |source| {
        let mut set = Set::of(Kind::Request, &[source]);
        // A thousand calls take a busy machine longer than handlers have by default.
        set.limits.handler_time = Duration::from_secs(20);
        rejection(set.run(call("POST", "/orders", "{}")))
    };
    assert_eq!(
        message(&thrown(counted)),
        "1000: the handlers of one phase make at most 1000 host calls, 500"
    );
    let uncaught = thrown("for (;;) getResource('orders')");
    assert_eq!(uncaught.status, StatusCode::INTERNAL_SERVER_ERROR);

    let mut set = Set::of(
        Kind::Request,
        &[
            "try { SysUtility.restPost('/a', null, null, 'y'.repeat(5000)) } catch (error) { throw error.message }",
        ],
    );
    set.limits.text = 4096;
    let told = rejection(set.run(call("POST", "/orders", "{}")));
    assert_eq!(
        message(&told),
        "the body of a host call has at most 4096 bytes"
    );

    let many = "SysUtility.restGet('/a', null, { headers: Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`x-${i}`, 'y'])) })";
    assert!(refusal(Kind::Request, many).contains("at most 512 header fields"));
}

#[test]
fn a_text_that_takes_long_to_open_ends_its_handler_in_time() {
    let text = format!("[{}1]", "1,".repeat(1 << 19));
    let mut set = Set::of(
        Kind::Request,
        &["try { JSON.parse(json) } catch { throw 'it can be caught' }"],
    );
    set.limits.handler_time = Duration::from_millis(1);

    let told = rejection(set.run(call("POST", "/orders", &text)));

    assert_eq!(told.fault, Fault::Script);
    assert_eq!(told.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn a_list_that_says_it_is_longer_than_any_is_no_fault_of_ours() {
    for length in ["2147483647", "2147483648", "4294967295"] {
        for sink in [
            "req.headers.x = LIST",
            "req.query.x = LIST",
            "res.headers.x = LIST",
            "req.headers = { x: LIST }",
            "event.request.headers['x'] = LIST",
            "event.response.headers['x'] = LIST",
            "throw LIST",
            "throw { status: 400, body: LIST }",
            "throw { status: 400, headers: LIST }",
            "throw { status: 400, errors: LIST, message: LIST }",
            "return LIST",
            "json = LIST",
            "JSON.stringify({}, LIST)",
            "JSON.stringify(LIST)",
            "new URLSearchParams(LIST)",
            "new Headers(LIST)",
            "structuredClone(LIST)",
            "new TextDecoder().decode(LIST)",
            "crypto.getRandomValues(LIST)",
            "exact(LIST, 0)",
            "exact(LIST, 'length')",
            "log.debug(LIST)",
            "platform.store.set('x', LIST)",
            "getResource('/x', LIST, LIST)",
            "fetch('http://127.0.0.1/', { headers: LIST, body: LIST })",
            "req.userProperties.x = LIST",
            "g.res.output = LIST",
            "setTimeout(LIST)",
        ] {
            let source = sink.replace("LIST", &format!("new Array({length})"));
            let mut set = Set::of(Kind::Request, &[&source]);
            set.limits.memory = 8 << 20;
            let ran = set.run(call("POST", "/orders?x=1", "{}"));
            let is_ours = matches!(
                &ran.verdict,
                Verdict::Reject(Rejection {
                    fault: Fault::Sidecar,
                    ..
                })
            );
            assert!(!is_ours, "{source}: {:?}", ran.verdict);
        }
    }
}

#[test]
fn what_we_walk_ourselves_fits_on_the_stack_wherever_a_script_asks_for_it() {
    let nested = |depth: usize, wrap: &str| {
        format!("let it = 1; for (let i = 0; i < {depth}; i++) it = {wrap}; const deep = it;")
    };
    for (before, asks) in [
        (nested(510, "{ a: it }"), "JSON.stringify(deep)"),
        (nested(510, "[it]"), "JSON.stringify(deep)"),
        (nested(510, "[{ a: it }]"), "JSON.stringify(deep)"),
        (
            nested(510, "{ a: it }"),
            "JSON.stringify(deep, (key, value) => value, 2)",
        ),
        (
            nested(510, "new Proxy({ a: it }, {})"),
            "JSON.stringify(deep)",
        ),
        (nested(510, "{ toJSON: () => it }"), "JSON.stringify(deep)"),
        (nested(250, "[it]"), "deep.flat(Infinity)"),
        (nested(100_000, "[it]"), "deep.flat(Infinity)"),
        (
            nested(100_000, "new Proxy([it], {})"),
            "JSON.stringify(deep)",
        ),
        (nested(100_000, "{ a: it }"), "structuredClone(deep)"),
        (
            "let deep = []; for (let i = 0; i < 100_000; i++) deep = new Proxy(deep, {});"
                .to_owned(),
            "JSON.stringify(deep)",
        ),
        (
            "let deep = []; for (let i = 0; i < 100_000; i++) deep = new Proxy(deep, {});"
                .to_owned(),
            "JSON.stringify({}, deep)",
        ),
        (
            "const deep = '['.repeat(128) + ']'.repeat(128);".to_owned(),
            "JSON.parse(deep)[0][0]",
        ),
        (
            "const deep = '['.repeat(100000) + ']'.repeat(100000);".to_owned(),
            "JSON.parse(deep)",
        ),
        (
            "const deep = '('.repeat(100000);".to_owned(),
            "new RegExp(deep)",
        ),
        (
            "const deep = new Proxy({}, { get: (_, key) => { throw deep } });".to_owned(),
            "deep.a",
        ),
    ] {
        // The first to catch it stands at the end of the stack.
        let source = format!(
            "{before} let asked = 0; \
             (function down() {{ try {{ down() }} catch (e) {{ if (asked++ < 3) {{ {asks} }} throw e }} }})()"
        );
        let mut set = Set::of(Kind::Request, &[&source]);
        set.limits.handler_time = Duration::from_secs(5);
        let rejection = rejection(set.run(call("POST", "/orders", "{}")));
        assert_ne!(rejection.fault, Fault::Sidecar, "{asks}");
    }
}
