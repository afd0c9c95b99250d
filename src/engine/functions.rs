//! The functions of Rust's that an isolate's scripts may call, in the boxes that rquickjs puts them.
//!
//! QuickJS drops such a box when it frees the function. An isolate that QuickJS can't be trusted to
//! free ([`abandon`](super::abandon)) has to drop them otherwise, so it knows them all.

#![allow(unsafe_code)] // What rquickjs keeps behind a function has no safe word.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::NonNull;

use rquickjs::{Context, Ctx, Error, IntoJs, Object, Persistent, Runtime, Value, qjs};

use super::fence::native;

/// The functions of one isolate, each kept from being freed before the isolate ends.
#[derive(Default)]
pub(super) struct Functions(RefCell<Vec<Known>>);

struct Known {
    function: Persistent<Value<'static>>,
    held: NonNull<c_void>,
}

/// What rquickjs has behind functions that are no object's any longer.
pub(super) struct Left(Vec<NonNull<c_void>>);

impl Functions {
    /// Takes note of all that `natives` holds, as soon as they are made.
    pub(super) fn note<'js>(&self, natives: &Object<'js>) -> rquickjs::Result<()> {
        let ctx = natives.ctx();
        let class = class(ctx)?;
        for value in natives.values::<Value<'js>>() {
            let value = value?;
            // SAFETY: the value is alive; behind an object of the class is what rquickjs put there.
            let held = unsafe { qjs::JS_GetOpaque(value.as_raw(), class) };
            if let Some(held) = NonNull::new(held) {
                let function = Persistent::save(ctx, value);
                self.0.borrow_mut().push(Known { function, held });
            }
        }
        Ok(())
    }

    /// Lets QuickJS free them, which it does with their context.
    pub(super) fn release(&self) {
        let known = self.0.take();
        drop(known);
    }

    /// Takes what is behind them, and gives up the functions themselves.
    pub(super) fn take(&self) -> Left {
        let held = |Known { function, held }| {
            std::mem::forget(function);
            held
        };
        Left(self.0.take().into_iter().map(held).collect())
    }
}

impl Left {
    /// Drops it all, as functions of another runtime, which frees them at once.
    ///
    /// # Safety
    ///
    /// The functions that had it are never called or freed.
    ///
    /// # Errors
    ///
    /// There is no memory for a runtime; what isn't dropped stays for ever.
    pub(super) unsafe fn drop(self) -> rquickjs::Result<()> {
        let runtime = Runtime::new()?;
        Context::base(&runtime)?.with(|ctx| {
            let class = class(&ctx)?;
            let context = ctx.as_raw().as_ptr();
            for held in self.0 {
                // SAFETY: the context is alive. What was behind a function of rquickjs' is so
                // again, behind one of the same class, whose only reference is given back.
                unsafe {
                    let object = qjs::JS_NewObjectClass(context, class as _);
                    if qjs::JS_IsException(object) {
                        return Err(Error::Allocation);
                    }
                    qjs::JS_SetOpaque(object, held.as_ptr());
                    qjs::JS_FreeValue(context, object);
                }
            }
            Ok(())
        })
    }
}

/// The class of such functions in a runtime.
fn class(ctx: &Ctx<'_>) -> rquickjs::Result<qjs::JSClassID> {
    let sample = native(|| ()).into_js(ctx)?;
    // SAFETY: the value is alive.
    Ok(unsafe { qjs::JS_GetClassID(sample.as_raw()) })
}
