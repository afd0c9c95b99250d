//! References: QuickJS's C interface as far as it looks at values.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rquickjs::qjs;

use super::context::{Constant, Cx, Thrown};
use super::keys::Key;
use super::realm::Realm;
use super::trace::Trace;

/// A value that somebody else keeps alive, at least as long as `'v`.
#[derive(Clone, Copy)]
pub(super) struct Ref<'v> {
    value: qjs::JSValue,
    life: PhantomData<&'v ()>,
}

/// A value that we hold a reference to.
pub(super) struct Owned<'c> {
    value: qjs::JSValue,
    cx: Cx<'c>,
}

/// The bytes of a JavaScript string: UTF-8, in which an unpaired surrogate stands as if it were a
/// character.
pub(super) struct Utf8<'c> {
    text: NonNull<u8>,
    length: usize,
    cx: Cx<'c>,
}

/// What [`Ref::kind`] can tell apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Undefined,
    Null,
    Bool(bool),
    Number,
    String,
    BigInt,
    Object,
    /// A symbol, or something no script sees.
    Other,
}

impl Ref<'_> {
    /// # Safety
    ///
    /// `value` must be alive for the lifetime.
    pub(super) unsafe fn new(value: qjs::JSValue) -> Self {
        Self {
            value,
            life: PhantomData,
        }
    }

    pub(super) fn as_raw(self) -> qjs::JSValue {
        self.value
    }

    pub(super) fn kind(self) -> Kind {
        // SAFETY: only the tag is looked at, and the payload that goes with it.
        unsafe {
            match qjs::JS_VALUE_GET_NORM_TAG(self.value) {
                qjs::JS_TAG_UNDEFINED => Kind::Undefined,
                qjs::JS_TAG_NULL => Kind::Null,
                qjs::JS_TAG_BOOL => Kind::Bool(qjs::JS_VALUE_GET_BOOL(self.value)),
                qjs::JS_TAG_INT | qjs::JS_TAG_FLOAT64 => Kind::Number,
                qjs::JS_TAG_STRING | qjs::JS_TAG_STRING_ROPE => Kind::String,
                qjs::JS_TAG_BIG_INT | qjs::JS_TAG_SHORT_BIG_INT => Kind::BigInt,
                qjs::JS_TAG_OBJECT => Kind::Object,
                _ => Kind::Other,
            }
        }
    }

    /// The double that a number is.
    pub(super) fn number(self) -> Option<f64> {
        // SAFETY: the payload that goes with the tag.
        unsafe {
            match qjs::JS_VALUE_GET_NORM_TAG(self.value) {
                qjs::JS_TAG_INT => Some(f64::from(qjs::JS_VALUE_GET_INT(self.value))),
                qjs::JS_TAG_FLOAT64 => Some(qjs::JS_VALUE_GET_FLOAT64(self.value)),
                _ => None,
            }
        }
    }

    /// Which number of a document it is, as far as it bears the mark of that.
    pub(super) fn trace(self) -> Option<Trace> {
        // SAFETY: only the tag is looked at.
        let tag = unsafe { qjs::JS_VALUE_GET_NORM_TAG(self.value) };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // the upper bits, as bits
        let above = (self.value.tag as u64 >> 32) as u32;
        let is_number = matches!(tag, qjs::JS_TAG_INT | qjs::JS_TAG_FLOAT64);
        is_number.then(|| Trace::of_bits(above))?
    }

    pub(super) fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// Whether both are the same object, or the same string in memory.
    pub(super) fn is_same_reference(self, other: Ref<'_>) -> bool {
        self.value.tag == other.value.tag
            && matches!(self.kind(), Kind::Object | Kind::String)
            && self.address() == other.address()
    }

    /// The object's or string's place in memory.
    pub(super) fn address(self) -> *const () {
        // SAFETY: objects and strings are pointers; for anything else the bits are only compared.
        unsafe { qjs::JS_VALUE_GET_PTR(self.value).cast_const().cast() }
    }

    pub(super) fn is_function(self, cx: Cx<'_>) -> bool {
        // SAFETY: the value is alive.
        unsafe { qjs::JS_IsFunction(cx.as_ptr(), self.value) }
    }

    /// The object's class, `0` for anything else.
    pub(super) fn class(self) -> qjs::JSClassID {
        // SAFETY: the value is alive.
        unsafe { qjs::JS_GetClassID(self.value) }
    }

    /// What is behind the object of a class of ours; null for any other value.
    pub(super) fn opaque(self, class: qjs::JSClassID) -> *mut std::ffi::c_void {
        // SAFETY: the value is alive.
        unsafe { qjs::JS_GetOpaque(self.value, class) }
    }

    /// `Array.isArray`. A script may put any number of proxies before each other.
    pub(super) fn is_array(self, cx: Cx<'_>, realm: &Realm) -> Result<bool, Thrown> {
        let mut proxied = None;
        loop {
            let value = proxied
                .as_ref()
                .map_or(self.value, |it: &Owned<'_>| it.value);
            // SAFETY: the value is alive, since it is ours or the caller's.
            unsafe {
                if qjs::JS_GetClassID(value) != realm.classes.proxy {
                    return Ok(qjs::JS_IsArray(value));
                }
                realm.tick(cx)?;
                proxied = Some(cx.take(qjs::JS_GetProxyTarget(cx.as_ptr(), value))?);
            }
        }
    }

    /// `ToNumber`, [ECMA-262 §7.1.4].
    pub(super) fn to_number(self, cx: Cx<'_>) -> Result<Owned<'_>, Thrown> {
        // SAFETY: the value is alive.
        unsafe { cx.take(qjs::JS_ToNumber(cx.as_ptr(), self.value)) }
    }

    /// `ToString`, [ECMA-262 §7.1.17].
    pub(super) fn to_string(self, cx: Cx<'_>) -> Result<Owned<'_>, Thrown> {
        // SAFETY: the value is alive.
        unsafe { cx.take(qjs::JS_ToString(cx.as_ptr(), self.value)) }
    }

    /// What a `Boolean` object holds.
    pub(super) fn to_boolean(self, cx: Cx<'_>) -> Result<Owned<'_>, Thrown> {
        // The engine's own JSON is the only function that looks inside without running a script.
        // SAFETY: the value is alive.
        let text = unsafe {
            cx.take(qjs::JS_JSONStringify(
                cx.as_ptr(),
                self.value,
                qjs::JS_UNDEFINED,
                qjs::JS_UNDEFINED,
            ))?
        };
        Ok(cx.constant(if *text.get().utf8(cx)? == *b"true" {
            Constant::True
        } else {
            Constant::False
        }))
    }

    /// Another reference to the value.
    pub(super) fn own(self, cx: Cx<'_>) -> Owned<'_> {
        // SAFETY: the value is alive.
        unsafe { Owned::new(cx, qjs::JS_DupValue(cx.as_ptr(), self.value)) }
    }

    /// Reads a property, as `value[key]` does.
    pub(super) fn get(self, cx: Cx<'_>, key: Key) -> Result<Owned<'_>, Thrown> {
        // SAFETY: value and key are alive.
        unsafe { cx.take(qjs::JS_GetProperty(cx.as_ptr(), self.value, key.0)) }
    }

    /// Reads a property of the array's own, of which it is known that it is no accessor. Nobody is
    /// asked: no prototype, and so no proxy.
    pub(super) fn own_of_array(self, cx: Cx<'_>, key: Key) -> Result<Option<Owned<'_>>, Thrown> {
        let mut found = MaybeUninit::<qjs::JSPropertyDescriptor>::uninit();
        // SAFETY: array and key are alive. Where it says that there is a property, QuickJS has filled
        // in the descriptor, whose references are ours: the value, and of an accessor nothing.
        unsafe {
            match qjs::JS_GetOwnProperty(cx.as_ptr(), found.as_mut_ptr(), self.value, key.0) {
                status if status < 0 => Err(Thrown),
                0 => Ok(None),
                _ => Ok(Some(Owned::new(cx, found.assume_init().value))),
            }
        }
    }

    /// Reads an element, as `value[index]` does.
    pub(super) fn element(self, cx: Cx<'_>, index: i64) -> Result<Owned<'_>, Thrown> {
        // SAFETY: the value is alive.
        unsafe { cx.take(qjs::JS_GetPropertyInt64(cx.as_ptr(), self.value, index)) }
    }

    /// Reads `value.length`.
    pub(super) fn length(self, cx: Cx<'_>) -> Result<i64, Thrown> {
        let mut length = 0;
        // SAFETY: the value is alive.
        let status = unsafe { qjs::JS_GetLength(cx.as_ptr(), self.value, &raw mut length) };
        if status < 0 { Err(Thrown) } else { Ok(length) }
    }

    /// The object's prototype.
    pub(super) fn prototype(self, cx: Cx<'_>) -> Result<Owned<'_>, Thrown> {
        // SAFETY: the value is alive.
        unsafe { cx.take(qjs::JS_GetPrototype(cx.as_ptr(), self.value)) }
    }

    /// Gives a property a value; of a new one scripts can change nothing.
    pub(super) fn define(self, cx: Cx<'_>, key: Key, value: Ref<'_>) -> Result<(), Thrown> {
        let undefined = qjs::JS_UNDEFINED;
        #[allow(clippy::cast_possible_wrap)] // the flags are small
        let flags = (qjs::JS_PROP_HAS_VALUE | qjs::JS_PROP_THROW) as c_int;
        // SAFETY: object, key and value are alive.
        let status = unsafe {
            let (context, value) = (cx.as_ptr(), value.value);
            qjs::JS_DefineProperty(
                context, self.value, key.0, value, undefined, undefined, flags,
            )
        };
        if status < 0 { Err(Thrown) } else { Ok(()) }
    }

    /// Whether the object or one of its prototypes has a property.
    pub(super) fn has(self, cx: Cx<'_>, key: Key) -> Result<bool, Thrown> {
        // SAFETY: object and key are alive.
        match unsafe { qjs::JS_HasProperty(cx.as_ptr(), self.value, key.0) } {
            status if status < 0 => Err(Thrown),
            status => Ok(status > 0),
        }
    }

    pub(super) fn is_extensible(self, cx: Cx<'_>) -> bool {
        // SAFETY: the object is alive and no proxy, so no script runs.
        unsafe { qjs::JS_IsExtensible(cx.as_ptr(), self.value) > 0 }
    }

    /// `Object.is`
    pub(super) fn is_same_value(self, cx: Cx<'_>, other: Ref<'_>) -> bool {
        // SAFETY: both are alive.
        unsafe { qjs::JS_IsSameValue(cx.as_ptr(), self.value, other.value) }
    }

    /// The value as a string, in UTF-8; for a string no script runs.
    pub(super) fn utf8(self, cx: Cx<'_>) -> Result<Utf8<'_>, Thrown> {
        let mut length: qjs::size_t = 0;
        // SAFETY: the value is alive.
        let text =
            unsafe { qjs::JS_ToCStringLen2(cx.as_ptr(), &raw mut length, self.value, false) };
        let text = NonNull::new(text.cast_mut().cast()).ok_or(Thrown)?;
        Ok(Utf8 {
            text,
            length: usize::try_from(length).expect("what is in memory has a length that fits"),
            cx,
        })
    }
}

impl<'c> Owned<'c> {
    /// # Safety
    ///
    /// The reference must be the caller's, who gives it away.
    pub(super) unsafe fn new(cx: Cx<'c>, value: qjs::JSValue) -> Self {
        Self { value, cx }
    }

    pub(super) fn get(&self) -> Ref<'_> {
        Ref {
            value: self.value,
            life: PhantomData,
        }
    }

    /// Gives the reference away.
    pub(super) fn into_raw(self) -> qjs::JSValue {
        std::mem::ManuallyDrop::new(self).value
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        // SAFETY: we own the reference and give it back once.
        unsafe { qjs::JS_FreeValue(self.cx.as_ptr(), self.value) }
    }
}

impl std::ops::Deref for Utf8<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: QuickJS keeps the bytes, which nobody writes to, until `drop`.
        unsafe { std::slice::from_raw_parts(self.text.as_ptr(), self.length) }
    }
}

impl Drop for Utf8<'_> {
    fn drop(&mut self) {
        // SAFETY: the text came from `JS_ToCStringLen2` and is given back once.
        unsafe { qjs::JS_FreeCString(self.cx.as_ptr(), self.text.as_ptr().cast()) }
    }
}
