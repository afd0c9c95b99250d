//! The names a handler sees, as views of its transaction.
//!
//! [`Scope`] is the one place where script and transaction meet: it holds the call while
//! a phase runs. The names themselves are built by `realm/prelude.js` from the natives
//! that [`natives`] offers.

pub(super) mod allowance;
mod answer;
mod body;
mod getter;
mod lists;
mod moves;
mod name;
mod natives;
mod rejected;
mod view;

use std::cell::RefCell;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use rquickjs::{Ctx, Function, Object, Persistent, Value};

use crate::document::{Budget, Full};
use crate::handler::host::Host;
use crate::handler::{Call, HandlerName, Kind, Phase, Store};
use crate::message::field_text::{self, FieldTexts};
use crate::message::{Fields, framing};

pub(super) use allowance::Allowance;
use allowance::{HEAD, Line};
pub(super) use answer::Answer;
pub(super) use body::{Body, BodyEdit, Spelling, written};
pub(super) use lists::Lists;
#[cfg(test)]
pub(super) use moves::INHERITED;
pub(super) use moves::{Failed, Moves};
use name::Name;
pub(super) use rejected::Rejected;
use view::{Class, Given, Shown, Shows, Text, View};

use super::abandon::forget_all;
use super::functions::{Functions, Left};
use super::host::HostCalls;
use super::library::Library;
use super::{Code, Entry};

/// The transaction an isolate is in, if any.
pub(super) struct Scope {
    state: RefCell<Option<State>>,
    /// What of ours the isolate's scripts may call.
    pub(super) functions: Functions,
    /// What is behind the views.
    views: RefCell<Vec<NonNull<View>>>,
    /// Shows a list of a name that repeats.
    pub(super) show_list: RefCell<Option<Persistent<Function<'static>>>>,
    /// How handlers reach the world.
    pub(super) host: HostCalls,
    /// What handlers may require.
    library: Library,
    /// What handlers share across transactions.
    store: Arc<dyn Store>,
    /// The memory of the heap that all of this belongs to.
    budget: Option<Rc<dyn Budget>>,
}

