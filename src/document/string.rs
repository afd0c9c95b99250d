//! Strings: what a JSON string stands for, and how one is spelled.

use super::out::Out;
use super::plain::plain_end;

/// What a string of a document stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text<'t> {
    /// UTF-8 as it stands between the quotes.
    Plain(&'t [u8]),
    /// Escapes were decoded.
    Decoded(String),
    /// Escapes name half a surrogate pair, which UTF-8 cannot hold: UTF-16.
    Unpaired(Vec<u16>),
}

/// What a string is made of.
enum Piece<'t> {
    /// Text that stands for itself, perhaps none.
    Plain(&'t str),
    /// What one escape stands for, or two that are a surrogate pair.
    Character(char),
    /// An escape that names half a pair.
    Unpaired(u16),
}

/// The pieces of what stands between the quotes of a valid JSON string.
fn pieces(inner: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = std::str::from_utf8(inner)
        .expect("a document is UTF-8, and a string in it begins and ends at an ASCII quote");
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(escape) = rest.strip_prefix('\\') else {
            let (plain, behind) = rest.split_at(rest.find('\\').unwrap_or(rest.len()));
            rest = behind;
            return Some(Piece::Plain(plain));
        };
        let (piece, length) = escaped(escape);
        rest = &escape[length..];
        Some(piece)
    })
}

/// What an escape stands for, and how long it is behind its backslash.
fn escaped(escape: &str) -> (Piece<'_>, usize) {
    let character = match escape.as_bytes()[0] {
        b'b' => '\u{8}',
        b'f' => '\u{C}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escaped(escape),
        itself => char::from(itself),
    };
    (Piece::Character(character), 1)
}

fn unicode_escaped(escape: &str) -> (Piece<'_>, usize) {
    let unit = |digits| {
        u16::from_str_radix(digits, 16).expect("the scan has found four hexadecimal digits here")
    };
    let first = unit(&escape[1..5]);
    let second = escape[5..].strip_prefix("\\u").map(|it| unit(&it[..4]));
    let mut decoded = char::decode_utf16([first].into_iter().chain(second));
    match decoded.next() {
        Some(Ok(character)) => (
            Piece::Character(character),
            if character.len_utf16() == 2 { 11 } else { 5 },
        ),
        Some(Err(_)) | None => (Piece::Unpaired(first), 5),
    }
}

/// Decodes what stands between the quotes of a valid JSON string. What that takes is no more than
/// twice as long.
pub(super) fn read(inner: &[u8]) -> Text<'_> {
    if !inner.contains(&b'\\') {
        return Text::Plain(inner);
    }
    let mut text = String::with_capacity(inner.len());
    for piece in pieces(inner) {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Character(character) => text.push(character),
            Piece::Unpaired(_) => {
                drop(text);
                return Text::Unpaired(units(inner));
            }
        }
    }
    Text::Decoded(text)
}

fn units(inner: &[u8]) -> Vec<u16> {
    let mut units = Vec::with_capacity(inner.len());
    for piece in pieces(inner) {
        match piece {
            Piece::Plain(plain) => units.extend(plain.encode_utf16()),
            Piece::Character(character) => {
                units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
            }
            Piece::Unpaired(unit) => units.push(unit),
        }
    }
    units
}

/// Whether what stands between the quotes stands for a text, without decoding it.
pub(super) fn stands_for(inner: &[u8], wtf8: &[u8]) -> bool {
    if !inner.contains(&b'\\') {
        return inner == wtf8;
    }
    let mut rest = wtf8;
    for piece in pieces(inner) {
        let behind = match piece {
            Piece::Plain(plain) => rest.strip_prefix(plain.as_bytes()),
            Piece::Character(character) => {
                rest.strip_prefix(character.encode_utf8(&mut [0; 4]).as_bytes())
            }
            Piece::Unpaired(unit) => rest.strip_prefix(&generalized(unit)),
        };
        let Some(behind) = behind else { return false };
        rest = behind;
    }
    rest.is_empty()
}

/// An unpaired surrogate as if it were a character: sixteen bits in three bytes, four, six and six
/// of them.
fn generalized(surrogate: u16) -> [u8; 3] {
    let [high, low] = surrogate.to_be_bytes();
    [
        0xE0 | high >> 4,
        0x80 | (high & 0x0F) << 2 | low >> 6,
        0x80 | (low & 0x3F),
    ]
}

