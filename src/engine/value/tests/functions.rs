//! `JSON.parse` and `JSON.stringify`.

use rquickjs::{CatchResultExt, Ctx};

use super::lazily;
use crate::document::MAX_DEPTH;

fn text(ctx: &Ctx<'_>, script: &str) -> String {
    ctx.eval(script)
        .catch(ctx)
        .unwrap_or_else(|error| panic!("{script}: {error}"))
}

/// Each is an expression of `J`, the object with `parse` and `stringify`; the result, or the error,
/// must be the engine's own.
const EXPRESSIONS: &[&str] = &[
    "J.parse('{\"a\":[1,2,{\"b\":null}]}').a[2].b",
    "J.parse(' [1] ').length",
    "J.parse('\"x\"') + J.parse('1.5') + J.parse('true') + J.parse('null')",
    "J.parse('')",
    "J.parse()",
    "J.parse(undefined)",
    "J.parse(null)",
    "J.parse(12)",
    "J.parse({toString: () => '[7]'})[0]",
    "J.parse(['[8]'])[0]",
    "J.parse(Symbol())",
    "J.parse('{a:1}')",
    "J.parse('{\"a\":1,}')",
    "J.parse('[1,]')",
    "J.parse('01')",
    "J.parse('\\u00a01')",
    "J.parse('\\ufeff1')",
    "J.parse('\"\\t\"')",
    "J.parse('\"\\\\x\"')",
    "J.parse('\"\\ud800\"').charCodeAt(0)",
    "J.parse('{\"\\ud800\":1}')['\\ud800']",
    "J.parse('\"\\\\ud83d\\\\ude42\"') === '\\ud83d\\ude42'",
    "J.parse('{\"a\":1,\"a\":2}').a",
    "Object.keys(J.parse('{\"b\":1,\"2\":1,\"a\":1,\"1\":1,\"b\":2}')).join()",
    "Object.keys(J.parse('{\"__proto__\":{\"x\":1}}')).join() + J.parse('{\"__proto__\":{\"x\":1}}').x",
    "J.stringify(J.parse('{\"a\":[1,{\"b\":2}]}', (key, value) => typeof value === 'number' ? value * 10 : value))",
    "J.stringify(J.parse('{\"a\":[1,{\"b\":2}],\"c\":3}', (key, value) => key === 'c' ? undefined : value))",
    "J.parse('[1.50]', (key, value, context) => context.source ?? value)[0]",
    "J.parse('[1]', null)[0] + J.parse('[1]', {})[0]",
    "J.parse(J.stringify({a: [1, 'x', null, true, {}]})).a.length",
    "J.stringify()",
    "J.stringify(undefined)",
    "J.stringify(() => 1)",
    "J.stringify(Symbol())",
    "J.stringify(null)",
    "J.stringify('a\\u2028\\ud800\"')",
    "J.stringify([NaN, Infinity, -0, 1e21, 1e-7, 123456789012345680000, 0.1, 5e-324])",
    "J.stringify(Object(1n))",
    "J.stringify({a: undefined, b: () => 1, c: Symbol(), d: 1})",
    "J.stringify([undefined, () => 1, Symbol(), , 1])",
    "J.stringify([new Number(3), new String('false'), new Boolean(false)])",
    "J.stringify([Object(true), Object(false)])",
    "J.stringify(Object.assign(new Number(3), {valueOf: () => 5}))",
    "J.stringify(Object.assign(new String('x'), {toString: () => 'y'}))",
    "J.stringify({x: new Date(Date.UTC(2006, 0, 2, 15, 4, 5))})",
    "J.stringify({toJSON: key => 'for ' + key})",
    "J.stringify({a: {toJSON(key) { return [key, this.v] }, v: 1}})",
    "J.stringify({toJSON: 5})",
    "J.stringify({toJSON() { return undefined }})",
    "J.stringify([{toJSON() { return undefined }}])",
    "J.stringify({get a() { return 1 }, b: 2})",
    "J.stringify({get a() { throw new RangeError('no') }})",
    "J.stringify(Object.create({inherited: 1}, {own: {value: 2, enumerable: true}, hidden: {value: 3}}))",
    "J.stringify(new Map([[1, 2]])) + J.stringify(new Set([1])) + J.stringify(new Error('x')) + J.stringify(/x/)",
    "J.stringify(new Uint8Array([1, 2]))",
    "J.stringify(new Proxy([1, [2]], {}))",
    "J.stringify(new Proxy(new Proxy([], {}), {}))",
    "J.stringify(new Proxy({a: 1}, {ownKeys: () => ['a', 'b'], getOwnPropertyDescriptor: () => ({value: 1, enumerable: true, configurable: true}), get: (t, k) => k === 'toJSON' ? undefined : 'p' + String(k)}))",
    "(() => { const {proxy, revoke} = Proxy.revocable([], {}); revoke(); return J.stringify(proxy) })()",
    "(() => { const a = {}; a.a = a; return J.stringify(a) })()",
    "(() => { const a = []; a.push([a]); return J.stringify(a) })()",
    "(() => { const shared = {x: 1}; return J.stringify([shared, shared]) })()",
    "(() => { let a = []; for (let i = 0; i < 100000; i++) a = [a]; return J.stringify(a) })()",
    "J.stringify({a: 1, b: [1, {c: {}}], d: []}, null, 2)",
    "J.stringify({a: 1, b: [1]}, null, '\\t')",
    "J.stringify({a: 1, b: [1]}, null, '--more than ten--')",
    "J.stringify([1], null, 20)",
    "J.stringify([1], null, 2.9)",
    "J.stringify([1], null, -3)",
    "J.stringify([1], null, NaN)",
    "J.stringify([1], null, Infinity)",
    "J.stringify([1], null, new Number(3))",
    "J.stringify([1], null, new String('xy'))",
    "J.stringify([1], null, {})",
    "J.stringify([1], null, true)",
    "J.stringify([[], {}], null, 1)",
    "J.stringify({a: 1, b: {a: 2, c: 3}, c: [{a: 4, d: 5}]}, ['a', 'c'])",
    "J.stringify({1: 1, b: 2}, ['b', 1, new String('b'), new Number(1), {}, null])",
    "J.stringify({a: 1, b: 2}, ['b', 'a', 'b'])",
    "J.stringify({a: 1}, [])",
    "J.stringify([{a: 1}], new Proxy(['a'], {}), 1)",
    "J.stringify({a: 1, b: [2, 3]}, (key, value) => typeof value === 'number' ? value + 1 : value)",
    "J.stringify({a: 1, b: 2}, (key, value) => key === 'a' ? undefined : value)",
    "J.stringify({a: 1}, function (key, value) { return key === '' ? value : Object.keys(this).join() + key })",
    "J.stringify([5], function (key, value) { return Array.isArray(this) ? typeof key + key : value })",
    "J.stringify({a: 1}, (key, value) => key === '' ? [value.a] : value)",
    "J.stringify({a: 1}, () => undefined)",
    "J.stringify({a: 1}, (key, value) => { throw new TypeError('mine') })",
    "J.stringify({a: new Date(0)}, (key, value) => typeof value)",
    "J.stringify(J.rawJSON('1.10'))",
    "J.stringify({a: J.rawJSON('\"x\"'), b: J.isRawJSON(J.rawJSON('1'))}, null, 1)",
    "(() => { const o = {a: 1, b: 2, c: 3}; return J.stringify(o, (key, value) => { delete o.b; return value }) })()",
    "(() => { const o = J.parse('{\"a\":{},\"b\":2,\"c\":3}'); Object.defineProperty(o, 'a', {get() { delete o.b; o.d = 1; return 0 }}); return J.stringify(o) })()",
    "(() => { const o = J.parse('{\"a\":{},\"b\":2,\"c\":3}'); o.a.toJSON = () => { delete o.c; o.b = 5; return 0 }; return J.stringify(o) })()",
    "(() => { const o = J.parse('{}'); Object.defineProperty(o, 'rare name', {get() { delete o['rare name']; return {toJSON: key => key} }, enumerable: true, configurable: true}); return J.stringify(o) })()",
    "(() => { const o = J.parse('[1,2,3]'); o[0] = {toJSON() { o.length = 2; return 0 }}; return J.stringify(o) })()",
    "(() => { const o = J.parse('{\"a\":1}'); o[Symbol.toPrimitive] = () => 1; Object.defineProperty(o, Symbol(), {get() { throw 1 }, enumerable: true}); return J.stringify(o) })()",
    "(() => { const o = J.parse('{\"a\":{\"b\":[1]}}'); const p = J.parse(J.stringify(o)); p.a.b[0] = 2; return o.a.b[0] + J.stringify(p) })()",
    "J.parse.name + J.parse.length + J.stringify.name + J.stringify.length",
    "typeof new (function () { return J.parse })()",
    "Object.keys(J).join() + Object.prototype.toString.call(J)",
    "(() => { const d = Object.getOwnPropertyDescriptor(J, 'parse'); return [d.writable, d.enumerable, d.configurable].join() })()",
];

