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

/// What marks our objects is nowhere to be learnt: a proxy in the place of any prototype sees no key
/// that the script has not named.
#[test]
fn no_private_name_of_ours_is_shown_to_a_proxy() {
    let source = "
        const seen = new Set();
        const note = (key) => { if (typeof key === 'symbol') seen.add(String(key)) };
        const traps = {
            get(target, key) { note(key); return Reflect.get(target, key) },
            has(target, key) { note(key); return Reflect.has(target, key) },
            set(target, key, value) { note(key); return Reflect.set(target, key, value) },
            getOwnPropertyDescriptor(target, key) { note(key); return Reflect.getOwnPropertyDescriptor(target, key) },
            defineProperty(target, key, value) { note(key); return Reflect.defineProperty(target, key, value) },
            deleteProperty(target, key) { note(key); return Reflect.deleteProperty(target, key) },
            ownKeys(target) { const keys = Reflect.ownKeys(target); keys.forEach(note); return keys },
        };
        const over = (target) => new Proxy(target, traps);
        const body = JSON.parse(json);
        const ask = [
            (it) => JSON.stringify(it), (it) => JSON.stringify([it]), (it) => JSON.stringify({ it }, null, 1),
            (it) => JSON.stringify(it, (key, value) => value), (it) => structuredClone(it), (it) => exact(it, 0),
            (it) => exact.text(it, 0), (it) => ({ ...it }), (it) => Object.assign({}, it), (it) => [...it],
            (it) => it.concat(it), (it) => it.flat(), (it) => { body.rows = it; JSON.stringify(body) },
            (it) => new URLSearchParams(it), (it) => new Headers(it), (it) => log.debug(it),
            (it) => { req.headers.x = it }, (it) => { req.userProperties.x = it; },
        ];
        for (const each of ask) {
            for (const make of [
                () => over([1]), () => over(body), () => over(body.rows), () => over({ a: [1] }),
                () => Object.setPrototypeOf([1, 2], over([])), () => Object.setPrototypeOf({ a: [1] }, over({})),
                () => Object.setPrototypeOf(JSON.parse('[1, [2]]'), over([])),
                () => Object.setPrototypeOf(JSON.parse('{\"a\": [1]}'), over({})),
            ]) {
                try { each(make()) } catch {}
            }
        }
        return [...seen].filter((name) => !name.startsWith('Symbol(Symbol.'));
    ";
    let ran = Set::of(Kind::Request, &[source]).run(call("POST", "/", r#"{"rows":[1,[2]]}"#));

    assert!(
        matches!(ran.verdict, Verdict::Answer(_)),
        "{:?}",
        ran.verdict
    );
    assert_eq!(response_body(&ran), "[]");
}

/// An object is what it is by its class: what it inherits, or says of itself, makes it nothing else.
#[test]
fn what_inherits_from_an_object_of_ours_is_none() {
    let source = "
        const body = JSON.parse(json);
        const rows = body.rows;
        const others = [
            Object.create(body), Object.setPrototypeOf({}, body), Object.create(rows),
            Object.setPrototypeOf([7], rows), new Proxy([7], { getPrototypeOf: () => rows }),
        ];
        return others.map((other) => JSON.stringify(other));
    ";
    let ran = Set::of(Kind::Request, &[source]).run(call("POST", "/", r#"{"rows":[1,[2]]}"#));

    assert_eq!(response_body(&ran), r#"["{}","{}","{}","[7]","[7]"]"#);
}
