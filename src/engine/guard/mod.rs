//! Guards before the natives that QuickJS never interrupts.
//!
//! They look at lengths and hardly anything else: what would walk a length that no array of this
//! heap can have, search for one very long text in another, or put thousands of marks on one
//! letter in order, is refused with a `RangeError` that says so. Whatever else takes long in a
//! native is left to the watch of its thread (`aside.rs`).
//!
//! Those that look up what a client may have chosen, thousands of them in one call, ask for the
//! time: QuickJS hashes without a seed, so each look-up may take as long as all before it.
//!
//! And one looks at memory: `bind`, which crashes where there is none for its arguments. As many as
//! are allowed are always granted (`heap.rs`).

mod lengths;
mod marks;

use std::ffi::c_int;
use std::ptr::NonNull;

use rquickjs::object::Property;
use rquickjs::{Ctx, Function, Object, Value, qjs};

use super::fence::hook;
use super::value;
use lengths::{Lengths, Refused};

/// The natives of arrays that walk a length without asking for the time. They take any object.
const WALKS: [&str; 14] = [
    "copyWithin",
    "fill",
    "join",
    "reverse",
    "shift",
    "slice",
    "sort",
    "splice",
    "toLocaleString",
    "toReversed",
    "toSorted",
    "toSpliced",
    "unshift",
    "with",
];

/// The natives of strings that may take the product of two lengths.
const SEARCHES: [&str; 6] = [
    "includes",
    "indexOf",
    "lastIndexOf",
    "replace",
    "replaceAll",
    "split",
];

/// After how many look-ups the time is looked at.
const LOOK_UPS: i32 = 64;

/// What a value of an array takes of the heap, in bytes.
const ELEMENT: usize = 16;

/// The most arguments that a function is bound to, with its `this`: what they take is a small
/// request to a heap.
const BOUND: usize = 250;

/// What a guard looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The length of `this`.
    Walk = 0,
    /// And those of the arguments that are spread.
    Concat = 1,
    /// That of the first argument's `raw`.
    Raw = 2,
    /// Those of `this` and of the first argument.
    Search = 3,
    /// That of `this` and those of the lists in it, as deep as the first argument says.
    Flat = 4,
    /// That of `this`, and of each list that the first argument gives.
    FlatMap = 5,
    /// The first argument, as a number of steps.
    Steps = 6,
    /// The marks in `this` and in the first argument.
    Marks = 7,
    /// How many arguments there are.
    Few = 8,
    /// The time, now and then.
    Time = 9,
}

impl Rule {
    fn of(magic: c_int) -> Self {
        match magic {
            0 => Self::Walk,
            1 => Self::Concat,
            2 => Self::Raw,
            4 => Self::Flat,
            5 => Self::FlatMap,
            6 => Self::Steps,
            7 => Self::Marks,
            8 => Self::Few,
            9 => Self::Time,
            _ => Self::Search,
        }
    }
}

/// Puts the guards before the natives of a realm that isn't frozen yet. `memory` is that of
/// its heap, in bytes.
pub(super) fn install(ctx: &Ctx<'_>, memory: usize) -> rquickjs::Result<()> {
    let globals = ctx.globals();
    let array: Object = globals.get("Array")?;
    let array: Object = array.get("prototype")?;
    let string: Object = globals.get("String")?;
    let texts: Object = string.get("prototype")?;
    let most = memory / ELEMENT;
    for name in WALKS {
        guard(ctx, &array, name, Rule::Walk, most)?;
    }
    guard(ctx, &array, "concat", Rule::Concat, most)?;
    guard(ctx, &array, "flat", Rule::Flat, most)?;
    guard(ctx, &array, "flatMap", Rule::FlatMap, most)?;
    guard(ctx, &string, "raw", Rule::Raw, most)?;
    for name in SEARCHES {
        guard(ctx, &texts, name, Rule::Search, most)?;
    }
    for name in ["normalize", "localeCompare"] {
        guard(ctx, &texts, name, Rule::Marks, most)?;
    }
    let iterator: Object = globals.get("Iterator")?;
    let iterator: Object = iterator.get("prototype")?;
    guard(ctx, &iterator, "drop", Rule::Steps, most)?;
    let function: Object = globals.get("Function")?;
    let function: Object = function.get("prototype")?;
    guard(ctx, &function, "bind", Rule::Few, BOUND)?;
    // The constructors call these for each member.
    for (class, name) in [("Map", "set"), ("Set", "add")] {
        let class: Object = globals.get(class)?;
        guard(ctx, &class.get("prototype")?, name, Rule::Time, 0)?;
    }
    Ok(())
}

/// Puts a guard in the place of a native; to a script it looks like the native.
fn guard<'js>(
    ctx: &Ctx<'js>,
    holder: &Object<'js>,
    name: &str,
    rule: Rule,
    most: usize,
) -> rquickjs::Result<()> {
    let native: Function<'js> = holder.get(name)?;
    let length: c_int = native.get("length")?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let most = Value::new_number(ctx.clone(), most as f64);
    let symbol: Object<'js> = ctx.globals().get("Symbol")?;
    let spreadable: Value<'js> = symbol.get("isConcatSpreadable")?;
    let mut data = [native.as_raw(), most.as_raw(), spreadable.as_raw()];
    // SAFETY: the context is alive and ours, and QuickJS takes references of its own to the data.
    let made = unsafe {
        let made = qjs::JS_NewCFunctionData(
            ctx.as_raw().as_ptr(),
            Some(hook!(function: guarded)),
            length,
            rule as c_int,
            3,
            data.as_mut_ptr(),
        );
        if qjs::JS_IsException(made) {
            return Err(rquickjs::Error::Exception);
        }
        Value::from_raw(ctx.clone(), made)
    };
    let function = made.as_object().expect("what was made is a function");
    function.prop("name", Property::from(name).configurable())?;
    let in_place = Property::from(made.clone()).writable().configurable();
    holder.prop(name, in_place)
}

