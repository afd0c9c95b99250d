//! A text that grows within a bound.

use super::memory::Charge;
use super::write::Overflow;

/// The text so far. What would make it longer than it may be, or than there is memory for, is left
/// out, and all that comes after.
#[derive(Debug)]
pub(super) struct Out {
    text: Vec<u8>,
    longest: usize,
    charge: Charge,
    overflow: Option<Overflow>,
}

impl Out {
    /// Nothing yet; room for `capacity` bytes is made at once, where a text of at most `longest`
    /// bytes can use it.
    pub(super) fn new(capacity: usize, longest: usize, charge: Charge) -> Self {
        let mut out = Self {
            text: Vec::new(),
            longest,
            charge,
            overflow: None,
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

    /// What was written, and what it takes.
    pub(super) fn finish(self) -> (Vec<u8>, Charge) {
        (self.text, self.charge)
    }

    /// Makes room for so many bytes more.
    #[cold]
    fn make_room(&mut self, more: usize) -> bool {
        if self.overflow.is_some() {
            return false;
        }
        let wanted = self.text.len().saturating_add(more);
        if wanted > self.longest {
            self.overflow = Some(Overflow::Long);
            return false;
        }
        let had = self.text.capacity();
        let wanted = had.saturating_mul(2).clamp(wanted, self.longest);
        if self.charge.grow(wanted).is_err() {
            self.overflow = Some(Overflow::Memory);
            return false;
        }
        self.text.reserve_exact(wanted - self.text.len());
        self.charge.shrink(had);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_as_it_is_once_something_did_not_fit() {
        let mut out = Out::new(2, 5, Charge::on(None));

        out.extend_from_slice(b"abc");
        out.extend_from_slice(b"def");
        out.push(b'g');

        assert_eq!(out.check(), Err(Overflow::Long));
        assert_eq!(out.finish().0, b"abc");
    }

    #[test]
    fn a_text_of_just_the_length_it_may_have_is_whole() {
        let mut out = Out::new(100, 5, Charge::on(None));

        out.extend_from_slice(b"abcd");
        out.push(b'e');

        assert_eq!(out.check(), Ok(()));
        assert_eq!(out.finish().0, b"abcde");
    }
}
