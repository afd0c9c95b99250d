//! Texts and bytes that a script passes to a native, read where they are: in its own heap.
//!
//! rquickjs copies them to Rust's memory, which no heap is charged for. A native that needs a copy
//! charges it before ([`value::charged`](super::value::charged)).

#![allow(unsafe_code)] // Borrowing from QuickJS's heap has no safe word.

use std::ops::Deref;

use super::text::mended;
use super::value;
use rquickjs::{CString, Coerced, Ctx, FromJs, String as Text, TypedArray, Value};

/// A text, in UTF-8; half of a surrogate pair is [mended].
pub(super) struct TextArgument<'js>(Read<'js>);

enum Read<'js> {
    /// In the script's heap.
    There(CString<'js>),
    /// It had to be changed.
    Mended(std::string::String),
}

impl<'js> TextArgument<'js> {
    fn of(text: Text<'js>) -> rquickjs::Result<Self> {
        let ctx = text.ctx().clone();
        let text = text.to_cstring()?;
        // SAFETY: QuickJS keeps so many bytes there, which nobody writes to, until `text` is dropped.
        let bytes = unsafe { std::slice::from_raw_parts(text.as_ptr().cast::<u8>(), text.len()) };
        if std::str::from_utf8(bytes).is_ok() {
            return Ok(Self(Read::There(text)));
        }
        // Few texts are so, and none for long.
        value::need(&ctx, bytes.len())?;
        Ok(Self(Read::Mended(mended(bytes.to_vec()))))
    }
}

impl<'js> FromJs<'js> for TextArgument<'js> {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Self> {
        Self::of(Text::from_js(ctx, value)?)
    }
}

impl Deref for TextArgument<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Read::There(text) => text.as_str(),
            Read::Mended(text) => text,
        }
    }
}

/// The same of `String(value)`.
pub(super) struct CoercedText<'js>(TextArgument<'js>);

impl<'js> FromJs<'js> for CoercedText<'js> {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Self> {
        let Coerced(text) = Coerced::<Text<'js>>::from_js(ctx, value)?;
        TextArgument::of(text).map(Self)
    }
}

impl Deref for CoercedText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The bytes of an array; none where its buffer was taken away.
pub(super) struct BytesArgument<'js>(TypedArray<'js, u8>);

impl<'js> FromJs<'js> for BytesArgument<'js> {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Self> {
        TypedArray::from_js(ctx, value).map(Self)
    }
}

impl BytesArgument<'_> {
    /// Looks at the bytes. Must not call back into the script, which could take them away.
    pub(super) fn with<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        // SAFETY: no JavaScript runs while the bytes are borrowed.
        let bytes = unsafe { self.0.as_bytes() };
        look(bytes.unwrap_or_default())
    }
}
