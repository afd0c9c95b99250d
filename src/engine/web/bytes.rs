//! Texts and bytes: UTF-8 (WHATWG Encoding) and base64 (WHATWG Infra, `atob` and `btoa`).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rquickjs::{Ctx, Exception, Object, String as Text, TypedArray};

use crate::engine::argument::{BytesArgument, CoercedText, TextArgument};
use crate::engine::fence::native;
use crate::engine::value;

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
        native(|ctx: Ctx<'js>, text: TextArgument<'js>| {
            TypedArray::<u8>::new_copy(ctx, text.as_bytes())
        }),
    )?;
    natives.set(
        "decode",
        native(
            |ctx: Ctx<'js>, bytes: BytesArgument<'js>, keeps_mark: bool| {
                bytes.with(|bytes| decoded(&ctx, bytes, keeps_mark))
            },
        ),
    )?;
    natives.set(
        "isUtf8",
        native(|bytes: BytesArgument<'js>| bytes.with(|bytes| std::str::from_utf8(bytes).is_ok())),
    )?;
    natives.set(
        "atob",
        native(|ctx: Ctx<'js>, text: CoercedText<'js>| {
            // Without blanks, as bytes, and as characters of up to two bytes.
            let _charge = value::charged(&ctx, 4 * text.len())?;
            atob(&text).ok_or_else(|| Exception::throw_type(&ctx, "the text is no base64"))
        }),
    )?;
    natives.set(
        "btoa",
        native(|ctx: Ctx<'js>, text: CoercedText<'js>| {
            // As bytes, and those as four characters for three.
            let _charge = value::charged(&ctx, 3 * text.len())?;
            btoa(&text).ok_or_else(|| {
                Exception::throw_type(
                    &ctx,
                    "btoa takes characters up to U+00FF; encode others first",
                )
            })
        }),
    )
}

/// The string of a text in UTF-8; what is none is replaced.
pub(in crate::engine) fn decoded<'js>(
    ctx: &Ctx<'js>,
    bytes: &[u8],
    keeps_mark: bool,
) -> rquickjs::Result<Text<'js>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Text::from_str(ctx.clone(), decode(text, keeps_mark));
    }
    // Each byte may become a replacement of three; a buffer that grows has twice as much.
    let _charge = value::charged(ctx, 9 * bytes.len())?;
    let text = String::from_utf8_lossy(bytes);
    Text::from_str(ctx.clone(), decode(&text, keeps_mark))
}

/// A text without its byte order mark.
fn decode(text: &str, keeps_mark: bool) -> &str {
    match text.strip_prefix('\u{FEFF}') {
        Some(rest) if !keeps_mark => rest,
        Some(_) | None => text,
    }
}

/// Each byte as one character.
fn atob(text: &str) -> Option<String> {
    let mut packed = Vec::with_capacity(text.len());
    packed.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let bytes = FORGIVING.decode(packed).ok()?;
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.into_iter().map(char::from));
    Some(text)
}

/// Each character as one byte; `None` where one has no byte.
fn btoa(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    for it in text.chars() {
        bytes.push(u8::try_from(it).ok()?);
    }
    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
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
    fn a_byte_order_mark_is_kept_where_that_is_asked_for() {
        assert_eq!(decode("\u{FEFF}a", false), "a");
        assert_eq!(decode("\u{FEFF}a", true), "\u{FEFF}a");
    }
}
