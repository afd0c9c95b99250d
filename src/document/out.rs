//! A text that grows within a bound: in one piece, or in pieces some of which are shared with the
//! texts they come from.

use std::ops::Range;

use bytes::Bytes;

use super::memory::Charge;
use super::write::{Form, Overflow};

/// How long a piece that is written becomes before the next is begun, where spans of `shared` bytes
/// are shared.
const fn block(shared: usize) -> usize {
    2 * shared
}

/// The text so far. What would make it longer than it may be, or than there is memory for, is left
/// out, and all that comes after.
#[derive(Debug)]
pub(super) struct Out {
    form: Form,
    /// What comes before `text`, and how long that is.
    before: Vec<Piece>,
    length_before: usize,
    text: Vec<u8>,
    longest: usize,
    charge: Charge,
    overflow: Option<Overflow>,
}

/// A piece of a text.
#[derive(Debug)]
pub enum Piece {
    /// One that was written.
    Own(Vec<u8>),
    /// One that is shared with another text.
    Shared(Bytes),
}

/// A text that was written.
#[derive(Debug)]
pub struct Written {
    before: Vec<Piece>,
    last: Vec<u8>,
}

impl Out {
    /// Nothing yet; room for `capacity` bytes is made at once, where a text of at most `longest`
    /// bytes can use it.
    pub(super) fn new(form: Form, capacity: usize, longest: usize, charge: Charge) -> Self {
        let mut out = Self {
            form,
            before: Vec::new(),
            length_before: 0,
            text: Vec::new(),
            longest,
            charge,
            overflow: None,
        };
        let capacity = match form {
            Form::Whole => capacity,
            Form::Pieces { shared } => capacity.min(block(shared)),
        };
        out.make_room(capacity.min(longest));
        out
    }

    pub(super) fn check(&self) -> Result<(), Overflow> {
        self.overflow.map_or(Ok(()), Err)
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    #[inline]
    pub(super) fn extend_from_slice(&mut self, bytes: &[u8]) {
        let has_room = bytes.len() <= self.text.capacity() - self.text.len();
        if has_room && self.overflow.is_none() || self.make_room(bytes.len()) {
            self.text.extend_from_slice(bytes);
        }
    }

    /// Adds a span of a text that may be shared.
    #[inline]
    pub(super) fn extend_from_span(&mut self, text: &Bytes, span: Range<usize>) {
        match self.form {
            Form::Pieces { shared } if span.len() >= shared => self.share(text, span),
            Form::Pieces { .. } | Form::Whole => self.extend_from_slice(&text[span]),
        }
    }

    #[cold]
    fn share(&mut self, text: &Bytes, span: Range<usize>) {
        if self.has_place(span.len()) && self.end_piece() {
            self.length_before += span.len();
            self.before.push(Piece::Shared(text.slice(span)));
        }
    }

    /// What was written, and what it takes.
    pub(super) fn finish(self) -> (Written, Charge) {
        let written = Written {
            before: self.before,
            last: self.text,
        };
        (written, self.charge)
    }

    /// Whether the text may become so many bytes longer.
    fn has_place(&mut self, more: usize) -> bool {
        let length = self.length_before + self.text.len();
        if self.overflow.is_none() && length.saturating_add(more) > self.longest {
            self.overflow = Some(Overflow::Long);
        }
        self.overflow.is_none()
    }

    /// Makes room for so many bytes more.
    #[cold]
    fn make_room(&mut self, more: usize) -> bool {
        if !self.has_place(more) {
            return false;
        }
        let is_full = match self.form {
            Form::Whole => false,
            Form::Pieces { shared } => self.text.len() + more > block(shared),
        };
        if is_full && !self.end_piece() {
            return false;
        }
        let had = self.text.capacity();
        let wanted = self.text.len() + more;
        let left = self.longest - self.length_before;
        let (least, most) = match self.form {
            Form::Whole => (wanted, left),
            Form::Pieces { shared } if self.before.is_empty() => {
                (wanted, left.min(block(shared)).max(wanted))
            }
            Form::Pieces { shared } => (wanted.max(left.min(block(shared))), left),
        };
        let capacity = had.saturating_mul(2).clamp(least, most);
        if self.charge.grow(capacity).is_err() {
            self.overflow = Some(Overflow::Memory);
            return false;
        }
        self.text.reserve_exact(capacity - self.text.len());
        self.charge.shrink(had);
        true
    }

    /// Ends the piece that is being written; false where there is no memory for that.
    fn end_piece(&mut self) -> bool {
        let length = self.text.len();
        if length == 0 {
            return true;
        }
        let piece = if length > self.text.capacity() / 2 {
            std::mem::take(&mut self.text)
        } else if self.charge.grow(length).is_ok() {
            // The room that is left is for the next.
            let piece = self.text.as_slice().to_vec();
            self.text.clear();
            piece
        } else {
            self.overflow = Some(Overflow::Memory);
            return false;
        };
        self.length_before += length;
        self.before.push(Piece::Own(piece));
        true
    }
}

impl Written {
    /// The text where it is in one piece of its own, else its pieces.
    ///
    /// # Errors
    ///
    /// The pieces.
    pub fn into_one(self) -> Result<Vec<u8>, impl Iterator<Item = Piece>> {
        if self.before.is_empty() {
            return Ok(self.last);
        }
        Err(self.before.into_iter().chain([Piece::Own(self.last)]))
    }

