//! Fields and parameters as objects of the script: `req.headers`, `res.headers`, …
//!
//! Each is an exotic object of QuickJS whose own properties are the fields or pairs of
//! the message itself, so that nothing is copied in or out. One of the
//! places that speak to QuickJS without rquickjs, which has no hook for defining a
//! property.

use std::borrow::Cow;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::rc::Rc;

use http::HeaderValue;
use rquickjs::{Ctx, FromJs, Object, Value, qjs};

use crate::engine::argument::CoercedText;

use super::Scope;
use super::allowance::check_size;
use super::lists::texts_of;
use super::name::{Name, Names};
use crate::engine::fence::{Fence, hook};
use crate::engine::text::{string, text_of};
use crate::message::field_text;

/// What a view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shows {
    /// The request's fields, all of them.
    RequestFields,
    /// The request's fields without the authentication.
    RequestFieldsWithoutAuthentication,
    /// The request's fields, repeated ones joined.
    JoinedRequestFields,
    /// The response's fields.
    ResponseFields,
    /// The response's fields, repeated ones joined.
    JoinedResponseFields,
    /// The query's parameters.
    Parameters,
}

impl Shows {
    /// Whether it shows fields of the request.
    pub(super) fn is_of_request(self) -> bool {
        match self {
            Self::RequestFields
            | Self::RequestFieldsWithoutAuthentication
            | Self::JoinedRequestFields => true,
            Self::ResponseFields | Self::JoinedResponseFields | Self::Parameters => false,
        }
    }
}

/// A property's value: one text, or several where a name repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// Of a name that stands once.
    One(Text),
    /// Of a name that repeats, or of `Set-Cookie`, which is never joined.
    Several(Vec<Text>),
}

/// A text as the message has it, or made for a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    Field(HeaderValue),
    Own(String),
}

/// What a script gives a member: none of several take it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    One(Text),
    Several(Vec<Text>),
}

impl Shown {
    /// `None` where there are no values.
    pub(super) fn of(mut values: impl Iterator<Item = Text>, always_a_list: bool) -> Option<Self> {
        let first = values.next()?;
        let second = values.next();
        if second.is_none() && !always_a_list {
            return Some(Self::One(first));
        }
        Some(Self::Several(
            [first].into_iter().chain(second).chain(values).collect(),
        ))
    }
}

impl Text {
    pub(super) fn as_str(&self) -> Cow<'_, str> {
        match self {
            Self::Field(value) => field_text::shown(value.as_bytes()),
            Self::Own(text) => Cow::Borrowed(text),
        }
    }
}

impl Text {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Field(value) => value.as_bytes(),
            Self::Own(text) => text.as_bytes(),
        }
    }

    /// In bytes, as it is written to a field.
    pub(super) fn len(&self) -> usize {
        self.as_bytes().len()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Own(text.to_owned())
    }
}

impl Given {
    pub(super) fn as_slice(&self) -> &[Text] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

/// What stands behind one exotic object.
pub(super) struct View {
    pub(super) scope: Rc<Scope>,
    names: Rc<Names>,
    shows: Shows,
    fence: Rc<Fence>,
}

impl View {
    /// Drops them, whose objects nobody will free or look at; the names they kept go with their
    /// heap.
    pub(super) fn drop_all(views: Vec<NonNull<Self>>) {
        for view in views {
            // SAFETY: each was made by `Class::object` and isn't finalised: then it would not be
            // among those that its scope knows.
            drop(unsafe { Box::from_raw(view.as_ptr()) });
        }
    }
}

/// The class of all views of one runtime.
pub(super) struct Class {
    id: qjs::JSClassID,
    names: Rc<Names>,
}

impl Class {
    /// Registers the class with the context's runtime.
    pub(super) fn register(ctx: &Ctx<'_>) -> rquickjs::Result<Self> {
        let mut id: qjs::JSClassID = 0;
        let definition = qjs::JSClassDef {
            class_name: c"View".as_ptr(),
            finalizer: Some(hook!(finalizer: finalize, of fence_of)),
            gc_mark: None,
            call: None,
            exotic: std::ptr::from_ref(&EXOTIC).cast_mut(),
        };
        // SAFETY: the context is alive, so its runtime is. QuickJS copies the definition, all
        // but the exotic methods, which are a constant and which it only reads.
        let status = unsafe {
            let runtime = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
            qjs::JS_NewClassID(runtime, &raw mut id);
            qjs::JS_NewClass(runtime, id, &raw const definition)
        };
        if status < 0 {
            Err(rquickjs::Error::Exception)
        } else {
            let names = Rc::new(Names::new());
            Ok(Self { id, names })
        }
    }

