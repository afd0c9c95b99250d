//! What lazy values need to know of the runtime they live in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::{Ctx, JsLifetime, qjs};

use super::context::{Cx, Thrown};
use super::keys::{Key, KeyList};
use super::lazy::Lazies;
use super::reference::{Owned, Ref};
use super::trace::{self, Traces};
use crate::document::{
    Budget, Charge, Document, Full, Node, ParseError, Spelled, Text, is_same_number,
};
use crate::engine::fence::Fence;

/// How many documents are asked how they spell a number that was moved out of one. A call seldom
/// has more than two bodies.
const RECENT: usize = 8;

/// What a document takes besides its text and its index, in bytes: itself, its counts of
/// references, and those of its text.
const DOCUMENT: usize = size_of::<Document>() + 64 + Traces::TAKES;

/// A string of a document that is no longer than this is decoded without counting what that takes
/// for the moment, in bytes.
const SHORT: usize = 1024;

/// An object of each class that JSON treats in a way of its own, the prototype of objects, and an
/// object that bears a private name.
const SAMPLES: &str = "[
    [], new Proxy({}, {}), Object(0), Object(''), Object(false), Object(0n), JSON.rawJSON('0'),
    Object.prototype,
    new (class extends (function (object) { return object }) { #origin })({}),
]";

/// The classes of objects that JSON treats in a way of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Classes {
    /// Ours.
    pub(super) lazy: qjs::JSClassID,
    pub(super) array: qjs::JSClassID,
    pub(super) proxy: qjs::JSClassID,
    pub(super) number: qjs::JSClassID,
    pub(super) string: qjs::JSClassID,
    pub(super) boolean: qjs::JSClassID,
    pub(super) big_int: qjs::JSClassID,
    pub(super) raw_json: qjs::JSClassID,
}

/// Keys that the walk over values looks up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// The private name by which an array knows the node it came from; no script can list or read
    /// it.
    pub(super) origin: Key,
    pub(super) to_json: Key,
    pub(super) raw_json: Key,
    pub(super) empty: Key,
}

/// A string and the text it was made from.
struct Remembered {
    string: qjs::JSValue,
    text: Bytes,
    document: Option<Rc<Document>>,
}

/// How many small things are made between two looks at the time.
const UNTIL_LOOK: u32 = 4096;

/// The state of one runtime.
pub(super) struct Realm {
    pub(super) runtime: *mut qjs::JSRuntime,
    pub(super) fence: Fence,
    pub(super) classes: Classes,
    pub(super) names: Names,
    /// The most bytes that a value may be written as.
    pub(super) longest_text: usize,
    /// What is counted as the heap's; `None` where nobody counts.
    budget: Option<Rc<dyn Budget>>,
    /// So many [ticks](Self::tick) more before somebody looks at the time.
    until_look: Cell<u32>,
    /// `Object.prototype`, which lives as long as the context; only ever compared.
    pub(super) object_prototype: *const (),
    /// Documents with numbers that JavaScript might spell in another way, the newest first.
    recent: RefCell<VecDeque<Rc<Document>>>,
    /// The same documents, as long as anybody has them, by the marks of their numbers.
    traces: RefCell<Traces>,
    /// The lazy objects there are, and whether nobody frees them or anything else of the heap.
    pub(super) lazies: Lazies,
    is_abandoned: Cell<bool>,
    /// The string a handler was given, and the one that it made last.
    given: RefCell<Option<Remembered>>,
    made: RefCell<Option<Remembered>>,
}

/// The realm in its place among the runtime's user data.
struct Stored(Rc<Realm>);

// SAFETY: there is no JavaScript lifetime in it.
unsafe impl JsLifetime<'_> for Stored {
    type Changed<'to> = Stored;
}