/// One phase of one transaction.
pub(super) struct State {
    /// The call, as the handlers so far have left it.
    pub call: Box<Call>,
    /// The phase.
    pub phase: Phase,
    /// The set's handlers, and which of them runs.
    pub code: Arc<Code>,
    pub handler: usize,
    /// As which kind it runs.
    pub kind: Kind,
    /// The body as the scope's names show it.
    pub body: Body,
    /// What carries out host calls.
    pub host: Arc<dyn Host>,
    /// What is left of what they may make besides their heap.
    pub allowance: Allowance,
    /// What request handlers have written of a response.
    pub answer: Answer,
    /// The client's body as a value, in the response phase, once somebody has looked at it.
    pub sent: Option<Persistent<Value<'static>>>,
    /// The lists that the running handler has got of names that repeat.
    pub lists: Lists,
    /// `req.verb` as it was given last, and the method it is of.
    pub verb: Option<(Method, Persistent<Value<'static>>)>,
    /// Whether later handlers of the phase are left out: `event.stop_propagation`.
    pub stops: bool,
    /// Whether the prelude holds something of this transaction, which is to be given to it or
    /// forgotten before the isolate serves another.
    pub remembers: bool,
    /// Tells what the variable `json` is, for a handler that may write it.
    pub read_json: Option<Persistent<Function<'static>>>,
    /// Tells what a handler that names `module` has exported.
    pub read_exports: Option<Persistent<Function<'static>>>,
    /// Promises that were rejected and that nobody has handled yet.
    pub rejected: Rejected,
}

/// Told to a handler that reaches a body it was planned without.
const UNREAD: &str = "the body was not read for this handler; say `// @body full` in its header";

/// Used outside a transaction, which no handler can be.
const OUTSIDE: &str = "handlers run within a transaction";

impl Scope {
    pub(super) fn new(
        host: HostCalls,
        library: Library,
        store: Arc<dyn Store>,
        budget: Option<Rc<dyn Budget>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            state: RefCell::new(None),
            functions: Functions::default(),
            views: RefCell::default(),
            show_list: RefCell::default(),
            host,
            library,
            store,
            budget,
        })
    }

    /// Offers the natives, from which the prelude builds the names.
    pub(super) fn natives<'js>(self: &Rc<Self>, ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
        let natives = natives::build(ctx, self)?;
        let class = Class::register(ctx)?;
        let views = Object::new(ctx.clone())?;
        for (name, shows) in [
            ("requestHeaders", Shows::RequestFields),
            ("httpHeaders", Shows::RequestFieldsWithoutAuthentication),
            ("joinedRequestHeaders", Shows::JoinedRequestFields),
            ("responseHeaders", Shows::ResponseFields),
            ("joinedResponseHeaders", Shows::JoinedResponseFields),
            ("parameters", Shows::Parameters),
        ] {
            let view = class.object(ctx, self, shows)?;
            views.set(name, getter::giving(&view)?)?;
            natives.set(name, view)?;
        }
        natives.set("views", views)?;
        let any: Object<'js> = natives.get("parameters")?;
        natives.set("texts", getter::texts(&any)?)?;
        Ok(natives)
    }

    /// What the handlers of a phase that begins may make.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance::on(self.budget.as_ref())
    }

    /// Takes memory for a path of the request's in place of the one before.
    fn charge_target(&self, bytes: usize) -> Result<(), Full> {
        self.with(|state| state.allowance.path.resize(bytes))
    }

    /// Begins a phase.
    pub(super) fn enter(&self, state: State) {
        *self.state.borrow_mut() = Some(state);
    }

    /// Ends it and gives the call back.
    pub(super) fn leave(&self) -> State {
        self.state.borrow_mut().take().expect(OUTSIDE)
    }

    /// Drops what is behind the views, and forgets all values, of an isolate that nobody frees.
    /// Gives what is behind the functions.
    pub(super) fn abandon(&self) -> Left {
        if let Some(state) = self.state.take() {
            drop(state.abandon());
        }
        forget_all(self.show_list.take());
        let functions = self.functions.take();
        View::drop_all(self.views.take());
        functions
    }

    /// Reads or changes the phase's state. Must not call back into the script.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(self.state.borrow_mut().as_mut().expect(OUTSIDE))
    }

    /// Whether the response's type says JSON.
    fn says_json(&self) -> bool {
        self.with(|state| is_json(&state.call.response.fields).unwrap_or(false))
    }

    /// A remark on the running handler, for the log.
    fn warn(&self, remark: &str) {
        self.with(|state| {
            state.tell(remark, |state, remark| {
                let (transaction, handler) = (&state.call.id, state.name());
                tracing::warn!(%transaction, %handler, "{remark}");
            });
        });
    }

    /// A remark on a write without effect, for the log: one a minute for each handler, since clients may
    /// have it come with each request.
    fn warn_of_write(&self, what: &str) {
        let is_due = self.with(|state| state.entry().remarks.take(Instant::now()));
        if is_due {
            self.warn(&format!("{what}; the write was without effect"));
        }
    }

    /// Keeps track of promises that were rejected and that nobody handles.
    pub(super) fn track<'js>(
        &self,
        ctx: &Ctx<'js>,
        promise: Value<'js>,
        reason: Value<'js>,
        is_handled: bool,
    ) {
        let Ok(mut state) = self.state.try_borrow_mut() else {
            return;
        };
        let Some(state) = state.as_mut() else { return };
        state.rejected.note(ctx, promise, reason, is_handled);
    }

    /// What a view shows under `name`.
    fn shown(&self, shows: Shows, name: &Name) -> Option<Shown> {
        self.with(|state| {
            state.note(shows, name);
            match shows {
                Shows::Parameters => {
                    let query = state.call.request.query();
                    Shown::of(query.get_all(name.as_str()).map(Text::from), false)
                }
                Shows::RequestFieldsWithoutAuthentication if names(name, &AUTHORIZATION) => None,
                Shows::RequestFields | Shows::RequestFieldsWithoutAuthentication => {
                    shown_field(&state.call.request.fields, name)
                }
                Shows::JoinedRequestFields => joined(&state.call.request.fields, name),
                Shows::ResponseFields => shown_field(&state.call.response.fields, name),
                Shows::JoinedResponseFields => joined(&state.call.response.fields, name),
            }
        })
    }

    /// Notes that a script gets a text: one that is a field's has its bytes wherever it is written.
    fn note_read(&self, name: &Name, text: &Text) {
        if let Text::Field(value) = text
            && !value.as_bytes().is_ascii()
            && let Some(field) = name.field()
        {
            self.with(|state| state.call.kept.field_texts.note(field.name(), value));
        }
    }

    /// Notes that a script gets texts that come from the request's fields.
    fn note_request(&self) {
        self.with(|state| {
            let texts = &mut state.call.kept.field_texts;
            for field in state.call.request.fields.iter() {
                texts.note(field.name(), field.value());
            }
        });
    }

    /// The text that a script gets of a field of another message: its values as one.
    pub(super) fn field_text(&self, name: &HeaderName, values: &[&HeaderValue]) -> String {
        let text = joined_text(values.iter().map(|value| value.as_bytes()));
        if let Text::Field(value) = &text {
            self.with(|state| state.call.kept.field_texts.note(name, value));
        }
        text.as_str().into_owned()
    }

    /// A field that a script names. Its value must not be able to begin another one (RFC 9110
    /// §5.5): anything but control characters, UTF-8 unless it was read from other bytes.
    ///
    /// # Errors
    ///
    /// What is wrong with the name or the value.
    pub(super) fn field(
        &self,
        name: &str,
        value: String,
    ) -> Result<(HeaderName, HeaderValue), String> {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_name(name))?;
        let value = Text::Own(value);
        let value =
            self.with(|state| field_value(&state.call.kept.field_texts, &parsed, name, value))?;
        Ok((parsed, value))
    }

    /// The names a view shows, in order.
    fn names(&self, shows: Shows) -> Vec<String> {
        self.with(|state| match shows {
            Shows::Parameters => state
                .call
                .request
                .query()
                .names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            Shows::RequestFields | Shows::JoinedRequestFields => {
                field_names(&state.call.request.fields, "")
            }
            Shows::RequestFieldsWithoutAuthentication => {
                field_names(&state.call.request.fields, "authorization")
            }
            Shows::ResponseFields | Shows::JoinedResponseFields => {
                field_names(&state.call.response.fields, "")
            }
        })
    }

    /// Gives a name of a view these values; none remove it.
    ///
    /// A field that frames the message is left as it is, with a warning in the log.
    ///
    /// # Errors
    ///
    /// What is wrong with the name or a value.
    fn write(&self, shows: Shows, name: &Name, values: Given) -> Result<(), String> {
        self.with(|state| {
            state.lists.writes += 1;
            let text = name.as_str();
            if shows == Shows::Parameters {
                return state.set_parameter(text, values.as_slice());
            }
            // In the response phase the request is what the client sent; writing it has no effect.
            if shows.is_of_request() && state.phase == Phase::Response {
                return Ok(());
            }
            let field = name.field().ok_or_else(|| no_name(text))?;
            state.note(shows, name);
            if framing::is_ours(field.name()) {
                state.tell(field.name().as_str(), |state, field| {
                    tracing::warn!(transaction = %state.call.id, handler = %state.name(), field, "a field that frames the message was left as it is");
                });
                return Ok(());
            }
            let (fields, left) = if shows.is_of_request() {
                (&mut state.call.request.fields, &mut state.allowance.request)
            } else {
                (&mut state.call.response.fields, &mut state.allowance.response)
            };
            left.take(fields, field.name(), values.as_slice())?;
            let texts = &state.call.kept.field_texts;
            match values {
                Given::One(value) => {
                    let value = field_value(texts, field.name(), text, value)?;
                    fields.set(field, [value]);
                }
                Given::Several(values) => {
                    let values = values.into_iter();
                    let values: Result<Vec<_>, _> =
                        values.map(|it| field_value(texts, field.name(), text, it)).collect();
                    fields.set(field, values?);
                }
            }
            Ok(())
        })
    }

    /// The status handlers see: `None` in the request phase until one is written.
    fn status(&self) -> Option<u16> {
        self.with(|state| {
            let shown = state.phase == Phase::Response || state.answer.has_status();
            shown.then(|| state.call.response.status.as_u16())
        })
    }

    /// Sets the status; in the request phase that `answers`, or waits for an output.
    fn set_status(&self, status: u16, answers: bool) -> Result<(), String> {
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| (200..600).contains(&status.as_u16()))
            .ok_or_else(|| {
                format!("{status} is no status a response can end with; use 200 to 599")
            })?;
        self.with(|state| {
            if state.phase == Phase::Request {
                state.answer.note_status(answers);
            }
            state.call.response.status = status;
        });
        Ok(())
    }
}