    /// A new object that shows `shows` of whatever transaction `scope` is in.
    pub(super) fn object<'js>(
        &self,
        ctx: &Ctx<'js>,
        scope: &Rc<Scope>,
        shows: Shows,
    ) -> rquickjs::Result<Object<'js>> {
        let view = Box::new(View {
            scope: Rc::clone(scope),
            names: Rc::clone(&self.names),
            shows,
            fence: Rc::new(Fence::of(ctx)),
        });
        // SAFETY: the class is registered with this context's runtime. The new object owns the
        // box from here on; `finalize` takes it back exactly once.
        let value = unsafe {
            let prototype = qjs::JS_GetClassProto(ctx.as_raw().as_ptr(), OBJECT_CLASS);
            let value = qjs::JS_NewObjectProtoClass(ctx.as_raw().as_ptr(), prototype, self.id);
            qjs::JS_FreeValue(ctx.as_raw().as_ptr(), prototype);
            if qjs::JS_IsException(value) {
                return Err(rquickjs::Error::Exception);
            }
            let view = Box::into_raw(view);
            scope.views.borrow_mut().extend(NonNull::new(view));
            qjs::JS_SetOpaque(value, view.cast());
            // All transactions of an isolate share the object: its prototype is not to be
            // replaced. Its members are the message's, so the hooks take them all the same.
            qjs::JS_PreventExtensions(ctx.as_raw().as_ptr(), value);
            Value::from_raw(ctx.clone(), value)
        };
        Object::from_value(value)
    }
}

/// `JS_CLASS_OBJECT`: the first class id QuickJS hands out, to plain objects.
const OBJECT_CLASS: qjs::JSClassID = 1;

const OWN: c_int =
    (qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_WRITABLE | qjs::JS_PROP_ENUMERABLE).cast_signed();

static EXOTIC: qjs::JSClassExoticMethods = qjs::JSClassExoticMethods {
    get_own_property: Some(hook!(get_own_property: get_own_property)),
    get_own_property_names: Some(hook!(get_own_property_names: get_own_property_names)),
    delete_property: Some(hook!(delete_property: delete_property)),
    define_own_property: Some(hook!(define_own_property: define_own_property)),
    has_property: None,
    get_property: None,
    set_property: Some(hook!(set_property: set_property)),
};

unsafe fn finalize(runtime: *mut qjs::JSRuntime, value: qjs::JSValue, done: &mut usize) {
    if std::mem::replace(done, 1) > 0 {
        // It panicked: what it hasn't given back goes with the runtime.
        return;
    }
    let mut id = 0;
    // SAFETY: only objects made by `Class::object` have this finalizer, and QuickJS runs it once.
    // All of them are of one runtime, and so are the names that the last one gives back.
    unsafe {
        let view = qjs::JS_GetAnyOpaque(value, &raw mut id).cast::<View>();
        if view.is_null() {
            return;
        }
        let View { names, scope, .. } = *Box::from_raw(view);
        let is_another = |known: &NonNull<View>| known.as_ptr() != view;
        scope.views.borrow_mut().retain(is_another);
        if let Some(names) = Rc::into_inner(names) {
            names.free(runtime);
        }
    }
}

