//! What is found in texts, and what is told of those that have a problem.

use super::super::isolate;
use super::super::limits::{LOAD_STACK, STACK, THREAD_STACK};
use super::nesting::tests::{NESTING, repeated};
use super::*;

fn request(text: &str) -> Analysis {
    analyse(text, Phase::Request).expect("it parses")
}

fn problem(text: &str) -> Note {
    analyse(text, Phase::Request)
        .expect_err("it has a problem")
        .remove(0)
}

#[test]
fn what_reaches_a_body_is_seen_by_its_names() {
    for text in [
        "json = 'x'",
        "var json = 1",
        "log.info(json)",
        "req.json",
        "res['body']",
        "var {content} = x",
        "({payload: p} = x)",
        "f(req)",
        "var r = res",
        "g[x]",
        "f(event.request)",
        "eval('1')",
        "arguments[0]",
        "with (x) y",
        "({...event})",
        "g.res.output = 1",
        "({body} = x)",
        "return event",
        "const {req} = g",
        "_event.response[x]",
        "g['req'].body",
        "module.exports = async (g) => f(g)",
        "module.exports = async (hook) => { hook.res.output.a = 1 }",
    ] {
        assert!(request(text).sees_body, "{text}");
    }
    for text in [
        "throw {status: 400, body: 'x'}",
        "req.headers['content-type']",
        "res.status = 1",
        "event.request.headers.x = 1",
        "g.req.query['a']",
        "// json\n'json body'",
        "({json: 1})",
        "x.parameters",
        "event.setResponse('closed', 503)",
        "event.response.status_code = 202; event.stop_propagation = true",
        "module.exports = async function main(g) { g.req.query.a = 1; g.shared.b = g.res.statusCode }",
        "platform.store.set('a', event.resource); g.logger.log(T.EStatusCode.OK)",
        "if (!req.httpHeaders['x-api-key']) throw { status: 403, body: { error: 'x' } };",
        "res.headers['x-step-1'] = res.headers['content-type'];",
    ] {
        assert!(!request(text).sees_body, "{text}");
    }
}

#[test]
fn a_response_handler_that_asks_for_the_clients_text_needs_the_requests_body() {
    let response = |text| {
        analyse(text, Phase::Response)
            .expect("it parses")
            .sees_request_body
    };

    for text in [
        "JSON.parse(req.json)",
        "x(req)",
        "event.request.payload.a",
        "var r = event.request",
        "g.req['body']",
        "g['req'].body",
        "f(g['req'])",
        "_event.request.content",
    ] {
        assert!(response(text), "{text}");
    }
    for text in [
        "json.a = 1",
        "res.body = req.method",
        "event.response.content = 1",
        "g.res.output = g.req.query.a",
    ] {
        assert!(!response(text), "{text}");
    }
}

#[test]
fn await_makes_a_body_async_only_outside_nested_functions() {
    assert!(request("var x = await f();").is_async);
    assert!(request("for await (const x of y) { }").is_async);
    assert!(!request("async function f() { await g() }\nf();").is_async);
    assert!(!request("var await = 1; // as a name").is_async);
}

#[test]
fn json_is_written_by_assignment_and_by_var() {
    assert!(request("json = JSON.stringify(x)").writes_json);
    assert!(request("var json = 'x';").writes_json);
    assert!(request("function f() { json = 'x' } f()").writes_json);
    let read = request("log.info(json.length)");
    assert!(read.names_json && !read.writes_json);
}

#[test]
fn assigned_names_that_nobody_declared_are_found_unless_strict() {
    assert_eq!(
        request("for (i = 0; i < 3; i++) total = i; Math = 1").undeclared,
        ["i", "total"]
    );
    assert!(request("'use strict'; x = 1").undeclared.is_empty());
    assert!(
        request("var a; a = 1; function f(b) { b = 2 }")
            .undeclared
            .is_empty()
    );
}