impl Realm {
    /// Learns the classes and names of a context, whose built-ins must be as they came, and keeps
    /// them with its runtime.
    pub(super) fn install(
        cx: Cx<'_>,
        ctx: &Ctx<'_>,
        lazy: qjs::JSClassID,
        longest_text: usize,
        budget: Option<Rc<dyn Budget>>,
    ) -> rquickjs::Result<()> {
        let samples: rquickjs::Array<'_> = ctx.eval(SAMPLES)?;
        let sample = |index| samples.get::<rquickjs::Value<'_>>(index);
        let class = |index| sample(index).map(|value| borrowed(&value).class());
        let classes = Classes {
            lazy,
            array: class(0)?,
            proxy: class(1)?,
            number: class(2)?,
            string: class(3)?,
            boolean: class(4)?,
            big_int: class(5)?,
            raw_json: class(6)?,
        };
        let object_prototype = borrowed(&sample(7)?).address();
        let names =
            Names::new(cx, borrowed(&sample(8)?)).map_err(|Thrown| rquickjs::Error::Exception)?;
        let realm = Rc::new(Self {
            runtime: cx.runtime(),
            fence: Fence::of(ctx),
            classes,
            names,
            longest_text,
            budget,
            until_look: Cell::new(UNTIL_LOOK),
            object_prototype,
            recent: RefCell::default(),
            traces: RefCell::default(),
            lazies: Lazies::default(),
            is_abandoned: Cell::new(false),
            given: RefCell::default(),
            made: RefCell::default(),
        });
        ctx.store_userdata(Stored(realm))
            .map_err(|_| rquickjs::Error::Unknown)?;
        Ok(())
    }

    /// The realm of a context's runtime, once installed.
    pub(super) fn of(ctx: &Ctx<'_>) -> Option<Rc<Self>> {
        ctx.userdata::<Stored>().map(|stored| Rc::clone(&stored.0))
    }

    /// The realm of the runtime that a function is called in.
    pub(super) fn within(cx: Cx<'_>) -> Option<Rc<Self>> {
        let context = NonNull::new(cx.as_ptr())?;
        // SAFETY: the context is alive; it is counted once more and given back when `ctx` goes.
        let ctx = unsafe { Ctx::from_raw(context) };
        Self::of(&ctx)
    }

    /// Counts so many bytes as the heap's, until [`Self::give_back`].
    pub(super) fn take(&self, cx: Cx<'_>, bytes: usize) -> Result<(), Thrown> {
        match &self.budget {
            Some(budget) if !budget.take(bytes) => Err(cx.out_of_memory()),
            Some(_) | None => Ok(()),
        }
    }

    /// Makes one of many small things that a script waits for; ends the script where its time is
    /// over. QuickJS asks for that only between the script's own steps.
    #[inline]
    pub(super) fn tick(&self, cx: Cx<'_>) -> Result<(), Thrown> {
        self.ticks(cx, 1)
    }

    /// The same for something that may take as long as so many of them.
    #[inline]
    pub(super) fn ticks(&self, cx: Cx<'_>, many: u32) -> Result<(), Thrown> {
        match self.until_look.get().checked_sub(many) {
            Some(left) => {
                self.until_look.set(left);
                Ok(())
            }
            None => self.look(cx),
        }
    }

    /// Ends the script where its time is over.
    #[cold]
    pub(super) fn look(&self, cx: Cx<'_>) -> Result<(), Thrown> {
        self.until_look.set(UNTIL_LOOK);
        match &self.budget {
            Some(budget) if budget.is_over() => Err(cx.interrupted()),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts so many bytes less.
    pub(super) fn give_back(&self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.give_back(bytes);
        }
    }

    /// Nothing of the heap's memory yet.
    pub(super) fn charge(&self) -> Charge {
        Charge::on(self.budget.clone())
    }

    /// So many bytes of the heap's memory.
    pub(super) fn charge_of(&self, cx: Cx<'_>, bytes: usize) -> Result<Charge, Thrown> {
        let charge = self.charge();
        charge.grow(bytes).map_err(|Full| cx.out_of_memory())?;
        Ok(charge)
    }

    /// What a string or key of a document stands for, and what it takes to know.
    pub(super) fn text<'d>(
        &self,
        cx: Cx<'_>,
        document: &'d Document,
        node: Node,
    ) -> Result<(Text<'d>, Charge), Thrown> {
        let inner = document.inner(node);
        let takes = if inner.len() > SHORT && inner.contains(&b'\\') {
            2 * inner.len()
        } else {
            0
        };
        let charge = self.charge_of(cx, takes)?;
        Ok((document.string(node), charge))
    }

