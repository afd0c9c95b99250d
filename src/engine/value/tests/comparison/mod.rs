//! Lazy values against plain ones: the same handler on the same document, twice; and what it was
//! not told of, byte against byte.
//!
//! The package that fuzzes compiles this in as well.

mod case;

use bytes::Bytes;
use rquickjs::{CatchResultExt, Ctx, Function, IntoJs, Object, Result, Value};

pub(super) use self::case::Case;
use self::case::Script;
use super::plain;
use crate::document::{Document, Form, Kind};
use crate::engine::value::{forget, install, open, write_as};

const HANDLER: &str = include_str!("handler.js");
const CANONICAL: &str = include_str!("canonical.js");

/// Texts of cases are short: nearly everything is in pieces.
const PIECES: Form = Form::Pieces { shared: 8 };

/// The most that a case writes.
const LONGEST_TEXT: usize = 1 << 20;

/// Makes a context ready to compare in, one whose built-ins are as they came.
pub(super) fn prepare(ctx: &Ctx<'_>) -> Result<()> {
    plain::keep(ctx)?;
    install(ctx, LONGEST_TEXT, None)?;
    let functions = Object::new(ctx.clone())?;
    functions.set("handler", ctx.eval::<Value<'_>, _>(HANDLER)?)?;
    functions.set("canonical", ctx.eval::<Value<'_>, _>(CANONICAL)?)?;
    functions.set("stringify", ctx.eval::<Value<'_>, _>("JSON.stringify")?)?;
    ctx.globals().set("comparison", functions)
}

/// Runs a case on lazy values and on plain ones.
///
/// # Panics
///
/// Where a handler sees or leaves another value, or a text is not what it should be.
pub(super) fn compare(ctx: &Ctx<'_>, case: &Case) {
    let text = Bytes::copy_from_slice(case.text.as_bytes());
    let lazy = open(ctx, text.clone()).expect("it is JSON");
    let plain = plain::open(ctx, &text).expect("it is JSON");

    assert_eq!(
        case.run(ctx, &lazy),
        case.run(ctx, &plain),
        "it saw another value"
    );
    // Written before anything else is read, and again after all of it was.
    let written = write_as(ctx, &lazy, PIECES).catch(ctx);
    let expected = canonical_text(ctx, &plain);
    assert_eq!(
        canonical_text(ctx, &lazy),
        expected,
        "it left another value"
    );
    if let Some(expected) = expected {
        let written = written
            .unwrap_or_else(|error| panic!("{error}"))
            .expect("an object has a text");
        let again = write_as(ctx, &lazy, Form::Whole).expect("it was written before");
        assert_eq!(again.as_ref(), Some(&written), "reading changed the text");
        check_written(ctx, case, written.joined(), &expected);
        check_compact(ctx, &lazy, &again.unwrap_or_default().joined());
    } else {
        assert!(written.is_err(), "a cycle has no text");
    }
    forget(ctx);
}

/// What was written must be JSON, the same value, and have what the handler was not told of in the
/// bytes that it came in.
fn check_written(ctx: &Ctx<'_>, case: &Case, written: Bytes, expected: &str) {
    let read = plain::open(ctx, &written)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&written)));
    assert_eq!(
        canonical_text(ctx, &read).as_deref(),
        Some(expected),
        "another value: {}",
        String::from_utf8_lossy(&written)
    );
    let after = members(written);
    for (key, value) in members(Bytes::copy_from_slice(case.text.as_bytes())) {
        let is_allowed = |allowed: &String| key == format!("\"{allowed}\"");
        if case.allowed.iter().any(is_allowed) {
            continue;
        }
        let found = after.iter().find(|(other, _)| *other == key);
        assert_eq!(
            found.map(|(_, value)| value),
            Some(&value),
            "{key} was not touched"
        );
    }
}

/// `JSON.stringify` must give the text that was written, without its blanks.
fn check_compact<'js>(ctx: &Ctx<'js>, lazy: &Value<'js>, written: &[u8]) {
    let compacted: String = function(ctx, "stringify")
        .call((lazy.clone(),))
        .expect("it was written before");
    let written = std::str::from_utf8(written).expect("a text is UTF-8");
    assert_eq!(compacted, compact(written));
}

impl Case {
    /// Runs the handler; returns what it saw.
    fn run<'js>(&self, ctx: &Ctx<'js>, json: &Value<'js>) -> String {
        let choices = match &self.script {
            Script::Number(number) => number.into_js(ctx),
            Script::Bytes(bytes) => bytes.clone().into_js(ctx),
        };
        let arguments = (json.clone(), self.allowed.clone(), choices.expect("memory"));
        let saw: Value<'js> = function(ctx, "handler")
            .call(arguments)
            .catch(ctx)
            .unwrap_or_else(|error| panic!("{error}"));
        canonical_text(ctx, &saw).expect("what it saw has no cycle")
    }
}

fn function<'js>(ctx: &Ctx<'js>, name: &str) -> Function<'js> {
    let functions: Object<'js> = ctx.globals().get("comparison").expect("it was prepared");
    functions.get(name).expect("it was prepared")
}

/// The value as text that is the same for equal values, or `None` if it has a cycle.
fn canonical_text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Option<String> {
    let canonical: Value<'js> = function(ctx, "canonical")
        .call((value.clone(),))
        .catch(ctx)
        .ok()?;
    plain::write(ctx, &canonical).expect("it has a text")
}

/// The members of the root, by key: the key's spelling and the value's.
fn members(text: Bytes) -> Vec<(String, String)> {
    let document = Document::parse(text).expect("it was read before");
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
