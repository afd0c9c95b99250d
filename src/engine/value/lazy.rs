//! Lazy objects: objects of a document that come into being for a script as it touches them.
//!
//! A lazy object is a node and nothing more until a script asks for one of its members; then it has
//! the members' keys, and each value once that is read. Arrays are QuickJS's own arrays, so that
//! everything treats them as such; they bear a lazy object under a private name, which says what
//! node they were.
//!
//! ```text
//! untouched ──a member is asked for──▶ keys ──one is read──▶ value kept, so that `o.a === o.a`
//! ```
//!
//! No borrow of the members may be held while QuickJS creates an object, if only an exception: that
//! may start its garbage collector, which looks at them ([`Lazy::values`]).

use std::cell::{Cell, RefCell, RefMut};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use rquickjs::qjs;

use super::class;
use super::context::{Constant, Cx, Elements, Thrown};
use super::keys::{Key, Keys, Rank};
use super::property::{Descriptor, Property};
use super::realm::Realm;
use super::reference::{Owned, Ref};
use super::trace::Trace;
use crate::document::{Charge, Document, Kind, Members, Node, Slot, Source, State, Text, Writer};
use crate::engine::fence::Fence;

/// What an origin and a lazy object nobody has touched take besides QuickJS's object, in bytes.
const ORIGIN: usize = size_of::<Origin>() + Keys::TAKES;
const UNTOUCHED: usize = size_of::<Lazy>().next_multiple_of(16);

/// What a key takes while all of an object are listed, in bytes: twice in a list, once more while
/// that is sorted, and once in the result.
const LISTED: usize = size_of::<(Key, bool)>() + 2 * size_of::<(Rank, Key)>() + size_of::<Key>();

/// A document on behalf of the values that came from it.
pub(super) struct Origin {
    pub(super) document: Rc<Document>,
    realm: Rc<Realm>,
    keys: RefCell<Keys>,
}

impl Origin {
    pub(super) fn new(
        cx: Cx<'_>,
        realm: Rc<Realm>,
        document: Rc<Document>,
    ) -> Result<Rc<Self>, Thrown> {
        realm.take(cx, ORIGIN)?;
        Ok(Rc::new(Self {
            document,
            realm,
            keys: RefCell::default(),
        }))
    }

    /// Makes the value of a node; an object or array is a new one each time.
    pub(super) fn value<'c>(self: &Rc<Self>, cx: Cx<'c>, node: Node) -> Result<Owned<'c>, Thrown> {
        match self.document.kind(node) {
            Kind::Object => self.lazy(cx, node),
            Kind::Array => self.array(cx, node),
            Kind::String => match self.realm.text(cx, &self.document, node)? {
                (Text::Plain(utf8), _) => cx.string(utf8),
                (Text::Decoded(text), _charge) => cx.string(text.as_bytes()),
                (Text::Unpaired(units), _charge) => cx.string_utf16(&units),
            },
            Kind::Number => {
                let trace = Trace::of(&self.document, node);
                Ok(cx.traced(self.document.number(node), trace))
            }
            Kind::True => Ok(cx.constant(Constant::True)),
            Kind::False => Ok(cx.constant(Constant::False)),
            Kind::Null => Ok(cx.constant(Constant::Null)),
        }
    }

    /// An array has all its elements at once. Objects among them are lazy; arrays are not, but
    /// those end at the depth limit.
    fn array<'c>(self: &Rc<Self>, cx: Cx<'c>, node: Node) -> Result<Owned<'c>, Thrown> {
        let count = self.document.count(node);
        let _charge = self.realm.charge_of(cx, Elements::takes(count))?;
        let mut elements = Elements::with_capacity(cx, count);
        for element in self.document.children(node) {
            self.realm.tick(cx)?;
            elements.push(self.value(cx, element)?);
        }
        let array = cx.array(elements)?;
        array
            .get()
            .define(cx, self.realm.names.origin, self.lazy(cx, node)?.get())?;
        Ok(array)
    }

    fn lazy<'c>(self: &Rc<Self>, cx: Cx<'c>, node: Node) -> Result<Owned<'c>, Thrown> {
        self.realm.take(cx, UNTOUCHED)?;
        let lazy = Lazy {
            origin: Rc::clone(self),
            node,
            members: RefCell::default(),
            takes: Cell::new(UNTOUCHED),
            newer: Cell::new(ptr::null()),
            older: Cell::new(ptr::null()),
        };
        class::wrap(cx, self.realm.classes.lazy, lazy)
    }
}