impl State {
    /// Forgets its values, of an isolate that nobody frees; gives the call and its body.
    pub(super) fn abandon(self) -> (Box<Call>, BodyEdit) {
        let edit = self.body.edit();
        self.body.abandon();
        self.answer.abandon();
        forget_all(self.sent);
        forget_all(self.read_json);
        forget_all(self.read_exports);
        self.rejected.abandon();
        self.lists.abandon();
        forget_all(self.verb.map(|(_, text)| text));
        (self.call, edit)
    }

    /// The running handler.
    fn entry(&self) -> &Entry {
        &self.code.scripts[self.handler]
    }

    /// Its name, for the log.
    pub(super) fn name(&self) -> &HandlerName {
        &self.entry().name
    }

    /// Notes that a handler asks for a field of the request, for whoever sends it on.
    fn note(&mut self, shows: Shows, name: &Name) {
        if self.phase == Phase::Request
            && shows.is_of_request()
            && let Some(looked_up) = &mut self.call.kept.looked_up
            && let Some(field) = name.field()
        {
            looked_up.note(field.name());
        }
    }

    /// Writes a line about the running handler to the log, while there may be more.
    fn tell(&mut self, text: &str, write: impl FnOnce(&Self, &str)) {
        match self.allowance.line(text) {
            Line::Written(text) => write(self, text),
            Line::First => {
                let (transaction, handler) = (&self.call.id, self.name());
                tracing::warn!(%transaction, %handler, "a handler logs too much; the rest is left out");
            }
            Line::Dropped => {}
        }
    }

