use super::{call, lazily, plain};
use bytes::Bytes;
use rquickjs::{Ctx, Function, Value};

use crate::engine::value::open;

/// What a handler sees and returns, as text that JSON can hold.
const SHOW: &str = r"
(function show(value, seen = []) {
    if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function' || value === undefined) return String(value);
    if (Object.is(value, -0)) return '-0';
    if (typeof value === 'number' && !isFinite(value)) return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (seen.includes(value)) return 'cycle';
    seen = [...seen, value];
    if (Array.isArray(value)) return value.map(item => show(item, seen));
    return Reflect.ownKeys(value).map(key => {
        const { value: held, get, set, ...flags } = Object.getOwnPropertyDescriptor(value, key);
        return [String(key), show(held, seen), String(get), String(set), flags.writable, flags.enumerable, flags.configurable];
    });
})
";

fn shown<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> String {
    let show: Function<'js> = ctx.eval(SHOW).expect("it compiles");
    let shown: Value<'js> = show.call((value,)).expect("it shows everything");
    plain::write(ctx, &shown)
        .expect("memory for a text")
        .expect("what is shown has a text")
}

/// What a script returns, and what it leaves.
fn outcome<'js>(ctx: &Ctx<'js>, script: &str, json: Value<'js>) -> [String; 2] {
    [
        shown(ctx, call(ctx, script, json.clone())),
        shown(ctx, json),
    ]
}

const DOCUMENT: &str = r#"{"name":"Ada","n":1.50,"big":9007199254740993,"tags":["x","y",3],"nested":{"a":{"b":[{"c":1},{"c":2}]},"t":true,"z":null},
  "10":"ten","2":"two","dup":1,"dup":2,"__proto__":{"p":1},"toString":"mine","length":7,"e":"\u00e9\n\ud83d\ude42","lone":"\ud800","":"empty","\udc00":"half a key","empty":{},"list":[]}"#;

