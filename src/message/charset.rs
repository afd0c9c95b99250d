//! Character sets: texts that are labelled with another one than UTF-8 are decoded for
//! handlers and encoded again for the wire.
//!
//! Labels are those of the [Encoding Standard], and mean what it says: `iso-8859-1` is
//! `windows-1252`. A byte order mark goes before a label.
//!
//! [Encoding Standard]: https://encoding.spec.whatwg.org/

use std::fmt::Write as _;
use std::ops::Range;

use encoding_rs::{EncoderResult, Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};
use http::{HeaderValue, header};

use super::Fields;

/// What a text is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

/// A label that names no character set that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a character set that is not known")]
pub struct UnknownCharset;

/// A text that isn't what its label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what its character set says")]
pub struct Malformed;

/// A text in a character set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded {
    /// The bytes are those of UTF-8.
    Same,
    /// These.
    Bytes(Vec<u8>),
    /// It has a character that the set lacks and that can't be spelled otherwise.
    Lacking,
}

/// What becomes of a character that a character set lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// `\u20ac`, as JSON spells it.
    JsonEscape,
    /// `&#8364;`, as XML and HTML spell it.
    Reference,
    /// Nothing: the text is to be in UTF-8 instead.
    Unspellable,
}

impl Charset {
    /// What a text is in that nobody says anything of.
    pub const UTF_8: Self = Self(UTF_8);

    /// What `fields` say a text is in, UTF-8 where they don't.
    ///
    /// # Errors
    ///
    /// [`UnknownCharset`]
    pub fn of(fields: &Fields) -> Result<Self, UnknownCharset> {
        let Some(label) = label(fields) else {
            return Ok(Self::UTF_8);
        };
        Encoding::for_label(label.as_bytes())
            .filter(|encoding| *encoding != REPLACEMENT)
            .map(Self)
            .ok_or(UnknownCharset)
    }

    /// The same, or what the byte order mark of `bytes` says.
    #[must_use]
    pub fn or_marked(self, bytes: &[u8]) -> Self {
        Encoding::for_bom(bytes).map_or(self, |(encoding, _)| Self(encoding))
    }

    /// Whether it is UTF-8.
    pub fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// Decodes a text; its byte order mark stays a character of it.
    ///
    /// # Errors
    ///
    /// [`Malformed`]
    pub fn decode(self, bytes: &[u8]) -> Result<String, Malformed> {
        let text = self
            .0
            .decode_without_bom_handling_and_without_replacement(bytes);
        text.map(std::borrow::Cow::into_owned).ok_or(Malformed)
    }