impl AsRef<Fence> for Origin {
    fn as_ref(&self) -> &Fence {
        &self.realm.fence
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if !self.realm.is_abandoned() {
            // SAFETY: the keys were found in a context of this runtime, which outlives every value
            // in it.
            unsafe { self.keys.get_mut().release(self.realm.runtime) }
        }
        self.realm.give_back(ORIGIN);
    }
}

/// What is behind a lazy object.
pub(super) struct Lazy {
    pub(super) origin: Rc<Origin>,
    pub(super) node: Node,
    /// `None` until a script has asked for a member. A slot owns its key and what it reads as.
    members: RefCell<Option<Members<Key, Property>>>,
    /// What was taken for it, in bytes.
    takes: Cell<usize>,
    /// Its neighbours among all lazy objects of the runtime.
    newer: Cell<*const Lazy>,
    older: Cell<*const Lazy>,
}

/// All lazy objects of a runtime, which are dropped by this list where QuickJS can't be trusted to
/// free them.
#[derive(Default)]
pub(super) struct Lazies {
    newest: Cell<Option<NonNull<Lazy>>>,
}

impl Lazies {
    /// Adds one to its runtime's, and gives its place, which is its owner's.
    pub(super) fn add(lazy: Lazy) -> *mut Lazy {
        let place = Box::into_raw(Box::new(lazy));
        // SAFETY: the place is new, and all others in the list are alive until they are removed.
        unsafe {
            let lazy: &Lazy = &*place;
            let list = &lazy.origin.realm.lazies;
            let older = list.newest.replace(NonNull::new(place));
            if let Some(older) = older {
                lazy.older.set(older.as_ptr());
                older.as_ref().newer.set(place);
            }
        }
        place
    }

    /// Takes one back.
    ///
    /// # Safety
    ///
    /// It was added and not removed, and nobody looks at its place any more.
    #[expect(clippy::unnecessary_box_returns, reason = "it is in a box already")]
    pub(super) unsafe fn remove(place: *mut Lazy) -> Box<Lazy> {
        // SAFETY: as demanded; its neighbours are in the list, so they are alive.
        let lazy = unsafe { Box::from_raw(place) };
        let (newer, older) = (lazy.newer.get(), lazy.older.get());
        // SAFETY: as above.
        unsafe {
            match newer.as_ref() {
                Some(newer) => newer.older.set(older),
                None => {
                    let newest = NonNull::new(older.cast_mut());
                    lazy.origin.realm.lazies.newest.set(newest);
                }
            }
            if let Some(older) = older.as_ref() {
                older.newer.set(newer);
            }
        }
        lazy
    }

    /// Drops all of them; nothing of QuickJS's in them is given back.
    ///
    /// # Safety
    ///
    /// Nobody looks at their objects any more.
    pub(super) unsafe fn drop_all(&self) {
        while let Some(newest) = self.newest.get() {
            // SAFETY: as demanded.
            drop(unsafe { Self::remove(newest.as_ptr()) });
        }
    }
}

