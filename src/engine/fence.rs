//! The fence around everything of ours that QuickJS calls.
//!
//! A panic must not unwind through C. So every function that C calls is made by [`hook!`], every
//! native that rquickjs calls by [`native`], and what rquickjs calls by itself goes through
//! [`Fence::run`]. A panic in any of them ends the script with an error that it can't catch; whoever
//! runs it asks the fence afterwards, answers for it, and uses the isolate no more. `tests/layering.rs`
//! sees to it that there is no way around.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rquickjs::function::{Func, IntoJsFunc, ParamRequirement, Params};
use rquickjs::{Ctx, Error, JsLifetime, Result, Value, qjs};

/// Whether something of ours has panicked in an isolate. Clones are the same fence.
#[derive(Debug, Clone, Default)]
pub(super) struct Fence {
    has_caught: Arc<AtomicBool>,
    #[cfg(test)]
    fail_at: FailPoint,
}

/// The place that is to panic, in a test.
#[cfg(test)]
pub(super) type FailPoint = std::sync::Arc<std::sync::Mutex<Option<&'static str>>>;

// SAFETY: there is no JavaScript lifetime in it.
#[allow(unsafe_code)]
unsafe impl JsLifetime<'_> for Fence {
    type Changed<'to> = Fence;
}

impl Fence {
    /// The fence of a context's runtime; a new one where there is none yet.
    pub(super) fn of(ctx: &Ctx<'_>) -> Self {
        if let Some(known) = ctx.userdata::<Self>() {
            return known.clone();
        }
        let fence = Self::default();
        fence.install(ctx);
        fence
    }

    /// Makes it the fence of a context's runtime.
    pub(super) fn install(&self, ctx: &Ctx<'_>) {
        // Nothing borrows the user data where it is installed.
        let _ = ctx.store_userdata(self.clone());
    }

    /// Whether it has caught a panic.
    pub(super) fn has_caught(&self) -> bool {
        self.has_caught.load(Ordering::Relaxed)
    }

    /// Says that there was a panic.
    #[cold]
    pub(super) fn note(&self) {
        self.has_caught.store(true, Ordering::Relaxed);
    }

    /// Does something for QuickJS; `failed` is what that is given after a panic.
    pub(super) fn run<R>(&self, name: &'static str, failed: R, work: impl FnOnce() -> R) -> R {
        let fenced = AssertUnwindSafe(|| {
            self.reach(name);
            work()
        });
        catch_unwind(fenced).unwrap_or_else(|_| {
            self.note();
            failed
        })
    }

    /// Does something for the collector of QuickJS's memory, which can't do without: after a panic
    /// `work` is called once more, to go on where it was. If it panics again the process ends, since
    /// memory that is in use would be given away.
    pub(super) fn insist(&self, name: &'static str, mut work: impl FnMut()) {
        let fenced = AssertUnwindSafe(|| {
            self.reach(name);
            work();
        });
        if catch_unwind(fenced).is_err() {
            self.note();
            work();
        }
    }

    /// A place that a test may have panic.
    #[inline]
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only a test looks"))]
    pub(super) fn reach(&self, name: &'static str) {
        #[cfg(test)]
        {
            let is_here = *self.fail_at.lock().expect("it is only written") == Some(name);
            assert!(!is_here, "a test has {name} panic");
        }
        #[cfg(not(test))]
        let _ = name;
    }

    /// A fence whose places panic as `fail_at` says.
    #[cfg(test)]
    pub(super) fn failing_at(fail_at: FailPoint) -> Self {
        Self {
            has_caught: Arc::default(),
            fail_at,
        }
    }
}

impl AsRef<Fence> for Fence {
    fn as_ref(&self) -> &Fence {
        self
    }
}

/// Does what a hook is for; `failed` is what QuickJS is given after a panic, with an exception
/// pending that no script can catch.
///
/// # Safety
///
/// `context` is the one that QuickJS called the hook in.
#[allow(unsafe_code)]
#[inline]
pub(super) unsafe fn fenced<R>(
    context: *mut qjs::JSContext,
    name: &'static str,
    failed: R,
    work: impl FnOnce() -> R,
) -> R {
    let work = AssertUnwindSafe(|| {
        #[cfg(test)]
        // SAFETY: as demanded.
        unsafe {
            with_context(context, |ctx| Fence::of(ctx).reach(name));
        }
        #[cfg(not(test))]
        let _ = name;
        work()
    });
    catch_unwind(work).unwrap_or_else(|_| {
        // SAFETY: as demanded.
        unsafe { with_context(context, caught) };
        failed
    })
}

