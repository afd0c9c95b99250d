//! A message's body, as far as it has been read.

use bytes::Bytes;

/// What is known of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// The message has none.
    #[default]
    Empty,
    /// It was left on its connection and passes by without being read.
    Streamed,
    /// All of it, decoded from any content coding, as it came.
    Whole(Bytes),
    /// All of it, written by a handler.
    Edited(Bytes),
}

impl Body {
    /// The bytes, where they are in memory and there are any.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) | Self::Edited(bytes) => Some(bytes),
            Self::Empty | Self::Streamed => None,
        }
    }

    /// Whether a handler wrote it.
    pub fn is_edited(&self) -> bool {
        matches!(self, Self::Edited(_))
    }
}
