//! Keys: QuickJS's atoms, and the keys of a document as such.

use std::ffi::{c_char, c_int};
use std::ptr::NonNull;

use rquickjs::qjs;

use super::context::{Cx, Thrown};
use super::realm::Realm;
use super::reference::{Kind, Owned, Ref};
use crate::document::{Document, Node, Text};

/// A property key: a string or a symbol, interned by QuickJS.
///
/// A plain copy that owns nothing; who keeps one counts it with [`Key::retain`] and
/// [`Key::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) qjs::JSAtom);

/// Marks the keys that are whole numbers below 2³¹; the rest of the bits is the number
/// (`JS_ATOM_TAG_INT` in `quickjs.c`).
const NUMBER: qjs::JSAtom = 1 << 31;

/// The largest array index, [ECMA-262 §6.1.7].
const LAST_INDEX: u32 = u32::MAX - 1;

/// Where a key stands among the keys of an object ([ECMA-262 §10.1.11.1]): array indexes by size,
/// then strings, then symbols, each as they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Index(u32),
    String,
    Symbol,
}

impl Key {
    /// The key that `text` spells, UTF-8 or with unpaired surrogates in UTF-16. The caller owns it.
    fn of_text(cx: Cx<'_>, text: &Text<'_>) -> Result<Self, Thrown> {
        let utf8 = match text {
            Text::Plain(utf8) => utf8,
            Text::Decoded(text) => text.as_bytes(),
            Text::Unpaired(units) => return Self::of_value(cx, &cx.string_utf16(units)?),
        };
        // Not for other text: `JS_NewAtomLen` looks among the known atoms as if the bytes were
        // Latin-1, so that `é` is found as `Ã©` (quickjs.c says so itself).
        if utf8.is_ascii() {
            // SAFETY: QuickJS reads `len` bytes and copies them.
            let atom = unsafe {
                qjs::JS_NewAtomLen(cx.as_ptr(), utf8.as_ptr().cast::<c_char>(), utf8.len() as _)
            };
            return Self::checked(cx, atom);
        }
        Self::of_value(cx, &cx.string(utf8)?)
    }

    fn of_value(cx: Cx<'_>, value: &Owned<'_>) -> Result<Self, Thrown> {
        // SAFETY: the value is alive.
        Self::checked(cx, unsafe {
            qjs::JS_ValueToAtom(cx.as_ptr(), value.get().as_raw())
        })
    }

    fn checked(cx: Cx<'_>, atom: qjs::JSAtom) -> Result<Self, Thrown> {
        if atom == qjs::JS_ATOM_NULL {
            // Interning fails for want of memory only, and then it does not always throw.
            return Err(cx.out_of_memory());
        }
        Ok(Self(atom))
    }

    /// The key for a name that a program knows. The caller owns it.
    pub(super) fn named(cx: Cx<'_>, name: &'static str) -> Result<Self, Thrown> {
        Self::of_text(cx, &Text::Plain(name.as_bytes()))
    }

    /// Counts one more owner.
    pub(super) fn retain(self, cx: Cx<'_>) -> Self {
        // SAFETY: the key is alive, or nobody could have handed it to us.
        Self(unsafe { qjs::JS_DupAtom(cx.as_ptr(), self.0) })
    }

    /// Counts one owner less.
    ///
    /// # Safety
    ///
    /// The caller must own the key, and `runtime` must be the key's.
    pub(super) unsafe fn release(self, runtime: *mut qjs::JSRuntime) {
        // SAFETY: as demanded.
        unsafe { qjs::JS_FreeAtomRT(runtime, self.0) }
    }

    /// The string or symbol.
    pub(super) fn value(self, cx: Cx<'_>) -> Result<Owned<'_>, Thrown> {
        // SAFETY: the key is alive.
        unsafe { cx.take(qjs::JS_AtomToValue(cx.as_ptr(), self.0)) }
    }

    /// Where the key stands among others.
    pub(super) fn rank(self, cx: Cx<'_>) -> Result<Rank, Thrown> {
        if self.0 & NUMBER != 0 {
            return Ok(Rank::Index(self.0 & !NUMBER));
        }
        let value = self.value(cx)?;
        if value.get().kind() != Kind::String {
            return Ok(Rank::Symbol);
        }
        Ok(large_index(&value.get().utf8(cx)?).map_or(Rank::String, Rank::Index))
    }
}

/// Reads an array index that is too large for [`NUMBER`].
fn large_index(text: &[u8]) -> Option<u32> {
    if text.len() != 10 || text[0] == b'0' || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text)
        .ok()?
        .parse()
        .ok()
        .filter(|&index| index <= LAST_INDEX)
}