#[test]
fn the_functions_do_what_the_ones_they_replace_do() {
    lazily(|ctx| {
        for expression in EXPRESSIONS {
            let outcome = |functions: &str| {
                text(
                    ctx,
                    &format!(
                        "(J => {{ try {{ const value = {expression}; return typeof value + ': ' + String(value) }} \
                         catch (error) {{ return 'throws ' + error.constructor.name + ': ' + error.message }} }})({functions})"
                    ),
                )
            };

            let native = outcome("native.JSON");

            assert_eq!(outcome("JSON"), native, "{expression}");
        }
    });
}

#[test]
fn a_parsed_text_is_written_in_its_own_spelling() {
    lazily(|ctx| {
        for (script, expected) in [
            (
                r#"JSON.stringify(JSON.parse('{"id": 9007199254740993, "p":1.10, "s":"\\u00e9\\/", "a":1, "a":2}'))"#,
                r#"{"id":9007199254740993,"p":1.10,"s":"\u00e9\/","a":1,"a":2}"#,
            ),
            (
                r#"const data = JSON.parse('{"id":1e2,"x":{"y": [ 1.0 ]}}'); data.z = 1; JSON.stringify(data)"#,
                r#"{"id":1e2,"x":{"y":[1.0]},"z":1}"#,
            ),
            (
                r#"const data = JSON.parse('{"id":9007199254740993}'); JSON.stringify({copy: data.id})"#,
                r#"{"copy":9007199254740993}"#,
            ),
            (
                r#"const {id} = JSON.parse('{"id":9007199254740993}'); JSON.stringify([id])"#,
                "[9007199254740993]",
            ),
            (
                r#"JSON.stringify(JSON.parse('{"a":{"b":1.0}, "c":[1.10]}'), null, 1)"#,
                "{\n \"a\": {\n  \"b\": 1.0\n },\n \"c\": [\n  1.10\n ]\n}",
            ),
            (
                r#"JSON.stringify(JSON.parse('{"a":{"b":1.0}, "b":"\\u00e9"}'), (key, value) => value)"#,
                r#"{"a":{"b":1.0},"b":"\u00e9"}"#,
            ),
            (
                r#"JSON.stringify(JSON.parse('{"a":1.0, "\\u0062":2.0, "c":3}'), ['b', 'a'])"#,
                r#"{"\u0062":2.0,"a":1.0}"#,
            ),
            (
                r#"JSON.stringify(JSON.parse('{"2":1.0,"1":2.50}'))"#,
                r#"{"2":1.0,"1":2.50}"#,
            ),
        ] {
            assert_eq!(
                text(ctx, &format!("(() => {{ {} }})()", last_as_return(script))),
                expected,
                "{script}"
            );
        }
    });
}

