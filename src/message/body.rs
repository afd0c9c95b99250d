//! A message's body, as far as it has been read.

use super::Pieces;

/// What is known of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// The message has none.
    #[default]
    Empty,
    /// It was left on its connection and passes by without being read.
    Streamed,
    /// All of it, decoded from any content coding, as it came.
    Whole(Pieces),
    /// All of it, written by a handler.
    Edited(Pieces),
}

impl Body {
    /// The bytes, where they are in memory and there are any.
    pub fn pieces(&self) -> Option<&Pieces> {
        match self {
            Self::Whole(pieces) | Self::Edited(pieces) => Some(pieces),
            Self::Empty | Self::Streamed => None,
        }
    }

    /// Puts it into one piece, for somebody who keeps it: one that is shared keeps all of the text
    /// that it is from.
    pub fn join(&mut self) {
        if let Self::Whole(pieces) | Self::Edited(pieces) = self {
            *pieces = std::mem::take(pieces).joined().into();
        }
    }

    /// Whether a handler wrote it.
    pub fn is_edited(&self) -> bool {
        matches!(self, Self::Edited(_))
    }
}
