//! Lists that handlers get of a name that repeats: what is written to one goes to the message.
//!
//! `res.headers['set-cookie'].push('a=1')` and `req.query.tag[0] = 'x'` are no writes to a view, so a list
//! is shown through a proxy that notes any write to it. Before a view is looked at again, and when the
//! handler ends, what was written is taken over. As long as nothing was, the same list is shown again.

use std::collections::HashMap;
use std::rc::Rc;

use rquickjs::{Array, Ctx, Exception, FromJs, Function, Object, Persistent, Value};

use crate::engine::abandon::forget_all;
use crate::engine::argument::CoercedText;
use crate::engine::fence::native;
use crate::engine::object;

use super::Scope;
use super::allowance::FIELDS;
use super::name::Name;
use super::view::{Given, Shows, Text, own};

/// The lists that the running handler has got.
#[derive(Default)]
pub(in crate::engine) struct Lists {
    known: HashMap<(Shows, Box<str>), List>,
    /// How often the message was written to.
    pub(super) writes: u64,
    /// Whether one of the lists may have been written to.
    are_touched: bool,
}

struct List {
    plain: Persistent<Array<'static>>,
    shown: Persistent<Value<'static>>,
    texts: Vec<Text>,
    /// The writes to the message when its values were these.
    at: u64,
}

/// Offers what the prelude makes lists with.
pub(super) fn offer<'js>(natives: &Object<'js>, scope: &Rc<Scope>) -> rquickjs::Result<()> {
    let of = Rc::clone(scope);
    natives.set(
        "showLists",
        native(move |ctx: Ctx<'js>, show: Function<'js>| {
            *of.show_list.borrow_mut() = Some(Persistent::save(&ctx, show));
        }),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "listWritten",
        native(move || of.with(|state| state.lists.are_touched = true)),
    )
}

impl Lists {
    /// Forgets them, of an isolate that nobody frees.
    pub(super) fn abandon(self) {
        for List { plain, shown, .. } in self.known.into_values() {
            forget_all([plain]);
            forget_all([shown]);
        }
    }
}

impl Scope {
    /// The list that was shown of a name, where it is still the message's.
    pub(super) fn known_list<'js>(
        &self,
        ctx: &Ctx<'js>,
        shows: Shows,
        name: &Name,
    ) -> Option<rquickjs::Result<Value<'js>>> {
        let shown = self.with(|state| {
            let lists = &state.lists;
            let list = lists.known.get(&(shows, Box::from(name.as_str())))?;
            (list.at == lists.writes).then(|| list.shown.clone())
        })?;
        Some(shown.restore(ctx))
    }

    /// Shows several values of a name as a list.
    pub(super) fn list<'js>(
        &self,
        ctx: &Ctx<'js>,
        shows: Shows,
        name: &Name,
        texts: Vec<Text>,
    ) -> rquickjs::Result<Value<'js>> {
        let plain = Array::new(ctx.clone())?;
        for (at, text) in texts.iter().enumerate() {
            self.note_read(name, text);
            plain.set(at, &*text.as_str())?;
        }
        let Some(show) = self.show_list.borrow().clone() else {
            return Ok(plain.into_value());
        };
        let shown: Value<'js> = show.restore(ctx)?.call((plain.clone(),))?;
        let list = List {
            plain: Persistent::save(ctx, plain),
            shown: Persistent::save(ctx, shown.clone()),
            texts,
            at: self.with(|state| state.lists.writes),
        };
        self.with(|state| {
            state
                .lists
                .known
                .insert((shows, name.as_str().into()), list)
        });
        Ok(shown)
    }

    /// Whether the running handler has got a list.
    pub(super) fn has_lists(&self) -> bool {
        self.with(|state| !state.lists.known.is_empty())
    }

    /// Takes over what was written to lists.
    ///
    /// # Errors
    ///
    /// What is wrong with a value, or what a script's own object throws as it becomes a text.
    pub(in crate::engine) fn take_over_lists(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        if !self.with(|state| std::mem::take(&mut state.lists.are_touched)) {
            return Ok(());
        }
        let known = self.with(|state| std::mem::take(&mut state.lists.known));
        for ((shows, name), list) in known {
            let texts = texts_of(ctx, list.plain.clone().restore(ctx)?.as_object())?;
            if texts == list.texts {
                continue;
            }
            let name = Name::from(name);
            self.write(shows, &name, Given::Several(texts.clone()))
                .map_err(|message| Exception::throw_type(ctx, &message))?;
            let at = self.with(|state| state.lists.writes);
            let list = List { texts, at, ..list };
            self.with(|state| {
                state
                    .lists
                    .known
                    .insert((shows, name.as_str().into()), list)
            });
        }
        Ok(())
    }

    /// Ends a handler: its lists are its own.
    pub(in crate::engine) fn leave_lists(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let taken = self.take_over_lists(ctx);
        self.with(|state| state.lists.known.clear());
        taken
    }
}

/// The texts of a list as a script has left it; places without a value are left out.
pub(super) fn texts_of<'js>(ctx: &Ctx<'js>, list: &Object<'js>) -> rquickjs::Result<Vec<Text>> {
    let length = object::length(ctx, list)?;
    // Before any of it is read: a length is not what there is, and nothing interrupts the walk.
    if length > FIELDS {
        let message = format!("a name has at most {FIELDS} values");
        return Err(Exception::throw_range(ctx, &message));
    }
    let mut bytes = 0;
    let mut texts = Vec::with_capacity(length);
    for at in 0..length {
        let value: Value<'js> = list.get(u32::try_from(at).expect("it is a small number"))?;
        if !value.is_undefined() && !value.is_null() {
            let text = CoercedText::from_js(ctx, value)?;
            texts.push(own(ctx, &text, &mut bytes)?);
        }
    }
    Ok(texts)
}
