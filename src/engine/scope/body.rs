//! The body a phase is about, as text and as value, whichever a handler uses.
//!
//! In the request phase `json` is text and the parsed view is made from it at first use;
//! in the response phase `json` is the value. Whatever a handler leaves is settled when it
//! ends, so that the next one finds one body, not two.

use bytes::Bytes;
use rquickjs::{Ctx, Exception, Persistent, Value};

use crate::engine::abandon::forget_all;
use crate::engine::value::{self, OpenError};
use crate::handler::Phase;
use crate::message::{self, Pieces};

use super::{Scope, UNREAD};

/// The body of the message a phase is about.
#[derive(Default)]
pub(in crate::engine) struct Body {
    /// As the last handler left it, `None` where there is none.
    pieces: Option<Pieces>,
    /// Whether it was read at all.
    is_read: bool,
    /// Whether a handler changed it.
    is_edited: bool,
    /// The value handlers have seen, or given.
    value: Option<Persistent<Value<'static>>>,
    /// How `value` is written where a handler gave it; `None` while it is made from `pieces`.
    replaced: Option<Spelling>,
    /// Whether the running handler gave it, through another name than `json`.
    is_replaced_now: bool,
    /// The text that a request handler gave beside a parsed view: `event.request.content`.
    content: Option<GivenText>,
}

/// The text that a handler gave a request; `None` takes the body away.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GivenText(Option<Pieces>);

/// How a string becomes a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Spelling {
    /// A JSON string where the content type is JSON, else the text.
    ByType,
    /// The text as it stands.
    AsItStands,
}

/// What became of a body in a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum BodyEdit {
    /// Nothing: the bytes are as they came.
    None,
    /// It was taken away.
    Removed,
    /// It was written.
    Written(Pieces),
}

/// A value on its way out, as bytes.
pub(in crate::engine) struct Written {
    pub pieces: Pieces,
    /// Whether it is plain text rather than JSON.
    pub is_text: bool,
}

impl Written {
    /// The content type of an answer for which no handler named one.
    pub(in crate::engine) fn usual_type(&self) -> &'static str {
        if self.is_text {
            "text/plain; charset=utf-8"
        } else {
            "application/json"
        }
    }
}

impl Body {
    pub(in crate::engine) fn of(body: &message::Body) -> Self {
        let is_read = !matches!(body, message::Body::Streamed);
        // A body of blanks only counts as none; untouched it is forwarded all the same.
        let is_blank = |piece: &Bytes| piece.iter().all(u8::is_ascii_whitespace);
        let pieces = body.pieces().filter(|pieces| !pieces.iter().all(is_blank));
        Self {
            pieces: pieces.cloned(),
            is_read,
            ..Self::default()
        }
    }

    /// What became of it. Settled first, see [`Scope::settle`].
    pub(in crate::engine) fn edit(&self) -> BodyEdit {
        match (&self.pieces, self.is_edited) {
            (_, false) => BodyEdit::None,
            (None, true) => BodyEdit::Removed,
            (Some(pieces), true) => BodyEdit::Written(pieces.clone()),
        }
    }

    /// Forgets its value, of an isolate that nobody frees.
    pub(super) fn abandon(self) {
        forget_all(self.value);
    }

    fn set_pieces(&mut self, pieces: Option<Pieces>) {
        self.pieces = pieces;
        self.is_edited = true;
        self.value = None;
        self.replaced = None;
    }

    fn set_value(&mut self, value: Persistent<Value<'static>>, spelling: Spelling) {
        self.value = Some(value);
        self.replaced = Some(spelling);
    }
}