/// Enters Rust from a hook: finds the view and the property's name.
///
/// What names nothing here, a symbol for one: `None`.
///
/// # Safety
///
/// `context`, `object` and `atom` are the ones QuickJS called a hook of this class with.
unsafe fn enter<'a>(
    context: *mut qjs::JSContext,
    object: qjs::JSValue,
    atom: qjs::JSAtom,
) -> Option<(&'a View, Rc<Name>)> {
    // SAFETY: QuickJS calls a hook with a live context and an object of this class, whose
    // opaque `Class::object` has set before anybody could reach the object. The view lives
    // as long as the object, which the caller of the hook holds, as it does the atom.
    unsafe {
        let view = view_of(object)?;
        Some((view, view.names.of(context, atom)?))
    }
}

/// The context that a hook was called with, for what rquickjs does.
///
/// # Safety
///
/// `context` is the one QuickJS called a hook with.
unsafe fn context_of<'js>(context: *mut qjs::JSContext) -> Ctx<'js> {
    let context = NonNull::new(context).expect("QuickJS calls with a context");
    // SAFETY: it is alive for the call.
    unsafe { Ctx::from_raw(context) }
}

/// # Safety
///
/// `object` is one of this class and stays alive for `'a`.
pub(super) unsafe fn view_of<'a>(object: qjs::JSValue) -> Option<&'a View> {
    let mut id = 0;
    // SAFETY: the opaque of an object of this class is a `View` or not yet set.
    unsafe {
        qjs::JS_GetAnyOpaque(object, &raw mut id)
            .cast::<View>()
            .as_ref()
    }
}

/// # Safety
///
/// As with [`view_of`].
unsafe fn fence_of(object: qjs::JSValue) -> Option<Rc<Fence>> {
    // SAFETY: as demanded.
    unsafe { view_of(object) }.map(|view| Rc::clone(&view.fence))
}

/// Hands a failure to QuickJS as its pending exception.
pub(super) fn raise(ctx: &Ctx<'_>, error: &rquickjs::Error) -> c_int {
    if !error.is_exception() {
        rquickjs::Exception::throw_type(ctx, &error.to_string());
    }
    -1
}

unsafe fn get_own_property(
    context: *mut qjs::JSContext,
    descriptor: *mut qjs::JSPropertyDescriptor,
    object: qjs::JSValue,
    atom: qjs::JSAtom,
) -> c_int {
    // SAFETY: QuickJS's own arguments, see `enter`.
    let Some((view, name)) = (unsafe { enter(context, object, atom) }) else {
        return 0;
    };
    let mut known = None;
    if view.scope.has_lists() {
        // SAFETY: the context is the hook's own.
        let ctx = unsafe { context_of(context) };
        if let Err(error) = view.scope.take_over_lists(&ctx) {
            return raise(&ctx, &error);
        }
        known = view.scope.known_list(&ctx, view.shows, &name);
    }
    let shown = match known {
        Some(_) => None,
        None => match view.scope.shown(view.shows, &name) {
            Some(shown) => Some(shown),
            None => return 0,
        },
    };
    // SAFETY: QuickJS passes null or a descriptor to be filled in; it frees what stands in it.
    let Some(descriptor) = (unsafe { descriptor.as_mut() }) else {
        return 1;
    };
    // SAFETY: the context is the hook's own.
    match unsafe { raw(context, view, &name, known, shown) } {
        Ok(value) => {
            descriptor.flags = OWN;
            descriptor.getter = qjs::JS_UNDEFINED;
            descriptor.setter = qjs::JS_UNDEFINED;
            descriptor.value = value;
            1
        }
        // SAFETY: as above.
        Err(error) => raise(&unsafe { context_of(context) }, &error),
    }
}

/// Takes over what was written to lists that a view has shown. The error is what the hook returns.
///
/// # Safety
///
/// As with [`context_of`].
unsafe fn take_over_lists(context: *mut qjs::JSContext, view: &View) -> Result<(), c_int> {
    if !view.scope.has_lists() {
        return Ok(());
    }
    // SAFETY: as the caller promises.
    let ctx = unsafe { context_of(context) };
    view.scope
        .take_over_lists(&ctx)
        .map_err(|error| raise(&ctx, &error))
}

