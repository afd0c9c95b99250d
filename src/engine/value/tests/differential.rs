//! Random documents and random handlers: lazy values against plain ones, and bytes against bytes.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rquickjs::{CatchResultExt, Ctx, Function, Value};

use super::lazily;
use crate::document::{Document, Kind};
use crate::engine::value::{open, write};

/// How many documents a plain run tries; `DIFFERENTIAL_ROUNDS` asks for more.
const ROUNDS: u64 = 3000;

/// Does random things to the members of `json` that it is given the keys of, and says what it saw.
const HANDLER: &str = r#"
(function handler(json, allowed, seed) {
    const random = below => {
        seed ^= seed << 13; seed ^= seed >>> 17; seed ^= seed << 5; seed >>>= 0;
        return seed % below;
    };
    const pick = list => list[random(list.length)];
    const KEYS = ['a', 'b', 'c', 'd', '1', '10', '__proto__', '\u00e9', '', 'toString', 'length', 'new'];
    // Not what both runs share.
    const shared = [null, Object.prototype, Array.prototype];
    const isContainer = value => typeof value === 'object' && !shared.includes(value);
    const within = (container, depth = 0) => {
        // A random container below this one, without looking at more than the way to it.
        if (depth > 4 || random(3) === 0) return container;
        const key = Array.isArray(container) ? random(container.length + 1) : random(3) ? pick(KEYS) : pick([...Object.keys(container), 'a']);
        const next = Object.hasOwn(container, key) ? container[key] : undefined;
        return isContainer(next) ? within(next, depth + 1) : container;
    };
    const start = () => {
        const value = json[pick(allowed)];
        return isContainer(value) ? within(value) : undefined;
    };
    const fresh = () => pick([() => 1, () => 'text \u00e9 "', () => null, () => true, () => random(100) / 4, () => [1, {x: 2}], () => ({a: {b: []}}), () => start() ?? 5])();
    const saw = [];
    const note = value => saw.push(isContainer(value) ? (Array.isArray(value) ? value.length : Object.keys(value).join()) : value);
    const acts = [
        (o, k) => note(o[k]),
        (o, k) => note(k in o),
        (o, k) => note(Object.keys(o)),
        (o, k) => { delete o[k] },
        (o, k) => { o[k] = fresh() },
        (o, k) => { o[k] = fresh() },
        (o, k) => { o[k] = o[k] },
        (o, k) => { const value = o[k]; delete o[k]; const other = start(); if (other && value !== undefined) other[k] = value },
        (o, k) => { if (typeof o[k] === 'number') o[k] = o[k] + 1 },
        (o, k) => { for (const key in o) if (random(4) === 0) delete o[key] },
        (o, k) => { if (!Array.isArray(o)) Object.assign(o, {...o, added: 1}) },
        (o, k) => { if (random(8) === 0) Object.freeze(o) },
        (o, k) => { if (random(8) === 0) Object.preventExtensions(o) },
        (o, k) => { if (random(4) === 0) note(Reflect.defineProperty(o, k, {value: fresh(), enumerable: random(2) === 0, writable: random(2) === 0})) },
        (o, k) => { if (random(4) === 0) note(Reflect.defineProperty(o, k, {get: () => 7, enumerable: true, configurable: true})) },
        (o, k) => note(Object.getOwnPropertyDescriptor(o, k)?.writable),
        (o, k) => note(JSON.stringify(Object.entries(o).map(([key, value]) => [key, typeof value]))),
        (o, k) => { const {a, ...rest} = o; note(rest) },
        (o, k) => { Object.setPrototypeOf(o, random(2) ? Object.getPrototypeOf(o) : null) },
    ];
    const arrays = [
        a => a.push(fresh()), a => note(a.pop()), a => note(a.shift()), a => a.unshift(fresh()),
        a => a.reverse(), a => a.splice(random(a.length + 1), random(3), fresh()), a => a.sort((x, y) => String(typeof x).localeCompare(typeof y)),
        a => note(a.map(x => typeof x).join()), a => note(a.indexOf(1)), a => { a.length = random(a.length + 2) }, a => { if (a.length) a[random(a.length)] = fresh() },
    ];
    const steps = random(12);
    for (let step = 0; step < steps; step++) {
        const target = start();
        try {
            if (target === undefined) { if (random(3) === 0) json[pick(allowed)] = fresh() }
            else if (Array.isArray(target) && random(4)) pick(arrays)(target);
            else pick(acts)(target, Array.isArray(target) ? random(target.length + 1) : pick(KEYS));
        } catch (error) {
            saw.push(error.constructor.name);
        }
    }
    return saw;
})
"#;

