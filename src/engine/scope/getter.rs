//! Getters: functions that take nothing and give one thing of the transaction.
//!
//! A script asks for these again and again, for `req.verb` with each record of a body. As QuickJS's
//! own functions they cost a third of what rquickjs' do, which look at arguments and their
//! types first. The views' neighbour in speaking to QuickJS without it.

use std::ffi::c_int;
use std::ptr::NonNull;

use rquickjs::{Ctx, Error, Function, Object, Result, Value, qjs};

use super::natives::{WORDS, text};
use super::view::{raise, view_of};
use crate::engine::fence::hook;

/// A function for each of [`WORDS`], by its name. `view` is any of the scope's.
pub(super) fn texts<'js>(view: &Object<'js>) -> Result<Object<'js>> {
    let texts = Object::new(view.ctx().clone())?;
    for (number, (name, _)) in (0..).zip(WORDS) {
        texts.set(
            name,
            function(view, number, Some(hook!(function: call_text)))?,
        )?;
    }
    Ok(texts)
}

/// A function that gives `object`.
pub(super) fn giving<'js>(object: &Object<'js>) -> Result<Function<'js>> {
    function(object, 0, Some(hook!(function: give_held)))
}

/// A function of QuickJS's that is called with `held` and `number` at hand.
fn function<'js>(
    held: &Object<'js>,
    number: c_int,
    code: qjs::JSCFunctionData,
) -> Result<Function<'js>> {
    let ctx = held.ctx();
    let mut held = held.as_value().as_raw();
    // SAFETY: the context is alive; QuickJS takes a count of its own on the one value, which
    // lives as long as the function.
    let made = unsafe {
        let context = ctx.as_raw().as_ptr();
        let made = qjs::JS_NewCFunctionData(context, code, 0, number, 1, &raw mut held);
        if qjs::JS_IsException(made) {
            return Err(Error::Exception);
        }
        Value::from_raw(ctx.clone(), made)
    };
    Function::from_value(made)
}

unsafe fn give_held(
    context: *mut qjs::JSContext,
    _this: qjs::JSValue,
    _count: c_int,
    _arguments: *mut qjs::JSValue,
    _number: c_int,
    held: *mut qjs::JSValue,
) -> qjs::JSValue {
    // SAFETY: QuickJS lends the one value that `function` gave it; the caller gets a count.
    unsafe { qjs::JS_DupValue(context, *held) }
}

unsafe fn call_text(
    context: *mut qjs::JSContext,
    _this: qjs::JSValue,
    _count: c_int,
    _arguments: *mut qjs::JSValue,
    number: c_int,
    held: *mut qjs::JSValue,
) -> qjs::JSValue {
    // SAFETY: QuickJS calls with a live context and lends the one value that `function` gave
    // it, a view.
    let (ctx, view) = unsafe {
        (
            NonNull::new(context).map(|it| Ctx::from_raw(it)),
            view_of(*held),
        )
    };
    let word = usize::try_from(number).ok().and_then(|at| WORDS.get(at));
    let (Some(ctx), Some(view), Some(&(_, word))) = (ctx, view, word) else {
        return qjs::JS_UNDEFINED;
    };
    match text(&ctx, &view.scope, word) {
        // SAFETY: the caller gets a count of its own, since `value` gives up its.
        Ok(value) => unsafe { qjs::JS_DupValue(context, value.as_raw()) },
        Err(error) => {
            raise(&ctx, &error);
            qjs::JS_EXCEPTION
        }
    }
}