impl Scope {
    /// What the variable `json` is for the next handler.
    pub(in crate::engine) fn json<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        match self.with(|state| state.phase) {
            Phase::Request => self.text(ctx),
            Phase::Response => self.value(ctx),
        }
    }

    /// The body's text, `null` where there is none.
    fn text<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        self.require_read(ctx)?;
        let text = self.joined(ctx)?;
        text_or_null(ctx, text)
    }

    /// The body in one piece, which it is from then on.
    fn joined(&self, ctx: &Ctx<'_>) -> rquickjs::Result<Option<Bytes>> {
        let Some(pieces) = self.with(|state| state.body.pieces.clone()) else {
            return Ok(None);
        };
        if let Some(only) = pieces.as_one() {
            return Ok(Some(only.clone()));
        }
        let joined = value::joined(ctx, pieces)?;
        self.with(|state| state.body.pieces = Some(joined.clone().into()));
        Ok(Some(joined))
    }

    /// The body's value: parsed at first use, the same one ever after. `null` where there is
    /// none, and where a request's body is no JSON.
    pub(in crate::engine) fn value<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        let (known, phase) = self.with(|state| (state.body.value.clone(), state.phase));
        if let Some(known) = known {
            return known.restore(ctx);
        }
        self.require_read(ctx)?;
        let Some(bytes) = self.joined(ctx)? else {
            return Ok(Value::new_null(ctx.clone()));
        };
        match (value::open(ctx, bytes.clone()), phase) {
            (Ok(opened), _) => {
                let kept = Persistent::save(ctx, opened.clone());
                self.with(|state| state.body.value = Some(kept));
                Ok(opened)
            }
            (Err(OpenError::Engine(error)), _) => Err(error),
            (Err(OpenError::Parse(_)), Phase::Request) => Ok(Value::new_null(ctx.clone())),
            // What came was opened before any handler ran: this is text that one of them gave.
            (Err(OpenError::Parse(_)), Phase::Response) => value::give_text(ctx, bytes),
        }
    }

    /// Opens the value before anybody asks for it.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, or that there is no memory for it, which is thrown.
    pub(in crate::engine) fn open(&self, ctx: &Ctx<'_>) -> Result<(), OpenError> {
        let Some(bytes) = self.joined(ctx).map_err(OpenError::Engine)? else {
            return Ok(());
        };
        let opened = value::open(ctx, bytes)?;
        let kept = Persistent::save(ctx, opened);
        self.with(|state| state.body.value = Some(kept));
        Ok(())
    }

    /// What `event.request.payload` and `g.req.body` show: the request's body as a value, in the
    /// response phase the one that the client sent.
    pub(super) fn request_value<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        let (phase, known) = self.with(|state| (state.phase, state.sent.clone()));
        if phase == Phase::Request {
            return self.value(ctx);
        }
        if let Some(known) = known {
            return known.restore(ctx);
        }
        let opened = match self.received(ctx)? {
            Some(bytes) => match value::open(ctx, bytes) {
                Ok(opened) => opened,
                Err(OpenError::Parse(_)) => Value::new_null(ctx.clone()),
                Err(OpenError::Engine(error)) => return Err(error),
            },
            None => Value::new_null(ctx.clone()),
        };
        let kept = Persistent::save(ctx, opened.clone());
        self.with(|state| state.sent = Some(kept));
        Ok(opened)
    }

    /// Gives the request's body a new value. In the response phase the request is what the
    /// client sent; writing it has no effect.
    pub(super) fn set_request_value<'js>(&self, ctx: &Ctx<'js>, new: Value<'js>) {
        let kept = Persistent::save(ctx, new);
        self.with(|state| {
            if state.phase == Phase::Request {
                state.body.set_value(kept, Spelling::ByType);
            }
        });
    }

    /// What `event.request.content` shows.
    pub(super) fn request_text<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        let given = self.with(|state| state.body.content.clone());
        match (self.with(|state| state.phase), given) {
            (Phase::Request, Some(GivenText(given))) => {
                let given = given.map(|pieces| value::joined(ctx, pieces)).transpose()?;
                text_or_null(ctx, given)
            }
            (Phase::Request, None) => self.text(ctx),
            (Phase::Response, _) => text_or_null(ctx, self.received(ctx)?),
        }
    }

    /// Gives the request's body a new text. Until somebody has looked at it as a value, that is
    /// the body; afterwards both are settled when the handler ends.
    pub(super) fn set_request_text<'js>(
        &self,
        ctx: &Ctx<'js>,
        new: &Value<'js>,
    ) -> rquickjs::Result<()> {
        let text = pieces_of(ctx, new)?;
        self.with(|state| match (state.phase, &state.body.value) {
            (Phase::Response, _) => {}
            (Phase::Request, Some(_)) => state.body.content = Some(GivenText(text)),
            (Phase::Request, None) => state.body.set_pieces(text),
        });
        Ok(())
    }

    /// The text that the client sent, for the response phase.
    pub(super) fn received(&self, ctx: &Ctx<'_>) -> rquickjs::Result<Option<Bytes>> {
        self.with(|state| match &state.call.received {
            Some(bytes) => Ok(Some(bytes.clone())),
            None if state.call.request.body == message::Body::Streamed => {
                Err(Exception::throw_type(ctx, UNREAD))
            }
            None => Ok(None),
        })
    }

    /// Gives the response's body a new value, through another name than `json`.
    pub(super) fn replace<'js>(&self, ctx: &Ctx<'js>, new: Value<'js>, spelling: Spelling) {
        let kept = Persistent::save(ctx, new);
        self.with(|state| match state.phase {
            Phase::Request => state.answer.write(kept, spelling),
            Phase::Response => {
                state.body.set_value(kept, spelling);
                state.body.is_replaced_now = true;
            }
        });
    }

    /// Ends a handler: takes over what it made of the body. `json` is what the variable
    /// was for it and what it is now, where it may have been given another value.
    pub(in crate::engine) fn settle<'js>(
        &self,
        ctx: &Ctx<'js>,
        json: Option<(Value<'js>, Value<'js>)>,
    ) -> rquickjs::Result<()> {
        let changed = json
            .filter(|(before, after)| before != after)
            .map(|(_, after)| after);
        match self.with(|state| state.phase) {
            Phase::Request => {
                self.settle_request(ctx, changed)?;
                self.settle_output(ctx)
            }
            Phase::Response => {
                self.settle_response(ctx, changed);
                Ok(())
            }
        }
    }

    /// `json` before the parsed body before `content`, of those that differ from what was there.
    fn settle_request<'js>(
        &self,
        ctx: &Ctx<'js>,
        json: Option<Value<'js>>,
    ) -> rquickjs::Result<()> {
        let (view, replaced, content, before) = self.with(|state| {
            let body = &mut state.body;
            (
                body.value.take(),
                body.replaced.take(),
                body.content.take(),
                body.pieces.clone(),
            )
        });
        let json = json.map(|new| self.text_of_json(ctx, &new)).transpose()?;
        let view = match view.map(|view| view.restore(ctx)).transpose()? {
            Some(view) if replaced.is_some() || may_be_edited(&view) => {
                Some(self.text_of_view(ctx, &view, replaced)?)
            }
            Some(_) | None => None,
        };
        let content = content.map(|GivenText(text)| text);
        let mut differing = [json, view, content]
            .into_iter()
            .flatten()
            .filter(|text| *text != before);
        let Some(text) = differing.next() else {
            return Ok(());
        };
        if differing.any(|other| other != text) {
            self.warn("the body was written through several names; `json` counts before the parsed body, that before `content`");
        }
        self.with(|state| state.body.set_pieces(text));
        Ok(())
    }

    fn text_of_view<'js>(
        &self,
        ctx: &Ctx<'js>,
        view: &Value<'js>,
        replaced: Option<Spelling>,
    ) -> rquickjs::Result<Option<Pieces>> {
        let is_json = replaced.is_none()
            || self.with(|state| super::is_json(&state.call.request.fields).unwrap_or(true));
        Ok(written(ctx, view, is_json)?.map(|written| written.pieces))
    }

    fn settle_response<'js>(&self, ctx: &Ctx<'js>, json: Option<Value<'js>>) {
        let is_replaced = self.with(|state| std::mem::take(&mut state.body.is_replaced_now));
        let Some(json) = json else { return };
        let kept = Persistent::save(ctx, json);
        if is_replaced && self.with(|state| state.body.value.as_ref() != Some(&kept)) {
            self.warn(
                "the body was replaced through several names; `json` counts before the others",
            );
        }
        self.with(|state| state.body.set_value(kept, Spelling::ByType));
    }

    /// The text that a request handler assigned to `json`.
    fn text_of_json<'js>(
        &self,
        ctx: &Ctx<'js>,
        value: &Value<'js>,
    ) -> rquickjs::Result<Option<Pieces>> {
        if !value.is_null() && !value.is_undefined() && value.as_string().is_none() {
            self.warn("`json` was given a value that is no text; it was serialised");
        }
        pieces_of(ctx, value)
    }

    /// Ends the response phase, or a handler whose edits may have to be undone: turns the
    /// value into bytes, unless nobody changed it.
    pub(in crate::engine) fn flush(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let (value, replaced) =
            self.with(|state| (state.body.value.take(), state.body.replaced.take()));
        let Some(kept) = value else { return Ok(()) };
        let value = kept.clone().restore(ctx)?;
        if replaced.is_none() && !may_be_edited(&value) {
            return Ok(());
        }
        let quotes = self.says_json() && replaced != Some(Spelling::AsItStands);
        let written = written(ctx, &value, quotes).inspect_err(|_| {
            // An edit that can't be written must not be lost: it fails whoever flushes last.
            self.with(|state| {
                state.body.value = Some(kept);
                state.body.replaced = replaced;
            });
        })?;
        let written = written.map(|written| written.pieces);
        self.with(|state| {
            // What nobody changed is written as it came, byte for byte.
            if replaced.is_some() || written != state.body.pieces {
                state.body.set_pieces(written);
            }
        });
        Ok(())
    }

    /// A body that was planned to stream past can't be seen; never silently `undefined`.
    fn require_read(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        if self.with(|state| state.body.is_read) {
            return Ok(());
        }
        Err(Exception::throw_type(ctx, UNREAD))
    }
}

