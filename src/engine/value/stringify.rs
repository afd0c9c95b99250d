//! The walk over a value that writes its text.
//!
//! It is `JSON.stringify` ([ECMA-262 §25.5.2]), but a `BigInt` is written as its digits, and whatever
//! a document still has is copied from there: a lazy object that nobody touched, a member that
//! nobody wrote, a number or string that is in its place. A script may run at any getter, `toJSON` or replacer, and may change what is being
//! walked over; so nothing is borrowed across such a call, and members are looked at anew one by
//! one.

mod containers;
mod whole;

use std::rc::Rc;

use super::class;
use super::context::{Constant, Cx, Thrown};
use super::keys::{Key, OwnedKey};
use super::realm::Realm;
use super::reference::{Kind, Owned, Ref};
use super::source::{is_spelled_by, source_of};
use super::trace::Origin;
use crate::document::{Charge, Form, Layout, Overflow, Source, Spelled, Writer, Written};

/// The most containers inside each other that are written. A document has fewer; what a script
/// builds may have more.
const MAX_DEPTH: usize = 512;

/// Room for what a script adds to a body.
const SPARE: usize = 64;

/// `Number.isSafeInteger`: no other whole number reads as this one.
fn is_safe_integer(number: f64) -> bool {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    number.fract() == 0.0 && number.abs() <= LARGEST
}

/// What the second argument of `JSON.stringify` asks for.
pub(super) enum Replacer<'v, 'c> {
    None,
    Function(Ref<'v>),
    Keys(Rc<[OwnedKey<'c>]>),
}

/// The text of a value as a whole or in pieces, and what it takes, or `None` for what has none: `undefined`, functions,
/// symbols.
pub(super) fn stringify(
    cx: Cx<'_>,
    realm: &Rc<Realm>,
    value: Ref<'_>,
    (layout, form): (Layout, Form),
    replacer: Replacer<'_, '_>,
) -> Result<Option<(Written, Charge)>, Thrown> {
    let source = source_of(cx, realm, value)?;
    let length = |source: &Source| source.document.spelling(source.node).len();
    let mut walk = Walk {
        cx,
        realm,
        copies: matches!(replacer, Replacer::None) && !prototypes_have_to_json(cx, realm)?,
        writer: Writer::within(
            layout,
            form,
            source.as_ref().map_or(0, length) + SPARE,
            realm.longest_text,
            realm.charge(),
        ),
        replacer,
        path: Vec::new(),
    };
    let holder = walk.holder(value)?;
    let value = walk.prepared(holder.get(), Place::Key(realm.names.empty), value.own(cx))?;
    let Some(value) = value else { return Ok(None) };
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
    walk.check()?;
    Ok(Some(walk.writer.finish_charged()))
}

/// Whether objects that are plain to look at have a `toJSON` all the same.
fn prototypes_have_to_json(cx: Cx<'_>, realm: &Realm) -> Result<bool, Thrown> {
    // `Array.prototype` inherits from `Object.prototype`.
    cx.class_prototype(realm.classes.array)
        .get()
        .has(cx, realm.names.to_json)
}

/// What a script would name a place by.
#[derive(Clone, Copy)]
enum Place<'v> {
    /// The key, which somebody else keeps.
    Key(Key),
    /// The key as a string already.
    Name(Ref<'v>),
    Index(i64),
}

impl Place<'_> {
    /// The name as functions are given it.
    fn name(self, cx: Cx<'_>) -> Result<Owned<'_>, Thrown> {
        match self {
            Self::Key(key) => key.value(cx),
            Self::Name(name) => Ok(name.own(cx)),
            Self::Index(index) => cx.string(index.to_string().as_bytes()),
        }
    }
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
    /// What a replacer is told that the root is a member of.
    fn holder(&self, root: Ref<'_>) -> Result<Owned<'c>, Thrown> {
        let Replacer::Function(_) = self.replacer else {
            return Ok(self.cx.constant(Constant::Undefined));
        };
        let holder = self.cx.object()?;
        holder.get().define(self.cx, self.realm.names.empty, root)?;
        Ok(holder)
    }

    /// Asks `toJSON` and the replacer what to write for a value; `None` is to leave it out.
    fn prepared(
        &self,
        holder: Ref<'_>,
        place: Place<'_>,
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
                let digits = value.to_string(self.cx)?;
                self.writer.spelled(&digits.get().utf8(self.cx)?);
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
        self.check()
    }

    /// Whether there was room for all that was written.
    fn check(&self) -> Result<(), Thrown> {
        self.writer.check().map_err(|overflow| match overflow {
            Overflow::Long => self.cx.range_error(c"JSON text too long"),
            Overflow::Memory => self.cx.out_of_memory(),
        })
    }

    fn number(&mut self, value: Ref<'_>, place: Option<&Source>) -> Result<(), Thrown> {
        if let Some(place) =
            place.filter(|place| is_spelled_by(self.cx, value, &place.document, place.node))
        {
            self.writer.spelled(place.document.spelling(place.node));
            return Ok(());
        }
        self.copied_number(value)
    }

    /// Writes a number that stands in no place of its own: one that a script made, or has copied.
    fn copied_number(&mut self, value: Ref<'_>) -> Result<(), Thrown> {
        let number = value.number().unwrap_or(f64::NAN);
        if is_safe_integer(number) {
            self.writer.spelled(&value.utf8(self.cx)?);
            return Ok(());
        }
        let spelled = match self.realm.origin(value) {
            Origin::Known(source) => Realm::spelled_in(self.cx, &source.document, number)?,
            Origin::Lost => Spelled::Several,
            Origin::Unknown => self.realm.spelled(self.cx, number)?,
        };
        match spelled {
            Spelled::Alike(spelling) => self.writer.spelled(&spelling),
            Spelled::Several => return Err(self.several(value)?),
            Spelled::AsUsual | Spelled::Variously(_) if number.is_finite() => {
                self.writer.spelled(&value.utf8(self.cx)?);
            }
            Spelled::AsUsual | Spelled::Variously(_) => self.writer.spelled(b"null"),
        }
        Ok(())
    }

    /// Ends the walk at a number that would be a guess.
    #[cold]
    fn several(&self, value: Ref<'_>) -> Result<Thrown, Thrown> {
        let shown = value.utf8(self.cx)?;
        let shown = String::from_utf8_lossy(&shown);
        Ok(self.cx.type_error_of(&format!(
            "{shown} was copied and stands for several numbers, whose digits differ: write \
             `exact(object, key)` of the number where it stands, or move the object that holds it"
        )))
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
}
