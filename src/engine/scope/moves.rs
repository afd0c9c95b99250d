//! Handlers that only move header fields, carried out without JavaScript.
//!
//! What such a handler does is known when it is loaded, and all of it goes through what the views
//! of its scope go through, so that nobody can tell the difference but by the time it takes.

use http::HeaderValue;

use crate::message::field_text::FieldTexts;
use crate::message::framing;

use super::super::analysis::{Member, Move, Source};
use super::name::Name;
use super::view::{Given, Shown, Shows, Text};
use super::{Scope, field_value};

/// What a handler does, in order.
#[derive(Debug)]
pub(in crate::engine) struct Moves(Vec<Step>);

#[derive(Debug)]
struct Step {
    offset: usize,
    to: Place,
    from: Origin,
}

/// A member of a view that is a field of the message, or nothing.
#[derive(Debug)]
struct Place {
    shows: Shows,
    name: Name,
}

#[derive(Debug)]
enum Origin {
    Nothing,
    Text(HeaderValue),
    /// Its bytes depend on what was read before.
    TextBeyondAscii(String),
    Place(Place),
}

/// A move that failed.
#[derive(Debug)]
pub(in crate::engine) struct Failed {
    /// Where it stands in the handler's text, in bytes.
    pub offset: usize,
    /// What a script would be told in a `TypeError`.
    pub message: String,
}

/// What every object inherits: a view shows it where the message has no such field.
pub(in crate::engine) const INHERITED: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

impl Moves {
    /// What a text of these statements does; nothing where one needs the engine after all.
    pub(in crate::engine) fn of(moves: Vec<Move>) -> Option<Self> {
        moves
            .into_iter()
            .map(Step::of)
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Carries them out. What came before one that fails is done.
    pub(in crate::engine) fn run(&self, scope: &Scope) -> Result<(), Failed> {
        for Step { offset, to, from } in &self.0 {
            let given = from.given(scope);
            let written = scope.write(to.shows, &to.name, given);
            written.map_err(|message| Failed {
                offset: *offset,
                message,
            })?;
        }
        Ok(())
    }
}

impl Step {
    fn of(Move { offset, to, from }: Move) -> Option<Self> {
        let to = Place::of(to)?;
        let from = match from {
            Source::Nothing => Origin::Nothing,
            Source::Text(text) => {
                let written = Text::Own(text.clone());
                let texts = FieldTexts::default();
                let value =
                    field_value(&texts, to.name.field()?.name(), to.name.as_str(), written).ok()?;
                if text.is_ascii() {
                    Origin::Text(value)
                } else {
                    Origin::TextBeyondAscii(text)
                }
            }
            Source::Member(member) => Origin::Place(Place::of(member)?),
        };
        Some(Self { offset, to, from })
    }
}

impl Place {
    fn of(Member { owner, view, name }: Member) -> Option<Self> {
        let shows = match (owner.as_str(), view.as_str()) {
            ("req", "headers") => Shows::RequestFields,
            ("req", "httpHeaders") => Shows::RequestFieldsWithoutAuthentication,
            ("res", "headers") => Shows::ResponseFields,
            _ => return None,
        };
        if INHERITED.contains(&name.as_str()) {
            return None;
        }
        let name = Name::from(name.into_boxed_str());
        // Who writes a field that frames the message is told so in the log.
        let is_usual = !framing::is_ours(name.field()?.name());
        is_usual.then_some(Self { shows, name })
    }
}

impl Origin {
    fn given(&self, scope: &Scope) -> Given {
        let nothing = Given::Several(Vec::new());
        match self {
            Self::Nothing => nothing,
            Self::Text(value) => Given::One(Text::Field(value.clone())),
            Self::TextBeyondAscii(text) => Given::One(Text::from(text.as_str())),
            Self::Place(from) => match scope.shown(from.shows, &from.name) {
                None => nothing,
                Some(Shown::One(text)) => {
                    scope.note_read(&from.name, &text);
                    Given::One(text)
                }
                Some(Shown::Several(texts)) => {
                    for text in &texts {
                        scope.note_read(&from.name, text);
                    }
                    Given::Several(texts)
                }
            },
        }
    }
}
