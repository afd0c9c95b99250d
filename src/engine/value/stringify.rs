//! The walk over a value that writes its text.
//!
//! It is `JSON.stringify` ([ECMA-262 `SerializeJSONProperty`]), but whatever a document still has is copied from there: a lazy
//! object that nobody touched, a member that nobody wrote, a number or string that is in its place. A script may run at any
//! getter, `toJSON` or replacer, and may change what is being walked over; so nothing is borrowed across such a call, and
//! members are looked at anew one by one.

use std::rc::Rc;

use super::class;
use super::json::Place;
use super::keys::{Key, OwnedKey};
use super::lazy::Lazy;
use super::property::{GETTER, Property};
use super::raw::{Constant, Cx, Kind, Owned, Ref, Thrown};
use super::realm::Realm;
use crate::document::{self, Document, Layout, Node, Source, State, Text, Writer};

/// The most containers inside each other that are written. A document has fewer; what a script builds may have more.
const MAX_DEPTH: usize = 512;

/// What the second argument of `JSON.stringify` asks for.
pub(super) enum Replacer<'v, 'c> {
    None,
    Function(Ref<'v>),
    Keys(Vec<OwnedKey<'c>>),
}

/// The text of a value, or `None` for what has none: `undefined`, functions, symbols.
pub(super) fn stringify(
    cx: Cx<'_>,
    realm: &Rc<Realm>,
    value: Ref<'_>,
    layout: Layout,
    replacer: Replacer<'_, '_>,
) -> Result<Option<Vec<u8>>, Thrown> {
    let holder = cx.object()?;
    if let Replacer::Function(_) = replacer {
        holder.get().define(cx, realm.names.empty, value)?;
    }
    let source = source_of(cx, realm, value)?;
    let capacity = source
        .as_ref()
        .map_or(0, |source| source.document.spelling(source.node).len() + 64);
    let copies = matches!(replacer, Replacer::None) && !prototypes_have_to_json(cx, realm)?;
    let mut walk = Walk {
        cx,
        realm,
        replacer,
        copies,
        writer: Writer::new(layout, capacity),
        path: Vec::new(),
    };
    let Some(value) = walk.prepared(holder.get(), Place::Key(realm.names.empty), value.own(cx))?
    else {
        return Ok(None);
    };
    // A body that is still the one it was keeps what stands around it.
    let whole =
        source_of(cx, realm, value.get())?.filter(|source| source.node == source.document.root());
    if let Some(source) = &whole {
        walk.writer.before_root(&source.document);
    }
    walk.value(value.get(), None)?;
    if let Some(source) = &whole {
        walk.writer.after_root(&source.document);
    }
    Ok(Some(walk.writer.finish()))
}

/// The node that an object or array came from.
pub(super) fn source_of(
    cx: Cx<'_>,
    realm: &Realm,
    value: Ref<'_>,
) -> Result<Option<Source>, Thrown> {
    let class = value.class();
    if class == realm.classes.array {
        let stamp = value.get(cx, realm.names.origin)?;
        return Ok(class::unwrap(stamp.get(), realm.classes.lazy).map(Lazy::source));
    }
    Ok(class::unwrap(value, realm.classes.lazy).map(Lazy::source))
}

/// Whether objects that are plain to look at have a `toJSON` all the same.
fn prototypes_have_to_json(cx: Cx<'_>, realm: &Realm) -> Result<bool, Thrown> {
    // An array inherits from both prototypes.
    cx.array(Vec::new())?.get().has(cx, realm.names.to_json)
}

struct Walk<'w, 'c> {
    cx: Cx<'c>,
    realm: &'w Rc<Realm>,
    replacer: Replacer<'w, 'c>,
    /// Whether a member can be copied without a script knowing.
    copies: bool,
    writer: Writer,
    /// The objects that are being written, by address.
    path: Vec<*const ()>,
}

impl<'c> Walk<'_, 'c> {
    /// Asks `toJSON` and the replacer what to write for a value; `None` is to leave it out.
    fn prepared(
        &self,
        holder: Ref<'_>,
        place: Place,
        mut value: Owned<'c>,
    ) -> Result<Option<Owned<'c>>, Thrown> {
        let cx = self.cx;
        if matches!(value.get().kind(), Kind::Object | Kind::BigInt)
            && !self.is_plain_lazy(value.get())?
        {
            let to_json = value.get().get(cx, self.realm.names.to_json)?;
            if to_json.get().is_function(cx) {
                value = cx.call(to_json.get(), value.get(), &[place.name(cx)?.get()])?;
            }
        }
        if let Replacer::Function(function) = &self.replacer {
            value = cx.call(*function, holder, &[place.name(cx)?.get(), value.get()])?;
        }
        Ok(match value.get().kind() {
            Kind::Undefined | Kind::Other => None,
            Kind::Object if value.get().is_function(cx) => None,
            Kind::Object => Some(self.unwrapped(value)?),
            Kind::Null | Kind::Bool(_) | Kind::Number | Kind::String | Kind::BigInt => Some(value),
        })
    }

