//! Properties: what a member has become for a script, and what may be made of it.
//!
//! The rules are those of every object, [ECMA-262 §10.1.6.3]. QuickJS applies them to
//! properties that it keeps itself; those of lazy objects it does not.

use rquickjs::qjs;

use super::context::{Cx, Elements, Thrown};
use super::reference::{Owned, Ref};

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
const PLAIN: u32 = qjs::JS_PROP_C_W_E;

impl Descriptor<'_> {
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

/// A property of a lazy object. A plain copy; the slot that it is in owns the reference.
#[derive(Clone, Copy)]
pub(super) struct Property {
    /// The value; for an accessor an array of getter and setter.
    value: qjs::JSValue,
    /// `JS_PROP_…` of `quickjs.h`.
    pub(super) flags: u32,
}

impl Property {
    /// A member as a document has it, with another reference to the value.
    pub(super) fn plain(cx: Cx<'_>, value: Ref<'_>) -> Self {
        Self::holding(value.own(cx), PLAIN)
    }

    fn holding(value: Owned<'_>, flags: u32) -> Self {
        Self {
            value: value.into_raw(),
            flags,
        }
    }

    /// The value; for an accessor an array of getter and setter.
    ///
    /// # Safety
    ///
    /// The slot must hold the property, or the caller own it, for `'v`.
    pub(super) unsafe fn value<'v>(self) -> Ref<'v> {
        // SAFETY: as demanded.
        unsafe { Ref::new(self.value) }
    }

    /// The reference in it, for whoever owns the property.
    pub(super) fn into_raw(self) -> qjs::JSValue {
        self.value
    }

    pub(super) fn is_plain(&self) -> bool {
        self.flags == PLAIN
    }

    pub(super) fn is_enumerable(&self) -> bool {
        self.flags & qjs::JS_PROP_ENUMERABLE != 0
    }

    pub(super) fn is_configurable(&self) -> bool {
        self.flags & qjs::JS_PROP_CONFIGURABLE != 0
    }

    pub(super) fn is_accessor(&self) -> bool {
        self.flags & qjs::JS_PROP_GETSET != 0
    }

    /// The property where there was none. The caller owns the reference in it.
    pub(super) fn created(cx: Cx<'_>, wanted: &Descriptor<'_>) -> Result<Self, Thrown> {
        let flags = wanted.flags_over(0);
        if wanted.is_accessor() {
            return Ok(Self::holding(
                accessor(cx, wanted, None)?,
                accessor_flags(flags),
            ));
        }
        Ok(Self::holding(wanted.value.own(cx), flags))
    }

    /// The property that `wanted` makes of one that holds `current`, or `None` where that is not
    /// allowed. The caller owns the reference in it.
    pub(super) fn redefined(
        &self,
        cx: Cx<'_>,
        current: Ref<'_>,
        wanted: &Descriptor<'_>,
    ) -> Result<Option<Self>, Thrown> {
        if !self.is_configurable() && !self.allows(cx, current, wanted)? {
            return Ok(None);
        }
        let flags = wanted.flags_over(self.flags);
        let was_accessor = self.is_accessor();
        Ok(Some(if wanted.is_accessor() {
            Self::holding(
                accessor(cx, wanted, was_accessor.then_some(current))?,
                accessor_flags(flags),
            )
        } else if was_accessor && !wanted.is_data() {
            Self::holding(current.own(cx), flags)
        } else if was_accessor || wanted.has(qjs::JS_PROP_HAS_VALUE) {
            // What was an accessor is not writable unless that is asked for, and `undefined` unless
            // a value is given.
            let writable = if was_accessor {
                wanted.flags_over(0) & qjs::JS_PROP_WRITABLE
            } else {
                flags & qjs::JS_PROP_WRITABLE
            };
            Self::holding(
                wanted.value.own(cx),
                (flags & !(qjs::JS_PROP_GETSET | qjs::JS_PROP_WRITABLE)) | writable,
            )
        } else {
            Self::holding(current.own(cx), flags)
        }))
    }

    /// Whether a property that is not configurable may become what is wanted.
    fn allows(
        &self,
        cx: Cx<'_>,
        current: Ref<'_>,
        wanted: &Descriptor<'_>,
    ) -> Result<bool, Thrown> {
        let asks_for = |has, flag| wanted.has(has) && wanted.flags & flag != 0;
        let changes_enumerable = wanted.has(qjs::JS_PROP_HAS_ENUMERABLE)
            && (wanted.flags ^ self.flags) & qjs::JS_PROP_ENUMERABLE != 0;
        if asks_for(qjs::JS_PROP_HAS_CONFIGURABLE, qjs::JS_PROP_CONFIGURABLE) || changes_enumerable
        {
            return Ok(false);
        }
        if self.is_accessor() {
            let keeps = |has, index, new: Ref<'_>| {
                Ok(!wanted.has(has) || current.element(cx, index)?.get().is_same_value(cx, new))
            };
            return Ok(!wanted.is_data()
                && keeps(qjs::JS_PROP_HAS_GET, GETTER, wanted.getter)?
                && keeps(qjs::JS_PROP_HAS_SET, SETTER, wanted.setter)?);
        }
        if wanted.is_accessor() {
            return Ok(false);
        }
        if self.flags & qjs::JS_PROP_WRITABLE != 0 {
            return Ok(true);
        }
        let changes_value =
            wanted.has(qjs::JS_PROP_HAS_VALUE) && !current.is_same_value(cx, wanted.value);
        Ok(!changes_value && !asks_for(qjs::JS_PROP_HAS_WRITABLE, qjs::JS_PROP_WRITABLE))
    }
}

/// Where an accessor's array has its functions.
pub(super) const GETTER: i64 = 0;
pub(super) const SETTER: i64 = 1;

/// The functions of an accessor; those that are not wanted are `current`'s.
///
/// Where there is no getter stands one that returns `undefined`: QuickJS calls a getter of an
/// object with hooks without looking whether there is one (`JS_GetPropertyInternal` in
/// `quickjs.c`).
fn accessor<'c>(
    cx: Cx<'c>,
    wanted: &Descriptor<'_>,
    current: Option<Ref<'_>>,
) -> Result<Owned<'c>, Thrown> {
    let function = |has, new: Ref<'_>, index| match current {
        Some(current) if !wanted.has(has) => current.element(cx, index),
        Some(_) | None => Ok(new.own(cx)),
    };
    let mut getter = function(qjs::JS_PROP_HAS_GET, wanted.getter, GETTER)?;
    if !getter.get().is_function(cx) {
        getter = cx.idle_function()?;
    }
    let setter = function(qjs::JS_PROP_HAS_SET, wanted.setter, SETTER)?;
    let mut functions = Elements::with_capacity(cx, 2);
    functions.push(getter);
    functions.push(setter);
    cx.array(functions)
}

fn accessor_flags(flags: u32) -> u32 {
    (flags & !qjs::JS_PROP_WRITABLE) | qjs::JS_PROP_GETSET
}
