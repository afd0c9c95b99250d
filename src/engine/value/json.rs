//! `JSON.parse` and `JSON.stringify`, lazy and lossless.
//!
//! They are the engine's own in all that a script can tell: what this module does not do itself, a
//! reviver and every text it does not accept, it leaves to the function that it replaced. One thing
//! they can: a text that is nested deeper than a document may be is a `SyntaxError`.

use std::collections::HashSet;
use std::ffi::{CStr, c_int};
use std::rc::Rc;

use rquickjs::qjs;

use super::class::entered;
use super::context::{Constant, Cx, Thrown};
use super::keys::OwnedKey;
use super::lazy::Origin;
use super::made;
use super::realm::Realm;
use super::reference::{Kind, Owned, Ref};
use super::stringify::{Replacer, stringify};
use crate::document::{Fault, Form, Layout};
use crate::engine::fence::hook;
use crate::engine::text::mended;

/// The most that `JSON.stringify` indents by, in UTF-16 units.
const LONGEST_GAP: usize = 10;

/// The functions, by the number that QuickJS keeps for each (`magic`).
const PARSE: c_int = 0;
const STRINGIFY: c_int = 1;

/// Replaces the two functions of the object `JSON`.
pub(super) fn replace(cx: Cx<'_>, json: Ref<'_>) -> Result<(), Thrown> {
    replace_one(cx, json, PARSE, c"parse", 2)?;
    replace_one(cx, json, STRINGIFY, c"stringify", 3)
}

fn replace_one(
    cx: Cx<'_>,
    json: Ref<'_>,
    which: c_int,
    name: &'static CStr,
    length: c_int,
) -> Result<(), Thrown> {
    let key = OwnedKey::of(cx, &cx.string(name.to_bytes())?)?;
    let replaced = json.get(cx, key.get())?;
    let mut data = [replaced.get().as_raw()];
    // SAFETY: QuickJS copies the name, and takes a reference of its own to the one value in `data`.
    let function = unsafe {
        cx.take(qjs::JS_NewCFunctionData2(
            cx.as_ptr(),
            Some(hook!(function: called)),
            name.as_ptr(),
            length,
            which,
            1,
            data.as_mut_ptr(),
        ))?
    };
    json.define(cx, key.get(), function.get())
}

unsafe fn called(
    context: *mut qjs::JSContext,
    _this: qjs::JSValue,
    _count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
    data: *mut qjs::JSValue,
) -> qjs::JSValue {
    // SAFETY: QuickJS calls functions with a live context. The data is what `replace_one` gave; of
    // arguments there are at least as many as the function's length, for QuickJS fills them up.
    let (cx, replaced, argument) = unsafe {
        let Some(cx) = entered(context) else {
            return qjs::JS_EXCEPTION;
        };
        (cx, Ref::new(*data), |index: usize| {
            Ref::new(*arguments.add(index))
        })
    };
    let outcome = match (Realm::within(cx), which) {
        (Some(realm), PARSE) => parse(cx, &realm, replaced, argument(0), argument(1)),
        (Some(realm), _) => make(cx, &realm, argument(0), argument(1), argument(2)),
        (None, _) => Err(cx.type_error(c"the realm is gone")),
    };
    outcome.map_or(qjs::JS_EXCEPTION, Owned::into_raw)
}

fn parse<'c>(
    cx: Cx<'c>,
    realm: &Rc<Realm>,
    replaced: Ref<'_>,
    text: Ref<'_>,
    reviver: Ref<'_>,
) -> Result<Owned<'c>, Thrown> {
    let undefined = cx.constant(Constant::Undefined);
    if reviver.is_function(cx) {
        return cx.call(replaced, undefined.get(), &[text, reviver]);
    }
    let text = text.to_string(cx)?;
    let document = match realm.document_of(text.get()) {
        Some(document) => document,
        None => realm.document_of_copy(&text.get().utf8(cx)?),
    };
    match document {
        // For `JSON.parse` a byte order mark is a fault.
        Ok(document) if !document.has_byte_order_mark() => {
            let root = document.root();
            Origin::new(cx, Rc::clone(realm), document)?.value(cx, root)
        }
        Err(error) if error.fault == Fault::Memory => Err(cx.out_of_memory()),
        Err(error) if error.fault == Fault::Time => Err(cx.interrupted()),
        // The function replaced may go deeper, but loses what numbers look like.
        Err(error) if error.fault == Fault::Depth => {
            Err(cx.syntax_error(c"JSON text nested too deeply"))
        }
        Ok(_) | Err(_) => cx.call(replaced, undefined.get(), &[text.get()]),
    }
}

fn make<'c>(
    cx: Cx<'c>,
    realm: &Rc<Realm>,
    value: Ref<'_>,
    replacer: Ref<'_>,
    space: Ref<'_>,
) -> Result<Owned<'c>, Thrown> {
    let replacer = self::replacer(cx, realm, replacer)?;
    let layout = layout(cx, realm, space)?;
    let Some((text, charge)) = stringify(cx, realm, value, (layout, Form::Whole), replacer)? else {
        return Ok(cx.constant(Constant::Undefined));
    };
    let text = made::text(text.joined(), charge);
    let string = cx.string(&text)?;
    realm.remember_made(cx, string.get(), text);
    Ok(string)
}

fn replacer<'v, 'c>(
    cx: Cx<'c>,
    realm: &Realm,
    replacer: Ref<'v>,
) -> Result<Replacer<'v, 'c>, Thrown> {
    if replacer.is_function(cx) {
        return Ok(Replacer::Function(replacer));
    }
    if !replacer.is_array(cx, realm)? {
        return Ok(Replacer::None);
    }
    let mut keys: Vec<OwnedKey<'_>> = Vec::new();
    let mut known = HashSet::new();
    for index in 0..replacer.length(cx)? {
        let item = replacer.element(cx, index)?;
        let class = item.get().class();
        let is_key = matches!(item.get().kind(), Kind::String | Kind::Number)
            || class == realm.classes.string
            || class == realm.classes.number;
        if is_key {
            let key = OwnedKey::of(cx, &item.get().to_string(cx)?)?;
            if known.insert(key.get()) {
                keys.push(key);
            }
        }
    }
    Ok(Replacer::Keys(keys.into()))
}

fn layout(cx: Cx<'_>, realm: &Realm, space: Ref<'_>) -> Result<Layout, Thrown> {
    let class = space.class();
    let space = if class == realm.classes.number {
        space.to_number(cx)?
    } else if class == realm.classes.string {
        space.to_string(cx)?
    } else {
        space.own(cx)
    };
    let gap = if let Some(width) = space.get().number() {
        // Truncates, and takes what is no number for zero.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let width = (width as usize).min(LONGEST_GAP);
        vec![b' '; width]
    } else if space.get().kind() == Kind::String {
        shortened(cx, &space)?
    } else {
        Vec::new()
    };
    Ok(if gap.is_empty() {
        Layout::Compact
    } else {
        Layout::Indented(gap)
    })
}

/// The first units of a string. Where they end in half a surrogate pair, that half becomes U+FFFD:
/// the text must be UTF-8.
fn shortened(cx: Cx<'_>, gap: &Owned<'_>) -> Result<Vec<u8>, Thrown> {
    let text = gap.get().utf8(cx)?;
    let units: Vec<u16> = mended(text.to_vec())
        .encode_utf16()
        .take(LONGEST_GAP)
        .collect();
    Ok(String::from_utf16_lossy(&units).into_bytes())
}