/// Each is the body of a function of `json`; what it returns and what it leaves of `json` must not
/// tell lazy from plain.
const SCRIPTS: &[&str] = &[
    "return Object.keys(json)",
    "return Reflect.ownKeys(json)",
    "return Object.entries(json)",
    "return Object.values(json)",
    "let keys = []; for (const key in json) keys.push(key); return keys",
    "return [json.name, json.n, json.big, json['10'], json[2], json.dup, json.e, json.lone, json['']]",
    "return json.missing",
    "return [json.toString, json.hasOwnProperty === Object.prototype.hasOwnProperty, json.constructor === Object]",
    "return Object.getPrototypeOf(json) === Object.prototype",
    "return Object.getOwnPropertyDescriptor(json, '__proto__')",
    "return json.__proto__",
    "json.__proto__ = 5; return json",
    "delete json.__proto__; return [json.__proto__ === Object.prototype, json]",
    "delete json.__proto__; json.__proto__ = {q: 1}; return [json.q, Object.keys(json)]",
    "return [json instanceof Object, Array.isArray(json), Array.isArray(json.tags), typeof json, Object.prototype.toString.call(json)]",
    "return [json.nested === json.nested, json.tags === json.tags, json.nested.a.b[0] === json.nested.a.b[0]]",
    "return ['name' in json, 'missing' in json, 'hasOwnProperty' in json, Object.hasOwn(json, 'n'), Object.hasOwn(json, 'x')]",
    "delete json.name; return json",
    "delete json.name; json.name = 'back'; return Object.keys(json)",
    "delete json.dup; return [json.dup, Object.keys(json)]",
    "json.dup = 9; return Object.keys(json)",
    "delete json.missing; return json",
    "for (const key of Object.keys(json)) delete json[key]; return json",
    "for (const key in json) delete json[key]; return json",
    "json.n++; json.n += 2; json.name += '!'; json.nested.t &&= 0; json.x ??= 1; return json",
    "json[5] = 'five'; json[1] = 'one'; json['01'] = 'no index'; json[4294967294] = 'last'; json[4294967295] = 'beyond'; return Object.keys(json)",
    "json.x = 1; json[Symbol('s')] = 2; json[3] = 3; json.y = 4; return Reflect.ownKeys(json).map(String)",
    "return {...json, extra: 1}",
    "const {name, nested: {a: {b: [first, ...others]}}, ...rest} = json; return [name, first, others, rest]",
    "const {missing = 'default', tags: [x, , z = 5]} = json; return [missing, x, z]",
    "return Object.assign({}, json, {n: 0})",
    "Object.assign(json, {n: 0, added: [1]}); return json",
    "return Object.fromEntries(Object.entries(json).filter(([key]) => key.length < 4))",
    "return Object.defineProperty(json, 'name', {value: 'Eve'})",
    "return Object.defineProperty(json, 'name', {enumerable: false})",
    "return Object.defineProperty(json, 'fresh', {value: 1})",
    "return Object.defineProperty(json, 'name', {get() { return this.n * 2 }, configurable: true})",
    "Object.defineProperty(json, 'name', {get() { return this.n * 2 }, set(v) { this.n = v }}); json.name = 21; return [json.name, json.n]",
    "Object.defineProperty(json, 'name', {get: () => 1, configurable: true}); Object.defineProperty(json, 'name', {value: 2}); return json",
    "Object.defineProperty(json, 'name', {get: () => 1, configurable: true}); Object.defineProperty(json, 'name', {set() {}}); return json",
    "Object.defineProperty(json, 'name', {get: () => 1, configurable: true}); Object.defineProperty(json, 'name', {writable: true}); return json",
    "Object.defineProperty(json, 'k', {get: () => 1}); try { Object.defineProperty(json, 'k', {get: () => 2}) } catch (e) { return e.constructor.name }",
    "Object.defineProperty(json, 'k', {value: 1}); return [Reflect.defineProperty(json, 'k', {value: 1}), Reflect.defineProperty(json, 'k', {value: 2}), Reflect.defineProperty(json, 'k', {enumerable: true}), Reflect.deleteProperty(json, 'k')]",
    "Object.defineProperty(json, 'k', {value: 1, writable: true}); return [Reflect.defineProperty(json, 'k', {value: 2}), Reflect.defineProperty(json, 'k', {writable: false}), Reflect.defineProperty(json, 'k', {writable: true}), json.k]",
    "Object.defineProperty(json, 'k', {value: 1}); try { (function () { 'use strict'; json.k = 2 })() } catch (e) { return [e.constructor.name, json.k] }",
    "Object.defineProperty(json, 'k', {value: 1}); json.k = 2; return [json.k, delete json.k]",
    "Object.defineProperty(json, 'k', {value: 1}); try { (function () { 'use strict'; delete json.k })() } catch (e) { return [e.constructor.name, json.k] }",
    "Object.defineProperty(json, 'k', {set: undefined, configurable: true}); try { (function () { 'use strict'; json.k = 2 })() } catch (e) { return [e.constructor.name, json.k, delete json.k] }",
    "Object.defineProperty(json, 'k', {set(v) { this.got = v }, configurable: true}); json.k = 3; return [json.k, json.got, delete json.k]",
    "Object.defineProperty(json, 'k', {get: () => 1, set() {}}); return [Reflect.defineProperty(json, 'k', {set() {}}), Reflect.defineProperty(json, 'k', {value: 1}), Reflect.defineProperty(json, 'k', {get: Object.getOwnPropertyDescriptor(json, 'k').get})]",
    "Object.defineProperty(json, 'k', {get: () => 1, configurable: true}); Object.defineProperty(json, 'k', {enumerable: true}); return json",
    "Object.defineProperty(json, 'k', {value: 1}); return Reflect.defineProperty(json, 'k', {get: () => 1})",
    "Object.defineProperties(json, {a: {value: 1, enumerable: true}, b: {get() { return 3 }, enumerable: true}}); return {...json}",
    "Object.freeze(json); json.name = 'x'; json.x = 1; delete json.n; json.tags.push(4); return [json, Object.isFrozen(json), Object.isSealed(json), Object.isExtensible(json)]",
    "Object.freeze(json); try { (function () { 'use strict'; json.name = 1 })() } catch (e) { return e.constructor.name }",
    "Object.freeze(json); try { (function () { 'use strict'; json.fresh = 1 })() } catch (e) { return e.constructor.name }",
    "Object.freeze(json); try { Object.defineProperty(json, 'fresh', {value: 1}) } catch (e) { return e.constructor.name }",
    "Object.seal(json); json.name = 'x'; delete json.n; return [json, Object.isFrozen(json), Object.isSealed(json)]",
    "Object.preventExtensions(json); json.x = 1; delete json.n; json.n = 3; return json",
    "const deep = o => { Object.values(o).forEach(v => typeof v === 'object' && v && deep(v)); return Object.freeze(o) }; deep(json); return Object.isFrozen(json.nested.a.b)",
    "const child = Object.create(json); child.name = 'own'; return [child.name, child.n, Object.keys(child), json.name]",
    "const child = Object.create(json); let keys = []; for (const key in child) keys.push(key); return keys",
    "Object.setPrototypeOf(json.nested, {inherited: 1, get g() { return this.t }}); return [json.nested.inherited, json.nested.g, Object.keys(json.nested)]",
    "Object.setPrototypeOf(json.nested, null); return [json.nested.toString, 'toString' in json.nested]",
    "class P { set v(x) { this.got = x } }; Object.setPrototypeOf(json.nested, P.prototype); json.nested.v = 3; return json.nested",
    "return [json.tags.length, json.tags.map(x => x + '!'), json.tags.indexOf(3), json.tags.includes('y'), json.tags.join('-'), [...json.tags]]",
    "json.tags.push(1, 2); json.tags.unshift(0); json.tags.splice(1, 2, 'a', 'b', 'c'); json.tags.reverse(); return json.tags",
    "json.nested.a.b.sort((x, y) => y.c - x.c); return json.nested.a.b",
    "json.nested.a.b.push({c: 3}); json.nested.a.b[0].c = 'changed'; return json.nested.a.b.filter(x => x.c !== 2)",
    "json.tags[10] = 'far'; return [json.tags.length, 5 in json.tags, json.tags]",
    "delete json.tags[1]; return [1 in json.tags, json.tags]",
    "json.tags.length = 1; return json.tags",
    "json.tags.extra = 1; return [Object.keys(json.tags), Reflect.ownKeys(json.tags), Object.getOwnPropertySymbols(json.tags)]",
    "return [Object.getOwnPropertyNames(json.tags), Object.entries(Object.getOwnPropertyDescriptors(json.tags)).length]",
    "return [json.tags.concat([1]), json.tags.slice(1), json.tags.flat(), Array.from(json.tags), json.tags.at(-1)]",
    "Object.freeze(json.tags); return [Object.isFrozen(json.tags), Reflect.set(json.tags, 0, 'z'), json.tags]",
    "json.self = json; return json.self === json && json.self.self.name",
    "json.nested.parent = json; return json.nested.parent.nested === json.nested",
    "json.copy = json.nested; json.copy.t = 'both'; return [json.nested.t, json.copy === json.nested]",
    "with (json) { name = 'with'; return [name, n] }",
    "return json?.nested?.missing?.deeper",
    "return `${json.name} ${json.n} ${json.nested}`",
    "try { return String(json) } catch (e) { return e.constructor.name }",
    "return Reflect.get(json, 'name') + Reflect.has(json, 'x') + Reflect.set(json, 'x', 1) + json.x",
    "return Reflect.set({}, 'name', 5, json) && json.name",
    "return Reflect.set(json, 'name', 5, {}) && json.name",
    "const o = {}; Reflect.set(json, 'name', 5, o); return o",
    "const p = new Proxy(json, {}); p.name = 'via proxy'; delete p.n; return [Object.keys(p), json.name, {...p}]",
    "const p = new Proxy(json, {get: (t, k) => k === 'name' ? 'trapped' : t[k]}); return [p.name, p.n, JSON.stringify(p).includes('trapped')]",
    "const m = new Map([[json, 1], [json.nested, 2]]); return [m.get(json), m.get(json.nested), new WeakSet([json]).has(json)]",
    "return JSON.parse(JSON.stringify(json))",
    "return JSON.parse(JSON.stringify(json, null, 2))",
    "return native.stringify(json)",
    "return native.stringify(json, null, 1)",
    "return native.stringify(json, ['name', 'nested', 'a', 'b', 'c'])",
    "return native.stringify(json, (key, value) => key === 'nested' ? undefined : value)",
    "json.self = json; try { JSON.stringify(json) } catch (e) { return e.constructor.name }",
    "json.tags.push(json.tags); try { JSON.stringify(json) } catch (e) { return [e.constructor.name, json.tags.length] }",
    "json.nested.toJSON = function (key) { return [key, Object.keys(this)] }; return JSON.parse(JSON.stringify(json))",
    "Object.setPrototypeOf(json.nested, {toJSON() { return 'from the prototype' }}); return JSON.parse(JSON.stringify(json))",
    "json.tags.toJSON = key => 'tags of ' + key; return JSON.parse(JSON.stringify(json))",
    "Object.prototype.toJSON = function (key) { return key === 'nested' ? 'all' : this }; try { return JSON.parse(JSON.stringify(json)) } finally { delete Object.prototype.toJSON }",
    "const clone = o => typeof o !== 'object' || !o ? o : Array.isArray(o) ? o.map(clone) : Object.fromEntries(Object.entries(o).map(([k, v]) => [k, clone(v)])); return clone(json)",
    "json.nested.a.b.forEach((item, index, all) => { all[index] = {...item, index} }); return json.nested.a.b",
    "const groups = Object.groupBy(json.nested.a.b, item => item.c); return groups",
    "for (let i = 0; i < 100; i++) json['k' + i] = i; for (let i = 0; i < 100; i += 2) delete json['k' + i]; return Object.keys(json)",
    "json.k = 1; for (let i = 0; i < 1000; i++) { delete json.k; json.k = i } return json",
    "json.name = json.name; json.n = json.n; json.nested = json.nested; return json",
    "const {nested} = json; delete json.nested; nested.t = 'kept'; return [json.nested, nested]",
    "const tags = json.tags; json.tags = [1]; tags.push('still'); return [json.tags, tags]",
    "return Object.is(json.empty, json.empty) && [Object.keys(json.empty), json.list.length]",
    "json.empty.a = 1; json.list.push(1); return [json.empty, json.list]",
    "return Object.isExtensible(json) && [Object.isFrozen(json.empty), Object.isSealed(json.nested)]",
    "return json.propertyIsEnumerable('name') && json.hasOwnProperty('dup') && !json.nested.hasOwnProperty('x')",
    "json.__defineGetter__('g', () => 5); return [json.g, json.__lookupGetter__('g')()]",
    "let log = []; for (const [k, v] of Object.entries(json.nested)) log.push(k, typeof v); return log",
    "class Wrap { #secret; constructor(o) { return o } static mark(o) { return new Marked(o) } }; class Marked extends Wrap { #tag = 1; static has(o) { return #tag in o } }; new Marked(json); return [Marked.has(json), Marked.has(json.nested), Reflect.ownKeys(json).length]",
    "return [json.e.length, json.e.codePointAt(2), json.lone.charCodeAt(0), json.lone === '\\ud800']",
    "return [1 / JSON.parse('-0'), JSON.parse('[-0]').map(x => 1 / x), JSON.parse('1e400')]",
];

#[test]
fn a_script_cannot_tell_lazy_values_from_plain_ones() {
    for script in SCRIPTS {
        let (lazy, plain) = lazily(|ctx| {
            let lazy = open(ctx, Bytes::from_static(DOCUMENT.as_bytes())).expect("it is JSON");
            let text = Bytes::from_static(DOCUMENT.as_bytes());
            let plain = plain::open(ctx, &text).expect("it is JSON");
            (outcome(ctx, script, lazy), outcome(ctx, script, plain))
        });

        assert_eq!(lazy, plain, "{script}");
    }
}