fn last_as_return(script: &str) -> String {
    match script.rsplit_once("; ") {
        Some((before, last)) => format!("{before}; return {last}"),
        None => format!("return {script}"),
    }
}

#[test]
fn half_a_pair_in_a_raw_text_becomes_an_escape() {
    let script = r#"JSON.stringify([JSON.rawJSON('"a\ud800b"'), JSON.rawJSON('"\udc00"')])"#;

    assert_eq!(lazily(|ctx| text(ctx, script)), r#"["a\ud800b","\udc00"]"#);
}

#[test]
fn a_bigint_is_written_as_its_digits() {
    for (expression, expected) in [
        ("JSON.stringify(2n ** 64n)", "18446744073709551616"),
        ("JSON.stringify({a: [-1n]})", r#"{"a":[-1]}"#),
        (
            "JSON.stringify(JSON.parse('{\"id\": 1, \"x\": 1.0}', 0) && {id: 9007199254740993n})",
            r#"{"id":9007199254740993}"#,
        ),
        (
            "JSON.stringify({a: 1n}, (key, value) => typeof value === 'bigint' ? String(value) : value)",
            r#"{"a":"1"}"#,
        ),
    ] {
        assert_eq!(
            lazily(|ctx| text(ctx, expression)),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn what_is_nested_deeper_than_a_document_is_not_parsed() {
    for (depth, expected) in [
        (MAX_DEPTH, "1"),
        (MAX_DEPTH + 1, "SyntaxError: JSON text nested too deeply"),
        (100_000, "SyntaxError: JSON text nested too deeply"),
    ] {
        let seen: String = lazily(|ctx| {
            let parse = format!("JSON.parse('['.repeat({depth}) + ']'.repeat({depth})).length");
            ctx.eval(format!("try {{ `${{{parse}}}` }} catch (e) {{ `${{e}}` }}"))
                .expect("it is caught")
        });

        assert_eq!(seen, expected, "{depth}");
    }
}