/// # Safety
///
/// `context` is alive, and this thread the one that runs in it.
#[allow(unsafe_code)]
unsafe fn with_context(context: *mut qjs::JSContext, work: impl FnOnce(&Ctx<'_>)) {
    if let Some(context) = NonNull::new(context) {
        // SAFETY: as demanded; it is counted once more and given back when `ctx` goes.
        let ctx = unsafe { Ctx::from_raw(context) };
        work(&ctx);
    }
}

/// Notes a panic and throws what ends the script.
#[cold]
#[allow(unsafe_code)]
fn caught(ctx: &Ctx<'_>) {
    Fence::of(ctx).note();
    let context = ctx.as_raw().as_ptr();
    // SAFETY: the context is alive; the error is ours until it is thrown.
    unsafe {
        qjs::JS_ThrowInternalError(context, c"a fault of interpose".as_ptr());
        let error = qjs::JS_GetException(context);
        qjs::JS_SetUncatchableError(context, error);
        qjs::JS_Throw(context, error);
    }
}

/// A function of ours as one that QuickJS calls, by the kind of hook that it is. Those that are given
/// nothing but a runtime can't throw; `of` finds the fence of the object that they are called for.
macro_rules! hook {
    (@ $inner:path, $failed:expr; $result:ty; $($argument:ident: $type:ty),*) => {{
        unsafe extern "C" fn hook(
            context: *mut rquickjs::qjs::JSContext,
            $($argument: $type),*
        ) -> $result {
            // SAFETY: QuickJS calls a hook with the context that it runs in, and what its kind says.
            unsafe {
                $crate::engine::fence::fenced(context, stringify!($inner), $failed, || {
                    $inner(context, $($argument),*)
                })
            }
        }
        hook
    }};
    (@ $inner:path, of $of:path; $($argument:ident: $type:ty),*) => {{
        unsafe extern "C" fn hook(
            runtime: *mut rquickjs::qjs::JSRuntime,
            object: rquickjs::qjs::JSValue,
            $($argument: $type),*
        ) {
            // SAFETY: QuickJS calls a hook with the runtime that it runs in, and what its kind says.
            unsafe {
                if let Some(holder) = $of(object) {
                    let fence: &$crate::engine::fence::Fence = (*holder).as_ref();
                    let mut done = 0;
                    fence.insist(stringify!($inner), || {
                        $inner(runtime, object, $($argument,)* &mut done);
                    });
                }
            }
        }
        hook
    }};
    (get_own_property: $inner:path) => {
        $crate::engine::fence::hook!(@ $inner, -1; std::ffi::c_int;
            descriptor: *mut rquickjs::qjs::JSPropertyDescriptor,
            object: rquickjs::qjs::JSValue,
            key: rquickjs::qjs::JSAtom)
    };
    (get_own_property_names: $inner:path) => {
        $crate::engine::fence::hook!(@ $inner, -1; std::ffi::c_int;
            table: *mut *mut rquickjs::qjs::JSPropertyEnum,
            length: *mut u32,
            object: rquickjs::qjs::JSValue)
    };
    (delete_property: $inner:path) => {
        $crate::engine::fence::hook!(@ $inner, -1; std::ffi::c_int;
            object: rquickjs::qjs::JSValue,
            key: rquickjs::qjs::JSAtom)
    };
    (define_own_property: $inner:path) => {
        $crate::engine::fence::hook!(@ $inner, -1; std::ffi::c_int;
            object: rquickjs::qjs::JSValue,
            key: rquickjs::qjs::JSAtom,
            value: rquickjs::qjs::JSValue,
            getter: rquickjs::qjs::JSValue,
            setter: rquickjs::qjs::JSValue,
            flags: std::ffi::c_int)
    };
    (set_property: $inner:path) => {
        $crate::engine::fence::hook!(@ $inner, -1; std::ffi::c_int;
            object: rquickjs::qjs::JSValue,
            key: rquickjs::qjs::JSAtom,
            value: rquickjs::qjs::JSValue,
            receiver: rquickjs::qjs::JSValue,
            flags: std::ffi::c_int)
    };
    (function: $inner:path) => {
        $crate::engine::fence::hook!(@ $inner, rquickjs::qjs::JS_EXCEPTION; rquickjs::qjs::JSValue;
            this: rquickjs::qjs::JSValue,
            count: std::ffi::c_int,
            arguments: *mut rquickjs::qjs::JSValue,
            magic: std::ffi::c_int,
            data: *mut rquickjs::qjs::JSValue)
    };
    (finalizer: $inner:path, of $of:path) => {
        $crate::engine::fence::hook!(@ $inner, of $of;)
    };
    (gc_mark: $inner:path, of $of:path) => {
        $crate::engine::fence::hook!(@ $inner, of $of; mark: rquickjs::qjs::JS_MarkFunc)
    };
}

pub(super) use hook;

/// A function of ours as one that scripts, or the prelude, can call.
pub(super) fn native<'js, F, P>(function: F) -> Func<Fenced<F>, P>
where
    F: IntoJsFunc<'js, P>,
{
    Func::new(Fenced(function))
}

/// A function behind the fence.
pub(super) struct Fenced<F>(F);

impl<'js, F, P> IntoJsFunc<'js, P> for Fenced<F>
where
    F: IntoJsFunc<'js, P>,
{
    fn param_requirements() -> ParamRequirement {
        F::param_requirements()
    }

    #[allow(unsafe_code)]
    fn call<'a>(&self, params: Params<'a, 'js>) -> Result<Value<'js>> {
        let context = params.ctx().as_raw().as_ptr();
        // SAFETY: the function is called in this context.
        unsafe {
            fenced(context, "native", Err(Error::Exception), || {
                self.0.call(params)
            })
        }
    }
}
