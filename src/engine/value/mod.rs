//! Values: JSON documents as a script sees them.
//!
//! [`open`] makes a document's root a JavaScript value; members come into being as the script
//! touches them, and [`write`] copies what it did not touch. `JSON.parse` and `JSON.stringify` work
//! in the same way once [`install`] has replaced them. For a script the values are plain objects
//! and arrays.
//!
//! ```text
//! json                the two functions
//! stringify           value → text: the walk
//! source, trace       what of a document a value is; which number of it
//! lazy, property      what is behind an object; what a member has become
//! keys, realm         interned keys; what a runtime must remember
//! made                texts that scripts made
//! class               QuickJS's hooks
//! context, reference  its C interface, with ownership in the types
//! ```
//!
//! The one thing to know: index, members of touched objects and texts that scripts make are Rust's
//! memory, at worst some twenty times a text, of which QuickJS knows nothing. So all of it that
//! grows is taken from a [`Budget`] before it is taken from the system, and where there is no more
//! a script sees QuickJS's own error. The texts that are opened are their owner's to count.

#![allow(unsafe_code)] // QuickJS's C interface has no safe form of what is needed here.

mod class;
mod context;
mod json;
mod keys;
mod lazy;
mod made;
mod property;
mod realm;
mod reference;
mod source;
mod stringify;
mod trace;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use bytes::Bytes;
use rquickjs::{Ctx, Error, Result, Value};

use crate::document::{Budget, Charge, Fault, Form, Layout, ParseError, Spelled};
use crate::engine::text::mended;
use crate::message::Pieces;
use context::{Cx, Thrown};
use lazy::Origin;
use realm::{Realm, borrowed, handed_over};
use stringify::{Replacer, stringify};

/// Why a text could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// It is no JSON, or nested too deeply.
    #[error("not a JSON document: {0}")]
    Parse(#[from] ParseError),
    /// JavaScript has no memory left, or [`install`] was not called.
    #[error("no value for the document")]
    Engine(#[source] Error),
}

/// Makes a context ready for lazy values and replaces its `JSON.parse` and `JSON.stringify`.
///
/// To be called once for a runtime, on its only context, before scripts run or built-ins are
/// frozen. `longest_text` is the most bytes that a value may be written as, `budget` what the
/// values may take besides QuickJS's memory; without one nothing bounds that.
///
/// # Errors
///
/// When there is no memory for it.
pub(super) fn install(
    ctx: &Ctx<'_>,
    longest_text: usize,
    budget: Option<Rc<dyn Budget>>,
) -> Result<()> {
    let cx = entered(ctx);
    let prototype: Value<'_> = ctx.eval("Object.prototype")?;
    let class = class::register(cx, borrowed(&prototype)).map_err(thrown)?;
    Realm::install(cx, ctx, class, longest_text, budget)?;
    let json: Value<'_> = ctx.globals().get("JSON")?;
    json::replace(cx, borrowed(&json)).map_err(thrown)
}

/// Opens a JSON text: the value of its root, lazy if it is an object. A byte order mark is skipped.
///
/// # Errors
///
/// [`OpenError::Parse`] says where the text is no JSON.
pub(super) fn open<'js>(ctx: &Ctx<'js>, text: Bytes) -> std::result::Result<Value<'js>, OpenError> {
    let realm = realm_of(ctx).map_err(OpenError::Engine)?;
    let cx = entered(ctx);
    let document = match realm.document(text) {
        Err(error) if error.fault == Fault::Memory => {
            return Err(OpenError::Engine(thrown(cx.out_of_memory())));
        }
        Err(error) if error.fault == Fault::Time => {
            return Err(OpenError::Engine(thrown(cx.interrupted())));
        }
        document => document?,
    };
    let root = document.root();
    let value = Origin::new(cx, realm, document)
        .and_then(|origin| origin.value(cx, root))
        .map_err(|error| OpenError::Engine(thrown(error)))?;
    Ok(handed_over(ctx, value))
}

/// A span of a document from this length on, in bytes, is shared with it rather than copied: to
/// write a piece more to a socket costs as much as to copy some thousands.
const SHARED: usize = 32 * 1024;

/// The text of a value, lossless: what a document still has is copied from it, blanks included, or
/// shared with its text where it is long. `None` for what JSON has no text for.
///
/// # Errors
///
/// The exceptions of `JSON.stringify`: cycles, `BigInt`, what a getter or `toJSON` throws; a
/// `RangeError` for a text that is too long.
pub(super) fn write(ctx: &Ctx<'_>, value: &Value<'_>) -> Result<Option<Pieces>> {
    write_as(ctx, value, Form::Pieces { shared: SHARED })
}

/// The same, put together as it is said.
///
/// # Errors
///
/// As [`write`].
pub(super) fn write_as(ctx: &Ctx<'_>, value: &Value<'_>, form: Form) -> Result<Option<Pieces>> {
    let realm = realm_of(ctx)?;
    let layout = (Layout::Source, form);
    let written = stringify(
        entered(ctx),
        &realm,
        borrowed(value),
        layout,
        Replacer::None,
    )
    .map_err(thrown)?;
    Ok(written.map(|(text, charge)| made::pieces(text, charge)))
}

/// Pieces in one. A copy is counted as the heap's.
///
/// # Errors
///
/// When there is no memory for it.
pub(super) fn joined(ctx: &Ctx<'_>, pieces: Pieces) -> Result<Bytes> {
    if let Some(only) = pieces.as_one() {
        return Ok(only.clone());
    }
    let realm = realm_of(ctx)?;
    let charge = realm
        .charge_of(entered(ctx), pieces.len())
        .map_err(thrown)?;
    Ok(made::text(pieces.joined().into(), charge))
}