    /// Encodes a text. What the character set lacks is spelled as `lacking` says.
    pub fn encode(self, text: &str, lacking: Lacking) -> Encoded {
        if self.0 == UTF_16LE {
            return Encoded::Bytes(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        }
        if self.0 == UTF_16BE {
            return Encoded::Bytes(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        }
        if self.is_utf8() || (text.is_ascii() && self.0.is_ascii_compatible()) {
            return Encoded::Same;
        }
        self.spell(text, lacking)
            .map_or(Encoded::Lacking, Encoded::Bytes)
    }

    fn spell(self, mut text: &str, lacking: Lacking) -> Option<Vec<u8>> {
        let mut encoder = self.0.new_encoder();
        let mut encoded = Vec::with_capacity(text.len());
        loop {
            let (result, read) =
                encoder.encode_from_utf8_to_vec_without_replacement(text, &mut encoded, true);
            text = &text[read..];
            match result {
                EncoderResult::InputEmpty => return Some(encoded),
                EncoderResult::OutputFull => encoded.reserve(text.len().max(16)),
                EncoderResult::Unmappable(character) => {
                    // In ASCII, which all that lack any character have.
                    let spelled = lacking.spell(character)?;
                    encoded.extend_from_slice(spelled.as_bytes());
                }
            }
        }
    }
}

impl Lacking {
    /// As the media type of a message with these fields allows.
    pub fn of(fields: &Fields) -> Self {
        let value = fields.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let value = String::from_utf8_lossy(value.unwrap_or_default());
        let essence = value.split(';').next().unwrap_or("").trim();
        let subtype = essence.rsplit(['/', '+']).next().unwrap_or("");
        match subtype.to_ascii_lowercase().as_str() {
            "json" => Self::JsonEscape,
            "xml" | "html" => Self::Reference,
            _ => Self::Unspellable,
        }
    }

    fn spell(self, character: char) -> Option<String> {
        match self {
            Self::JsonEscape => {
                let mut spelled = String::new();
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(spelled, "\\u{unit:04x}").expect("a text in memory grows");
                }
                Some(spelled)
            }
            Self::Reference => Some(format!("&#{};", u32::from(character))),
            Self::Unspellable => None,
        }
    }
}

/// The label of a text's character set, as its type has it.
pub fn label(fields: &Fields) -> Option<&str> {
    let value = fields.get_str(header::CONTENT_TYPE)?;
    let place = place_of_label(value)?;
    Some(&value[place])
}

/// Where a type names the character set, without quotes; `None` where it names none.
fn place_of_label(value: &str) -> Option<Range<usize>> {
    let mut at = value.find(';')?;
    loop {
        let parameter = at + 1;
        at = end_of_parameter(value, parameter);
        let (name, label) = value[parameter..at].split_once('=').unwrap_or_default();
        if name.trim().eq_ignore_ascii_case("charset") {
            let label = label.trim().trim_matches('"').trim();
            let start = label.as_ptr().addr() - value.as_ptr().addr();
            return (!label.is_empty()).then(|| start..start + label.len());
        }
        if at == value.len() {
            return None;
        }
    }
}

/// Where the parameter ends that begins at `start`: a semicolon within quotes is part of it.
fn end_of_parameter(value: &str, start: usize) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in value.bytes().enumerate().skip(start) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b';' if !is_quoted => return at,
            _ => {}
        }
    }
    value.len()
}

