//! QuickJS's C interface, as far as values need it, with ownership in the types.
//!
//! Its functions are safe to call because of rules that the types here keep:
//!
//! * A [`Cx`] exists only while its context is alive and this thread runs in it; whoever makes one vouches for that.
//! * A [`Ref`] is a value that somebody else keeps alive for its lifetime; an [`Owned`] holds one reference and gives it back.
//! * A [`Key`] is used only while its owner keeps it, a slot or a list that nobody changes meanwhile.
//! * QuickJS is called with values of the context's own runtime, which is so because values don't leave it.
//!
//! The interface is that of QuickJS-ng 0.16, `quickjs.h`.

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;

use rquickjs::qjs;

use super::keys::Key;

/// An exception is pending in the context.
#[derive(Debug)]
pub(super) struct Thrown;

/// A context that this thread runs in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cx<'c> {
    context: NonNull<qjs::JSContext>,
    life: PhantomData<&'c ()>,
}

/// A value that lives at least as long as `'v`.
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

/// The bytes of a JavaScript string: UTF-8, in which an unpaired surrogate stands as if it were a character.
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

impl<'c> Cx<'c> {
    /// # Safety
    ///
    /// The context must be alive for `'c` and this thread the one that runs in it.
    pub(super) unsafe fn new(context: NonNull<qjs::JSContext>) -> Self {
        Self {
            context,
            life: PhantomData,
        }
    }

    /// The context, for calls into QuickJS.
    pub(super) fn as_ptr(self) -> *mut qjs::JSContext {
        self.context.as_ptr()
    }

    /// The context's runtime.
    pub(super) fn runtime(self) -> *mut qjs::JSRuntime {
        // SAFETY: the context is alive.
        unsafe { qjs::JS_GetRuntime(self.as_ptr()) }
    }

    /// Takes what a call into QuickJS returned.
    ///
    /// # Safety
    ///
    /// `value` must be a reference that the caller owns, or the mark of an exception.
    pub(super) unsafe fn take(self, value: qjs::JSValue) -> Result<Owned<'c>, Thrown> {
        // SAFETY: only the tag is looked at.
        if unsafe { qjs::JS_IsException(value) } {
            Err(Thrown)
        } else {
            Ok(Owned { value, cx: self })
        }
    }

    /// `null`, `true` or another value that needs no memory.
    pub(super) fn constant(self, value: Constant) -> Owned<'c> {
        let value = match value {
            Constant::Undefined => qjs::JS_UNDEFINED,
            Constant::Null => qjs::JS_NULL,
            Constant::True => qjs::JS_TRUE,
            Constant::False => qjs::JS_FALSE,
            Constant::Number(number) => qjs::JS_NewFloat64(number),
        };
        Owned { value, cx: self }
    }

    /// A string of the given UTF-8.
    pub(super) fn string(self, utf8: &[u8]) -> Result<Owned<'c>, Thrown> {
        // SAFETY: QuickJS copies the bytes and reads no further than `len`.
        unsafe {
            self.take(qjs::JS_NewStringLen(
                self.as_ptr(),
                utf8.as_ptr().cast(),
                utf8.len() as _,
            ))
        }
    }

    /// A string of the given UTF-16, which holds an unpaired surrogate.
    pub(super) fn string_utf16(self, units: &[u16]) -> Result<Owned<'c>, Thrown> {
        // SAFETY: QuickJS copies the units and reads no further than `len`.
        unsafe {
            self.take(qjs::JS_NewStringUTF16(
                self.as_ptr(),
                units.as_ptr(),
                units.len() as _,
            ))
        }
    }

    /// An empty object.
    pub(super) fn object(self) -> Result<Owned<'c>, Thrown> {
        // SAFETY: the context is alive.
        unsafe { self.take(qjs::JS_NewObject(self.as_ptr())) }
    }

    /// A function that does nothing.
    pub(super) fn idle_function(self) -> Result<Owned<'c>, Thrown> {
        // SAFETY: the function looks at none of its arguments.
        unsafe {
            self.take(qjs::JS_NewCFunctionData2(
                self.as_ptr(),
                Some(idle),
                std::ptr::null(),
                0,
                0,
                0,
                std::ptr::null_mut(),
            ))
        }
    }

    /// An array of the given elements.
    pub(super) fn array(self, elements: Vec<Owned<'c>>) -> Result<Owned<'c>, Thrown> {
        let Ok(count) = c_int::try_from(elements.len()) else {
            return Err(self.range_error(c"invalid array length"));
        };
        let elements: Vec<_> = elements.into_iter().map(Owned::into_raw).collect();
        // SAFETY: QuickJS takes over the `count` references, also when it fails.
        unsafe {
            self.take(qjs::JS_NewArrayFrom(
                self.as_ptr(),
                count,
                elements.as_ptr(),
            ))
        }
    }

    /// Throws a `TypeError`.
    pub(super) fn type_error(self, message: &'static CStr) -> Thrown {
        // SAFETY: the format takes one string, which ends in a NUL.
        unsafe { qjs::JS_ThrowTypeError(self.as_ptr(), c"%s".as_ptr(), message.as_ptr()) };
        Thrown
    }

    /// Throws a `RangeError`.
    pub(super) fn range_error(self, message: &'static CStr) -> Thrown {
        // SAFETY: the format takes one string, which ends in a NUL.
        unsafe { qjs::JS_ThrowRangeError(self.as_ptr(), c"%s".as_ptr(), message.as_ptr()) };
        Thrown
    }

    /// Calls a function.
    pub(super) fn call(
        self,
        function: Ref<'_>,
        this: Ref<'_>,
        arguments: &[Ref<'_>],
    ) -> Result<Owned<'c>, Thrown> {
        let mut arguments: Vec<_> = arguments.iter().map(|argument| argument.value).collect();
        let count = c_int::try_from(arguments.len())
            .map_err(|_| self.range_error(c"too many arguments"))?;
        // SAFETY: all values are alive, and there are `count` arguments.
        unsafe {
            self.take(qjs::JS_Call(
                self.as_ptr(),
                function.value,
                this.value,
                count,
                arguments.as_mut_ptr(),
            ))
        }
    }
}

