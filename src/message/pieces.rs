//! The bytes of a body in memory: in one piece as a rule.
//!
//! An edited body is the pieces of the one that came, with what is new between them, so that little
//! of a long one is copied. Who needs it in one piece joins them.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// Bytes in pieces, in their order. Equal where the bytes are, however they are cut.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    /// Empty only where all of it is.
    first: Bytes,
    rest: Option<Box<Rest>>,
}

/// What follows; in a box, since messages are moved often and have one piece as a rule.
#[derive(Debug, Clone, Default)]
struct Rest {
    /// None of them is empty.
    pieces: VecDeque<Bytes>,
}

impl Pieces {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        let rest = self.rest.as_ref();
        let rest = rest.map_or(0, |rest| rest.pieces.iter().map(Bytes::len).sum());
        self.first.len() + rest
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The pieces; a single empty one where there are no bytes.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        let rest = self.rest.iter().flat_map(|rest| &rest.pieces);
        std::iter::once(&self.first).chain(rest)
    }

    /// The bytes, where they are in one piece.
    pub fn as_one(&self) -> Option<&Bytes> {
        self.rest.is_none().then_some(&self.first)
    }

    /// Adds a piece.
    pub fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else if !piece.is_empty() {
            self.rest.get_or_insert_default().pieces.push_back(piece);
        }
    }

    /// Forgets the first `count` bytes, and pieces with the last byte of them.
    pub fn advance(&mut self, mut count: usize) {
        while count >= self.first.len()
            && let Some(rest) = &mut self.rest
        {
            let next = rest.pieces.pop_front();
            if rest.pieces.is_empty() {
                self.rest = None;
            }
            count -= self.first.len();
            self.first = next.unwrap_or_default();
        }
        self.first.advance(count);
    }

    /// The bytes in one piece. Copied where they are in several.
    pub fn joined(self) -> Bytes {
        if self.rest.is_none() {
            return self.first;
        }
        let mut whole = Vec::with_capacity(self.len());
        for piece in self.iter() {
            whole.extend_from_slice(piece);
        }
        whole.into()
    }
}

impl PartialEq for Pieces {
    fn eq(&self, other: &Self) -> bool {
        let mut left = self.len();
        if left != other.len() {
            return false;
        }
        let (mut here, mut there) = (self.iter(), other.iter());
        let (mut one, mut two): (&[u8], &[u8]) = (&[], &[]);
        while left > 0 {
            if one.is_empty() {
                one = here.next().map_or(&[], |piece| piece);
            }
            if two.is_empty() {
                two = there.next().map_or(&[], |piece| piece);
            }
            let shared = one.len().min(two.len());
            let ((head, rest), (other_head, other_rest)) =
                (one.split_at(shared), two.split_at(shared));
            // What is the same memory needs no look.
            if !std::ptr::eq(head, other_head) && head != other_head {
                return false;
            }
            (one, two) = (rest, other_rest);
            left -= shared;
        }
        true
    }
}

impl Eq for Pieces {}

impl From<Bytes> for Pieces {
    fn from(only: Bytes) -> Self {
        Self {
            first: only,
            rest: None,
        }
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(only: Vec<u8>) -> Self {
        Bytes::from(only).into()
    }
}

impl From<String> for Pieces {
    fn from(only: String) -> Self {
        Bytes::from(only).into()
    }
}

impl From<&'static str> for Pieces {
    fn from(only: &'static str) -> Self {
        Bytes::from_static(only.as_bytes()).into()
    }
}

impl FromIterator<Bytes> for Pieces {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            all.push(piece);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(texts: &[&'static str]) -> Pieces {
        texts.iter().copied().map(Bytes::from).collect()
    }

    #[test]
    fn pieces_are_one_text_whatever_they_are_cut_into() {
        let cuts: [&[&str]; 4] = [
            &["abcd"],
            &["", "ab", "", "cd"],
            &["a", "b", "cd"],
            &["a", "bcd", ""],
        ];
        for one in cuts {
            for other in cuts {
                assert_eq!(pieces(one), pieces(other));
            }
            assert_eq!(pieces(one).len(), 4);
            assert_eq!(pieces(one).joined(), "abcd");
            assert_ne!(pieces(one), pieces(&["ab", "ce"]));
            assert_ne!(pieces(one), pieces(&["abc"]));
            assert_ne!(pieces(one), pieces(&["ab", "cde"]));
        }
        assert_eq!(pieces(&["", ""]), Pieces::default());
    }

    #[test]
    fn one_piece_is_joined_without_a_copy() {
        let only = Bytes::from("abc".to_owned());

        let joined = Pieces::from(only.clone()).joined();

        assert_eq!(joined.as_ptr(), only.as_ptr());
    }

    #[test]
    fn what_is_forgotten_is_gone_and_the_rest_is_there() {
        for count in 0..=4 {
            let mut rest = pieces(&["a", "bc", "d"]);

            rest.advance(count);

            assert_eq!(rest.joined(), "abcd"[count..]);
        }
        let mut all = pieces(&["a", "b"]);
        all.advance(2);
        assert!(all.is_empty());
    }
}
