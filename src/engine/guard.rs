//! Guards before the natives that QuickJS never interrupts.
//!
//! They look at lengths and at nothing else: what would walk a length that no array of this heap
//! can have, or search for one very long text in another, is refused with a `RangeError` that says
//! so. Whatever else takes long in a native is left to the watch of its thread (`aside.rs`).

use std::ffi::{CStr, c_int};

use rquickjs::object::Property;
use rquickjs::{Ctx, Function, Object, Value, qjs};

/// The natives of arrays that walk a length without asking for the time. They take any object.
const WALKS: [&str; 16] = [
    "copyWithin",
    "fill",
    "flat",
    "flatMap",
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

/// The largest such product that is tried. A word in any text that a body can hold is far below;
/// so is a page in a text of some megabytes.
const PRODUCT: i64 = 10_000_000_000;

/// A text that may be searched for in any other, in units: none has more than 2^30.
const SHORT: i64 = 9;

/// What a value of an array takes of the heap, in bytes.
const ELEMENT: usize = 16;

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
}

impl Rule {
    fn of(magic: c_int) -> Self {
        match magic {
            0 => Self::Walk,
            1 => Self::Concat,
            2 => Self::Raw,
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
    guard(ctx, &string, "raw", Rule::Raw, most)?;
    for name in SEARCHES {
        guard(ctx, &texts, name, Rule::Search, most)?;
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
            Some(guarded),
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
unsafe extern "C" fn guarded(
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
        };
        match allowed {
            Ok(()) => qjs::JS_Call(ctx, native, this, argc, argv),
            Err(Refused) => qjs::JS_EXCEPTION,
        }
    }
}

/// An exception is pending.
struct Refused;

/// Looks at lengths; may throw in the context.
struct Lengths {
    ctx: *mut qjs::JSContext,
    /// The longest that is walked.
    most: i64,
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
    unsafe fn allow(&self, value: qjs::JSValue) -> Result<(), Refused> {
        // SAFETY: as demanded.
        unsafe {
            if qjs::JS_IsObject(value) && self.of(value)? > self.most {
                return Err(
                    self.refuse(c"longer than an array that fits into the handler's memory")
                );
            }
        }
        Ok(())
    }

    unsafe fn allow_all(
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

    unsafe fn allow_raw(&self, arguments: &[qjs::JSValue]) -> Result<(), Refused> {
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

    unsafe fn allow_search(
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

    unsafe fn refuse(&self, why: &CStr) -> Refused {
        // SAFETY: as demanded; both are C strings, and the format takes one.
        unsafe { qjs::JS_ThrowRangeError(self.ctx, c"%s".as_ptr(), why.as_ptr()) };
        Refused
    }
}

#[cfg(test)]
mod tests {
    use rquickjs::{Context, Runtime};

    use super::*;

    /// What an expression gives, as text, in a realm with guards and without.
    fn evaluate(guarded: bool, expression: &str) -> String {
        let runtime = Runtime::new().expect("a runtime");
        let context = Context::full(&runtime).expect("a context");
        context.with(|ctx| {
            if guarded {
                install(&ctx, 64 << 20).expect("the natives are there");
            }
            let text = format!("(() => {{ try {{ return JSON.stringify({expression}) ?? 'undefined'; }} catch (e) {{ return String(e); }} }})()");
            ctx.eval::<String, _>(text).expect("text")
        })
    }

    #[test]
    fn what_is_ordinary_is_as_without_guards() {
        for expression in [
            "[3, 1, 2].sort().join('-')",
            "[1, [2, [3]]].flat(2)",
            "[1, 2].flatMap((it) => [it, it])",
            "[1, 2, 3].slice(1)",
            "[1, 2, 3].slice()",
            "[1, 2, 3].splice()",
            "[1, 2, 3].splice(1)",
            "[1, 2, 3].toSpliced(1, 1, 7)",
            "[1].concat([2], 3, {length: 2 ** 40})",
            "[].concat({length: 1, 0: 'a', [Symbol.isConcatSpreadable]: true})",
            "Array.prototype.join.call('abc', '-')",
            "Array.prototype.slice.call({length: 2, 0: 'a', 1: 'b'})",
            "Array.prototype.join.call(null)",
            "[].join.name + [].join.length + [].concat.name + ''.split.length + String.raw.name",
            "Object.getOwnPropertyDescriptor(Array.prototype, 'join').enumerable",
            "new ([].join)()",
            "`${[].join}`.includes('native code')",
            "String.raw`a\\n${1}`",
            "String.raw({raw: 'abc'}, 1, 2)",
            "String.raw()",
            "'a,b'.split(',')",
            "'a,b'.split(',', 1)",
            "'a,b'.split()",
            "'aXbX'.replaceAll('X', (it, at) => at)",
            "'abc'.replace(/b/, '[$&]')",
            "'abc'.indexOf('c') + 'abc'.lastIndexOf('a') + 'abc'.indexOf()",
            "'abc'.includes(/b/)",
            "'x'.repeat(1e5).indexOf('x'.repeat(900) + 'y')",
            "new Array(1e5).join().length",
        ] {
            assert_eq!(
                evaluate(true, expression),
                evaluate(false, expression),
                "{expression}"
            );
        }
    }

    #[test]
    fn what_would_walk_for_ever_is_refused() {
        for expression in [
            "new Array(2 ** 32 - 1).join()",
            "String(new Array(2 ** 32 - 1))",
            "[].concat(new Array(2 ** 32 - 1))",
            "[].concat({length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true})",
            "Array.prototype.slice.call({length: 2 ** 53 - 1}, 1)",
            "String.raw({raw: {length: 2 ** 53 - 1}})",
            "'a'.repeat(1e7).includes('a'.repeat(5e6))",
        ] {
            let refused = evaluate(true, expression);

            assert!(
                refused.starts_with("RangeError: "),
                "{expression}: {refused}"
            );
            assert!(refused.contains("too long") || refused.contains("longer"));
        }
    }
}