unsafe extern "C" fn idle(
    _context: *mut qjs::JSContext,
    _this: qjs::JSValue,
    _count: c_int,
    _arguments: *mut qjs::JSValue,
    _magic: c_int,
    _data: *mut qjs::JSValue,
) -> qjs::JSValue {
    qjs::JS_UNDEFINED
}

/// A value that needs no memory.
#[derive(Clone, Copy)]
pub(super) enum Constant {
    Undefined,
    Null,
    True,
    False,
    Number(f64),
}

/// What `Object.defineProperty` and assignments ask for.
#[derive(Clone, Copy)]
pub(super) struct Descriptor<'v> {
    pub(super) value: Ref<'v>,
    pub(super) getter: Ref<'v>,
    pub(super) setter: Ref<'v>,
    /// `JS_PROP_…` of `quickjs.h`.
    pub(super) flags: u32,
}

/// A member of a document is writable, enumerable and configurable.
pub(super) const PLAIN: u32 = qjs::JS_PROP_C_W_E;

impl<'v> Descriptor<'v> {
    /// A value, and nothing said of what may be done with it.
    pub(super) fn value(value: Ref<'v>) -> Self {
        // SAFETY: `undefined` needs no memory.
        let undefined = unsafe { Ref::new(qjs::JS_UNDEFINED) };
        Self {
            value,
            getter: undefined,
            setter: undefined,
            flags: qjs::JS_PROP_HAS_VALUE,
        }
    }

    /// Whether it says something of the kind `JS_PROP_HAS_…`.
    pub(super) fn has(&self, what: u32) -> bool {
        self.flags & what != 0
    }

    pub(super) fn is_accessor(&self) -> bool {
        self.has(qjs::JS_PROP_HAS_GET | qjs::JS_PROP_HAS_SET)
    }

    pub(super) fn is_data(&self) -> bool {
        self.has(qjs::JS_PROP_HAS_VALUE | qjs::JS_PROP_HAS_WRITABLE)
    }

    /// Whether a plain property gets another value and stays plain, as by an assignment.
    pub(super) fn keeps_plain(&self) -> bool {
        self.has(qjs::JS_PROP_HAS_VALUE) && self.flags_over(PLAIN) == PLAIN
    }

    /// What may be done with a property of the given flags afterwards.
    pub(super) fn flags_over(&self, flags: u32) -> u32 {
        let mentioned = (self.flags >> qjs::JS_PROP_HAS_SHIFT) & PLAIN;
        (self.flags & mentioned) | (flags & !mentioned)
    }
}

impl<'v> Ref<'v> {
    /// # Safety
    ///
    /// `value` must be alive for `'v`.
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

    /// `Array.isArray`, given the class of proxies.
    pub(super) fn is_array(self, cx: Cx<'_>, proxies: qjs::JSClassID) -> Result<bool, Thrown> {
        if self.class() != proxies {
            // SAFETY: the value is alive.
            return Ok(unsafe { qjs::JS_IsArray(self.value) });
        }
        // SAFETY: the value is alive and a proxy.
        let target = unsafe { cx.take(qjs::JS_GetProxyTarget(cx.as_ptr(), self.value))? };
        target.get().is_array(cx, proxies)
    }

