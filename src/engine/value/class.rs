//! The class of lazy objects: QuickJS's hooks into [`Lazy`].
//!
//! The hooks are those of `JSClassExoticMethods` in `quickjs.h`; what is not hooked, QuickJS does
//! in terms of these. One rule is not written there: `get_own_property_names` must not give the
//! object an ordinary property, for QuickJS has counted those when it calls the hook
//! (`JS_GetOwnPropertyNamesInternal` in `quickjs.c`). Lazy objects never have one.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::rc::Rc;

use rquickjs::qjs;

use super::context::{Constant, Cx, Thrown};
use super::keys::Key;
use super::lazy::{Lazies, Lazy, Origin};
use super::property::{Descriptor, GETTER, SETTER};
use super::reference::{Owned, Ref};
use crate::engine::fence::hook;

static HOOKS: qjs::JSClassExoticMethods = qjs::JSClassExoticMethods {
    get_own_property: Some(hook!(get_own_property: get_own_property)),
    get_own_property_names: Some(hook!(get_own_property_names: get_own_property_names)),
    delete_property: Some(hook!(delete_property: delete_property)),
    define_own_property: Some(hook!(define_own_property: define_own_property)),
    has_property: None,
    get_property: None,
    set_property: None,
};

/// What a hook returns when an exception is pending.
const THROWN: c_int = -1;

/// Registers the class with the context's runtime; objects of it have `prototype`.
pub(super) fn register(cx: Cx<'_>, prototype: Ref<'_>) -> Result<qjs::JSClassID, Thrown> {
    let definition = qjs::JSClassDef {
        class_name: c"Object".as_ptr(),
        finalizer: Some(hook!(finalizer: finalizer, of fence_of)),
        gc_mark: Some(hook!(gc_mark: gc_mark, of fence_of)),
        call: None,
        exotic: (&raw const HOOKS).cast_mut(),
    };
    let mut class = 0;
    // SAFETY: QuickJS copies the definition, keeps the pointer to the hooks and never writes
    // through it; they are static.
    unsafe {
        qjs::JS_NewClassID(cx.runtime(), &raw mut class);
        if qjs::JS_NewClass(cx.runtime(), class, &raw const definition) < 0 {
            return Err(cx.range_error(c"no memory for a class"));
        }
        qjs::JS_SetClassProto(cx.as_ptr(), class, prototype.own(cx).into_raw());
    }
    Ok(class)
}