/// Calls the native where the lengths allow it.
///
/// # Safety
///
/// For QuickJS to call, with the data that [`guard`] gave it.
unsafe fn guarded(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    argc: c_int,
    argv: *mut qjs::JSValue,
    magic: c_int,
    data: *mut qjs::JSValue,
) -> qjs::JSValue {
    // SAFETY: QuickJS passes as many arguments as it says, but never fewer than the function's
    // `length`, and the three values of `guard`. All live until this returns.
    unsafe {
        let (native, spreadable) = (*data, *data.add(2));
        if Rule::of(magic) == Rule::Time {
            return match count_look_up(ctx, data) {
                Ok(()) => qjs::JS_Call(ctx, native, this, argc, argv),
                Err(Refused) => qjs::JS_EXCEPTION,
            };
        }
        let mut most = 0.0;
        if qjs::JS_ToFloat64(ctx, &raw mut most, *data.add(1)) < 0 {
            return qjs::JS_EXCEPTION;
        }
        let arguments: &[qjs::JSValue] = match usize::try_from(argc) {
            Ok(count) if count > 0 => std::slice::from_raw_parts(argv, count),
            _ => &[],
        };
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let lengths = Lengths {
            ctx,
            most: most as i64,
        };
        let allowed = match Rule::of(magic) {
            Rule::Walk => lengths.allow(this),
            Rule::Concat => lengths.allow_all(this, arguments, spreadable),
            Rule::Raw => lengths.allow_raw(arguments),
            Rule::Search => lengths.allow_search(this, arguments),
            Rule::Flat => lengths.allow_flat(this, arguments),
            Rule::FlatMap => {
                return match lengths.allow(this) {
                    Ok(()) => flat_map(ctx, this, arguments, data),
                    Err(Refused) => qjs::JS_EXCEPTION,
                };
            }
            Rule::Steps => lengths.allow_steps(arguments),
            Rule::Marks => lengths.allow_marks(this, arguments),
            Rule::Few => lengths.allow_few(arguments),
            Rule::Time => Ok(()),
        };
        match allowed {
            Ok(()) => qjs::JS_Call(ctx, native, this, argc, argv),
            Err(Refused) => qjs::JS_EXCEPTION,
        }
    }
}

/// Counts a look-up, in what is a length in the data of other guards; looks at the time where there
/// were enough.
///
/// # Safety
///
/// As [`guarded`], whose data this is.
unsafe fn count_look_up(ctx: *mut qjs::JSContext, data: *mut qjs::JSValue) -> Result<(), Refused> {
    // SAFETY: as demanded; a number owns nothing that would have to be freed.
    unsafe {
        let count = data.add(1);
        let mut counted = 0;
        if qjs::JS_ToInt32(ctx, &raw mut counted, *count) < 0 {
            return Err(Refused);
        }
        if counted < LOOK_UPS {
            *count = qjs::JS_MKVAL(qjs::JS_TAG_INT, counted + 1);
            return Ok(());
        }
        *count = qjs::JS_MKVAL(qjs::JS_TAG_INT, 0);
        let ctx = Ctx::from_raw(NonNull::new(ctx).expect("QuickJS calls with its context"));
        value::look(&ctx).map_err(|_| Refused)
    }
}

/// Calls `flatMap` with a function that looks at what the script's own one gives.
///
/// # Safety
///
/// As [`guarded`], whose data this is.
unsafe fn flat_map(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    arguments: &[qjs::JSValue],
    data: *mut qjs::JSValue,
) -> qjs::JSValue {
    // SAFETY: as demanded. QuickJS takes references of its own to the data of the function, which
    // is given back once it has been called.
    unsafe {
        let mut arguments = arguments.to_vec();
        let mut wrapped = qjs::JS_UNDEFINED;
        if let Some(first) = arguments.first_mut()
            && qjs::JS_IsFunction(ctx, *first)
        {
            let mut data = [*first, *data.add(1)];
            wrapped = qjs::JS_NewCFunctionData(
                ctx,
                Some(hook!(function: mapped)),
                3,
                0,
                2,
                data.as_mut_ptr(),
            );
            if qjs::JS_IsException(wrapped) {
                return wrapped;
            }
            *first = wrapped;
        }
        let count = c_int::try_from(arguments.len()).unwrap_or(c_int::MAX);
        let flat = qjs::JS_Call(ctx, *data, this, count, arguments.as_mut_ptr());
        qjs::JS_FreeValue(ctx, wrapped);
        flat
    }
}

/// Calls the function that a script gave `flatMap`, and looks at what it gives.
///
/// # Safety
///
/// For QuickJS to call, with the data that [`flat_map`] gave it.
unsafe fn mapped(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    argc: c_int,
    argv: *mut qjs::JSValue,
    _magic: c_int,
    data: *mut qjs::JSValue,
) -> qjs::JSValue {
    // SAFETY: QuickJS's own arguments; the values live until this returns, and what is given
    // is freed where it isn't handed on.
    unsafe {
        let mut most = 0.0;
        if qjs::JS_ToFloat64(ctx, &raw mut most, *data.add(1)) < 0 {
            return qjs::JS_EXCEPTION;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let lengths = Lengths {
            ctx,
            most: most as i64,
        };
        let given = qjs::JS_Call(ctx, *data, this, argc, argv);
        if qjs::JS_IsArray(given) && lengths.allow(given).is_err() {
            qjs::JS_FreeValue(ctx, given);
            return qjs::JS_EXCEPTION;
        }
        given
    }
}

#[cfg(test)]
mod tests;