/// A key that we count as an owner of.
pub(super) struct OwnedKey<'c> {
    key: Key,
    cx: Cx<'c>,
}

impl<'c> OwnedKey<'c> {
    /// The key that a value stands for, as in `object[value]`.
    pub(super) fn of(cx: Cx<'c>, value: &Owned<'_>) -> Result<Self, Thrown> {
        Ok(Self {
            key: Key::of_value(cx, value)?,
            cx,
        })
    }

    pub(super) fn get(&self) -> Key {
        self.key
    }
}

impl Drop for OwnedKey<'_> {
    fn drop(&mut self) {
        // SAFETY: the key was interned for us.
        unsafe { self.key.release(self.cx.runtime()) }
    }
}

/// Keys of an object.
pub(super) struct KeyList<'c> {
    entries: NonNull<qjs::JSPropertyEnum>,
    count: u32,
    cx: Cx<'c>,
}

impl<'c> KeyList<'c> {
    /// The enumerable string keys of an object, as `Object.keys` lists them.
    pub(super) fn enumerable(cx: Cx<'c>, object: Ref<'_>) -> Result<Self, Thrown> {
        Self::of(cx, object, qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY)
    }

    /// The keys that `flags` ask for, `JS_GPN_…` of `quickjs.h`.
    pub(super) fn of(cx: Cx<'c>, object: Ref<'_>, flags: u32) -> Result<Self, Thrown> {
        let mut entries = std::ptr::null_mut();
        let mut count = 0;
        #[allow(clippy::cast_possible_wrap)] // the flags are small
        // SAFETY: the object is alive, the results are written to variables of ours.
        let status = unsafe {
            qjs::JS_GetOwnPropertyNames(
                cx.as_ptr(),
                &raw mut entries,
                &raw mut count,
                object.as_raw(),
                flags as c_int,
            )
        };
        let entries = NonNull::new(entries)
            .filter(|_| status >= 0)
            .ok_or(Thrown)?;
        Ok(Self { entries, count, cx })
    }

    /// The keys, alive as long as the list.
    pub(super) fn iter(&self) -> impl Iterator<Item = Key> + '_ {
        // SAFETY: QuickJS has filled in `count` entries, which are ours until `drop`.
        let entries =
            unsafe { std::slice::from_raw_parts(self.entries.as_ptr(), self.count as usize) };
        entries.iter().map(|entry| Key(entry.atom))
    }
}

impl Drop for KeyList<'_> {
    fn drop(&mut self) {
        // SAFETY: list and keys came from `JS_GetOwnPropertyNames` and are given back once.
        unsafe { qjs::JS_FreePropertyEnum(self.cx.as_ptr(), self.entries.as_ptr(), self.count) }
    }
}

/// How many keys of a document are remembered. Records have fewer; a map with more has no use for
/// it.
const SHARED: usize = 64;

/// How many small things it takes as long as to intern a key, at worst: QuickJS compares it with
/// all that it hashes alike, and hashes without a seed.
const INTERNED: u32 = 64;

/// How far to look beyond the place where the next key is expected, for records that leave members
/// out.
const REACH: usize = 8;

/// The keys of a document that were met already, in the order in which they tend to follow one
/// another.
///
/// Records of one kind spell the same keys in the same order, so the key behind the last one found
/// is most likely the next, and to compare its bytes is quicker than to intern them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: Vec<(Node, Key)>,
}

impl Keys {
    /// What they take at most, in bytes.
    pub(super) const TAKES: usize = SHARED * size_of::<(Node, Key)>();

    /// The key at `node`; `next` says where to look first, and is moved on. The caller owns the
    /// key.
    pub(super) fn find(
        &mut self,
        cx: Cx<'_>,
        realm: &Realm,
        document: &Document,
        node: Node,
        next: &mut usize,
    ) -> Result<Key, Thrown> {
        for ahead in *next..self.known.len().min(*next + REACH) {
            let (example, key) = self.known[ahead];
            if document.is_spelled_alike(example, node) {
                *next = ahead + 1;
                return Ok(key.retain(cx));
            }
        }
        realm.ticks(cx, INTERNED)?;
        let key = Key::of_text(cx, &realm.text(cx, document, node)?.0)?;
        if self.known.len() < SHARED {
            self.known.insert(*next, (node, key.retain(cx)));
            *next += 1;
        }
        Ok(key)
    }

    /// Gives the keys back.
    ///
    /// # Safety
    ///
    /// `runtime` must be that of the context the keys were found with.
    pub(super) unsafe fn release(&mut self, runtime: *mut qjs::JSRuntime) {
        for (_, key) in self.known.drain(..) {
            // SAFETY: each key in the list was retained for it.
            unsafe { key.release(runtime) }
        }
    }
}
