//! What the guards look at: lengths, and runs of marks.

use std::ffi::CStr;

use rquickjs::qjs;

use super::marks;

/// The largest product of two lengths of texts that is tried. A word in any text that a body can
/// hold is far below; so is a page in a text of some megabytes.
const PRODUCT: i64 = 10_000_000_000;

/// A text that may be searched for in any other, in units: none has more than 2^30.
const SHORT: i64 = 9;

const TOO_LONG: &CStr = c"longer than an array that fits into the handler's memory";

/// How deep lists in lists are looked into. The native gives up not much deeper, for want of stack.
const DEEPEST: usize = 256;

/// An exception is pending.
pub(super) struct Refused;

/// Looks at lengths; may throw in the context.
pub(super) struct Lengths {
    pub(super) ctx: *mut qjs::JSContext,
    /// The longest that is walked.
    pub(super) most: i64,
}

/// # Safety
///
/// All of them: the context is alive and this thread the one that runs in it, the values are its own.
impl Lengths {
    unsafe fn of(&self, value: qjs::JSValue) -> Result<i64, Refused> {
        let mut length = 0;
        // SAFETY: as demanded; a failure leaves an exception.
        if unsafe { qjs::JS_GetLength(self.ctx, value, &raw mut length) } < 0 {
            return Err(Refused);
        }
        Ok(length)
    }

    /// What isn't an object, the native refuses or walks in no time.
    pub(super) unsafe fn allow(&self, value: qjs::JSValue) -> Result<(), Refused> {
        // SAFETY: as demanded.
        unsafe {
            if qjs::JS_IsObject(value) && self.of(value)? > self.most {
                return Err(self.refuse(TOO_LONG));
            }
        }
        Ok(())
    }

    pub(super) unsafe fn allow_all(
        &self,
        this: qjs::JSValue,
        arguments: &[qjs::JSValue],
        spreadable: qjs::JSValue,
    ) -> Result<(), Refused> {
        for &value in std::iter::once(&this).chain(arguments) {
            // SAFETY: as demanded; the atom and the value that are made are given back.
            unsafe {
                if !qjs::JS_IsObject(value) {
                    continue;
                }
                let is_spread = qjs::JS_IsArray(value) || {
                    let atom = qjs::JS_ValueToAtom(self.ctx, spreadable);
                    let says = qjs::JS_GetProperty(self.ctx, value, atom);
                    qjs::JS_FreeAtom(self.ctx, atom);
                    // An exception is true, and thrown again by the length or the native.
                    let is_spread = qjs::JS_ToBool(self.ctx, says) != 0;
                    qjs::JS_FreeValue(self.ctx, says);
                    is_spread
                };
                if is_spread {
                    self.allow(value)?;
                }
            }
        }
        Ok(())
    }

    pub(super) unsafe fn allow_raw(&self, arguments: &[qjs::JSValue]) -> Result<(), Refused> {
        let Some(&parts) = arguments.first() else {
            return Ok(());
        };
        // SAFETY: as demanded; the value that is read is given back.
        unsafe {
            if !qjs::JS_IsObject(parts) {
                return Ok(());
            }
            let raw = qjs::JS_GetPropertyStr(self.ctx, parts, c"raw".as_ptr());
            if qjs::JS_IsException(raw) {
                return Err(Refused);
            }
            let allowed = self.allow(raw);
            qjs::JS_FreeValue(self.ctx, raw);
            allowed
        }
    }

    pub(super) unsafe fn allow_search(
        &self,
        this: qjs::JSValue,
        arguments: &[qjs::JSValue],
    ) -> Result<(), Refused> {
        let Some(&part) = arguments.first() else {
            return Ok(());
        };
        // SAFETY: as demanded.
        unsafe {
            if !qjs::JS_IsString(part) || !qjs::JS_IsString(this) {
                return Ok(());
            }
            // Nearly always the first is short, and the second isn't looked at.
            let part = self.of(part)?;
            if part > SHORT && part.saturating_mul(self.of(this)?) > PRODUCT {
                return Err(self.refuse(c"both texts are too long to search the one in the other"));
            }
        }
        Ok(())
    }