    fn set_parameter(&mut self, name: &str, values: &[Text]) -> Result<(), String> {
        // Each byte may become three.
        let added: usize = values
            .iter()
            .map(|it| 3 * (name.len() + it.len()) + 2)
            .sum();
        let query = self.call.request.query();
        if added > 0 && query.len() + added > HEAD {
            return Err(format!("a query has at most {HEAD} bytes"));
        }
        let charged = self.allowance.query.resize(query.len() + added);
        charged.map_err(|full| full.to_string())?;
        let texts: Vec<_> = values.iter().map(Text::as_str).collect();
        let texts: Vec<_> = texts.iter().map(AsRef::as_ref).collect();
        query.set(name, &texts);
        Ok(())
    }
}

/// Whether the content type says JSON; `None` where there is none.
fn is_json(fields: &Fields) -> Option<bool> {
    let value = fields.get_str(http::header::CONTENT_TYPE)?;
    let essence = value.split(';').next().unwrap_or("");
    Some(essence.trim_end().ends_with("json"))
}

/// Whether a member of a view is called as this field is.
fn names(member: &Name, field: &HeaderName) -> bool {
    member.field().is_some_and(|it| it.name() == field)
}

fn shown_field(fields: &Fields, name: &Name) -> Option<Shown> {
    let values = fields.all(name.field()?.name());
    Shown::of(values.cloned().map(Text::Field), names(name, &SET_COOKIE))
}

/// DF's view: repeated fields are one, joined by commas; `Set-Cookie` can't be (RFC 9110 §5.3).
fn joined(fields: &Fields, name: &Name) -> Option<Shown> {
    match shown_field(fields, name)? {
        Shown::Several(values) if !names(name, &SET_COOKIE) => {
            Some(Shown::One(joined_text(values.iter().map(Text::as_bytes))))
        }
        shown => Some(shown),
    }
}

/// Several values as one.
fn joined_text<'v>(values: impl Iterator<Item = &'v [u8]>) -> Text {
    let joined = values.collect::<Vec<_>>().join(&b", "[..]);
    HeaderValue::from_bytes(&joined).map_or_else(
        |_| Text::Own(field_text::shown(&joined).into_owned()),
        Text::Field,
    )
}

fn field_names(fields: &Fields, without: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for field in fields.iter() {
        let name = field.name().as_str();
        if name != without && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn no_name(name: &str) -> String {
    format!("{name:?} is no name of a header field")
}

/// A value for `field`, which the script spells `name`.
fn field_value(
    texts: &FieldTexts,
    field: &HeaderName,
    name: &str,
    value: Text,
) -> Result<HeaderValue, String> {
    let text = match value {
        Text::Field(value) => return Ok(value),
        Text::Own(text) => text,
    };
    texts.value_of(field, text).map_err(|_| {
        format!(
            "the value of header field {name:?} has a line break, NUL or another control character"
        )
    })
}
