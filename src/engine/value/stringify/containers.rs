//! Objects and arrays: the part of the walk that looks into them.

use std::rc::Rc;

use super::whole::Copy;
use super::{Place, Replacer, Walk};
use crate::document::{Source, State};
use crate::engine::value::class;
use crate::engine::value::context::{Constant, Thrown};
use crate::engine::value::keys::{Key, KeyList};
use crate::engine::value::lazy::Lazy;
use crate::engine::value::property::{GETTER, Property};
use crate::engine::value::reference::Kind;
use crate::engine::value::reference::{Owned, Ref};
use crate::engine::value::source::{is_spelled_by, source_of};

impl<'c> Walk<'_, 'c> {
    /// Writes an object or array.
    pub(super) fn container(&mut self, value: Ref<'_>) -> Result<(), Thrown> {
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
            Some(_) | None if value.is_array(self.cx, &realm)? => self.new_array(value),
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
        let Some(value) = self.prepared(object, Place::Name(name.get()), value)? else {
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

    /// Whether a value reads as, or is, the unchanged value of a document that stood where it
    /// stands.
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
        let length = array.length(self.cx)?;
        let mut copy = Copy::of(usize::try_from(length).unwrap_or(usize::MAX));
        for (index, at) in (0..length).zip(0..) {
            let value = self.element(array, index)?;
            self.writer.new_element();
            let place = copy.element(self.realm, value.get(), at);
            self.value(value.get(), place.as_ref())?;
        }
        self.writer.close();
        Ok(())
    }

    fn element(&self, array: Ref<'_>, index: i64) -> Result<Owned<'c>, Thrown> {
        let value = array.element(self.cx, index)?;
        let value = self.prepared(array, Place::Index(index), value)?;
        Ok(value.unwrap_or_else(|| self.cx.constant(Constant::Null)))
    }

    /// Writes an object's enumerable members, or those that the replacer lists, in the order in
    /// which a script sees them.
    fn object(&mut self, object: Ref<'_>) -> Result<(), Thrown> {
        self.writer.open_object(None);
        if let Replacer::Keys(keys) = &self.replacer {
            let keys = Rc::clone(keys);
            let mut copy = Copy::of(keys.len());
            for key in keys.iter() {
                self.member(object, key.get(), &mut copy)?;
            }
        } else {
            let keys = KeyList::enumerable(self.cx, object)?;
            let mut copy = Copy::of(keys.iter().count());
            for key in keys.iter() {
                self.member(object, key, &mut copy)?;
            }
        }
        self.writer.close();
        Ok(())
    }

    fn member(&mut self, object: Ref<'_>, key: Key, copy: &mut Copy) -> Result<(), Thrown> {
        let value = object.get(self.cx, key)?;
        let Some(value) = self.prepared(object, Place::Key(key), value)? else {
            return Ok(());
        };
        let source = match class::unwrap(object, self.realm.classes.lazy) {
            Some(lazy) => lazy.source_of_member(self.cx, key)?,
            None => None,
        };
        if let Some(key) = source {
            self.writer.source_child(&key.document, key.node);
            let place = Source {
                document: key.document,
                node: key.node.value(),
            };
            self.value(value.get(), Some(&place))
        } else {
            let name = key.value(self.cx)?;
            let name = name.get().utf8(self.cx)?;
            self.writer.new_member(&name);
            let place = copy.member(self.realm, value.get(), &name);
            self.value(value.get(), place.as_ref())
        }
    }
}
