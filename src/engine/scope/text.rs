//! Texts to and from QuickJS, without rquickjs, which counts a context for each.

use rquickjs::qjs;

use super::allowance::HEAD;

/// The text of a string; `None` of another value, of a string with half of a surrogate pair, and of
/// one that is longer than any text of a message.
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
        let text = if text.len() > HEAD {
            None
        } else {
            std::str::from_utf8(text).ok().map(Box::from)
        };
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