#[test]
fn declaring_json_anew_is_refused_with_a_way_out() {
    for text in ["let json = 1", "const json = 1", "class json {}"] {
        assert!(problem(text).message.contains("write `json = …`"), "{text}");
    }
    assert!(analyse("{ let json = 1 }", Phase::Request).is_ok());
    assert!(
        analyse(
            "const res = 1, req = 2; let event; var out = []",
            Phase::Request
        )
        .is_ok()
    );
}

#[test]
fn a_syntax_error_has_its_place_in_the_handlers_own_text() {
    assert_eq!(problem("throw (").offset, 7);
    assert_eq!(problem("var a = 1;\nvar b = = 2;").offset, 19);
}

#[test]
fn a_text_that_leaves_its_function_is_no_body() {
    assert!(problem("}); (function(){").message.contains("closes more"));
}

#[test]
fn literal_requires_are_listed() {
    let names: Vec<_> = request("const m = require('./lib/m'); require(x)").requires;
    assert_eq!(
        names,
        [Note {
            offset: 18,
            message: "./lib/m".to_owned()
        }]
    );
}

#[test]
fn a_body_taken_for_what_it_is_not_is_warned_of() {
    assert_eq!(request("json.name = 1").warnings.len(), 1);
    assert!(request("json.indexOf('x')").warnings.is_empty());
    let response = analyse("var x = JSON.parse(json)", Phase::Response).expect("it parses");
    assert_eq!(response.warnings.len(), 1);
}

/// The deepest of a kind that is let through.
fn deepest(row: (&str, &str, &str, &str)) -> String {
    let (mut fits, mut refused) = (1, 100_000);
    while refused - fits > 1 {
        let times = usize::midpoint(fits, refused);
        if nesting::check(&repeated(row, times)).is_ok() {
            fits = times;
        } else {
            refused = times;
        }
    }
    repeated(row, fits)
}

fn on_a_stack_of<R: Send>(bytes: usize, work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(bytes);
        let working = builder.spawn_scoped(scope, work).expect("a thread");
        working.join().expect("it ends")
    })
}

#[test]
fn the_deepest_text_fits_on_the_stack_of_a_load_with_room_to_spare() {
    for row in NESTING {
        let text = deepest(row);
        on_a_stack_of(LOAD_STACK / 4, || {
            let _ = analyse(&text, Phase::Request);
            let _ = analyse_module(&text);
        });
    }
}

#[test]
fn the_deepest_text_fits_on_the_stack_of_a_handler_wherever_it_is_required() {
    // A script that is about to use up its stack requires a module: the parser has what is its own.
    const NOTHING: usize = 4 * 1024;
    for row in NESTING {
        let text = format!("(function(){{{}\n}})", deepest(row));
        let compiled = on_a_stack_of(THREAD_STACK - STACK, || {
            let runtime = rquickjs::Runtime::new().expect("a runtime");
            let context = rquickjs::Context::full(&runtime).expect("a context");
            context.with(|ctx| {
                let compile = || isolate::compile_within(&ctx, NOTHING, "x.js", &text).is_ok();
                compile() || {
                    let thrown = ctx.catch();
                    let thrown = thrown.as_exception().expect("an error");
                    let message = thrown.message().unwrap_or_default();
                    assert!(!message.contains("stack"), "{row:?}: {message}");
                    false
                }
            })
        });
        assert!(compiled, "{row:?} is a script");
    }
}

#[test]
fn literal_texts_that_may_name_a_field_are_known() {
    let text = "const NAME = 'X-User';
        const { 'x-role': role } = req.headers;
        if (req.headers['X-Tenant-Id'] === `x-other`) delete event.request.headers[\"x-gone\"];
        const text = 'no field at all - none', a = 'plain', b = `x-${a}-y`, c = { 'x-key': 1 };
        return new Headers(req.headers).get('x-last');";

    let analysis = analyse(text, Phase::Request).expect("it parses");

    let fields: Vec<_> = analysis.fields.iter().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "-y",
            "x-",
            "x-gone",
            "x-key",
            "x-last",
            "x-other",
            "x-role",
            "x-tenant-id",
            "x-user"
        ]
    );
}
