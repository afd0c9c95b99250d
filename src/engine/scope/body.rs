//! The body, as text and as value, whichever a handler uses (CONTRACT §3, §5).
//!
//! In the request phase `json` is text and the parsed view is made from it at first use;
//! in the response phase `json` is the value. Whatever a handler leaves is settled when it
//! ends, so that the next one finds one body, not two.

use bytes::Bytes;
use rquickjs::{Ctx, Exception, IntoJs, Persistent, Value};

use crate::engine::value;
use crate::handler::Phase;
use crate::message;

use super::{Scope, UNREAD};

/// The body of the message a phase is about.
#[derive(Default)]
pub(in crate::engine) struct Body {
    /// As the last handler left it, `None` where there is none.
    bytes: Option<Bytes>,
    /// Whether it was read at all.
    is_read: bool,
    /// Whether a handler changed it.
    is_edited: bool,
    /// The value handlers have seen, or given.
    value: Option<Persistent<Value<'static>>>,
    /// Whether `value` was given by a handler and isn't made from `bytes`.
    is_replaced: bool,
    /// The answer a request handler is writing through `res.body`.
    answer: Option<Persistent<Value<'static>>>,
}

/// What became of a body in a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum BodyEdit {
    /// Nothing: the bytes are as they came.
    None,
    /// It was taken away.
    Removed,
    /// It was written.
    Written(Bytes),
}

/// A value on its way out, as bytes.
pub(in crate::engine) struct Written {
    pub bytes: Bytes,
    /// Whether it is plain text rather than JSON.
    pub is_text: bool,
}

impl Body {
    pub(in crate::engine) fn of(body: &message::Body) -> Self {
        let is_read = !matches!(body, message::Body::Streamed);
        // A body of blanks only counts as none (CONTRACT §12); untouched it is forwarded all the same.
        let bytes = body
            .bytes()
            .filter(|bytes| !bytes.iter().all(u8::is_ascii_whitespace));
        Self {
            bytes: bytes.cloned(),
            is_read,
            ..Self::default()
        }
    }

    /// What became of it. Settled first, see [`Scope::settle`].
    pub(in crate::engine) fn edit(&self) -> BodyEdit {
        match (&self.bytes, self.is_edited) {
            (_, false) => BodyEdit::None,
            (None, true) => BodyEdit::Removed,
            (Some(bytes), true) => BodyEdit::Written(bytes.clone()),
        }
    }

