//! A body put together from its pieces.

use bytes::Bytes;

/// The pieces so far. One is kept as it is; as soon as there are two they are one text, so that
/// the buffers which pieces were cut from are free for the next.
#[derive(Debug, Default)]
pub(super) enum Gathered {
    #[default]
    Nothing,
    One(Bytes),
    Several(Vec<u8>),
}

impl Gathered {
    /// Adds a piece of a body that may become `expected` bytes long.
    pub(super) fn add(&mut self, piece: &Bytes, expected: usize) {
        match self {
            Self::Nothing => *self = Self::One(piece.clone()),
            Self::One(first) => {
                let length = first.len() + piece.len();
                let mut whole = Vec::with_capacity(expected.max(length));
                whole.extend_from_slice(first);
                whole.extend_from_slice(piece);
                *self = Self::Several(whole);
            }
            Self::Several(whole) => whole.extend_from_slice(piece),
        }
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(only) => only.len(),
            Self::Several(whole) => whole.len(),
        }
    }

    /// What was put together.
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(only) => only,
            Self::Several(whole) => whole.into(),
        }
    }
}
