//! The names of views' members, which QuickJS has as atoms.
//!
//! Scripts ask for the same few names in each transaction, so what an atom means is found out
//! once in an isolate. Knows nothing of what a view shows. One of the places that speak to QuickJS
//! without rquickjs.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::qjs;

use crate::message::FieldName;

use crate::engine::text::text_of;

/// How many names an isolate keeps: as many as a few handlers use.
const PLACES: usize = 64;

/// The longest name that is kept, in bytes.
const LONGEST: usize = 128;

/// A member's name.
#[derive(Debug)]
pub(super) struct Name {
    text: Box<str>,
    field: Option<FieldName>,
}

impl Name {
    /// The name as the script has it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The field it names, where one can be called so.
    pub(super) fn field(&self) -> Option<&FieldName> {
        self.field.as_ref()
    }

    /// Reads an atom. `None` for a symbol, which names nothing here.
    ///
    /// # Safety
    ///
    /// `context` is alive, and `atom` is one of its runtime's that its caller holds.
    unsafe fn read(context: *mut qjs::JSContext, atom: qjs::JSAtom) -> Option<Self> {
        // SAFETY: as the caller promises; the value made of the atom is ours, and freed once.
        unsafe {
            let value = qjs::JS_AtomToValue(context, atom);
            let text = text_of(context, value);
            qjs::JS_FreeValue(context, value);
            text.map(Self::from)
        }
    }
}

impl From<Box<str>> for Name {
    fn from(text: Box<str>) -> Self {
        Self {
            field: FieldName::parse(text.as_bytes()).ok(),
            text,
        }
    }
}

/// The names that an isolate's scripts have used lately, each at the place that its atom says.
pub(super) struct Names {
    places: RefCell<[Place; PLACES]>,
}

/// An atom, which is counted as long as it stands here, and what it means.
type Place = Option<(qjs::JSAtom, Rc<Name>)>;

impl Names {
    pub(super) fn new() -> Self {
        Self {
            places: RefCell::new([const { None }; PLACES]),
        }
    }

    /// What an atom names; nothing where [`Name::read`] finds nothing.
    ///
    /// # Safety
    ///
    /// As with [`Name::read`]; all atoms are of one runtime.
    pub(super) unsafe fn of(
        &self,
        context: *mut qjs::JSContext,
        atom: qjs::JSAtom,
    ) -> Option<Rc<Name>> {
        let place = atom as usize % PLACES;
        if let Some((known, name)) = &self.places.borrow()[place]
            && *known == atom
        {
            return Some(Rc::clone(name));
        }
        // SAFETY: as the caller promises.
        let name = Rc::new(unsafe { Name::read(context, atom) }?);
        if name.text.len() <= LONGEST {
            // SAFETY: a kept atom is counted, so that it goes on meaning the same.
            let kept = unsafe { qjs::JS_DupAtom(context, atom) };
            let before = self.places.borrow_mut()[place].replace((kept, Rc::clone(&name)));
            if let Some((other, _)) = before {
                // SAFETY: it was counted when it was kept.
                unsafe { qjs::JS_FreeAtom(context, other) };
            }
        }
        Some(name)
    }

    /// Gives the atoms back.
    ///
    /// # Safety
    ///
    /// `runtime` is the one of all atoms that were asked for.
    pub(super) unsafe fn free(self, runtime: *mut qjs::JSRuntime) {
        for (atom, _) in self.places.into_inner().into_iter().flatten() {
            // SAFETY: it was counted when it was kept.
            unsafe { qjs::JS_FreeAtomRT(runtime, atom) };
        }
    }
}
