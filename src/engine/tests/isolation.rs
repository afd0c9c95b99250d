//! What a handler does to its engine, and the next transaction doesn't feel.

use super::*;

#[test]
fn loops_and_bombs_end_and_the_next_transaction_is_well() {
    for source in [
        "while (true) { }",
        "for (;;) { try { for (;;) { } } catch (e) { } finally { continue } }",
        "async function f() { for (;;) await null } f()",
        "/(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')",
        "const all = []; for (;;) all.push('x'.repeat(1e6))",
        "new Uint8Array(1e9).fill(1)",
        "(function f() { f() })()",
    ] {
        let set = Set::of(
            Kind::Request,
            &[&format!(
                "if (req.path === '/bad') {{ {source} }}\nreq.headers.ok = '1'"
            )],
        );
        let began = Instant::now();
        let ran = set.run_all(vec![call("GET", "/bad", ""), call("GET", "/good", "")]);
        assert!(began.elapsed() < Duration::from_secs(5), "{source}");
        let [bad, good] = <[Ran; 2]>::try_from(ran).expect("two");
        assert_eq!(rejection(bad).fault, Fault::Script, "{source}");
        assert!(
            matches!(good.verdict, Verdict::Continue),
            "{source}: {:?}",
            good.verdict
        );
        assert_eq!(good.call.request.fields.get_str("ok"), Some("1"));
    }
}

#[test]
fn nothing_a_handler_does_outlives_its_transaction() {
    let set = Set::of(
        Kind::Request,
        &[r"
        if (req.path === '/look') {
            var seen = [];
            if (typeof leak !== 'undefined' || globalThis.leak || ({}).leak || [].leak || req.leak || res.leak || log.leak) seen.push('leak');
            if (Math.random() === 4 || JSON.parse('1') !== 1 || [1].map(x => x)[0] !== 1) seen.push('patched');
            if (Object.keys(req.userProperties).length > 0 || req.headers['x-leak']) seen.push('properties');
            if (req.headers.leak || req.query.leak || res.headers.leak || req.verb.name.leak) seen.push('views');
            if (typeof Error.prepareStackTrace === 'function' || Error.stackTraceLimit === 0 || String(new Error('x').stack) === 'leak') seen.push('stack');
            if (req.getApiKey().leak || console.log.leak || Object.getPrototypeOf(function* () {}).leak) seen.push('deep');
            throw seen.join() || 'clean';
        }
        leak = 1;
        const attempts = [
            () => { globalThis.leak = 1 }, () => { Object.prototype.leak = 1 }, () => { Array.prototype.leak = 1 },
            () => { Math.random = () => 4 }, () => { JSON.parse = () => 0 }, () => { Array.prototype.map = () => [] },
            () => { req.leak = 1 }, () => { res.leak = 1 }, () => { log.leak = 1 }, () => { console.log.leak = 1 },
            () => { req.setUserProperty('leak', 1) }, () => { req.headers['x-leak'] = '1' },
            () => { req.getApiKey().leak = 1 }, () => { Object.getPrototypeOf(function* () {}).leak = 1 },
            () => { Object.setPrototypeOf(req.headers, { leak: 1 }) }, () => { req.query.__proto__ = { leak: 1 } },
            () => { Reflect.setPrototypeOf(res.headers, { leak: 1 }) }, () => { req.verb.name.leak = 1 },
            () => { Error.prepareStackTrace = () => 'leak' }, () => { Error.stackTraceLimit = 0 },
            () => { Object.defineProperty(String.prototype, 'contains', { value: () => true }) },
        ];
        for (const attempt of attempts) { try { attempt() } catch (e) { } }
    "],
    );

    let ran = set.run_all(vec![call("GET", "/leak", ""), call("GET", "/look", "")]);

    let [leaks, looks] = <[Ran; 2]>::try_from(ran).expect("two");
    assert!(
        matches!(leaks.verdict, Verdict::Continue),
        "{:?}",
        leaks.verdict
    );
    assert_eq!(message(&rejection(looks)), "clean");
}

#[test]
fn a_frozen_realm_does_not_get_in_the_way() {
    let source = r"
        var o = {}; o.toString = () => 'mine'; if (String(o) !== 'mine') throw 'toString';
        function F() {} F.prototype.toString = () => 'f'; if (`${new F()}` !== 'f') throw 'prototype';
        class Mine extends Error { constructor(m) { super(m); this.name = 'Mine'; this.message = m + '!' } }
        if (String(new Mine('x')) !== 'Mine: x!') throw 'class';
        if (Object.keys(Object.assign(Object.create({}), { constructor: 1 })).join() !== 'constructor') throw 'constructor';
        if (!(function () {} instanceof Function) || typeof eval !== 'function') throw 'typeof';
    ";
    let ran = Set::of(Kind::Request, &[source]).run(call("GET", "/", ""));
    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{:?}",
        ran.verdict
    );
}