/// What is left for JSON of a value: enumerable members in the order of their keys, holes as
/// `null`. Text for a cycle.
const CANONICAL: &str = r"
(function canonical(value, path = []) {
    if (Object.is(value, -0)) return 0;
    if (typeof value === 'number' && !isFinite(value)) return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (path.includes(value)) throw new TypeError('cycle');
    path = [...path, value];
    const has_text = value => value !== undefined && typeof value !== 'function';
    if (Array.isArray(value)) return Array.from(value, item => has_text(item) ? canonical(item, path) : null);
    return Object.keys(value).sort().filter(key => has_text(value[key])).map(key => [key, canonical(value[key], path)]);
})
";

/// A small generator of numbers (xorshift), so that a failure can be found again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn blanks(&mut self, spaced: bool) -> &'static str {
        if spaced {
            self.pick(&["", "", " ", "  ", "\n", "\t", "\r\n  "])
        } else {
            ""
        }
    }

    fn value(&mut self, depth: usize, spaced: bool) -> String {
        match self.below(if depth > 3 { 6 } else { 10 }) {
            0..=2 => self
                .pick(&[
                    "0",
                    "-0",
                    "1",
                    "1.0",
                    "1.00",
                    "10",
                    "1e1",
                    "1E+1",
                    "1.10",
                    "1.1",
                    "-5",
                    "9007199254740993",
                    "1e400",
                    "0.1",
                    "123456789012345678",
                    "2",
                    "2.5",
                    "2.50",
                    "25e-1",
                ])
                .to_owned(),
            3 | 4 => self
                .pick(&[
                    r#""""#,
                    r#""a""#,
                    r#""\u0061""#,
                    r#""\/""#,
                    r#""é""#,
                    r#""\u00E9""#,
                    r#""\ud83d\ude42""#,
                    r#""\ud800""#,
                    r#""x\"y\\z\n""#,
                    "\"🙂\"",
                ])
                .to_owned(),
            5 => self.pick(&["true", "false", "null"]).to_owned(),
            6 | 7 => {
                let items: Vec<String> = (0..self.below(5))
                    .map(|_| self.value(depth + 1, spaced))
                    .collect();
                self.list('[', &items, ']', spaced)
            }
            _ => {
                let count = if self.below(12) == 0 {
                    20
                } else {
                    self.below(6)
                };
                let items: Vec<String> = (0..count).map(|_| self.member(depth, spaced)).collect();
                self.list('{', &items, '}', spaced)
            }
        }
    }

    fn member(&mut self, depth: usize, spaced: bool) -> String {
        let key = self.pick(&[
            r#""a""#,
            r#""a""#,
            r#""b""#,
            r#""c""#,
            r#""d""#,
            r#""\u0061""#,
            r#""1""#,
            r#""10""#,
            r#""__proto__""#,
            r#""é""#,
            r#""""#,
            r#""toString""#,
            r#""length""#,
            r#""4294967295""#,
            r#""k1""#,
            r#""k2""#,
            r#""k3""#,
        ]);
        let (before, after) = (self.blanks(spaced), self.blanks(spaced));
        format!("{key}{before}:{after}{}", self.value(depth + 1, spaced))
    }

    fn list(&mut self, open: char, items: &[String], close: char, spaced: bool) -> String {
        let mut text = String::from(open);
        for (at, item) in items.iter().enumerate() {
            let (before, after) = (self.blanks(spaced), self.blanks(spaced));
            let comma = if at == 0 { "" } else { "," };
            write!(text, "{comma}{before}{item}{after}").expect("a string takes everything");
        }
        if items.is_empty() {
            text += self.blanks(spaced);
        }
        text.push(close);
        text
    }
}

/// The members of the root, by key: the key's spelling and the value's.
fn members(text: &str) -> Vec<(String, String)> {
    let document = Document::parse(Bytes::copy_from_slice(text.as_bytes()))
        .unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(document.kind(document.root()), Kind::Object);
    let spelling =
        |node| String::from_utf8(document.spelling(node).to_vec()).expect("a document is UTF-8");
    document
        .children(document.root())
        .map(|key| (spelling(key), spelling(key.value())))
        .collect()
}

/// JSON without blanks outside its strings, the slow way.
fn compact(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    text.chars()
        .filter(|&c| {
            let keep = in_string || !c.is_whitespace();
            match (in_string, escaped, c) {
                (true, true, _) => escaped = false,
                (true, false, '\\') => escaped = true,
                (_, _, '"') => in_string = !in_string,
                _ => {}
            }
            keep
        })
        .collect()
}

struct Functions<'js> {
    handler: Function<'js>,
    canonical: Function<'js>,
    parse: Function<'js>,
    native_stringify: Function<'js>,
    stringify: Function<'js>,
}

impl<'js> Functions<'js> {
    fn new(ctx: &Ctx<'js>) -> Self {
        let function = |source: &str| {
            ctx.eval(source)
                .catch(ctx)
                .unwrap_or_else(|error| panic!("{error}"))
        };
        Self {
            handler: function(HANDLER),
            canonical: function(CANONICAL),
            parse: function("native.parse"),
            native_stringify: function("native.stringify"),
            stringify: function("JSON.stringify"),
        }
    }