/// Makes a lazy object.
pub(super) fn wrap(cx: Cx<'_>, class: qjs::JSClassID, lazy: Lazy) -> Result<Owned<'_>, Thrown> {
    // SAFETY: the class is ours, and what is added is removed in `finalizer` only.
    unsafe {
        let object = cx.take(qjs::JS_NewObjectClass(cx.as_ptr(), class))?;
        qjs::JS_SetOpaque(object.get().as_raw(), Lazies::add(lazy).cast());
        Ok(object)
    }
}

/// What is behind `value`, if that is an object of the class.
pub(super) fn unwrap(value: Ref<'_>, class: qjs::JSClassID) -> Option<&Lazy> {
    let lazy = value.opaque(class).cast::<Lazy>();
    // SAFETY: behind an object of our class is what `wrap` put there, or null, and it lives as long
    // as the object.
    unsafe { lazy.as_ref() }
}

/// What is behind the object that a hook was called for.
///
/// # Safety
///
/// `object` must be of our class and alive for `'o`.
unsafe fn behind<'o>(object: qjs::JSValue) -> Option<&'o Lazy> {
    let mut class = 0;
    // SAFETY: as demanded; the rest is as in `unwrap`.
    unsafe {
        qjs::JS_GetAnyOpaque(object, &raw mut class)
            .cast::<Lazy>()
            .as_ref()
    }
}

/// # Safety
///
/// As with [`behind`].
unsafe fn fence_of(object: qjs::JSValue) -> Option<Rc<Origin>> {
    // SAFETY: as demanded.
    unsafe { behind(object) }.map(|lazy| Rc::clone(&lazy.origin))
}

/// A context that QuickJS calls a hook or function in.
///
/// # Safety
///
/// The context must be alive for `'c` and this thread the one that runs in it.
pub(super) unsafe fn entered<'c>(context: *mut qjs::JSContext) -> Option<Cx<'c>> {
    // SAFETY: as demanded.
    NonNull::new(context).map(|context| unsafe { Cx::new(context) })
}

fn status(outcome: Result<bool, Thrown>) -> c_int {
    outcome.map_or(THROWN, c_int::from)
}

unsafe fn get_own_property(
    context: *mut qjs::JSContext,
    descriptor: *mut qjs::JSPropertyDescriptor,
    object: qjs::JSValue,
    key: qjs::JSAtom,
) -> c_int {
    // SAFETY: QuickJS calls its hooks with a live context and objects of the class.
    let (Some(cx), Some(lazy)) = (unsafe { entered(context) }, unsafe { behind(object) }) else {
        return 0;
    };
    if descriptor.is_null() {
        return status(lazy.has(cx, Key(key)));
    }
    match describe(cx, lazy, Key(key)) {
        Ok(Some(description)) => {
            // SAFETY: the descriptor is the caller's to be filled, and takes over the references.
            unsafe { descriptor.write(description) };
            1
        }
        Ok(None) => 0,
        Err(Thrown) => THROWN,
    }
}

fn describe(
    cx: Cx<'_>,
    lazy: &Lazy,
    key: Key,
) -> Result<Option<qjs::JSPropertyDescriptor>, Thrown> {
    let Some(property) = lazy.property(cx, key)? else {
        return Ok(None);
    };
    // SAFETY: the slot holds the property, and nothing in here changes it.
    let value = unsafe { property.value() };
    let [value, getter, setter] = if property.is_accessor() {
        [
            cx.constant(Constant::Undefined),
            value.element(cx, GETTER)?,
            value.element(cx, SETTER)?,
        ]
    } else {
        [
            value.own(cx),
            cx.constant(Constant::Undefined),
            cx.constant(Constant::Undefined),
        ]
    };
    Ok(Some(qjs::JSPropertyDescriptor {
        #[allow(clippy::cast_possible_wrap)] // the flags are small
        flags: property.flags as c_int,
        value: value.into_raw(),
        getter: getter.into_raw(),
        setter: setter.into_raw(),
    }))
}

unsafe fn get_own_property_names(
    context: *mut qjs::JSContext,
    table: *mut *mut qjs::JSPropertyEnum,
    length: *mut u32,
    object: qjs::JSValue,
) -> c_int {
    // SAFETY: QuickJS calls its hooks with a live context and objects of the class.
    let (Some(cx), Some(lazy)) = (unsafe { entered(context) }, unsafe { behind(object) }) else {
        return THROWN;
    };
    let Ok((keys, _charge)) = lazy.keys(cx) else {
        return THROWN;
    };
    let Ok(count) = u32::try_from(keys.len()) else {
        return THROWN;
    };
    let bytes = size_of::<qjs::JSPropertyEnum>() * keys.len().max(1);
    // SAFETY: QuickJS frees the table and the keys in it, so it must allocate it; there is room for
    // `count` entries.
    unsafe {
        let entries = qjs::js_malloc(cx.as_ptr(), bytes as _).cast::<qjs::JSPropertyEnum>();
        if entries.is_null() {
            return THROWN;
        }
        for (at, key) in keys.into_iter().enumerate() {
            // QuickJS asks for each property when it wants to know whether it is enumerable.
            entries.add(at).write(qjs::JSPropertyEnum {
                is_enumerable: true,
                atom: key.retain(cx).0,
            });
        }
        table.write(entries);
        length.write(count);
    }
    0
}

unsafe fn delete_property(
    context: *mut qjs::JSContext,
    object: qjs::JSValue,
    key: qjs::JSAtom,
) -> c_int {
    // SAFETY: QuickJS calls its hooks with a live context and objects of the class.
    let (Some(cx), Some(lazy)) = (unsafe { entered(context) }, unsafe { behind(object) }) else {
        return 1;
    };
    status(lazy.delete(cx, Key(key)))
}

unsafe fn define_own_property(
    context: *mut qjs::JSContext,
    object: qjs::JSValue,
    key: qjs::JSAtom,
    value: qjs::JSValue,
    getter: qjs::JSValue,
    setter: qjs::JSValue,
    flags: c_int,
) -> c_int {
    // SAFETY: QuickJS calls its hooks with a live context and objects of the class.
    let (Some(cx), Some(lazy)) = (unsafe { entered(context) }, unsafe { behind(object) }) else {
        return THROWN;
    };
    #[allow(clippy::cast_sign_loss)] // a set of bits
    let flags = flags as u32;
    // SAFETY: the caller keeps its arguments alive.
    let (this, wanted) = unsafe {
        (
            Ref::new(object),
            Descriptor {
                value: Ref::new(value),
                getter: Ref::new(getter),
                setter: Ref::new(setter),
                flags,
            },
        )
    };
    match lazy.define(cx, this, Key(key), &wanted) {
        // An assignment never comes this far: QuickJS asks for the property, and whether the object
        // is extensible, before.
        Ok(false) if wanted.has(qjs::JS_PROP_THROW) => {
            let Thrown = cx.type_error(if this.is_extensible(cx) {
                c"property is not configurable"
            } else {
                c"object is not extensible"
            });
            THROWN
        }
        outcome => status(outcome),
    }
}

unsafe fn gc_mark(
    runtime: *mut qjs::JSRuntime,
    object: qjs::JSValue,
    mark: qjs::JS_MarkFunc,
    marked: &mut usize,
) {
    let mut at = 0;
    // SAFETY: QuickJS calls its hooks with objects of the class, and each value is reported as
    // often as it is held: once, where this is called again too.
    unsafe {
        if let Some(lazy) = behind(object) {
            lazy.values(|value| {
                at += 1;
                if at > *marked {
                    *marked = at;
                    qjs::JS_MarkValue(runtime, value, mark);
                }
            });
        }
    }
}

unsafe fn finalizer(runtime: *mut qjs::JSRuntime, object: qjs::JSValue, done: &mut usize) {
    if std::mem::replace(done, 1) > 0 {
        // It panicked: what it hasn't given back goes with the runtime.
        return;
    }
    let mut class = 0;
    // SAFETY: the object ends here, so the box is taken back once; null if it ended before `wrap`
    // was done.
    unsafe {
        let lazy = qjs::JS_GetAnyOpaque(object, &raw mut class).cast::<Lazy>();
        if !lazy.is_null() {
            Lazies::remove(lazy).release(runtime);
        }
    }
}