/// Appends a string in quotes, spelled as `JSON.stringify` does, [ECMA-262 §25.5.2.3].
///
/// `text` is UTF-8 in which an unpaired surrogate may stand as if it were a character (WTF-8),
/// which is how a JavaScript engine hands its strings out; it becomes an escape.
pub(super) fn quote(out: &mut Out, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_end(rest, 0));
        mend(out, plain);
        if special.is_empty() {
            break;
        }
        rest = &special[put_special(out, special)..];
    }
    out.push(b'"');
}

/// Appends what `text` begins with, escaped where that is to be; gives how many bytes that was.
fn put_special(out: &mut Out, text: &[u8]) -> usize {
    let escape = match text[0] {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x09 => b't',
        0x0A => b'n',
        0x0C => b'f',
        0x0D => b'r',
        control @ 0x00..0x20 => {
            unicode_escape(out, u16::from(control));
            return 1;
        }
        plain => {
            out.push(plain);
            return 1;
        }
    };
    out.extend_from_slice(&[b'\\', escape]);
    1
}

/// Appends JSON in which unpaired surrogates may stand as if they were characters; they become
/// escapes.
pub(super) fn mend(out: &mut Out, text: &[u8]) {
    let mut copied = 0;
    for at in memchr::memchr_iter(0xED, text) {
        if is_unpaired_surrogate(&text[at..]) {
            out.extend_from_slice(&text[copied..at]);
            unicode_escape(out, surrogate(&text[at..]));
            copied = at + 3;
        }
    }
    out.extend_from_slice(&text[copied..]);
}

/// The length of the string that a piece of valid JSON begins with, quotes included.
pub(super) fn string_end(text: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match text.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return text.len(),
        }
    }
}

/// Whether `text` begins with a surrogate, U+D800 to U+DFFF, which is `ED A0 80` to `ED BF BF`.
fn is_unpaired_surrogate(text: &[u8]) -> bool {
    matches!(text, [0xED, 0xA0..=0xBF, _, ..])
}

fn surrogate(text: &[u8]) -> u16 {
    0xD000 | u16::from(text[1] & 0x3F) << 6 | u16::from(text[2] & 0x3F)
}

fn unicode_escape(out: &mut Out, unit: u16) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(DIGITS[usize::from(unit >> shift & 0xF)]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Text, quote, read, stands_for};
    use crate::document::memory::Charge;
    use crate::document::out::Out;
    use crate::document::write::Form;

    fn quoted(text: &[u8]) -> String {
        let mut out = Out::new(Form::Whole, 0, usize::MAX, Charge::on(None));
        quote(&mut out, text);
        String::from_utf8(out.finish().0.joined()).expect("quotes, escapes and UTF-8")
    }

    #[test]
    fn a_string_without_escapes_stands_for_itself() {
        assert_eq!(read("é🙂".as_bytes()), Text::Plain("é🙂".as_bytes()));
    }

    #[test]
    fn every_escape_is_decoded() {
        let text = read(br#"\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude42z"#);

        assert_eq!(text, Text::Decoded("\"\\/\u{8}\u{c}\n\r\tAé🙂z".to_owned()));
    }

    #[test]
    fn half_a_surrogate_pair_stays_what_it_is() {
        assert_eq!(read(br"a\udc00"), Text::Unpaired(vec![0x61, 0xDC00]));
        assert_eq!(
            read(br"\ud800\ud800\udc00"),
            Text::Unpaired(vec![0xD800, 0xD800, 0xDC00])
        );
    }

    #[test]
    fn a_string_is_compared_as_it_would_be_decoded() {
        let escaped = br"a\u00e9\ud83d\ude42\udc00\n";
        let wtf8 = [b"a\xC3\xA9".as_slice(), "🙂".as_bytes(), b"\xED\xB0\x80\n"].concat();

        assert!(stands_for(escaped, &wtf8));
        assert!(!stands_for(escaped, &wtf8[..wtf8.len() - 1]));
        assert!(!stands_for(escaped, &[wtf8.as_slice(), b"a"].concat()));
        assert!(stands_for(b"plain", b"plain") && !stands_for(b"plain", b"plai"));
    }

    #[test]
    fn strings_are_quoted_as_json_stringify_does() {
        assert_eq!(
            quoted("a\"\\/\u{8}\u{9}\u{a}\u{c}\u{d}\u{0}\u{1f}\u{7f}é\u{2028}".as_bytes()),
            "\"a\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}é\u{2028}\""
        );
        assert_eq!(quoted(&[b'a', 0xED, 0xA0, 0xBD, b'b']), r#""a\ud83db""#);
        assert_eq!(quoted("\u{D7FF}".as_bytes()), "\"\u{D7FF}\"");
    }
}