    /// Indexes a copy of a text that a script has made.
    pub(super) fn document_of_copy(&self, text: &[u8]) -> Result<Rc<Document>, ParseError> {
        self.indexed(|charge| Document::parse_copy(text, charge))
    }

    /// Indexes a text that is kept anyway, and remembers how it spells numbers.
    pub(super) fn document(&self, text: Bytes) -> Result<Rc<Document>, ParseError> {
        self.indexed(|charge| Document::parse_within(text, charge))
    }

    fn indexed(
        &self,
        parse: impl FnOnce(Charge) -> Result<Document, ParseError>,
    ) -> Result<Rc<Document>, ParseError> {
        let charge = self.charge();
        charge.grow(DOCUMENT)?;
        let document = Rc::new(parse(charge)?);
        if document.has_odd_numbers() {
            self.traces.borrow_mut().add(&document);
            let mut recent = self.recent.borrow_mut();
            recent.truncate(RECENT - 1);
            recent.push_front(Rc::clone(&document));
        }
        Ok(document)
    }

    /// How the recent documents spell a number.
    pub(super) fn spelled(&self, cx: Cx<'_>, number: f64) -> Result<Spelled<Vec<u8>>, Thrown> {
        let spelled = self.find_spelling(number);
        spelled.map_err(|Full| cx.out_of_memory())
    }

    fn find_spelling(&self, number: f64) -> Result<Spelled<Vec<u8>>, Full> {
        let recent = self.recent.borrow();
        let mut known = Spelled::AsUsual;
        for document in recent.iter() {
            known = match (known, document.spelled(number)?) {
                (_, Spelled::Several) => return Ok(Spelled::Several),
                (known, Spelled::AsUsual) => known,
                (Spelled::AsUsual, other) => other,
                (Spelled::Alike(one), Spelled::Alike(other)) if one == other => known,
                (
                    Spelled::Alike(one) | Spelled::Variously(one),
                    Spelled::Alike(other) | Spelled::Variously(other),
                ) if is_same_number(one, other) => Spelled::Variously(one),
                (_, _) => return Ok(Spelled::Several),
            };
        }
        Ok(owned(known))
    }

    /// Which number of a document a number is.
    pub(super) fn origin(&self, number: Ref<'_>) -> trace::Origin {
        match (number.trace(), number.number()) {
            (Some(trace), Some(value)) => self.traces.borrow().find(trace, value),
            (_, _) => trace::Origin::Unknown,
        }
    }

    /// How a copy of a number of a document is spelled.
    pub(super) fn spelled_in(
        cx: Cx<'_>,
        document: &Document,
        number: f64,
    ) -> Result<Spelled<Vec<u8>>, Thrown> {
        let spelled = document.spelled(number);
        spelled.map(owned).map_err(|Full| cx.out_of_memory())
    }

    /// Remembers the text of a string that a handler is given.
    pub(super) fn remember_given(&self, cx: Cx<'_>, string: Ref<'_>, text: Bytes) {
        self.remember(&self.given, Some(Remembered::new(cx, string, text)));
    }

    /// Remembers the text of a string that a script has made.
    pub(super) fn remember_made(&self, cx: Cx<'_>, string: Ref<'_>, text: Bytes) {
        self.remember(&self.made, Some(Remembered::new(cx, string, text)));
    }

    /// The text of a string, if that is remembered.
    pub(super) fn text_of(&self, string: Ref<'_>) -> Option<Bytes> {
        [&self.given, &self.made].into_iter().find_map(|place| {
            let place = place.borrow();
            place
                .as_ref()
                .filter(|remembered| remembered.is(string))
                .map(|remembered| remembered.text.clone())
        })
    }

