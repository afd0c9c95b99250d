//! Values of fields as the texts that handlers get of them, and the way back.
//!
//! A value is bytes. One that is UTF-8 is shown as that, any other one as ISO-8859-1, each byte as
//! one character. A text that is written goes out as UTF-8, unless it came from other bytes: a text
//! that was read has the bytes that it was read from, of a field of the same name where two are shown
//! alike, and one that is made of such texts is ISO-8859-1 as they are.

use std::borrow::Cow;

use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue};

/// The text that handlers get of a value.
pub fn shown(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.iter().copied().map(char::from).collect()),
    }
}

/// What the handlers of one transaction have read of fields beyond ASCII.
#[derive(Debug, Clone, Default)]
pub struct FieldTexts {
    /// The values and whose they are, the one that was read last at the end.
    values: Vec<(HeaderName, HeaderValue)>,
    /// How long they are together.
    bytes: usize,
    /// The characters from U+0080 to U+00FF that were single bytes when they were read last: the
    /// lowest bit is U+0080.
    single_bytes: u128,
}

impl FieldTexts {
    /// The most values that are remembered, and the most bytes of all of them: as many as a message
    /// usually has. Of values before them only the characters are known.
    const MAX_VALUES: usize = 512;
    const MAX_BYTES: usize = 256 * 1024;

    /// Notes that a handler gets the text of a field's value.
    pub fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        let bytes = value.as_bytes();
        if bytes.is_ascii() {
            return;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => text
                .chars()
                .filter_map(bit)
                .for_each(|bit| self.single_bytes &= !bit),
            Err(_) => bytes
                .iter()
                .filter_map(|byte| bit(char::from(*byte)))
                .for_each(|bit| self.single_bytes |= bit),
        }
        let is_known = |(its, known): &(HeaderName, HeaderValue)| known == value && its == name;
        if let Some(at) = self.values.iter().rposition(is_known) {
            self.values[at..].rotate_left(1);
            return;
        }
        self.values.push((name.clone(), value.clone()));
        self.bytes += value.len();
        while self.values.len() > Self::MAX_VALUES || self.bytes > Self::MAX_BYTES {
            self.bytes -= self.values.remove(0).1.len();
        }
    }

    /// The value that a handler's text becomes in a field.
    ///
    /// # Errors
    ///
    /// It has a line break, NUL or another control character.
    pub fn value_of(
        &self,
        name: &HeaderName,
        text: String,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        let knows_nothing = self.single_bytes == 0 && self.values.is_empty();
        if knows_nothing || text.is_ascii() {
            return HeaderValue::try_from(text);
        }
        let is_read =
            |(_, value): &&(HeaderName, HeaderValue)| is_shown_as(value.as_bytes(), &text);
        let mut latest = self.values.iter().rev().filter(is_read);
        if let Some(last) = latest.next() {
            let namesake = [last]
                .into_iter()
                .chain(latest)
                .find(|(its, _)| its == name);
            return Ok(namesake.unwrap_or(last).1.clone());
        }
        match self.in_single_bytes(&text) {
            Some(bytes) => HeaderValue::try_from(bytes),
            None => HeaderValue::try_from(text),
        }
    }

    /// The text in ISO-8859-1, where each character beyond ASCII was read from that.
    fn in_single_bytes(&self, text: &str) -> Option<Vec<u8>> {
        let byte = |character: char| {
            let is_one = character.is_ascii()
                || bit(character).is_some_and(|bit| self.single_bytes & bit != 0);
            u8::try_from(character).ok().filter(|_| is_one)
        };
        text.chars().map(byte).collect()
    }
}

/// The bit of a character from U+0080 to U+00FF.
fn bit(character: char) -> Option<u128> {
    let place = u32::from(character).checked_sub(0x80)?;
    1_u128.checked_shl(place)
}

