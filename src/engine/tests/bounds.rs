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
