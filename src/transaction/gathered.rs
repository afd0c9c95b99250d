//! A body put together from its pieces.

use bytes::Bytes;

use super::room::{Full, Share};

/// How many times what has come is believed to come in all: room for a whole body would be had
/// by whoever announces one and sends next to nothing.
const BELIEVED: usize = 16;

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
    /// Adds a piece of a body that is said to become `expected` bytes long. What all of it takes
    /// is taken of the `share` before.
    ///
    /// # Errors
    ///
    /// There is no room for it; what came before is as it was.
    pub(super) fn add(
        &mut self,
        piece: &Bytes,
        expected: usize,
        share: &mut Share,
    ) -> Result<(), Full> {
        let length = self.len() + piece.len();
        match self {
            Self::Nothing => {
                share.take(length)?;
                *self = Self::One(piece.clone());
            }
            Self::One(first) => {
                let capacity = capacity(0, length, expected);
                share.take(capacity)?;
                let mut whole = Vec::with_capacity(capacity);
                whole.extend_from_slice(first);
                whole.extend_from_slice(piece);
                share.give_back(first.len());
                *self = Self::Several(whole);
            }
            Self::Several(whole) => {
                let had = whole.capacity();
                if length > had {
                    let capacity = capacity(had, length, expected);
                    share.take(capacity)?;
                    whole.reserve_exact(capacity - whole.len());
                    share.give_back(had);
                }
                whole.extend_from_slice(piece);
            }
        }
        Ok(())
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

/// Room to make for `length` bytes, where there is room for fewer, of a body that is said to become
/// `expected` long: no more than that, where it is to be believed.
fn capacity(had: usize, length: usize, expected: usize) -> usize {
    if length <= expected {
        expected.min(length.saturating_mul(BELIEVED))
    } else {
        length.max(2 * had)
    }
}

#[cfg(test)]
mod tests {
    use super::super::room::Room;
    use super::*;

    #[test]
    fn pieces_are_one_text_and_one_piece_is_itself() {
        let pieces: Vec<Bytes> = ["a", "bc", "d"].map(Bytes::from).into();
        for (count, expected) in [(0, ""), (1, "a"), (2, "abc"), (3, "abcd")] {
            let mut gathered = Gathered::default();
            let mut share = Room::new(4, |_| {}).share();
            for piece in &pieces[..count] {
                gathered.add(piece, 4, &mut share).expect("there is room");
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
        let mut share = Room::new(1000, |_| {}).share();
        for piece in ["a", "b"] {
            let added = gathered.add(&Bytes::from(piece), usize::MAX, &mut share);
            assert_eq!(added, Ok(()));
        }

        assert!(matches!(&gathered, Gathered::Several(whole) if whole.capacity() < 100));
    }

    #[test]
    fn a_body_of_the_length_it_was_said_to_have_takes_no_more() {
        let mut gathered = Gathered::default();
        let mut share = Room::new(1000, |_| {}).share();
        for piece in ["abcd", "efgh", "ijkl"].repeat(30) {
            let added = gathered.add(&Bytes::from(piece), 360, &mut share);
            assert_eq!(added, Ok(()));
        }

        assert!(matches!(&gathered, Gathered::Several(whole) if whole.capacity() == 360));
    }

    #[test]
    fn a_piece_that_finds_no_room_is_not_added() {
        let room = Room::new(100, |_| {});
        let (mut share, mut other) = (room.share(), room.share());
        other.take(50).expect("there is room");
        let mut gathered = Gathered::default();
        let piece = Bytes::from(vec![b'a'; 15]);

        let added = [(); 3].map(|()| gathered.add(&piece, 0, &mut share));

        // The third one would have doubled what there is room for.
        assert_eq!(added, [Ok(()), Ok(()), Err(Full)]);
        assert_eq!(gathered.into_bytes().len(), 30);
    }
}
