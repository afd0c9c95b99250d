//! What rquickjs has no safe word for.

#![allow(unsafe_code)] // QuickJS's C interface.

use rquickjs::{Ctx, Error, Object, Result, Value, qjs};

use super::limits::STACK;

/// Whether `key` is a property of the object's own (`Object.hasOwn`).
///
/// # Errors
///
/// What a Proxy throws.
pub(super) fn has_own<'js>(ctx: &Ctx<'js>, object: &Object<'js>, key: &str) -> Result<bool> {
    let context = ctx.as_raw().as_ptr();
    // SAFETY: context and object are alive and of one runtime, by their types. The atom is ours,
    // used only where there is one, and freed once; null asks for no descriptor, so that there
    // is none to be freed.
    let found = unsafe {
        let key = qjs::JS_NewAtomLen(context, key.as_ptr().cast(), key.len() as _);
        if key == qjs::JS_ATOM_NULL {
            return Err(Error::Exception);
        }
        let object = object.as_value().as_raw();
        let found = qjs::JS_GetOwnProperty(context, std::ptr::null_mut(), object, key);
        qjs::JS_FreeAtom(context, key);
        found
    };
    answer(found)
}

/// `object instanceof class`. rquickjs' own takes an exception for a yes.
///
/// # Errors
///
/// What a Proxy throws.
pub(super) fn is_instance<'js>(
    ctx: &Ctx<'js>,
    object: &Object<'js>,
    class: &Value<'js>,
) -> Result<bool> {
    // SAFETY: context and values are alive and of one runtime, by their types; neither value is
    // taken over.
    let found = unsafe {
        qjs::JS_IsInstanceOf(
            ctx.as_raw().as_ptr(),
            object.as_value().as_raw(),
            class.as_raw(),
        )
    };
    answer(found)
}

/// The length of a list, as `length` says it.
///
/// # Errors
///
/// What reading it throws.
pub(super) fn length<'js>(ctx: &Ctx<'js>, list: &Object<'js>) -> Result<usize> {
    let mut length = 0;
    // SAFETY: context and object are alive and of one runtime, by their types.
    let status = unsafe {
        qjs::JS_GetLength(
            ctx.as_raw().as_ptr(),
            list.as_value().as_raw(),
            &raw mut length,
        )
    };
    if status < 0 {
        return Err(Error::Exception);
    }
    Ok(usize::try_from(length).unwrap_or_default())
}

/// Does something while scripts may use so many bytes of the stack, and [`STACK`] again afterwards.
pub(super) fn with_stack<R>(ctx: &Ctx<'_>, bytes: usize, work: impl FnOnce() -> R) -> R {
    let limit = |bytes: usize| {
        // SAFETY: the context is alive and its runtime this thread's, by the types; the limit is
        // counted from where the runtime was entered.
        unsafe {
            let runtime = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
            qjs::JS_SetMaxStackSize(runtime, bytes as _);
        }
    };
    limit(bytes);
    let done = work();
    limit(STACK);
    done
}

/// The answer of a C function that says 1, 0 or, with an exception pending, -1.
fn answer(found: i32) -> Result<bool> {
    if found < 0 {
        return Err(Error::Exception);
    }
    Ok(found != 0)
}