/// The value that stands for what is shown; the caller's to free.
///
/// # Safety
///
/// As with [`context_of`].
unsafe fn raw<'js>(
    context: *mut qjs::JSContext,
    view: &View,
    name: &Name,
    known: Option<rquickjs::Result<Value<'js>>>,
    shown: Option<Shown>,
) -> rquickjs::Result<qjs::JSValue> {
    if let Some(list) = known {
        // SAFETY: the list is duplicated, since `list` gives up its own count when dropped.
        return list.map(|list| unsafe { qjs::JS_DupValue(context, list.as_raw()) });
    }
    let Some(shown) = shown else {
        return Ok(qjs::JS_UNDEFINED);
    };
    // SAFETY: as the caller promises; QuickJS copies the text. The list is duplicated, since
    // `list` gives up its own count when dropped.
    unsafe {
        match shown {
            Shown::One(text) => {
                let value = match &text {
                    Text::Field(value) if value.as_bytes().is_ascii() => {
                        string(context, value.as_bytes())
                    }
                    Text::Field(_) | Text::Own(_) => {
                        view.scope.note_read(name, &text);
                        string(context, text.as_str().as_bytes())
                    }
                };
                if qjs::JS_IsException(value) {
                    return Err(rquickjs::Error::Exception);
                }
                Ok(value)
            }
            Shown::Several(texts) => {
                let ctx = context_of(context);
                let list = view.scope.list(&ctx, view.shows, name, texts)?;
                Ok(qjs::JS_DupValue(context, list.as_raw()))
            }
        }
    }
}

unsafe fn get_own_property_names(
    context: *mut qjs::JSContext,
    table: *mut *mut qjs::JSPropertyEnum,
    length: *mut u32,
    object: qjs::JSValue,
) -> c_int {
    // SAFETY: as in `enter`.
    let Some(view) = (unsafe { view_of(object) }) else {
        return -1;
    };
    // SAFETY: the context is the hook's own.
    if let Err(error) = unsafe { take_over_lists(context, view) } {
        return error;
    }
    let names = view.scope.names(view.shows);
    // SAFETY: the table is allocated by QuickJS's own allocator, as it frees it; it holds
    // exactly `names.len()` entries, each with an atom whose count passes to QuickJS.
    unsafe {
        let entries = qjs::js_malloc(
            context,
            (names.len().max(1) * size_of::<qjs::JSPropertyEnum>()) as _,
        )
        .cast::<qjs::JSPropertyEnum>();
        if entries.is_null() {
            return -1;
        }
        for (at, name) in names.iter().enumerate() {
            let atom = atom(context, name);
            entries.add(at).write(qjs::JSPropertyEnum {
                is_enumerable: true,
                atom,
            });
        }
        *table = entries;
        *length = u32::try_from(names.len()).expect("heads are far shorter than 2^32 fields");
    }
    0
}

/// The atom of a name, for QuickJS to free.
///
/// # Safety
///
/// `context` is alive.
unsafe fn atom(context: *mut qjs::JSContext, name: &str) -> qjs::JSAtom {
    // SAFETY: as the caller promises; the text is copied, and the string freed once.
    unsafe {
        // Of other text `JS_NewAtomLen` looks among the known atoms as if the bytes were Latin-1.
        if name.is_ascii() {
            return qjs::JS_NewAtomLen(context, name.as_ptr().cast(), name.len() as _);
        }
        let text = string(context, name.as_bytes());
        let atom = qjs::JS_ValueToAtom(context, text);
        qjs::JS_FreeValue(context, text);
        atom
    }
}

unsafe fn delete_property(
    context: *mut qjs::JSContext,
    object: qjs::JSValue,
    atom: qjs::JSAtom,
) -> c_int {
    // SAFETY: QuickJS's own arguments, see `enter`.
    let Some((view, name)) = (unsafe { enter(context, object, atom) }) else {
        return 1;
    };
    // SAFETY: the context is the hook's own.
    if let Err(error) = unsafe { take_over_lists(context, view) } {
        return error;
    }
    let none = Given::Several(Vec::new());
    view.scope.write(view.shows, &name, none).map_or(0, |()| 1)
}