    /// Takes the answer that `res.body` was given.
    pub(in crate::engine) fn take_answer(&mut self) -> Option<Persistent<Value<'static>>> {
        self.answer.take()
    }

    fn set_bytes(&mut self, bytes: Option<Bytes>) {
        self.bytes = bytes;
        self.is_edited = true;
        self.value = None;
        self.is_replaced = false;
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
    pub(in crate::engine) fn text<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        self.require_read(ctx)?;
        match self.with(|state| state.body.bytes.clone()) {
            Some(bytes) => value::give_text(ctx, bytes),
            None => Ok(Value::new_null(ctx.clone())),
        }
    }

    /// The body's value: parsed at first use, the same one ever after. `null` where there is none.
    pub(in crate::engine) fn value<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        self.require_read(ctx)?;
        let (known, bytes) =
            self.with(|state| (state.body.value.clone(), state.body.bytes.clone()));
        if let Some(known) = known {
            return known.restore(ctx);
        }
        let Some(bytes) = bytes else {
            return Ok(Value::new_null(ctx.clone()));
        };
        let opened = value::open(ctx, bytes)
            .map_err(|error| Exception::throw_syntax(ctx, &error.to_string()))?;
        let kept = Persistent::save(ctx, opened.clone());
        self.with(|state| state.body.value = Some(kept));
        Ok(opened)
    }

    /// Opens the value before anybody asks for it.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub(in crate::engine) fn open(&self, ctx: &Ctx<'_>) -> Result<(), String> {
        let Some(bytes) = self.with(|state| state.body.bytes.clone()) else {
            return Ok(());
        };
        let opened = value::open(ctx, bytes).map_err(|error| error.to_string())?;
        let kept = Persistent::save(ctx, opened);
        self.with(|state| state.body.value = Some(kept));
        Ok(())
    }

    /// Gives the body a new value. In the request phase this is the answer's body.
    pub(in crate::engine) fn replace<'js>(&self, ctx: &Ctx<'js>, new: Value<'js>) {
        let kept = Persistent::save(ctx, new);
        self.with(|state| match state.phase {
            Phase::Request => {
                state.body.answer = Some(kept);
                state.is_answered = true;
            }
            Phase::Response => {
                state.body.value = Some(kept);
                state.body.is_replaced = true;
            }
        });
    }

    /// What `res.body` shows.
    pub(in crate::engine) fn response_body<'js>(
        &self,
        ctx: &Ctx<'js>,
    ) -> rquickjs::Result<Value<'js>> {
        match self.with(|state| (state.phase, state.body.answer.clone())) {
            (Phase::Response, _) => self.value(ctx),
            (Phase::Request, Some(answer)) => answer.restore(ctx),
            (Phase::Request, None) => Value::new_undefined(ctx.clone()).into_js(ctx),
        }
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
            Phase::Request => self.settle_text(ctx, changed),
            Phase::Response => {
                if let Some(new) = changed {
                    self.replace(ctx, new);
                }
                Ok(())
            }
        }
    }

    fn settle_text<'js>(
        &self,
        ctx: &Ctx<'js>,
        changed: Option<Value<'js>>,
    ) -> rquickjs::Result<()> {
        let view = self.with(|state| state.body.value.take());
        if let Some(new) = changed {
            let bytes = self.text_of(ctx, &new)?;
            self.with(|state| {
                if state.body.bytes != bytes {
                    state.body.set_bytes(bytes);
                }
            });
            return Ok(());
        }
        let Some(view) = view else { return Ok(()) };
        let view = view.restore(ctx)?;
        if !may_be_edited(&view) {
            return Ok(());
        }
        let written = value::write(ctx, &view)?.map(Bytes::from);
        self.with(|state| {
            if written != state.body.bytes {
                state.body.set_bytes(written);
            }
        });
        Ok(())
    }

    /// The text that a request handler assigned to `json`.
    fn text_of<'js>(&self, ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<Option<Bytes>> {
        if value.is_null() || value.is_undefined() {
            return Ok(None);
        }
        if let Some(bytes) = value::text_of(ctx, value) {
            return Ok(Some(bytes));
        }
        if let Some(text) = value.as_string() {
            let text = text.to_string()?;
            return Ok(Some(text.into()));
        }
        self.with(|state| {
            tracing::warn!(transaction = %state.call.id, handler = %state.name, "`json` was given a value that is no text; it was serialised");
        });
        Ok(value::write(ctx, value)?.map(Bytes::from))
    }

    /// Ends the response phase, or a handler whose edits may have to be undone: turns the
    /// value into bytes, unless nobody changed it.
    pub(in crate::engine) fn flush<'js>(
        &self,
        ctx: &Ctx<'js>,
        content_is_json: bool,
    ) -> rquickjs::Result<()> {
        let (value, is_replaced) =
            self.with(|state| (state.body.value.take(), state.body.is_replaced));
        let Some(value) = value else { return Ok(()) };
        let value = value.restore(ctx)?;
        if !is_replaced && !may_be_edited(&value) {
            return Ok(());
        }
        let written = written(ctx, &value, content_is_json)?.map(|written| written.bytes);
        self.with(|state| {
            // What nobody changed is written as it came, byte for byte.
            if is_replaced || written != state.body.bytes {
                state.body.set_bytes(written);
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
        Some(text) if !content_is_json => Ok(Some(Written {
            bytes: text.to_string()?.into(),
            is_text: true,
        })),
        _ => Ok(value::write(ctx, value)?.map(|bytes| Written {
            bytes: bytes.into(),
            is_text: false,
        })),
    }
}