    /// The text in one piece. Copied where it is in several.
    pub fn joined(self) -> Vec<u8> {
        self.into_one().unwrap_or_else(|pieces| {
            let mut whole = Vec::new();
            for piece in pieces {
                match piece {
                    Piece::Own(text) => whole.extend_from_slice(&text),
                    Piece::Shared(text) => whole.extend_from_slice(&text),
                }
            }
            whole
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: usize = 1000;
    const BLOCK: usize = block(SHARED);
    const PIECES: Form = Form::Pieces { shared: SHARED };

    #[test]
    fn a_text_stays_as_it_is_once_something_did_not_fit() {
        for form in [Form::Whole, PIECES] {
            let mut out = Out::new(form, 2, 5, Charge::on(None));

            out.extend_from_slice(b"abc");
            out.extend_from_slice(b"def");
            out.push(b'g');

            assert_eq!(out.check(), Err(Overflow::Long));
            assert_eq!(out.finish().0.joined(), b"abc");
        }
    }

    #[test]
    fn a_text_of_just_the_length_it_may_have_is_whole() {
        for form in [Form::Whole, PIECES] {
            let mut out = Out::new(form, 100, 5, Charge::on(None));

            out.extend_from_slice(b"abcd");
            out.push(b'e');

            assert_eq!(out.check(), Ok(()));
            assert_eq!(out.finish().0.joined(), b"abcde");
        }
    }

    fn pieces(out: Out) -> Vec<Piece> {
        let one = |only| vec![Piece::Own(only)];
        out.finish()
            .0
            .into_one()
            .map_or_else(Iterator::collect, one)
    }

    #[test]
    fn a_long_span_is_shared_and_a_short_one_copied() {
        let text = Bytes::from(vec![b'x'; SHARED + 1]);
        let mut out = Out::new(PIECES, 10, usize::MAX, Charge::on(None));

        out.push(b'a');
        out.extend_from_span(&text, 1..SHARED + 1);
        out.extend_from_span(&text, 1..SHARED);
        let pieces = pieces(out);

        let [Piece::Own(_), Piece::Shared(shared), Piece::Own(copied)] = &pieces[..] else {
            panic!("{} pieces", pieces.len());
        };
        assert_eq!(shared.as_ptr(), text[1..].as_ptr());
        assert_eq!(copied.len(), SHARED - 1);
    }

    #[test]
    fn a_span_that_would_be_too_long_is_left_out() {
        let text = Bytes::from(vec![b'x'; 2 * SHARED]);
        let mut out = Out::new(PIECES, 0, 2 * SHARED, Charge::on(None));

        out.push(b'a');
        out.extend_from_span(&text, 0..2 * SHARED);

        assert_eq!(out.check(), Err(Overflow::Long));
        assert_eq!(out.finish().0.joined(), b"a");
    }

    #[test]
    fn a_text_in_pieces_is_never_copied_once_it_is_long() {
        let mut out = Out::new(PIECES, 10, usize::MAX, Charge::on(None));
        let line = b"0123456789abcdef";
        let lines = 5 * BLOCK / line.len();

        for _ in 0..lines {
            out.extend_from_slice(line);
        }
        let pieces = pieces(out);

        let length = |piece: &Piece| match piece {
            Piece::Own(text) => (text.len(), text.capacity()),
            Piece::Shared(_) => panic!("nothing was shared"),
        };
        assert!(pieces.iter().map(length).all(|it| it == (BLOCK, BLOCK)));
        assert_eq!(pieces.len(), 5);
    }
}
