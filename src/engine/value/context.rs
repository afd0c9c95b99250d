//! Contexts: QuickJS's C interface as far as it makes values.
//!
//! The functions here and in `reference` are safe to call because of rules that the types keep:
//!
//! * A [`Cx`] exists only while its context is alive and this thread runs in it; whoever makes one
//!   vouches for that.
//! * A [`Ref`] is a value that somebody else keeps alive for its lifetime; an [`Owned`] holds one
//!   reference and gives it back.
//! * A `Key` is used only while its owner keeps it, a slot or a list that nobody changes
//!   meanwhile.
//! * QuickJS is called with values of the context's own runtime, which is so because values don't
//!   leave it.
//!
//! The interface is that of QuickJS-ng 0.16, `quickjs.h`.

use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;

use rquickjs::qjs;

use super::reference::{Owned, Ref};
use super::trace::Trace;
use crate::engine::fence::hook;

/// An exception is pending in the context.
#[derive(Debug)]
pub(super) struct Thrown;

/// A context that this thread runs in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cx<'c> {
    context: NonNull<qjs::JSContext>,
    life: PhantomData<&'c ()>,
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
            // SAFETY: as demanded.
            Ok(unsafe { Owned::new(self, value) })
        }
    }

    /// `null`, `true` or another value that needs no memory.
    pub(super) fn constant(self, value: Constant) -> Owned<'c> {
        let value = match value {
            Constant::Undefined => qjs::JS_UNDEFINED,
            Constant::Null => qjs::JS_NULL,
            Constant::True => qjs::JS_TRUE,
            Constant::False => qjs::JS_FALSE,
        };
        // SAFETY: none of them counts its references.
        unsafe { Owned::new(self, value) }
    }

    /// A number that is one of a document.
    pub(super) fn traced(self, number: f64, trace: Option<Trace>) -> Owned<'c> {
        let mut value = qjs::JS_NewFloat64(number);
        if let Some(trace) = trace {
            value.tag |= i64::from(trace.bits()) << 32;
        }
        // SAFETY: a number doesn't count its references.
        unsafe { Owned::new(self, value) }
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

    /// The prototype of objects of a class.
    pub(super) fn class_prototype(self, class: qjs::JSClassID) -> Owned<'c> {
        // SAFETY: the class is registered; the result is a reference of ours.
        unsafe { Owned::new(self, qjs::JS_GetClassProto(self.as_ptr(), class)) }
    }

    /// A function that does nothing.
    pub(super) fn idle_function(self) -> Result<Owned<'c>, Thrown> {
        // SAFETY: the function looks at none of its arguments.
        unsafe {
            self.take(qjs::JS_NewCFunctionData2(
                self.as_ptr(),
                Some(hook!(function: idle)),
                std::ptr::null(),
                0,
                0,
                0,
                std::ptr::null_mut(),
            ))
        }
    }

    /// An array of the given elements.
    pub(super) fn array(self, elements: Elements<'c>) -> Result<Owned<'c>, Thrown> {
        let Ok(count) = c_int::try_from(elements.raw.len()) else {
            return Err(self.range_error(c"invalid array length"));
        };
        let elements = elements.into_raw();
        // SAFETY: QuickJS takes over the `count` references, also when it fails.
        unsafe {
            self.take(qjs::JS_NewArrayFrom(
                self.as_ptr(),
                count,
                elements.as_ptr(),
            ))
        }
    }

    /// Throws what QuickJS throws where it has no memory.
    pub(super) fn out_of_memory(self) -> Thrown {
        // SAFETY: the context is alive.
        unsafe { qjs::JS_ThrowOutOfMemory(self.as_ptr()) };
        Thrown
    }

    /// Ends the script, as QuickJS does when its interrupt handler says so: no `catch` sees it.
    pub(super) fn interrupted(self) -> Thrown {
        // SAFETY: the context is alive; the error is ours until it is thrown.
        unsafe {
            qjs::JS_ThrowInternalError(self.as_ptr(), c"interrupted".as_ptr());
            let error = qjs::JS_GetException(self.as_ptr());
            qjs::JS_SetUncatchableError(self.as_ptr(), error);
            qjs::JS_Throw(self.as_ptr(), error);
        }
        Thrown
    }

    /// Throws a `TypeError`.
    pub(super) fn type_error(self, message: &'static CStr) -> Thrown {
        // SAFETY: the format takes one string, which ends in a NUL.
        unsafe { qjs::JS_ThrowTypeError(self.as_ptr(), c"%s".as_ptr(), message.as_ptr()) };
        Thrown
    }

    /// Throws a `TypeError` whose message was put together; a NUL ends it.
    pub(super) fn type_error_of(self, message: &str) -> Thrown {
        let message = message.split('\0').next().unwrap_or_default();
        let message = CString::new(message).expect("there is no NUL in it");
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

    /// Throws a `SyntaxError`.
    pub(super) fn syntax_error(self, message: &'static CStr) -> Thrown {
        // SAFETY: the format takes one string, which ends in a NUL.
        unsafe { qjs::JS_ThrowSyntaxError(self.as_ptr(), c"%s".as_ptr(), message.as_ptr()) };
        Thrown
    }

    /// Calls a function.
    pub(super) fn call(
        self,
        function: Ref<'_>,
        this: Ref<'_>,
        arguments: &[Ref<'_>],
    ) -> Result<Owned<'c>, Thrown> {
        let mut arguments: Vec<_> = arguments.iter().map(|argument| argument.as_raw()).collect();
        let count = c_int::try_from(arguments.len())
            .map_err(|_| self.range_error(c"too many arguments"))?;
        // SAFETY: all values are alive, and there are `count` arguments.
        unsafe {
            self.take(qjs::JS_Call(
                self.as_ptr(),
                function.as_raw(),
                this.as_raw(),
                count,
                arguments.as_mut_ptr(),
            ))
        }
    }
}

/// Values on their way into an array, in one piece: of a large one there must not be two.
pub(super) struct Elements<'c> {
    raw: Vec<qjs::JSValue>,
    cx: Cx<'c>,
}

impl<'c> Elements<'c> {
    /// None yet; room for `count` takes [`Self::takes`].
    pub(super) fn with_capacity(cx: Cx<'c>, count: usize) -> Self {
        Self {
            raw: Vec::with_capacity(count),
            cx,
        }
    }

    /// What so many take until they are in their array, in bytes.
    pub(super) fn takes(count: usize) -> usize {
        count * size_of::<qjs::JSValue>()
    }

    pub(super) fn push(&mut self, value: Owned<'c>) {
        self.raw.push(value.into_raw());
    }

    /// The references, for whoever owns them from now on.
    fn into_raw(mut self) -> Vec<qjs::JSValue> {
        std::mem::take(&mut self.raw)
    }
}

impl Drop for Elements<'_> {
    fn drop(&mut self) {
        for value in self.raw.drain(..) {
            // SAFETY: each was given to us, and is given back once.
            unsafe { qjs::JS_FreeValue(self.cx.as_ptr(), value) }
        }
    }
}

unsafe fn idle(
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
}