/// Whether a handler can change a value in place. A text, a number or `null` it can only replace,
/// and nothing remembers how the body spelled it.
fn may_be_edited(value: &Value<'_>) -> bool {
    value.is_object()
}

fn text_or_null<'js>(ctx: &Ctx<'js>, bytes: Option<Bytes>) -> rquickjs::Result<Value<'js>> {
    match bytes {
        Some(bytes) => value::give_text(ctx, bytes),
        None => Ok(Value::new_null(ctx.clone())),
    }
}

/// A value as a request's text: strings as they stand, others serialised, `null` for none.
fn pieces_of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<Option<Pieces>> {
    match value::text_of(ctx, value) {
        Some(bytes) => Ok(Some(bytes.into())),
        None => Ok(written(ctx, value, false)?.map(|written| written.pieces)),
    }
}

/// A value as the body of a response: text as JSON where the type says JSON, else as it
/// stands; `null` and `undefined` are no body.
pub(in crate::engine) fn written<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    content_is_json: bool,
) -> rquickjs::Result<Option<Written>> {
    if value.is_null() || value.is_undefined() {
        return Ok(None);
    }
    match value.as_string() {
        Some(_) if !content_is_json => Ok(Some(Written {
            pieces: value::copied(ctx, value)?.into(),
            is_text: true,
        })),
        _ => Ok(value::write(ctx, value)?.map(|pieces| Written {
            pieces,
            is_text: false,
        })),
    }
}
