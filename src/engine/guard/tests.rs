use rquickjs::{Context, Runtime};

use super::*;

/// What an expression gives, as text, in a realm with guards and without.
fn evaluate(guarded: bool, expression: &str) -> String {
    let runtime = Runtime::new().expect("a runtime");
    let context = Context::full(&runtime).expect("a context");
    context.with(|ctx| {
        if guarded {
            install(&ctx, 64 << 20).expect("the natives are there");
        }
        let text = format!("(() => {{ try {{ return JSON.stringify({expression}) ?? 'undefined'; }} catch (e) {{ return String(e); }} }})()");
        ctx.eval::<String, _>(text).expect("text")
    })
}

#[test]
fn what_is_ordinary_is_as_without_guards() {
    for expression in [
        "[3, 1, 2].sort().join('-')",
        "[1, [2, [3]]].flat(2)",
        "[1, 2].flatMap((it) => [it, it])",
        "[1, 2, 3].slice(1)",
        "[1, 2, 3].slice()",
        "[1, 2, 3].splice()",
        "[1, 2, 3].splice(1)",
        "[1, 2, 3].toSpliced(1, 1, 7)",
        "[1].concat([2], 3, {length: 2 ** 40})",
        "[].concat({length: 1, 0: 'a', [Symbol.isConcatSpreadable]: true})",
        "Array.prototype.join.call('abc', '-')",
        "Array.prototype.slice.call({length: 2, 0: 'a', 1: 'b'})",
        "Array.prototype.join.call(null)",
        "[].join.name + [].join.length + [].concat.name + ''.split.length + String.raw.name",
        "Object.getOwnPropertyDescriptor(Array.prototype, 'join').enumerable",
        "new ([].join)()",
        "`${[].join}`.includes('native code')",
        "String.raw`a\\n${1}`",
        "String.raw({raw: 'abc'}, 1, 2)",
        "String.raw()",
        "'a,b'.split(',')",
        "'a,b'.split(',', 1)",
        "'a,b'.split()",
        "'aXbX'.replaceAll('X', (it, at) => at)",
        "'abc'.replace(/b/, '[$&]')",
        "'abc'.indexOf('c') + 'abc'.lastIndexOf('a') + 'abc'.indexOf()",
        "'abc'.includes(/b/)",
        "'x'.repeat(1e5).indexOf('x'.repeat(900) + 'y')",
        "new Array(1e5).join().length",
        "[1, [2, [3, [4]]]].flat()",
        "[1, [2, [3, [4]]]].flat(Infinity)",
        "[1, [2]].flat(0)",
        "[1, [2, [3]]].flat('2')",
        "[[], [,], [1,,2]].flat()",
        "[].flat.call({length: 2, 0: [1], 1: 2})",
        "[].flat.call(null)",
        "[[1], 2].flatMap((it) => it)",
        "[1, 2].flatMap(function (it, at, all) { return [this.a, it, at, all.length]; }, {a: 7})",
        "[1].flatMap()",
        "(function (...all) { return [this.a, all]; }).bind({a: 1}, 2, 3)(4)",
        "(function f(a, b, c) {}).bind(null, 1).length + (function f() {}).bind().name + Function.prototype.bind.length",
        "Function.prototype.bind.call(null)",
        "new ((function (a) { this.a = a; }).bind(null, 7))()",
        "[1].flatMap('x')",
        "[1].flatMap(() => { throw new Error('own'); })",
        "[1, 2, 3].values().drop(2).toArray()",
        "[1].values().drop(-1)",
        "[1].values().drop('x')",
        "[].flat.length + [].flatMap.name + ''.normalize.name + Iterator.prototype.drop.length",
        "'e\\u0301\\u0323'.normalize('NFC').length + 'x'.normalize()",
        "'x'.normalize('other')",
        "['b', 'a', 'ä'].sort((a, b) => a.localeCompare(b))",
        "'e\\u0301'.repeat(2000).normalize().length",
        "''.normalize.call({toString: () => 'e\\u0301'}).length",
    ] {
        assert_eq!(
            evaluate(true, expression),
            evaluate(false, expression),
            "{expression}"
        );
    }
}

#[test]
fn what_would_walk_for_ever_is_refused() {
    for expression in [
        "new Array(2 ** 32 - 1).join()",
        "String(new Array(2 ** 32 - 1))",
        "[].concat(new Array(2 ** 32 - 1))",
        "[].concat({length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true})",
        "Array.prototype.slice.call({length: 2 ** 53 - 1}, 1)",
        "String.raw({raw: {length: 2 ** 53 - 1}})",
        "'a'.repeat(1e7).includes('a'.repeat(5e6))",
        "[[new Array(2 ** 32 - 1)]].flat(Infinity)",
        "new Array(1000).fill(new Array(1e6)).flat()",
        "[1].flatMap(() => new Array(2 ** 32 - 1))",
        "new Array(2 ** 32 - 1).values().drop(4e9)",
        "[1].values().drop(Infinity)",
        "(() => 1).bind(...new Array(251).fill(0))",
        "('a' + '\\u0301\\u0323'.repeat(1e5)).normalize('NFD')",
        "'b'.localeCompare('a' + '\\u0301\\u0323'.repeat(1e5))",
    ] {
        let refused = evaluate(true, expression);

        assert!(
            refused.starts_with("RangeError: "),
            "{expression}: {refused}"
        );
        assert!(
            [
                "too long",
                "longer",
                "more steps",
                "too many marks",
                "at most"
            ]
            .iter()
            .any(|reason| refused.contains(reason)),
            "{expression}: {refused}"
        );
    }
}
