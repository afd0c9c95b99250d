//! Strings: what a JSON string stands for, and how one is spelled.

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

impl Text<'_> {
    /// Whether a string is this text. `wtf8` is UTF-8 in which an unpaired surrogate may stand as if
    /// it were a character.
    pub fn is(&self, wtf8: &[u8]) -> bool {
        match self {
            Self::Plain(text) => wtf8 == *text,
            Self::Decoded(text) => wtf8 == text.as_bytes(),
            Self::Unpaired(units) => wtf8 == generalized(units),
        }
    }
}

/// UTF-16 as UTF-8 in which unpaired surrogates stand as if they were characters.
fn generalized(units: &[u16]) -> Vec<u8> {
    let mut utf8 = Vec::with_capacity(3 * units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(character) => utf8.extend(character.encode_utf8(&mut [0; 4]).bytes()),
            Err(error) => {
                let [high, low] = error.unpaired_surrogate().to_be_bytes();
                // Sixteen bits in three bytes: four, six and six of them.
                utf8.extend([
                    0xE0 | high >> 4,
                    0x80 | (high & 0x0F) << 2 | low >> 6,
                    0x80 | (low & 0x3F),
                ]);
            }
        }
    }
    utf8
}

/// Decodes what stands between the quotes of a valid JSON string.
pub(super) fn read(inner: &[u8]) -> Text<'_> {
    if !inner.contains(&b'\\') {
        return Text::Plain(inner);
    }
    let units = decode(inner);
    match String::from_utf16(&units) {
        Ok(text) => Text::Decoded(text),
        Err(_) => Text::Unpaired(units),
    }
}

fn decode(inner: &[u8]) -> Vec<u16> {
    let text = std::str::from_utf8(inner)
        .expect("a document is UTF-8, and a string in it begins and ends at an ASCII quote");
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        units.extend(plain.encode_utf16());
        let (unit, length) = match escape.as_bytes()[0] {
            b'b' => (0x08, 1),
            b'f' => (0x0C, 1),
            b'n' => (0x0A, 1),
            b'r' => (0x0D, 1),
            b't' => (0x09, 1),
            b'u' => (
                u16::from_str_radix(&escape[1..5], 16)
                    .expect("the scan has found four hexadecimal digits here"),
                5,
            ),
            itself => (u16::from(itself), 1),
        };
        units.push(unit);
        rest = &escape[length..];
    }
    units.extend(rest.encode_utf16());
    units
}

/// Appends a string in quotes, spelled as `JSON.stringify` does, [ECMA-262 §25.5.2.3].
///
/// `text` is UTF-8 in which an unpaired surrogate may stand as if it were a character (WTF-8),
/// which is how a JavaScript engine hands its strings out; it becomes an escape.
pub fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut done = 0;
    for (at, &byte) in text.iter().enumerate() {
        let escape = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x09 => b't',
            0x0A => b'n',
            0x0C => b'f',
            0x0D => b'r',
            0x00..0x20 => b'u',
            0xED if is_unpaired_surrogate(&text[at..]) => {
                out.extend_from_slice(&text[done..at]);
                unicode_escape(out, surrogate(&text[at..]));
                done = at + 3;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&text[done..at]);
        if escape == b'u' {
            unicode_escape(out, u16::from(byte));
        } else {
            out.extend_from_slice(&[b'\\', escape]);
        }
        done = at + 1;
    }
    out.extend_from_slice(&text[done..]);
    out.push(b'"');
}

/// Appends JSON in which unpaired surrogates may stand as if they were characters; they become
/// escapes.
pub(super) fn mend(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = (0..rest.len()).find(|&at| is_unpaired_surrogate(&rest[at..])) {
        out.extend_from_slice(&rest[..at]);
        unicode_escape(out, surrogate(&rest[at..]));
        rest = &rest[at + 3..];
    }
    out.extend_from_slice(rest);
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

fn unicode_escape(out: &mut Vec<u8>, unit: u16) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(DIGITS[usize::from(unit >> shift & 0xF)]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Text, quote, read};

    fn quoted(text: &[u8]) -> String {
        let mut out = Vec::new();
        quote(&mut out, text);
        String::from_utf8(out).expect("quotes, escapes and UTF-8")
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
    fn strings_are_quoted_as_json_stringify_does() {
        assert_eq!(
            quoted("a\"\\/\u{8}\u{9}\u{a}\u{c}\u{d}\u{0}\u{1f}\u{7f}é\u{2028}".as_bytes()),
            "\"a\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}é\u{2028}\""
        );
        assert_eq!(quoted(&[b'a', 0xED, 0xA0, 0xBD, b'b']), r#""a\ud83db""#);
        assert_eq!(quoted("\u{D7FF}".as_bytes()), "\"\u{D7FF}\"");
    }
}