impl Lazy {
    /// Whether no script has asked for a member yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.members.borrow().is_none()
    }

    /// What the object was in its document.
    pub(super) fn source(&self) -> Source {
        Source {
            document: Rc::clone(&self.origin.document),
            node: self.node,
        }
    }

    /// Whether the object was the value `source`.
    pub(super) fn is(&self, source: &Source) -> bool {
        self.node == source.node && Rc::ptr_eq(&self.origin.document, &source.document)
    }

    fn members(&self, cx: Cx<'_>) -> Result<RefMut<'_, Members<Key, Property>>, Thrown> {
        if self.is_untouched() {
            let found = self.find_members(cx)?;
            self.members.replace(Some(found));
        }
        Ok(RefMut::map(self.members.borrow_mut(), |members| {
            members
                .as_mut()
                .expect("they were found just now, or before")
        }))
    }

    /// Interns the keys.
    fn find_members(&self, cx: Cx<'_>) -> Result<Members<Key, Property>, Thrown> {
        let Origin {
            document,
            realm,
            keys,
        } = &*self.origin;
        let count = document.count(self.node);
        self.take(cx, Members::<Key, Property>::needed(count))?;
        let mut keys = keys.borrow_mut();
        let mut next = 0;
        let mut members = Members::with_capacity(count);
        for node in document.children(self.node) {
            let found = realm.tick(cx);
            match found.and_then(|()| keys.find(cx, realm, document, node, &mut next)) {
                Ok(key) => members.push(key, node),
                Err(thrown) => {
                    for slot in members.slots() {
                        // SAFETY: the key was found for this slot.
                        unsafe { slot.key.release(cx.runtime()) }
                    }
                    self.settle(0);
                    return Err(thrown);
                }
            }
        }
        members.complete();
        self.settle(members.takes());
        Ok(members)
    }

    /// Takes memory for members.
    fn take(&self, cx: Cx<'_>, bytes: usize) -> Result<(), Thrown> {
        self.origin.realm.take(cx, bytes)?;
        self.takes.set(self.takes.get() + bytes);
        Ok(())
    }

    /// Gives back what was taken for more members than there are, which take so many bytes.
    fn settle(&self, members: usize) {
        let takes = UNTOUCHED + members;
        self.origin.realm.give_back(self.takes.get() - takes);
        self.takes.set(takes);
    }

    /// Whether there is a member `key`.
    pub(super) fn has(&self, cx: Cx<'_>, key: Key) -> Result<bool, Thrown> {
        Ok(self.members(cx)?.find(key).is_some())
    }

    /// The member `key`, its value read. It is good until the members change.
    pub(super) fn property(&self, cx: Cx<'_>, key: Key) -> Result<Option<Property>, Thrown> {
        let slot = self.members(cx)?.find(key);
        slot.map(|slot| self.slot_property(cx, slot)).transpose()
    }

    /// The member in a slot, its value read. It is good until the members change.
    pub(super) fn slot_property(&self, cx: Cx<'_>, number: usize) -> Result<Property, Thrown> {
        let Slot { node, value, .. } = self.slot(cx, number)?;
        if let Some(property) = value {
            return Ok(property);
        }
        let node = node.expect("a member that no text has was given its value when it was added");
        let property = Property::plain(cx, self.origin.value(cx, node.value())?.get());
        let unread = self.members(cx)?.read(number, property);
        debug_assert!(
            unread.is_none(),
            "making a value runs no script that could read the member"
        );
        Ok(property)
    }

    /// The keys in the order in which scripts list them, and what the list takes. They are good
    /// until the members change.
    pub(super) fn keys(&self, cx: Cx<'_>) -> Result<(Vec<Key>, Charge), Thrown> {
        let Origin {
            document, realm, ..
        } = &*self.origin;
        let is_plain = |node| !may_be_index(document.inner(node));
        let most = self.members(cx)?.slots().len();
        let charge = realm.charge_of(cx, most * LISTED)?;
        let mut keys: Vec<(Key, bool)> = Vec::with_capacity(most);
        keys.extend(
            self.members(cx)?
                .keys()
                .map(|slot| (slot.key, slot.node.is_some_and(is_plain))),
        );
        let mut ranked = Vec::with_capacity(keys.len());
        for (key, is_plain) in keys {
            let rank = if is_plain {
                Rank::String
            } else {
                key.rank(cx)?
            };
            ranked.push((rank, key));
        }
        ranked.sort_by_key(|&(rank, _)| rank);
        Ok((ranked.into_iter().map(|(_, key)| key).collect(), charge))
    }

    /// Deletes the member `key`; false where that is not allowed.
    pub(super) fn delete(&self, cx: Cx<'_>, key: Key) -> Result<bool, Thrown> {
        let mut members = self.members(cx)?;
        let Some(slot) = members.find(key) else {
            return Ok(true);
        };
        if members.slots()[slot]
            .value
            .is_some_and(|property| !property.is_configurable())
        {
            return Ok(false);
        }
        // SAFETY: each slot owns its key.
        let removed = members.remove(slot, |key| unsafe { key.release(cx.runtime()) });
        drop(members);
        release(cx, removed);
        Ok(true)
    }

    /// Defines the member `key`; false where that is not allowed.
    pub(super) fn define(
        &self,
        cx: Cx<'_>,
        this: Ref<'_>,
        key: Key,
        wanted: &Descriptor<'_>,
    ) -> Result<bool, Thrown> {
        let slot = self.members(cx)?.find(key);
        let Some(slot) = slot else {
            if !this.is_extensible(cx) {
                return Ok(false);
            }
            let property = Property::created(cx, wanted)?;
            let needed = self.members(cx)?.needed_to_add();
            if let Err(thrown) = self.take(cx, needed) {
                release(cx, Some(property));
                return Err(thrown);
            }
            let mut members = self.members(cx)?;
            members.add(key.retain(cx), property);
            if needed > 0 {
                self.settle(members.takes());
            }
            return Ok(true);
        };
        let is_plain = self
            .slot(cx, slot)?
            .value
            .is_none_or(|property| property.is_plain());
        let replaced = if is_plain && wanted.keeps_plain() {
            let property = Property::plain(cx, wanted.value);
            self.members(cx)?.write(slot, property)
        } else {
            let property = self.slot_property(cx, slot)?;
            // SAFETY: the slot holds the property until it is replaced below.
            let Some(redefined) = property.redefined(cx, unsafe { property.value() }, wanted)?
            else {
                return Ok(false);
            };
            let mut members = self.members(cx)?;
            if wanted.is_accessor() || wanted.is_data() {
                members.write(slot, redefined)
            } else {
                members.read(slot, redefined)
            }
        };
        release(cx, replaced);
        Ok(true)
    }

    /// The key in the document of the member `key`, if it has one.
    pub(super) fn source_of_member(&self, cx: Cx<'_>, key: Key) -> Result<Option<Source>, Thrown> {
        let members = self.members(cx)?;
        let node = members
            .find(key)
            .and_then(|slot| members.slots()[slot].node);
        Ok(node.map(|node| Source {
            document: Rc::clone(&self.origin.document),
            node,
        }))
    }

    /// How many slots there are; they keep their numbers until [`Self::end_walk`].
    pub(super) fn begin_walk(&self, cx: Cx<'_>) -> Result<usize, Thrown> {
        let mut members = self.members(cx)?;
        members.begin_walk();
        Ok(members.slots().len())
    }

    /// Ends what [`Self::begin_walk`] began.
    pub(super) fn end_walk(&self) {
        if let Some(members) = self.members.borrow_mut().as_mut() {
            members.end_walk();
        }
    }

    /// Writes members from a slot on as they are, as long as no script has looked at them; returns
    /// the slot behind them.
    pub(super) fn keep_unread(
        &self,
        cx: Cx<'_>,
        writer: &mut Writer,
        from: usize,
        end: usize,
    ) -> Result<usize, Thrown> {
        let members = self.members(cx)?;
        let mut number = from;
        while let Some((count, first, last)) = members.unread_run(number, end) {
            writer.keep_run(&self.origin.document, first, last);
            number += count;
        }
        Ok(number)
    }

    /// What is in a slot.
    pub(super) fn slot(&self, cx: Cx<'_>, number: usize) -> Result<Slot<Key, Property>, Thrown> {
        Ok(self.members(cx)?.slots()[number])
    }

    /// The values that the object holds, for the garbage collector.
    pub(super) fn values(&self, visit: impl FnMut(qjs::JSValue)) {
        if let Some(members) = self.members.borrow().as_ref() {
            members
                .slots()
                .iter()
                .filter_map(|slot| slot.value)
                .map(Property::into_raw)
                .for_each(visit);
        }
    }

    /// Gives back what the object holds.
    ///
    /// # Safety
    ///
    /// `runtime` must be the object's own.
    pub(super) unsafe fn release(mut self, runtime: *mut qjs::JSRuntime) {
        let Some(members) = self.members.get_mut().take() else {
            return;
        };
        for slot in members
            .slots()
            .iter()
            .filter(|slot| slot.state != State::Gone)
        {
            // SAFETY: a slot owns its key and its value.
            unsafe {
                slot.key.release(runtime);
                if let Some(property) = slot.value {
                    qjs::JS_FreeValueRT(runtime, property.into_raw());
                }
            }
        }
    }
}

impl Drop for Lazy {
    fn drop(&mut self) {
        self.origin.realm.give_back(self.takes.get());
    }
}

/// Gives a property back that no slot holds any longer.
fn release(cx: Cx<'_>, property: Option<Property>) {
    if let Some(property) = property {
        // SAFETY: the slot owned the reference.
        unsafe { qjs::JS_FreeValue(cx.as_ptr(), property.into_raw()) }
    }
}

/// Whether a key, by what stands between its quotes, could be an array index.
fn may_be_index(inner: &[u8]) -> bool {
    matches!(inner.first(), Some(b'0'..=b'9' | b'\\'))
}
