//! One part of an event's name: a segment of the path, or braces that stand for some.

use super::EventError;

/// A part between two dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// `{…_path}`: the rest, one segment or more.
    Rest(String),
    /// `{…}`: one segment.
    One(String),
    Literal(String),
}

impl Part {
    pub(super) fn parse(text: &str) -> Result<Self, EventError> {
        let name = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if name.is_empty() || name.contains(['{', '}']) => {
                Err(EventError::Braces(text.to_owned()))
            }
            Some(name) if name.ends_with("_path") => Ok(Self::Rest(text.to_owned())),
            Some(_) => Ok(Self::One(text.to_owned())),
            None if text.contains(['{', '}']) => Err(EventError::Braces(text.to_owned())),
            None => Ok(Self::Literal(text.to_owned())),
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Rest(text) | Self::One(text) | Self::Literal(text) => text,
        }
    }

    pub(super) fn literalness(&self) -> u8 {
        match self {
            Self::Rest(_) => 0,
            Self::One(_) => 1,
            Self::Literal(_) => 2,
        }
    }
}