    /// What is in a `Number`, `String` or `Boolean` object; any other value as it is.
    fn unwrapped(&self, value: Owned<'c>) -> Result<Owned<'c>, Thrown> {
        let classes = &self.realm.classes;
        let class = value.get().class();
        if class == classes.number {
            value.get().to_number(self.cx)
        } else if class == classes.string {
            value.get().to_string(self.cx)
        } else if class == classes.boolean {
            value.get().to_boolean(self.cx)
        } else {
            Ok(value)
        }
    }

    /// Whether a value is a lazy object that has no `toJSON`, found out without running a script.
    fn is_plain_lazy(&self, value: Ref<'_>) -> Result<bool, Thrown> {
        let Some(lazy) = class::unwrap(value, self.realm.classes.lazy) else {
            return Ok(false);
        };
        Ok(self.copies
            && value.prototype(self.cx)?.get().address() == self.realm.object_prototype
            && (lazy.is_untouched() || !lazy.has(self.cx, self.realm.names.to_json)?))
    }

    /// Writes a value; `place` is the value of the document that stood where it stands.
    fn value(&mut self, value: Ref<'_>, place: Option<&Source>) -> Result<(), Thrown> {
        let classes = self.realm.classes;
        match value.kind() {
            Kind::Null => self.writer.spelled(b"null"),
            Kind::Bool(true) => self.writer.spelled(b"true"),
            Kind::Bool(false) => self.writer.spelled(b"false"),
            Kind::Number => self.number(value, place)?,
            Kind::String => self.string(value, place)?,
            Kind::BigInt => {
                return Err(self
                    .cx
                    .type_error(c"BigInt are forbidden in JSON.stringify"));
            }
            Kind::Object if value.class() == classes.big_int => {
                return Err(self
                    .cx
                    .type_error(c"BigInt are forbidden in JSON.stringify"));
            }
            Kind::Object if value.class() == classes.raw_json => {
                let text = value.get(self.cx, self.realm.names.raw_json)?;
                self.writer.spelled_by_script(&text.get().utf8(self.cx)?);
            }
            Kind::Object => self.within(value, |walk| walk.container(value))?,
            Kind::Undefined | Kind::Other => {}
        }
        self.writer_has_room()
    }

    fn writer_has_room(&self) -> Result<(), Thrown> {
        if self.writer.len() > self.realm.longest_text {
            Err(self.cx.range_error(c"JSON text too long"))
        } else {
            Ok(())
        }
    }

    fn number(&mut self, value: Ref<'_>, place: Option<&Source>) -> Result<(), Thrown> {
        if let Some(place) =
            place.filter(|place| is_spelled_by(self.cx, value, &place.document, place.node))
        {
            self.writer.spelled(place.document.spelling(place.node));
            return Ok(());
        }
        let number = value.number().unwrap_or(f64::NAN);
        if let Some(spelling) = self.realm.spelling(number) {
            self.writer.spelled(&spelling);
        } else if number.is_finite() {
            self.writer.spelled(&value.utf8(self.cx)?);
        } else {
            self.writer.spelled(b"null");
        }
        Ok(())
    }

    fn string(&mut self, value: Ref<'_>, place: Option<&Source>) -> Result<(), Thrown> {
        match place.filter(|place| is_spelled_by(self.cx, value, &place.document, place.node)) {
            Some(place) => self.writer.spelled(place.document.spelling(place.node)),
            None => self.writer.string(&value.utf8(self.cx)?),
        }
        Ok(())
    }

    /// Guards against cycles and depth.
    fn within(
        &mut self,
        value: Ref<'_>,
        write: impl FnOnce(&mut Self) -> Result<(), Thrown>,
    ) -> Result<(), Thrown> {
        if self.path.contains(&value.address()) {
            return Err(self.cx.type_error(c"circular reference"));
        }
        if self.path.len() == MAX_DEPTH {
            return Err(self.cx.range_error(c"Maximum call stack size exceeded"));
        }
        self.path.push(value.address());
        write(self)?;
        self.path.pop();
        Ok(())
    }

    fn container(&mut self, value: Ref<'_>) -> Result<(), Thrown> {
        let realm = Rc::clone(self.realm);
        if value.class() == realm.classes.array {
            return match source_of(self.cx, &realm, value)? {
                Some(source) => self.source_array(value, &source),
                None => self.new_array(value),
            };
        }
        match class::unwrap(value, realm.classes.lazy) {
            Some(lazy) if lazy.is_untouched() && self.copies => {
                self.writer.copy(&lazy.origin.document, lazy.node);
                Ok(())
            }
            Some(lazy) if matches!(self.replacer, Replacer::None) => self.lazy_object(value, lazy),
            Some(_) | None if value.is_array(self.cx, realm.classes.proxy)? => {
                self.new_array(value)
            }
            Some(_) | None => self.object(value),
        }
    }

    /// Writes the members of a lazy object in the order of the text.
    fn lazy_object(&mut self, value: Ref<'_>, lazy: &Lazy) -> Result<(), Thrown> {
        let end = lazy.begin_walk(self.cx)?;
        self.writer.open_object(Some(lazy.source()));
        let walked = self.slots(value, lazy, end);
        lazy.end_walk();
        walked?;
        self.writer.close();
        Ok(())
    }

    fn slots(&mut self, object: Ref<'_>, lazy: &Lazy, end: usize) -> Result<(), Thrown> {
        let mut number = 0;
        while number < end {
            if self.copies {
                number = lazy.keep_unread(self.cx, &mut self.writer, number, end)?;
            }
            if number < end {
                self.slot(object, lazy, number)?;
                number += 1;
            }
        }
        Ok(())
    }

    fn slot(&mut self, object: Ref<'_>, lazy: &Lazy, number: usize) -> Result<(), Thrown> {
        let document = &lazy.origin.document;
        let slot = lazy.slot(self.cx, number)?;
        match slot.state {
            State::Source | State::Written => {}
            State::Shadowed => {
                slot.node
                    .into_iter()
                    .for_each(|key| self.writer.keep(document, key));
                return Ok(());
            }
            State::Gone | State::Place => return Ok(()),
        }
        let name = slot.key.value(self.cx)?;
        if name.get().kind() != Kind::String {
            return Ok(());
        }
        let property = lazy.slot_property(self.cx, number)?;
        if !property.is_enumerable() {
            return Ok(());
        }
        let value = self.read(object, property)?;
        let Some(value) = self.prepared(object, Place::Key(slot.key), value)? else {
            return Ok(());
        };
        let Some(key) = slot.node else {
            self.writer.new_member(&name.get().utf8(self.cx)?);
            return self.value(value.get(), None);
        };
        let place = Source {
            document: Rc::clone(document),
            node: key.value(),
        };
        if self.is_as_it_was(value.get(), &place)? {
            self.writer.keep(document, key);
            return Ok(());
        }
        self.writer.source_child(document, key);
        self.value(value.get(), Some(&place))
    }

    /// Reads a property of a lazy object, which may be an accessor.
    fn read(&self, object: Ref<'_>, property: Property) -> Result<Owned<'c>, Thrown> {
        // SAFETY: the slot holds the property: no script has run since it was looked at.
        let value = unsafe { property.value() };
        if property.is_accessor() {
            self.cx
                .call(value.element(self.cx, GETTER)?.get(), object, &[])
        } else {
            Ok(value.own(self.cx))
        }
    }

    /// Whether a value reads as, or is, the unchanged value of a document that stood where it stands.
    fn is_as_it_was(&self, value: Ref<'_>, place: &Source) -> Result<bool, Thrown> {
        if !value.is_object() {
            return Ok(is_spelled_by(self.cx, value, &place.document, place.node));
        }
        match class::unwrap(value, self.realm.classes.lazy) {
            Some(lazy) => Ok(lazy.is(place) && lazy.is_untouched() && self.is_plain_lazy(value)?),
            None => Ok(false),
        }
    }

    /// Writes an array that came from a document.
    fn source_array(&mut self, array: Ref<'_>, source: &Source) -> Result<(), Thrown> {
        let document = Rc::clone(&source.document);
        let mut places = document.children(source.node);
        // The same children once more, to find those that have moved up because others are gone.
        let mut own = document.children(source.node).peekable();
        self.writer.open_array(Some(source.clone()));
        for index in 0..array.length(self.cx)? {
            let place = places.next().map(|node| Source {
                document: Rc::clone(&document),
                node,
            });
            let value = self.element(array, index)?;
            let child = match source_of(self.cx, self.realm, value.get())? {
                Some(from) if Rc::ptr_eq(&from.document, &document) => {
                    while own.next_if(|&own| own < from.node).is_some() {}
                    own.next_if_eq(&from.node).map(|_| from)
                }
                Some(_) | None => None,
            };
            let Some(child) = child.or(place) else {
                self.writer.new_element();
                self.value(value.get(), None)?;
                continue;
            };
            if self.copies && self.is_as_it_was(value.get(), &child)? {
                self.writer.keep(&document, child.node);
            } else {
                self.writer.source_child(&document, child.node);
                self.value(value.get(), Some(&child))?;
            }
        }
        self.writer.close();
        Ok(())
    }

    fn new_array(&mut self, array: Ref<'_>) -> Result<(), Thrown> {
        self.writer.open_array(None);
        for index in 0..array.length(self.cx)? {
            let value = self.element(array, index)?;
            self.writer.new_element();
            self.value(value.get(), None)?;
        }
        self.writer.close();
        Ok(())
    }

    fn element(&self, array: Ref<'_>, index: i64) -> Result<Owned<'c>, Thrown> {
        let value = array.element(self.cx, index)?;
        let value = self.prepared(array, Place::Index(index), value)?;
        Ok(value.unwrap_or_else(|| self.cx.constant(Constant::Null)))
    }

    /// Writes an object's enumerable members, or those that the replacer lists, in the order in which a script sees them.
    fn object(&mut self, object: Ref<'_>) -> Result<(), Thrown> {
        let keys: Vec<Key> = match &self.replacer {
            Replacer::Keys(keys) => keys.iter().map(OwnedKey::get).collect(),
            Replacer::None | Replacer::Function(_) => Vec::new(),
        };
        self.writer.open_object(None);
        if matches!(self.replacer, Replacer::Keys(_)) {
            keys.into_iter()
                .try_for_each(|key| self.member(object, key))?;
        } else {
            let keys = object.enumerable_keys(self.cx)?;
            keys.iter().try_for_each(|key| self.member(object, key))?;
        }
        self.writer.close();
        Ok(())
    }

    fn member(&mut self, object: Ref<'_>, key: Key) -> Result<(), Thrown> {
        let value = object.get(self.cx, key)?;
        let Some(value) = self.prepared(object, Place::Key(key), value)? else {
            return Ok(());
        };
        let source = match class::unwrap(object, self.realm.classes.lazy) {
            Some(lazy) => lazy.source_of_member(self.cx, key)?,
            None => None,
        };
        match source {
            Some(key) => {
                self.writer.source_child(&key.document, key.node);
                let place = Source {
                    document: key.document,
                    node: key.node.value(),
                };
                self.value(value.get(), Some(&place))
            }
            None => {
                self.writer
                    .new_member(&key.value(self.cx)?.get().utf8(self.cx)?);
                self.value(value.get(), None)
            }
        }
    }
}

/// Whether a primitive value is what a node reads as.
fn is_spelled_by(cx: Cx<'_>, value: Ref<'_>, document: &Document, node: Node) -> bool {
    match (document.kind(node), value.kind()) {
        (document::Kind::Null, Kind::Null)
        | (document::Kind::True, Kind::Bool(true))
        | (document::Kind::False, Kind::Bool(false)) => true,
        (document::Kind::Number, Kind::Number) => value
            .number()
            .is_some_and(|number| number.to_bits() == document.number(node).to_bits()),
        (document::Kind::String, Kind::String) => {
            value
                .utf8(cx)
                .is_ok_and(|utf8| match document.string(node) {
                    Text::Plain(text) => *utf8 == *text,
                    Text::Decoded(text) => *utf8 == *text.as_bytes(),
                    Text::Unpaired(_) => false,
                })
        }
        _ => false,
    }
}