    /// The document that a remembered string is the text of; indexed once, however often it is
    /// parsed.
    pub(super) fn document_of(&self, string: Ref<'_>) -> Option<Result<Rc<Document>, ParseError>> {
        [&self.given, &self.made].into_iter().find_map(|place| {
            let mut place = place.borrow_mut();
            let remembered = place.as_mut().filter(|remembered| remembered.is(string))?;
            if let Some(document) = &remembered.document {
                return Some(Ok(Rc::clone(document)));
            }
            let document = self.document(remembered.text.clone());
            remembered.document = document.as_ref().ok().cloned();
            Some(document)
        })
    }

    /// Forgets strings and documents.
    pub(super) fn forget(&self) {
        self.recent.borrow_mut().clear();
        self.traces.borrow_mut().forget();
        self.remember(&self.given, None);
        self.remember(&self.made, None);
    }

    /// Drops all that is Rust's in a heap that nobody frees: documents, and what is behind lazy
    /// objects. Nothing of QuickJS's is given back from then on.
    ///
    /// # Safety
    ///
    /// No value of the runtime is looked at any more.
    pub(super) unsafe fn abandon(&self) {
        self.is_abandoned.set(true);
        self.forget();
        // SAFETY: as demanded.
        unsafe { self.lazies.drop_all() };
    }

    /// Whether nothing is to be given back to QuickJS.
    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.get()
    }

    fn remember(&self, place: &RefCell<Option<Remembered>>, remembered: Option<Remembered>) {
        if let Some(Remembered { string, .. }) = place.replace(remembered)
            && !self.is_abandoned()
        {
            // SAFETY: the reference was taken when the string was remembered, and the runtime
            // outlives its user data.
            unsafe { qjs::JS_FreeValueRT(self.runtime, string) }
        }
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        self.forget();
        if self.is_abandoned() {
            return;
        }
        let Names {
            origin,
            to_json,
            raw_json,
            empty,
        } = self.names;
        for name in [origin, to_json, raw_json, empty] {
            // SAFETY: the names were retained for the realm, which goes before its runtime does.
            unsafe { name.release(self.runtime) }
        }
    }
}

impl Remembered {
    fn new(cx: Cx<'_>, string: Ref<'_>, text: Bytes) -> Self {
        Self {
            string: string.own(cx).into_raw(),
            text,
            document: None,
        }
    }

    fn is(&self, string: Ref<'_>) -> bool {
        // SAFETY: we hold a reference to the string.
        unsafe { Ref::new(self.string) }.is_same_reference(string)
    }
}

impl Names {
    /// `stamped` is an object with one private name.
    fn new(cx: Cx<'_>, stamped: Ref<'_>) -> Result<Self, Thrown> {
        let private = KeyList::of(cx, stamped, qjs::JS_GPN_PRIVATE_MASK)?;
        let origin = private
            .iter()
            .next()
            .ok_or_else(|| cx.type_error(c"the engine hides private names"))?;
        Ok(Self {
            origin: origin.retain(cx),
            to_json: Key::named(cx, "toJSON")?,
            raw_json: Key::named(cx, "rawJSON")?,
            empty: Key::named(cx, "")?,
        })
    }
}

fn owned(spelled: Spelled<&[u8]>) -> Spelled<Vec<u8>> {
    match spelled {
        Spelled::AsUsual => Spelled::AsUsual,
        Spelled::Alike(spelling) => Spelled::Alike(spelling.to_vec()),
        Spelled::Variously(spelling) => Spelled::Variously(spelling.to_vec()),
        Spelled::Several => Spelled::Several,
    }
}

/// A value of the binding as one of ours.
pub(super) fn borrowed<'v>(value: &'v rquickjs::Value<'_>) -> Ref<'v> {
    // SAFETY: the value is alive while it is borrowed.
    unsafe { Ref::new(value.as_raw()) }
}

/// Gives a value to the binding.
pub(super) fn handed_over<'js>(ctx: &Ctx<'js>, value: Owned<'_>) -> rquickjs::Value<'js> {
    // SAFETY: the reference changes hands, and it belongs to this context's runtime.
    unsafe { rquickjs::Value::from_raw(ctx.clone(), value.into_raw()) }
}
