//! The end of an isolate that QuickJS can't be trusted to free.
//!
//! QuickJS frees a heap by counting references. Where it was refused memory, or was stopped in the
//! middle of something, the counts may be wrong: then it asserts, or frees what is in use. So no
//! object of such a heap is looked at any more.
//!
//! ```text
//! what Rust has behind objects ──▶ dropped by lists of our own
//! what rquickjs has of the runtime ─▶ dropped by rquickjs, with an empty runtime in the old one's place
//! the heap's blocks ──────────────▶ freed one by one
//! ```
//!
//! Nothing is left over. What is forgotten on the way are references into the heap, which own
//! nothing else.

#![allow(unsafe_code)] // QuickJS's C interface.

use std::ffi::c_void;
use std::mem::forget;
use std::ptr;

use rquickjs::{Context, Ctx, Function, Persistent, Runtime, qjs};

use super::functions::Left;
use super::heap::Heap;
use super::scope::Scope;
use super::value;

/// Gives up a runtime, its only context and its heap, without QuickJS.
///
/// # Safety
///
/// Nobody else has the runtime, the context or a value of theirs; who had has forgotten it.
pub(super) unsafe fn abandon(runtime: Runtime, context: Context, scope: &Scope, heap: &Heap) {
    let raw = context.as_raw();
    // SAFETY: the context is alive, and nobody runs in it. Its count and that of the functions'
    // prototype, which rquickjs keeps a reference to, are raised for good, so that nothing that
    // is given back below is the last.
    unsafe {
        let ctx = Ctx::from_raw(raw);
        forget(Function::prototype(ctx.clone()));
        // SAFETY: QuickJS is not called with any value of the context any more.
        value::abandon(&ctx);
        forget(ctx);
    }
    let functions = scope.abandon();
    drop_functions(functions);
    // SAFETY: as above.
    let old = unsafe { qjs::JS_GetRuntime(raw.as_ptr()) };
    let mut place = Place {
        at: old.cast(),
        is_taken: false,
        is_free: false,
    };
    // SAFETY: nobody is in the old runtime, and nothing that looks into it is called any more.
    if unsafe { !replace(old, &mut place) } {
        tracing::error!("no memory to give up an isolate with: it stays for ever");
        forget((runtime, context));
        return;
    }
    drop(context);
    drop(runtime);
    if !place.is_free {
        tracing::error!("an isolate that was given up is still in use: it stays for ever");
        return;
    }
    // SAFETY: nobody has the runtime, so nobody can look into its heap.
    unsafe { heap.free_blocks() };
}

/// Forgets a reference into a heap that is given up.
pub(super) fn forget_all<T>(values: impl IntoIterator<Item = Persistent<T>>) {
    values.into_iter().for_each(forget);
}

fn drop_functions(functions: Left) {
    // SAFETY: nothing is called in the old runtime any more, nor does it free anything.
    if let Err(error) = unsafe { functions.drop() } {
        tracing::error!(%error, "no memory to drop an isolate's functions with: they stay for ever");
    }
}

/// Where a runtime is to be made, and whether it was freed again.
struct Place {
    at: *mut c_void,
    is_taken: bool,
    is_free: bool,
}

/// Makes an empty runtime where another one was, with the same data of rquickjs'; false where
/// there is no memory for it.
///
/// # Safety
///
/// The old runtime is never looked at again, and the new one is freed before `place` is.
unsafe fn replace(old: *mut qjs::JSRuntime, place: &mut Place) -> bool {
    let functions = qjs::JSMallocFunctions {
        js_calloc: Some(calloc),
        js_malloc: Some(malloc),
        js_free: Some(free),
        js_realloc: Some(realloc),
        // It would be asked for the place, too, which is in the middle of a block.
        js_malloc_usable_size: None,
    };
    // SAFETY: as the caller promises. QuickJS asks for the runtime first, copies the functions, and
    // clears nothing of rquickjs' data, which the new runtime gets.
    unsafe {
        let data = qjs::JS_GetRuntimeOpaque(old);
        let new = qjs::JS_NewRuntime2(&raw const functions, ptr::from_mut(place).cast());
        if new != old {
            return false;
        }
        qjs::JS_SetRuntimeOpaque(new, data);
    }
    true
}

/// A size as libc takes it.
fn bytes(size: qjs::size_t) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

unsafe extern "C" fn calloc(
    place: *mut c_void,
    count: qjs::size_t,
    size: qjs::size_t,
) -> *mut c_void {
    // SAFETY: QuickJS passes the place back, which has room for what it asks for first: the size of
    // a runtime. All else is libc's.
    unsafe {
        let place = &mut *place.cast::<Place>();
        if place.is_taken {
            return libc::calloc(bytes(count), bytes(size));
        }
        place.is_taken = true;
        ptr::write_bytes(place.at.cast::<u8>(), 0, bytes(count * size));
        place.at
    }
}

unsafe extern "C" fn malloc(_place: *mut c_void, size: qjs::size_t) -> *mut c_void {
    // SAFETY: any size may be asked for.
    unsafe { libc::malloc(bytes(size)) }
}

unsafe extern "C" fn realloc(
    _place: *mut c_void,
    piece: *mut c_void,
    size: qjs::size_t,
) -> *mut c_void {
    // SAFETY: a runtime is never made larger, so the piece is libc's.
    unsafe { libc::realloc(piece, bytes(size)) }
}

unsafe extern "C" fn free(place: *mut c_void, piece: *mut c_void) {
    // SAFETY: QuickJS passes the place back, and gives back each piece once.
    unsafe {
        let place = &mut *place.cast::<Place>();
        if piece == place.at {
            place.is_free = true;
        } else {
            libc::free(piece);
        }
    }
}
