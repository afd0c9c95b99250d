//! Texts on their way between JavaScript and the rest.
//!
//! A string of JavaScript may have half of a surrogate pair in it, for which UTF-8 has no bytes. What leaves
//! JavaScript has U+FFFD in its place, as `USVString` says (Web IDL §3.2.12): names, fields, paths, logs,
//! messages, bodies of text. JSON alone has a spelling for it, and keeps it.
//!
//! Every text that a script gives goes through here, so that none of them can fail for what is in it.

use std::borrow::Cow;

use rquickjs::qjs;

/// What a head may hold at most, in bytes: longer texts are of no field, path or query.
pub(super) const HEAD: usize = 1024 * 1024;

/// UTF-8 in which surrogates may stand as if they were characters, as QuickJS gives it, as UTF-8: three
/// bytes become three others.
pub(super) fn mended(mut wtf8: Vec<u8>) -> String {
    let mut from = 0;
    while let Some(at) = memchr::memchr(0xED, &wtf8[from..]).map(|at| from + at) {
        if let [_, 0xA0..=0xBF, _, ..] = wtf8[at..] {
            wtf8[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
        from = at + 1;
    }
    String::from_utf8(wtf8).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into())
}

/// JSON in whose strings unpaired surrogates stand as escapes, which `JSON.stringify` makes of them, with
/// U+FFFD in their places: for readers that know Unicode only.
pub(super) fn mended_json(json: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', json.as_bytes()).is_none() {
        return Cow::Borrowed(json);
    }
    let mut bytes = json.as_bytes().to_vec();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]).map(|found| at + found) {
        let unit = unit(&bytes[found..]);
        let is_pair = matches!(unit, Some(0xD800..=0xDBFF))
            && matches!(unit_at(&bytes, found + 6), Some(0xDC00..=0xDFFF));
        at = match unit {
            Some(_) if is_pair => found + 12,
            Some(0xD800..=0xDFFF) => {
                bytes[found + 2..found + 6].copy_from_slice(b"fffd");
                found + 6
            }
            Some(_) => found + 6,
            None => (found + 2).min(bytes.len()),
        };
    }
    Cow::Owned(mended(bytes))
}

fn unit_at(json: &[u8], at: usize) -> Option<u16> {
    json.get(at..).and_then(unit)
}

/// The UTF-16 unit of an escape of the form `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The text of a string; `None` of another value, and of one that is longer than any text of a
/// message.
///
/// # Safety
///
/// `context` is alive, and the caller holds `value` for the call.
pub(super) unsafe fn text_of(
    context: *mut qjs::JSContext,
    value: qjs::JSValue,
) -> Option<Box<str>> {
    // SAFETY: as the caller promises. The bytes are read before they are freed, once.
    unsafe {
        if !qjs::JS_IsString(value) {
            return None;
        }
        let mut length = 0;
        let bytes = qjs::JS_ToCStringLen(context, &raw mut length, value);
        if bytes.is_null() {
            return None;
        }
        let text = std::slice::from_raw_parts(bytes.cast::<u8>(), length as _);
        let text = (text.len() <= HEAD).then(|| match std::str::from_utf8(text) {
            Ok(text) => Box::from(text),
            Err(_) => mended(text.to_vec()).into(),
        });
        qjs::JS_FreeCString(context, bytes);
        text
    }
}

/// The string of a text in UTF-8, for the caller to free, or the mark of an exception where there
/// is no memory.
///
/// # Safety
///
/// `context` is alive.
pub(super) unsafe fn string(context: *mut qjs::JSContext, text: &[u8]) -> qjs::JSValue {
    // SAFETY: as the caller promises; QuickJS copies the text.
    unsafe { qjs::JS_NewStringLen(context, text.as_ptr().cast(), text.len() as _) }
}

#[cfg(test)]
mod tests {
    use super::{mended, mended_json};

    #[test]
    fn each_half_of_a_pair_becomes_one_replacement() {
        for (wtf8, expected) in [
            (&b"plain"[..], "plain"),
            (b"\xED\xA0\x80", "\u{FFFD}"),
            (b"a\xED\xBF\xBFb\xED\xA0\x80", "a\u{FFFD}b\u{FFFD}"),
            (
                "\u{D7FF}\u{E000}\u{1F642}".as_bytes(),
                "\u{D7FF}\u{E000}\u{1F642}",
            ),
            (b"\xED\xA0\x80\xED\xA0\x80", "\u{FFFD}\u{FFFD}"),
        ] {
            assert_eq!(mended(wtf8.to_vec()), expected);
        }
    }

    #[test]
    fn escapes_of_halves_become_replacements_and_others_stay() {
        for (json, expected) in [
            (r#"{"a":"\ud83d\ude42"}"#, r#"{"a":"\ud83d\ude42"}"#),
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#"["\ude42\ud83d\n\u0041"]"#, r#"["\ufffd\ufffd\n\u0041"]"#),
            (r#"["\\ud83d"]"#, r#"["\\ud83d"]"#),
            (r#"["\ud83d\ud83d\ude42"]"#, r#"["\ufffd\ud83d\ude42"]"#),
            (r#"["\\"#, r#"["\\"#),
        ] {
            assert_eq!(mended_json(json), expected);
        }
    }
}