    /// Lists in lists may have as many members together as one may have: if there were more, they
    /// would be holes, which nothing is made of.
    pub(super) unsafe fn allow_flat(
        &self,
        this: qjs::JSValue,
        arguments: &[qjs::JSValue],
    ) -> Result<(), Refused> {
        // SAFETY: as demanded.
        unsafe {
            let depth = match arguments.first() {
                Some(&depth) if qjs::JS_IsNumber(depth) => self.number(depth)?,
                // Without one it is 1. Another value is nearly always a mistake, and the native's.
                Some(_) | None => 1.0,
            };
            let mut left = self.most;
            if qjs::JS_IsObject(this) {
                self.count(this, depth, DEEPEST, &mut left)?;
            }
        }
        Ok(())
    }

    /// Takes the length of a list off `left`, and those of the lists in it.
    unsafe fn count(
        &self,
        list: qjs::JSValue,
        depth: f64,
        deepest: usize,
        left: &mut i64,
    ) -> Result<(), Refused> {
        // SAFETY: as demanded; each member that is read is given back.
        unsafe {
            let length = self.of(list)?;
            *left -= length;
            if *left < 0 {
                return Err(self.refuse(TOO_LONG));
            }
            if depth < 1.0 || deepest == 0 {
                return Ok(());
            }
            for at in 0..length {
                let member = qjs::JS_GetPropertyInt64(self.ctx, list, at);
                if qjs::JS_IsException(member) {
                    return Err(Refused);
                }
                let counted = if qjs::JS_IsArray(member) {
                    self.count(member, depth - 1.0, deepest - 1, left)
                } else {
                    Ok(())
                };
                qjs::JS_FreeValue(self.ctx, member);
                counted?;
            }
        }
        Ok(())
    }

    pub(super) unsafe fn allow_steps(&self, arguments: &[qjs::JSValue]) -> Result<(), Refused> {
        let Some(&steps) = arguments.first() else {
            return Ok(());
        };
        // SAFETY: as demanded.
        unsafe {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            if qjs::JS_IsNumber(steps) && self.number(steps)? > self.most as f64 {
                return Err(self.refuse(c"more steps than an array of the handler's memory has"));
            }
        }
        Ok(())
    }

    pub(super) unsafe fn allow_few(&self, arguments: &[qjs::JSValue]) -> Result<(), Refused> {
        if i64::try_from(arguments.len()).is_ok_and(|count| count <= self.most) {
            return Ok(());
        }
        // SAFETY: as demanded.
        Err(unsafe { self.refuse(c"a function is bound to at most 249 arguments") })
    }

    pub(super) unsafe fn allow_marks(
        &self,
        this: qjs::JSValue,
        arguments: &[qjs::JSValue],
    ) -> Result<(), Refused> {
        for &value in std::iter::once(&this).chain(arguments.first()) {
            // SAFETY: as demanded; the text that is made is given back.
            unsafe {
                if !qjs::JS_IsString(value) || self.of(value)? <= marks::FEW {
                    continue;
                }
                let mut length = 0;
                let text = qjs::JS_ToCStringLen(self.ctx, &raw mut length, value);
                if text.is_null() {
                    return Err(Refused);
                }
                let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as _);
                let are_many = marks::are_many(&String::from_utf8_lossy(bytes));
                qjs::JS_FreeCString(self.ctx, text);
                if are_many {
                    return Err(self.refuse(c"too many marks on one letter to be put in order"));
                }
            }
        }
        Ok(())
    }

    unsafe fn number(&self, value: qjs::JSValue) -> Result<f64, Refused> {
        let mut number = 0.0;
        // SAFETY: as demanded; a failure leaves an exception.
        if unsafe { qjs::JS_ToFloat64(self.ctx, &raw mut number, value) } < 0 {
            return Err(Refused);
        }
        Ok(number)
    }

    unsafe fn refuse(&self, why: &CStr) -> Refused {
        // SAFETY: as demanded; both are C strings, and the format takes one.
        unsafe { qjs::JS_ThrowRangeError(self.ctx, c"%s".as_ptr(), why.as_ptr()) };
        Refused
    }
}
