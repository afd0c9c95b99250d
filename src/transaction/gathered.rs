//! A body put together from its pieces.

use bytes::Bytes;

/// How many times what has come is believed to come in all: room for a whole body would be had
/// by whoever announces one and sends next to nothing.
const BELIEVED: usize = 8;

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
    /// Adds a piece of a body that is said to become `expected` bytes long.
    pub(super) fn add(&mut self, piece: &Bytes, expected: usize) {
        match self {
            Self::Nothing => *self = Self::One(piece.clone()),
            Self::One(first) => {
                let length = first.len() + piece.len();
                let capacity = expected.min(length.saturating_mul(BELIEVED));
                let mut whole = Vec::with_capacity(capacity.max(length));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_text_and_one_piece_is_itself() {
        let pieces: Vec<Bytes> = ["a", "bc", "d"].map(Bytes::from).into();
        for (count, expected) in [(0, ""), (1, "a"), (2, "abc"), (3, "abcd")] {
            let mut gathered = Gathered::default();
            for piece in &pieces[..count] {
                gathered.add(piece, 4);
            }

            assert_eq!(gathered.len(), expected.len());
            let whole = gathered.into_bytes();
            assert_eq!(whole, expected);
            assert!(count != 1 || whole.as_ptr() == pieces[0].as_ptr());
        }
    }

    #[test]
    fn a_length_is_not_believed_to_whoever_sends_next_to_nothing() {
        let mut gathered = Gathered::default();
        gathered.add(&Bytes::from("a"), usize::MAX);
        gathered.add(&Bytes::from("b"), usize::MAX);

        assert!(matches!(&gathered, Gathered::Several(whole) if whole.capacity() < 100));
    }
}