/// The text of a string as it stands.
///
/// # Errors
///
/// When there is no memory for it.
pub(super) fn copied(ctx: &Ctx<'_>, string: &Value<'_>) -> Result<Bytes> {
    let realm = realm_of(ctx)?;
    let cx = entered(ctx);
    let utf8 = borrowed(string).utf8(cx).map_err(thrown)?;
    let charge = realm.charge_of(cx, utf8.len()).map_err(thrown)?;
    let mut text = utf8.to_vec();
    if std::str::from_utf8(&text).is_err() {
        text = mended(text).into_bytes();
    }
    Ok(made::text(text, charge))
}

/// Throws that there is no memory, unless there is so much more.
///
/// # Errors
///
/// There isn't.
pub(super) fn need(ctx: &Ctx<'_>, bytes: usize) -> Result<()> {
    charged(ctx, bytes).map(drop)
}

/// So many bytes of the heap's, for something that is about to be made.
///
/// # Errors
///
/// There aren't as many.
pub(super) fn charged(ctx: &Ctx<'_>, bytes: usize) -> Result<Charge> {
    let realm = realm_of(ctx)?;
    realm.charge_of(entered(ctx), bytes).map_err(thrown)
}

/// Ends the script where its time is over, for a native that QuickJS never interrupts.
///
/// # Errors
///
/// It is.
pub(super) fn look(ctx: &Ctx<'_>) -> Result<()> {
    realm_of(ctx)?.look(entered(ctx)).map_err(thrown)
}

/// Throws that there is no memory.
pub(super) fn out_of_memory(ctx: &Ctx<'_>) -> Error {
    thrown(entered(ctx).out_of_memory())
}

/// A copy of bytes, counted as long as anybody has it.
///
/// # Errors
///
/// There is no memory for it.
pub(super) fn counted(ctx: &Ctx<'_>, bytes: &[u8]) -> Result<Bytes> {
    let charge = charged(ctx, bytes.len())?;
    Ok(made::text(bytes.to_vec(), charge))
}

/// Whether a text is a JSON document, as far as there is memory and time to find out.
pub(super) fn is_json(ctx: &Ctx<'_>, text: Bytes) -> bool {
    let document = Realm::of(ctx).map(|realm| realm.document(text));
    match document {
        Some(Err(error)) => matches!(error.fault, Fault::Memory | Fault::Time),
        Some(Ok(_)) | None => true,
    }
}

/// A string of a text, which must be UTF-8. `JSON.parse` of that very string reads the text
/// instead, until [`forget`] or the next call. A byte order mark is no part of the string.
///
/// # Errors
///
/// When there is no memory for it.
pub(super) fn give_text<'js>(ctx: &Ctx<'js>, text: Bytes) -> Result<Value<'js>> {
    let realm = realm_of(ctx)?;
    let cx = entered(ctx);
    let text = match text.strip_prefix("\u{FEFF}".as_bytes()) {
        Some(rest) => text.slice_ref(rest),
        None => text,
    };
    let string = cx.string(&text).map_err(thrown)?;
    realm.remember_given(cx, string.get(), text);
    Ok(handed_over(ctx, string))
}

/// The text of a string that came from [`give_text`] or was the last that `JSON.stringify` made,
/// without a copy.
pub(super) fn text_of(ctx: &Ctx<'_>, value: &Value<'_>) -> Option<Bytes> {
    Realm::of(ctx)?.text_of(borrowed(value))
}

/// How the number `object[key]` is spelled, for a script that needs more digits than a double has.
/// `None` for what is no number.
///
/// # Errors
///
/// What a getter of the object throws.
pub(super) fn spelled<'js>(
    ctx: &Ctx<'js>,
    object: &Value<'js>,
    key: &Value<'js>,
) -> Result<Option<Spelled<String>>> {
    let realm = realm_of(ctx)?;
    let spelled =
        source::spelled(entered(ctx), &realm, borrowed(object), borrowed(key)).map_err(thrown)?;
    let text = |text| String::from_utf8(text).expect("a number is spelled in ASCII");
    Ok(spelled.map(|spelled| match spelled {
        Spelled::AsUsual => Spelled::AsUsual,
        Spelled::Alike(spelling) => Spelled::Alike(text(spelling)),
        Spelled::Variously(spelling) => Spelled::Variously(text(spelling)),
        Spelled::Several => Spelled::Several,
    }))
}

/// Forgets texts and documents; to be called when a call is over. Values that a script has kept
/// stay good.
pub(super) fn forget(ctx: &Ctx<'_>) {
    if let Some(realm) = Realm::of(ctx) {
        realm.forget();
    }
}

/// Drops all that is Rust's behind the values of a context that nobody frees.
///
/// # Safety
///
/// No value of the context is looked at any more.
pub(super) unsafe fn abandon(ctx: &Ctx<'_>) {
    if let Some(realm) = Realm::of(ctx) {
        // SAFETY: as demanded.
        unsafe { realm.abandon() };
    }
}

fn realm_of(ctx: &Ctx<'_>) -> Result<Rc<Realm>> {
    Realm::of(ctx).ok_or(Error::Unknown)
}

fn entered<'c>(ctx: &'c Ctx<'_>) -> Cx<'c> {
    // SAFETY: a `Ctx` exists only where its context is alive and locked by this thread.
    unsafe { Cx::new(ctx.as_raw()) }
}

fn thrown(Thrown: Thrown) -> Error {
    Error::Exception
}