    /// The value as text that is the same for equal values, or `None` if it has a cycle.
    fn canonical_text(&self, ctx: &Ctx<'js>, value: &Value<'js>) -> Option<String> {
        let canonical: Value<'js> = self.canonical.call((value,)).catch(ctx).ok()?;
        Some(
            self.native_stringify
                .call((canonical,))
                .expect("it has a text"),
        )
    }
}

/// A document, and what a handler may do to it.
struct Case {
    text: String,
    /// The members that the handler is told of.
    allowed: Vec<String>,
    script_seed: u32,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let spaced = random.below(2) == 0;
        let keys: Vec<String> = (0..6).map(|number| format!("k{number}")).collect();
        let mut member = |key| {
            let blanks = random.blanks(spaced);
            format!("\"{key}\":{blanks}{}", random.value(0, spaced))
        };
        let items: Vec<String> = keys.iter().map(&mut member).collect();
        Self {
            text: random.list('{', &items, '}', spaced),
            allowed: keys[..=random.below(5)].to_vec(),
            script_seed: u32::try_from(random.below(1 << 30)).expect("30 bits fit") + 1,
        }
    }

    /// Runs the handler; returns what it saw.
    fn run<'js>(&self, ctx: &Ctx<'js>, functions: &Functions<'js>, json: &Value<'js>) -> String {
        let arguments = (json, self.allowed.clone(), self.script_seed);
        let saw: Value<'js> = functions
            .handler
            .call(arguments)
            .catch(ctx)
            .unwrap_or_else(|error| panic!("{error}"));
        functions
            .canonical_text(ctx, &saw)
            .expect("what it saw has no cycle")
    }

    /// Members that the handler was not told of must be in `after` as they were, `spelled` so.
    fn check_untouched(&self, after: &str, spelled: impl Fn(&str) -> String) {
        let after = members(after);
        for (key, value) in members(&self.text) {
            if self
                .allowed
                .iter()
                .any(|allowed| key == format!("\"{allowed}\""))
            {
                continue;
            }
            let found = after.iter().find(|(other, _)| *other == key);
            assert_eq!(
                found.map(|(_, value)| value),
                Some(&spelled(&value)),
                "{key} was not touched"
            );
        }
    }
}

fn round<'js>(ctx: &Ctx<'js>, functions: &Functions<'js>, case: &Case) {
    let text = &case.text;
    let lazy = open(ctx, Bytes::copy_from_slice(text.as_bytes())).expect("it is JSON");
    let plain: Value<'js> = functions.parse.call((text,)).expect("it is JSON");

    assert_eq!(
        case.run(ctx, functions, &lazy),
        case.run(ctx, functions, &plain),
        "it saw another value"
    );
    // Written before anything else is read, and again after all of it was.
    let written = write(ctx, &lazy).catch(ctx);
    let expected = functions.canonical_text(ctx, &plain);
    assert_eq!(
        functions.canonical_text(ctx, &lazy),
        expected,
        "it left another value"
    );
    let Some(expected) = expected else {
        assert!(written.is_err(), "a cycle has no text");
        return;
    };
    let written = written
        .unwrap_or_else(|error| panic!("{error}"))
        .expect("an object has a text");
    let written = String::from_utf8(written).expect("a text is UTF-8");
    let again = write(ctx, &lazy).expect("it was written before");
    assert_eq!(
        again.as_deref(),
        Some(written.as_bytes()),
        "reading changed the text"
    );
    let compacted: String = functions
        .stringify
        .call((&lazy,))
        .expect("it was written before");
    assert_eq!(compact(&compacted), compacted, "there are blanks");

    for text in [&written, &compacted] {
        let read: Value<'js> = functions
            .parse
            .call((text,))
            .unwrap_or_else(|_| panic!("no JSON: {text}"));
        assert_eq!(
            functions.canonical_text(ctx, &read).as_ref(),
            Some(&expected),
            "another value: {text}"
        );
    }
    case.check_untouched(&written, str::to_owned);
    case.check_untouched(&compacted, compact);
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_handlers_leave_lazy_values_as_they_leave_plain_ones() {
    let first = setting("DIFFERENTIAL_FIRST").unwrap_or(0);
    let rounds = setting("DIFFERENTIAL_ROUNDS").unwrap_or(ROUNDS);
    lazily(|ctx| {
        let functions = Functions::new(ctx);
        for seed in first..first + rounds {
            let case = Case::new(seed);
            let outcome = catch_unwind(AssertUnwindSafe(|| round(ctx, &functions, &case)));
            assert!(outcome.is_ok(), "seed {seed}: {}", case.text);
        }
    });
}