fn is_shown_as(value: &[u8], text: &str) -> bool {
    value == text.as_bytes()
        || (value.iter().copied().map(char::from).eq(text.chars())
            && std::str::from_utf8(value).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> HeaderValue {
        HeaderValue::from_bytes(bytes).expect("a value")
    }

    const NAME: HeaderName = HeaderName::from_static("x-a");
    const OTHER: HeaderName = HeaderName::from_static("x-b");

    fn written(texts: &FieldTexts, text: &str) -> Vec<u8> {
        let value = texts.value_of(&NAME, text.to_owned()).expect("a value");
        value.as_bytes().to_vec()
    }

    fn read(values: &[&[u8]]) -> FieldTexts {
        let mut texts = FieldTexts::default();
        for bytes in values {
            texts.note(&OTHER, &value(bytes));
        }
        texts
    }

    #[test]
    fn every_value_that_was_read_is_written_with_its_bytes() {
        // Pairs of any two bytes that a field may have, of which some are UTF-8.
        let may_stand = |byte: &u8| *byte >= 0x20 && *byte != 0x7f;
        for first in (0..=0xff).filter(may_stand) {
            let all: Vec<[u8; 2]> = (0..=0xff)
                .filter(may_stand)
                .map(|second| [first, second])
                .collect();
            let texts = read(&all.iter().map(<[u8; 2]>::as_slice).collect::<Vec<_>>());
            for bytes in all {
                let text = shown(&bytes).into_owned();
                assert_eq!(written(&texts, &text), bytes, "{bytes:02x?}");
            }
        }
    }

    #[test]
    fn of_values_that_are_shown_alike_a_namesake_counts_or_the_one_that_was_read_last() {
        assert_eq!(
            written(&read(&[b"\xe9", "é".as_bytes()]), "é"),
            "é".as_bytes()
        );
        assert_eq!(written(&read(&["é".as_bytes(), b"\xe9"]), "é"), b"\xe9");
        assert_eq!(
            written(&read(&[b"\xe9", "é".as_bytes(), b"\xe9"]), "é"),
            b"\xe9"
        );
        let mut texts = FieldTexts::default();
        texts.note(&NAME, &value(b"\xe9"));
        texts.note(&OTHER, &value("é".as_bytes()));
        assert_eq!(written(&texts, "é"), b"\xe9");
        // Whole texts are known even where their characters were read otherwise since.
        assert_eq!(written(&read(&[b"a\xe9", "é".as_bytes()]), "aé"), b"a\xe9");
    }

    #[test]
    fn what_is_made_of_single_bytes_is_written_in_single_bytes_and_all_else_in_utf8() {
        let texts = read(&[b"caf\xe9 \xfc", "日本".as_bytes()]);

        for (text, bytes) in [
            ("inline; a=\"café\"", &b"inline; a=\"caf\xe9\""[..]),
            ("üé", b"\xfc\xe9"),
            ("plain", b"plain"),
            ("ä", "ä".as_bytes()),
            ("éä", "éä".as_bytes()),
            ("é日", "é日".as_bytes()),
        ] {
            assert_eq!(written(&texts, text), bytes, "{text}");
        }
        assert_eq!(written(&FieldTexts::default(), "é"), "é".as_bytes());
        assert!(texts.value_of(&NAME, "é\r\n".to_owned()).is_err());
        assert!(texts.value_of(&NAME, "é\0".to_owned()).is_err());
    }

    #[test]
    fn what_is_remembered_has_its_bounds() {
        let mut texts = FieldTexts::default();
        for number in 0..2000 {
            texts.note(
                &OTHER,
                &value(format!("{number} {}\u{e9}", "x".repeat(300)).as_bytes()),
            );
        }
        assert!(texts.values.len() <= FieldTexts::MAX_VALUES);
        assert!(texts.bytes <= FieldTexts::MAX_BYTES);
        let sum: usize = texts.values.iter().map(|(_, value)| value.len()).sum();
        assert_eq!(sum, texts.bytes);

        let long = [&b"\xe9"[..], &b"x".repeat(FieldTexts::MAX_BYTES)].concat();
        texts.note(&OTHER, &value(&long));
        assert_eq!((texts.values.len(), texts.bytes), (0, 0));
        assert_eq!(written(&texts, &shown(&long)), long);
    }
}