    /// `ToNumber`, [ECMA-262 §7.1.4].
    pub(super) fn to_number<'c>(self, cx: Cx<'c>) -> Result<Owned<'c>, Thrown> {
        // SAFETY: the value is alive.
        unsafe { cx.take(qjs::JS_ToNumber(cx.as_ptr(), self.value)) }
    }

    /// `ToString`, [ECMA-262 §7.1.17].
    pub(super) fn to_string<'c>(self, cx: Cx<'c>) -> Result<Owned<'c>, Thrown> {
        // SAFETY: the value is alive.
        unsafe { cx.take(qjs::JS_ToString(cx.as_ptr(), self.value)) }
    }

    /// What a `Boolean` object holds.
    pub(super) fn to_boolean<'c>(self, cx: Cx<'c>) -> Result<Owned<'c>, Thrown> {
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
    pub(super) fn own<'c>(self, cx: Cx<'c>) -> Owned<'c> {
        // SAFETY: the value is alive.
        Owned {
            value: unsafe { qjs::JS_DupValue(cx.as_ptr(), self.value) },
            cx,
        }
    }

    /// Reads a property, as `value[key]` does.
    pub(super) fn get<'c>(self, cx: Cx<'c>, key: Key) -> Result<Owned<'c>, Thrown> {
        // SAFETY: value and key are alive.
        unsafe { cx.take(qjs::JS_GetProperty(cx.as_ptr(), self.value, key.0)) }
    }

    /// Reads an element, as `value[index]` does.
    pub(super) fn element<'c>(self, cx: Cx<'c>, index: i64) -> Result<Owned<'c>, Thrown> {
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
    pub(super) fn prototype<'c>(self, cx: Cx<'c>) -> Result<Owned<'c>, Thrown> {
        // SAFETY: the value is alive.
        unsafe { cx.take(qjs::JS_GetPrototype(cx.as_ptr(), self.value)) }
    }

    /// Gives a property a value; of a new one scripts can change nothing.
    pub(super) fn define(self, cx: Cx<'_>, key: Key, value: Ref<'_>) -> Result<(), Thrown> {
        let Descriptor {
            value,
            getter,
            setter,
            flags,
        } = Descriptor::value(value);
        #[allow(clippy::cast_possible_wrap)] // the flags are small
        let flags = (flags | qjs::JS_PROP_THROW) as c_int;
        // SAFETY: object, key and value are alive.
        let status = unsafe {
            qjs::JS_DefineProperty(
                cx.as_ptr(),
                self.value,
                key.0,
                value.value,
                getter.value,
                setter.value,
                flags,
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
    pub(super) fn utf8<'c>(self, cx: Cx<'c>) -> Result<Utf8<'c>, Thrown> {
        let mut length: qjs::size_t = 0;
        // SAFETY: the value is alive.
        let text =
            unsafe { qjs::JS_ToCStringLen2(cx.as_ptr(), &raw mut length, self.value, false) };
        let text = NonNull::new(text.cast_mut().cast()).ok_or(Thrown)?;
        Ok(Utf8 {
            text,
            length: usize::try_from(length).expect("a string fits into memory"),
            cx,
        })
    }

    /// The enumerable string keys of an object, as `Object.keys` lists them.
    pub(super) fn enumerable_keys<'c>(self, cx: Cx<'c>) -> Result<KeyList<'c>, Thrown> {
        KeyList::of(cx, self, qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY)
    }
}

impl<'c> Owned<'c> {
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

/// Keys of an object.
pub(super) struct KeyList<'c> {
    entries: NonNull<qjs::JSPropertyEnum>,
    count: u32,
    cx: Cx<'c>,
}

impl<'c> KeyList<'c> {
    /// The keys that `flags` ask for, `JS_GPN_…` of `quickjs.h`.
    pub(super) fn of(cx: Cx<'c>, object: Ref<'_>, flags: u32) -> Result<Self, Thrown> {
        let mut entries = std::ptr::null_mut();
        let mut count = 0;
        #[allow(clippy::cast_possible_wrap)] // the flags are small
        // SAFETY: the object is alive, the results are written to variables of ours.
        let status = unsafe {
            qjs::JS_GetOwnPropertyNames(
                cx.as_ptr(),
                &raw mut entries,
                &raw mut count,
                object.value,
                flags as c_int,
            )
        };
        let entries = NonNull::new(entries)
            .filter(|_| status >= 0)
            .ok_or(Thrown)?;
        Ok(Self { entries, count, cx })
    }

    /// The keys, alive as long as the list.
    pub(super) fn iter(&self) -> impl Iterator<Item = Key> + '_ {
        // SAFETY: QuickJS has filled in `count` entries, which are ours until `drop`.
        let entries =
            unsafe { std::slice::from_raw_parts(self.entries.as_ptr(), self.count as usize) };
        entries.iter().map(|entry| Key(entry.atom))
    }
}

impl Drop for KeyList<'_> {
    fn drop(&mut self) {
        // SAFETY: list and keys came from `JS_GetOwnPropertyNames` and are given back once.
        unsafe { qjs::JS_FreePropertyEnum(self.cx.as_ptr(), self.entries.as_ptr(), self.count) }
    }
}