unsafe fn set_property(
    context: *mut qjs::JSContext,
    object: qjs::JSValue,
    atom: qjs::JSAtom,
    value: qjs::JSValue,
    _receiver: qjs::JSValue,
    _flags: c_int,
) -> c_int {
    // SAFETY: QuickJS's own arguments, see `enter`.
    let Some((view, name)) = (unsafe { enter(context, object, atom) }) else {
        return 0;
    };
    // SAFETY: as in `write`.
    unsafe { write(context, view, &name, value) }
}

/// Gives a member a value.
///
/// # Safety
///
/// As with [`context_of`]; `value` is lent by QuickJS for the call.
unsafe fn write(
    context: *mut qjs::JSContext,
    view: &View,
    name: &Name,
    value: qjs::JSValue,
) -> c_int {
    // SAFETY: as the caller promises.
    if let Err(error) = unsafe { take_over_lists(context, view) } {
        return error;
    }
    // SAFETY: as the caller promises.
    let given = match unsafe { text_of(context, value) } {
        Some(text) => Ok(Given::One(Text::Own(text.into()))),
        // SAFETY: QuickJS lends the value for the call; the duplicate is ours to drop.
        None => unsafe {
            let lent = qjs::JS_DupValue(context, value);
            given(
                &context_of(context),
                Value::from_raw(context_of(context), lent),
            )
        },
    };
    let written = given.and_then(|values| {
        let written = view.scope.write(view.shows, name, values);
        // SAFETY: as the caller promises.
        written.map_err(|message| {
            rquickjs::Exception::throw_type(&unsafe { context_of(context) }, &message)
        })
    });
    match written {
        Ok(()) => 1,
        // SAFETY: as the caller promises.
        Err(error) => raise(&unsafe { context_of(context) }, &error),
    }
}

unsafe fn define_own_property(
    context: *mut qjs::JSContext,
    object: qjs::JSValue,
    atom: qjs::JSAtom,
    value: qjs::JSValue,
    _getter: qjs::JSValue,
    _setter: qjs::JSValue,
    flags: c_int,
) -> c_int {
    // SAFETY: QuickJS's own arguments, see `enter`.
    let Some((view, name)) = (unsafe { enter(context, object, atom) }) else {
        return 0;
    };
    if flags & qjs::JS_PROP_HAS_VALUE.cast_signed() == 0 {
        // SAFETY: the context is the hook's own.
        let ctx = unsafe { context_of(context) };
        let message = format!("`{}` can only be given a value", name.as_str());
        return raise(&ctx, &rquickjs::Exception::throw_type(&ctx, &message));
    }
    // SAFETY: as in `write`.
    unsafe { write(context, view, &name, value) }
}

/// The texts a script assigned: none for `null` and `undefined`, several for an array.
fn given<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Given> {
    if value.is_null() || value.is_undefined() {
        return Ok(Given::Several(Vec::new()));
    }
    match value.as_object() {
        Some(list) if is_list(ctx, &value) => Ok(Given::Several(texts_of(ctx, list)?)),
        Some(_) | None => {
            let text = CoercedText::from_js(ctx, value)?;
            let mut bytes = 0;
            own(ctx, &text, &mut bytes).map(Given::One)
        }
    }
}

/// Whether a value is an array, or the proxy of one, as lists are shown.
fn is_list(ctx: &Ctx<'_>, value: &Value<'_>) -> bool {
    if value.is_array() {
        return true;
    }
    // SAFETY: the value is alive. Of a proxy of a proxy nothing is asked.
    unsafe {
        if !qjs::JS_IsProxy(value.as_raw()) {
            return false;
        }
        let target = qjs::JS_GetProxyTarget(ctx.as_raw().as_ptr(), value.as_raw());
        let is_array = qjs::JS_IsArray(target);
        qjs::JS_FreeValue(ctx.as_raw().as_ptr(), target);
        is_array
    }
}

/// A text as Rust's, unless it and those before it, of so many bytes, are longer than a message's.
pub(super) fn own(ctx: &Ctx<'_>, text: &str, bytes: &mut usize) -> rquickjs::Result<Text> {
    *bytes += text.len();
    check_size(1, *bytes).map_err(|message| rquickjs::Exception::throw_type(ctx, &message))?;
    Ok(Text::Own(text.to_owned()))
}
