//! Texts and bytes: UTF-8 (WHATWG Encoding) and base64 (WHATWG Infra, `atob` and `btoa`).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rquickjs::{Ctx, Exception, Object, TypedArray};

use super::bytes_of;
use crate::engine::fence::native;

/// Padding may be left out, and bits that no byte needs may be anything.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn offer<'js>(natives: &Object<'js>) -> rquickjs::Result<()> {
    natives.set(
        "encode",
        native(|ctx: Ctx<'js>, text: String| TypedArray::<u8>::new(ctx, text.into_bytes())),
    )?;
    natives.set(
        "decode",
        native(|bytes: TypedArray<'js, u8>, keeps_mark: bool| {
            decode(&bytes_of(&bytes), keeps_mark)
        }),
    )?;
    natives.set(
        "isUtf8",
        native(|bytes: TypedArray<'js, u8>| std::str::from_utf8(&bytes_of(&bytes)).is_ok()),
    )?;
    natives.set(
        "atob",
        native(|ctx: Ctx<'js>, text: rquickjs::Coerced<String>| {
            atob(&text.0).ok_or_else(|| Exception::throw_type(&ctx, "the text is no base64"))
        }),
    )?;
    natives.set(
        "btoa",
        native(|ctx: Ctx<'js>, text: rquickjs::Coerced<String>| {
            btoa(&text.0).ok_or_else(|| {
                Exception::throw_type(
                    &ctx,
                    "btoa takes characters up to U+00FF; encode others first",
                )
            })
        }),
    )
}

fn decode(bytes: &[u8], keeps_mark: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.strip_prefix('\u{FEFF}') {
        Some(rest) if !keeps_mark => rest.to_owned(),
        Some(_) | None => text.into_owned(),
    }
}

/// Each byte as one character.
fn atob(text: &str) -> Option<String> {
    let packed: String = text.split_ascii_whitespace().collect();
    let bytes = FORGIVING.decode(packed).ok()?;
    Some(bytes.into_iter().map(char::from).collect())
}

/// Each character as one byte; `None` where one has no byte.
fn btoa(text: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = text.chars().map(|it| u8::try_from(it).ok()).collect();
    Some(base64::engine::general_purpose::STANDARD.encode(bytes?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_browsers_read_it() {
        assert_eq!(btoa("a\u{ff}").as_deref(), Some("Yf8="));
        assert_eq!(btoa("ā"), None);
        for text in ["Yf8=", "Yf8", " Y f8=\n"] {
            assert_eq!(atob(text).as_deref(), Some("a\u{ff}"), "{text:?}");
        }
        assert_eq!(atob("Y"), None);
        assert_eq!(atob("Y*8="), None);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_shown_replaced() {
        assert_eq!(decode(b"\xEF\xBB\xBFa\xFF", false), "a\u{FFFD}");
        assert_eq!(decode(b"\xEF\xBB\xBFa", true), "\u{FEFF}a");
    }
}