/// Makes the type say that the text is in UTF-8, where it names a character set.
pub fn say_utf8(fields: &mut Fields) {
    let Some(value) = fields.get_str(header::CONTENT_TYPE) else {
        return;
    };
    let Some(place) = place_of_label(value) else {
        return;
    };
    let mut value = value.to_owned();
    value.replace_range(place, "utf-8");
    if let Ok(value) = HeaderValue::try_from(value) {
        fields.insert(header::CONTENT_TYPE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(value: &str) -> Fields {
        let mut fields = Fields::default();
        let value = HeaderValue::try_from(value).expect("a value");
        fields.receive(header::CONTENT_TYPE, b"Content-Type", value);
        fields
    }

    #[test]
    fn a_label_is_found_wherever_it_is_written() {
        for (value, expected) in [
            ("text/plain", None),
            ("text/plain; charset=", None),
            ("text/plain; charset=\"\"", None),
            ("text/plain;charset=utf-8", Some("utf-8")),
            (
                "text/plain ; Charset = \"ISO-8859-1\" ; x=y",
                Some("ISO-8859-1"),
            ),
            (
                "text/plain; x=\"a;charset=utf-16\"; charset=latin1",
                Some("latin1"),
            ),
            ("text/plain; x=\"\\\";charset=a\"; charset=b", Some("b")),
            ("text/plain; x; charset=b", Some("b")),
            ("text/plain; mycharset=b", None),
            ("charset=b", None),
        ] {
            assert_eq!(label(&typed(value)), expected, "{value}");
        }
        assert_eq!(label(&Fields::default()), None);
    }

    #[test]
    fn labels_mean_what_the_standard_says() {
        let of = |label: &str| Charset::of(&typed(&format!("text/plain; charset={label}")));

        for utf8 in ["utf-8", "UTF8", "\"utf-8\"", "unicode-1-1-utf-8"] {
            assert_eq!(of(utf8), Ok(Charset::UTF_8), "{utf8}");
        }
        assert_eq!(of("iso-8859-1"), of("windows-1252"));
        assert_eq!(of("us-ascii"), of("windows-1252"));
        assert_ne!(of("iso-8859-15"), of("windows-1252"));
        for unknown in ["none", "utf-7", "iso-2022-kr", "ebcdic", "utf-32"] {
            assert_eq!(of(unknown), Err(UnknownCharset), "{unknown}");
        }
        assert_eq!(Charset::of(&typed("text/plain")), Ok(Charset::UTF_8));
    }

    #[test]
    fn what_is_decoded_is_encoded_to_the_same_bytes() {
        for (label, bytes, text) in [
            ("iso-8859-1", &b"caf\xe9 \x80"[..], "café €"),
            ("iso-8859-15", b"caf\xe9 \xa4", "café €"),
            ("windows-1251", b"\xef\xf0\xe8\xe2\xe5\xf2", "привет"),
            ("shift_jis", b"\x93\xfa\x96{", "日本"),
            ("iso-2022-jp", b"\x1b$BF|K\\\x1b(B", "日本"),
            ("gb18030", b"\xc4\xe3", "你"),
            ("utf-16", b"\xff\xfea\0\xac\x20", "\u{feff}a€"),
            ("utf-16", b"\xfe\xff\0a\x20\xac", "\u{feff}a€"),
            ("utf-16be", b"\0a\x20\xac", "a€"),
            ("utf-16le", b"a\0=\xd8\0\xde", "a😀"),
        ] {
            let fields = typed(&format!("text/plain; charset={label}"));
            let charset = Charset::of(&fields).expect("it is known").or_marked(bytes);

            assert_eq!(charset.decode(bytes).as_deref(), Ok(text), "{label}");
            let encoded = charset.encode(text, Lacking::Unspellable);
            assert_eq!(encoded, Encoded::Bytes(bytes.to_vec()), "{label}");
        }
    }

    #[test]
    fn what_is_not_what_its_label_says_is_malformed() {
        for (label, bytes) in [
            ("shift_jis", &b"\x93"[..]),
            ("utf-16", b"a"),
            ("utf-16", b"\0\xd8a\0"),
            ("euc-kr", b"\xff\xff"),
        ] {
            let fields = typed(&format!("text/plain; charset={label}"));
            let charset = Charset::of(&fields).expect("it is known");
            assert_eq!(charset.decode(bytes), Err(Malformed), "{label}");
        }
    }

    #[test]
    fn what_a_character_set_lacks_is_spelled_as_the_type_allows() {
        for (essence, bytes) in [
            ("application/json", &b"\"\xe9 \\u4f60 \\ud83d\\ude00\""[..]),
            (
                "application/problem+json",
                b"\"\xe9 \\u4f60 \\ud83d\\ude00\"",
            ),
            ("text/xml", b"\"\xe9 &#20320; &#128512;\""),
            ("image/svg+xml", b"\"\xe9 &#20320; &#128512;\""),
            ("text/html", b"\"\xe9 &#20320; &#128512;\""),
        ] {
            let fields = typed(&format!("{essence}; charset=iso-8859-1"));
            let charset = Charset::of(&fields).expect("it is known");
            let encoded = charset.encode("\"é 你 😀\"", Lacking::of(&fields));
            assert_eq!(encoded, Encoded::Bytes(bytes.to_vec()), "{essence}");
        }
        let mut fields = typed("text/plain; charset=\"iso-8859-1\"; x=y");
        let charset = Charset::of(&fields).expect("it is known");
        assert_eq!(charset.encode("你", Lacking::of(&fields)), Encoded::Lacking);
        say_utf8(&mut fields);
        let value = fields.get_str("content-type");
        assert_eq!(value, Some("text/plain; charset=\"utf-8\"; x=y"));
    }

    #[test]
    fn ascii_needs_no_encoding_where_it_is_the_same() {
        let encode = |label: &str, text: &str| {
            let fields = typed(&format!("text/plain; charset={label}"));
            let charset = Charset::of(&fields).expect("it is known");
            charset.encode(text, Lacking::of(&fields))
        };
        assert_eq!(encode("iso-8859-1", "plain"), Encoded::Same);
        assert_eq!(encode("utf-8", "é"), Encoded::Same);
        assert_eq!(encode("utf-16", "a"), Encoded::Bytes(b"a\0".to_vec()));
    }
}
