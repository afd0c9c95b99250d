//! Errors, limits, memory, and what is remembered for how long.

use bytes::Bytes;
use rquickjs::{Array, Context, Ctx, Function, Runtime, Value};

use super::{LONGEST_TEXT, call, lazily, setting, write};
use crate::document::{Fault, Spelled};
use crate::engine::value::{OpenError, forget, give_text, install, open, spelled, text_of};

/// How many documents with cycles a plain run makes; `CYCLES` asks for more.
const CYCLES: u64 = 3000;

fn opened<'js>(ctx: &Ctx<'js>, text: &'static str) -> Value<'js> {
    open(ctx, Bytes::from_static(text.as_bytes())).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_text_that_is_no_json_is_not_opened() {
    lazily(|ctx| {
        let error = open(ctx, Bytes::from_static(b"{\n \"a\": tru }")).expect_err("it is no JSON");

        assert_eq!(
            error.to_string(),
            "not a JSON document: line 2, column 10: unexpected character"
        );
        assert!(
            matches!(error, OpenError::Parse(error) if error.fault == Fault::Unexpected && error.offset == 11)
        );
    });
}

#[test]
fn scalars_are_opened_too() {
    lazily(|ctx| {
        let values = ["1.5", "\"x\"", "true", "null"].map(|text| opened(ctx, text));

        assert_eq!(values[0].as_float(), Some(1.5));
        assert_eq!(
            values[1]
                .as_string()
                .and_then(|string| string.to_string().ok())
                .as_deref(),
            Some("x")
        );
        assert_eq!(values[2].as_bool(), Some(true));
        assert!(values[3].is_null());
    });
}

#[test]
fn a_context_without_lazy_values_opens_nothing() {
    let runtime = Runtime::new().expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    context.with(|ctx| {
        assert!(matches!(
            open(&ctx, Bytes::from_static(b"1")),
            Err(OpenError::Engine(_))
        ));
    });
}

#[test]
fn a_document_is_untouched_until_something_is_changed() {
    for (body, expected) in [
        ("", true),
        (
            "json.a; json.b[0].c; Object.keys(json); JSON.stringify(json)",
            true,
        ),
        ("json.a = json.a; json.b = json.b", true),
        ("json.x = 1; delete json.x", true),
        ("Object.freeze(json)", true),
        ("json.a = 2", false),
        ("json.b[0].c = 0", false),
        ("json.b.push(1)", false),
        ("delete json.a", false),
        ("json.x = 1", false),
        (
            "Object.setPrototypeOf(json.b[0], { toJSON: () => 1 })",
            false,
        ),
        (
            "Object.defineProperty(json, 'a', { enumerable: false })",
            false,
        ),
    ] {
        lazily(|ctx| {
            let text = "{ \"a\": 1.0, \"b\": [ {\"c\": \"\\u00e9\"} ] }\n";
            let json = opened(ctx, text);
            call(ctx, body, json.clone());

            let written = write(ctx, &json).expect("nothing throws");
            assert_eq!(
                written.as_deref() == Some(text.as_bytes()),
                expected,
                "{body}"
            );
        });
    }
}

#[test]
fn an_array_is_a_root_as_well() {
    lazily(|ctx| {
        let json = opened(ctx, " [ 1.0 , {\"a\" : 2} ] ");

        call(ctx, "json[1].a = 3", json.clone());
        assert_eq!(
            write(ctx, &json).expect("nothing throws").as_deref(),
            Some(&b" [ 1.0 , {\"a\" : 3} ] "[..])
        );
    });
}

#[test]
fn a_text_has_a_limit() {
    lazily(|ctx| {
        let json = opened(ctx, "{}");
        let thrown = call(
            ctx,
            "const a = []; a.length = 2 ** 32 - 1; try { JSON.stringify(a) } catch (error) { return error.constructor.name }",
            json,
        );

        assert_eq!(
            thrown
                .as_string()
                .and_then(|name| name.to_string().ok())
                .as_deref(),
            Some("RangeError")
        );
    });
}

#[test]
fn a_text_that_was_given_is_not_read_back() {
    lazily(|ctx| {
        let given = Bytes::from_static("\u{FEFF}{\"a\": 1.0}".as_bytes());
        let json = give_text(ctx, given.clone()).expect("memory for a string");

        let made = call(
            ctx,
            "const data = JSON.parse(json); data.b = 2; return JSON.stringify(data)",
            json.clone(),
        );

        let known = text_of(ctx, &json).expect("it was given");
        assert_eq!(known, &given[3..]);
        assert_eq!(known.as_ptr(), given[3..].as_ptr());
        assert_eq!(
            text_of(ctx, &made).as_deref(),
            Some(&br#"{"a":1.0,"b":2}"#[..])
        );
    });
}

#[test]
fn one_text_is_many_values() {
    lazily(|ctx| {
        let json =
            give_text(ctx, Bytes::from_static(b"{\"a\":{\"b\":1}}")).expect("memory for a string");

        let same = call(
            ctx,
            "const one = JSON.parse(json), other = JSON.parse(json); one.a.b = 2; return one !== other && other.a.b === 1",
            json,
        );

        assert_eq!(same.as_bool(), Some(true));
    });
}

#[test]
fn a_number_is_known_by_all_its_digits() {
    lazily(|ctx| {
        let json = opened(
            ctx,
            r#"{"id":9007199254740993,"n":[1.0,1.00,2],"s":"x","e":"\u0061","f":0.5e0}"#,
        );
        let found = |place: &str| {
            let pair: Array<'_> = call(ctx, &format!("return {place}"), json.clone())
                .into_array()
                .expect("it is a pair");
            let (object, key) = (pair.get(0).expect("one"), pair.get(1).expect("two"));
            spelled(ctx, &object, &key).expect("nothing throws")
        };
        let alike = |text: &str| Some(Spelled::Alike(text.to_owned()));

        assert_eq!(found("[json, 'id']"), alike("9007199254740993"));
        assert_eq!(
            found("[{copy: json.id}, 'copy']"),
            alike("9007199254740993")
        );
        assert_eq!(found("[json.n, 1]"), alike("1.00"));
        assert_eq!(found("[json.n, '1']"), alike("1.00"));
        assert_eq!(found("[json.n, 2]"), alike("2"));
        assert_eq!(
            found("[[...json.n], 1]"),
            Some(Spelled::Variously("1.0".to_owned()))
        );
        assert_eq!(found("[json.n, 'length']"), Some(Spelled::AsUsual));
        assert_eq!(found("[{get f() { return json.f }}, 'f']"), alike("0.5e0"));
        assert_eq!(found("[[4], 0]"), Some(Spelled::AsUsual));
        assert_eq!(found("[json, 's']"), None);
        assert_eq!(found("[json, 'none']"), None);
        assert_eq!(found("(json.id = 5, [json, 'id'])"), Some(Spelled::AsUsual));
    });
}

#[test]
fn what_is_forgotten_stays_good() {
    lazily(|ctx| {
        let json = give_text(
            ctx,
            Bytes::from_static(b"{\"a\": {\"b\": 1.10}, \"id\": 9007199254740993}"),
        )
        .expect("memory for a string");
        let kept = call(
            ctx,
            "globalThis.kept = JSON.parse(json); return kept.a",
            json.clone(),
        );

        forget(ctx);

        assert_eq!(text_of(ctx, &json), None);
        assert_eq!(
            write(ctx, &kept).expect("nothing throws").as_deref(),
            Some(&br#"{"b": 1.10}"#[..])
        );
        let whole = call(ctx, "kept.a.c = 1; return JSON.stringify(kept)", json);
        let whole = whole.as_string().and_then(|text| text.to_string().ok());
        assert_eq!(
            whole.as_deref(),
            Some(r#"{"a":{"b":1.10,"c":1},"id":9007199254740993}"#)
        );
    });
}

#[test]
fn runtimes_do_not_know_each_other() {
    let threads = [0, 1, 2, 3].map(|number| {
        std::thread::spawn(move || {
            lazily(|ctx| {
                let json = opened(ctx, "{\"a\":[1.5]}");
                call(ctx, &format!("json.n = {number}"), json.clone());
                write(ctx, &json).expect("nothing throws")
            })
        })
    });

    for (number, thread) in threads.into_iter().enumerate() {
        let text = thread.join().expect("the thread ends");
        assert_eq!(text, Some(format!("{{\"a\":[1.5],\"n\":{number}}}").into()));
    }
}

#[test]
fn a_runtime_moves_between_threads_with_its_values() {
    let runtime = Runtime::new().expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    context.with(|ctx| {
        install(&ctx, LONGEST_TEXT, None).expect("memory for a class");
        let json = opened(&ctx, "{\"a\":{\"b\":1.0}}");
        ctx.globals()
            .set("kept", json)
            .expect("memory for a property");
    });

    let moved = context.clone();
    let text = std::thread::spawn(move || {
        moved.with(|ctx| {
            ctx.eval::<String, _>("kept.a.c = 2; JSON.stringify(kept)")
                .expect("nothing throws")
        })
    });

    assert_eq!(
        text.join().expect("the thread ends"),
        r#"{"a":{"b":1.0,"c":2}}"#
    );
}

#[test]
fn want_of_memory_is_an_exception() {
    let runtime = Runtime::new().expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    context.with(|ctx| {
        install(&ctx, LONGEST_TEXT, None).expect("memory for a class");
        let list = format!("{{\"a\":[{}]}}", vec!["{}"; 100_000].join(","));
        let json = open(&ctx, Bytes::from(list)).expect("it is JSON");
        ctx.globals()
            .set("json", json)
            .expect("memory for a property");
    });

    runtime.set_memory_limit(8 << 20);
    context.with(|ctx| {
        assert!(ctx.eval::<usize, _>("json.a.length").is_err());
        ctx.catch();
    });

    runtime.set_memory_limit(256 << 20);
    context.with(|ctx| {
        assert_eq!(
            ctx.eval::<usize, _>("json.a.length")
                .expect("there is memory now"),
            100_000
        );
    });
}

#[test]
fn nothing_is_left_of_values_that_nobody_has() {
    let runtime = Runtime::new().expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    let used = || {
        runtime.run_gc();
        let usage = runtime.memory_usage();
        (usage.obj_count, usage.atom_count, usage.str_count)
    };
    let call_once = |number: u64| {
        context.with(|ctx| {
            let text = format!(r#"{{"list":[{{"k{number}":1,"s":"text","o":{{}}}},[[1],[2]]],"self":null,"dup":1,"dup":2,"n":1.10}}"#);
            let json = open(&ctx, Bytes::from(text)).expect("it is JSON");
            call(
                &ctx,
                "json.self = json; json.list[0].parent = json.list; json.list.push({json}); json.list[0].f = () => json; \
                 Object.freeze(json.list[0]); delete json.dup; json[Symbol('s')] = json; json.list[1][0].push(json); \
                 Object.defineProperty(json, 'getter', {get() { return json }}); JSON.parse(JSON.stringify(json.list[1][1])); \
                 try { JSON.stringify(json) } catch {}",
                json,
            );
            forget(&ctx);
        });
    };
    context.with(|ctx| install(&ctx, LONGEST_TEXT, None).expect("memory for a class"));
    (0..10).for_each(call_once);
    let before = used();

    let documents = setting("CYCLES").unwrap_or(CYCLES);
    (10..documents).for_each(call_once);

    assert_eq!(used(), before);
}

#[test]
fn memory_may_run_out_anywhere() {
    const BODY: &str = "for (const r of json.list) { delete r.a; r.b = {}; Object.keys(r); r.d } \
        json.other = json.list.map(r => r); json[4294967290] = 1; ({...json}); \
        Object.defineProperty(json, 'x', {get() { return 1 }}); Object.freeze(json.list[1]); \
        const text = JSON.stringify(json); JSON.parse(text).list[1].d.slice(); return text";
    let record = r#"{"a":1,"b":[1.5,[2]],"10":"x\u00e9","d":"é"}"#;
    let body = format!("{{\"list\":[{}]}}", [record; 8].join(","));
    let spares = (0..32 << 10).step_by(64);
    let mut ran = 0;
    for spare in spares.clone() {
        let runtime = Runtime::new().expect("memory for a runtime");
        let context = Context::full(&runtime).expect("memory for a context");
        context.with(|ctx| {
            install(&ctx, LONGEST_TEXT, None).expect("memory for a class");
            let source = format!("globalThis.handler = function (json) {{ {BODY} }}");
            ctx.eval::<(), _>(source).expect("it compiles");
        });
        let used = usize::try_from(runtime.memory_usage().malloc_size).expect("it is positive");
        runtime.set_memory_limit(used + spare);
        ran += context.with(|ctx| {
            let run = || {
                let json = open(&ctx, Bytes::copy_from_slice(body.as_bytes())).ok()?;
                let handler: Function<'_> = ctx.globals().get("handler").ok()?;
                handler.call::<_, Value<'_>>((json.clone(),)).ok()?;
                write(&ctx, &json).ok()
            };
            usize::from(run().is_some())
        });
        runtime.set_memory_limit(0);
    }
    assert!(
        ran > 0 && ran < spares.count(),
        "it runs with the most memory and not with the least"
    );
}
