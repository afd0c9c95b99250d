//! What waits to be written to one connection.

use std::io::IoSlice;
use std::ops::Deref;

use bytes::{BufMut, Bytes};

use crate::message::Pieces;

/// A piece up to this size is copied behind what waits already, in bytes: one write of a
/// head and a small body costs less than two, or than gathering them.
const SMALL: usize = 4 * 1024;

/// Beyond this many bytes nothing more is taken before something was written.
const FULL: usize = 16 * 1024;

/// How many slices are written at once.
const AT_ONCE: usize = 8;

/// Room for a head of the usual size, in bytes.
const HEAD: usize = 1024;

/// Bytes in the order they are to be written: small ones in one buffer, large pieces as
/// they are.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Comes first, from `written` on.
    buffer: Vec<u8>,
    written: usize,
    /// Comes second.
    pieces: Pieces,
    /// Comes last: the end of a chunk.
    tail: &'static [u8],
    is_chunked: bool,
}

impl Outbox {
    /// Where a head is to be written.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer.reserve(HEAD);
        &mut self.buffer
    }

    /// Says how the body that follows is framed.
    pub fn frame(&mut self, is_chunked: bool) {
        self.is_chunked = is_chunked;
    }

    /// Whether another piece may be added.
    pub fn has_room(&self) -> bool {
        self.pieces.is_empty() && self.tail.is_empty() && self.head().len() < FULL
    }

    /// Adds a piece of a body; there must be room.
    pub fn push(&mut self, piece: Bytes) {
        if self.is_chunked {
            self.put_size(piece.len());
        }
        let end: &[u8] = if self.is_chunked { b"\r\n" } else { b"" };
        if piece.len() <= SMALL {
            self.buffer.extend_from_slice(&piece);
            self.buffer.extend_from_slice(end);
        } else {
            self.pieces = piece.into();
            self.tail = end;
        }
    }

    /// Adds a whole body that isn't framed; there must be room.
    pub fn put_whole(&mut self, body: Pieces) {
        match body.as_one() {
            Some(only) if only.len() <= SMALL => self.buffer.extend_from_slice(only),
            Some(_) | None => self.pieces = body,
        }
    }

    /// Adds the end of the body.
    pub fn end(&mut self) {
        if !self.is_chunked {
            return;
        }
        if self.tail.is_empty() {
            self.buffer.extend_from_slice(b"0\r\n\r\n");
        } else {
            self.tail = b"\r\n0\r\n\r\n";
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.head().is_empty() && self.pieces.is_empty() && self.tail.is_empty()
    }

    /// What waits, or as much of it as is written at once.
    pub fn slices(&self) -> Slices<'_> {
        let mut slices = Slices {
            slices: [IoSlice::new(&[]); AT_ONCE],
            count: 0,
        };
        slices.add(self.head());
        if !self.pieces.is_empty() {
            self.pieces.iter().for_each(|piece| slices.add(piece));
        }
        if !self.tail.is_empty() {
            slices.add(self.tail);
        }
        slices
    }

    /// Forgets the first `count` bytes, which were written.
    pub fn advance(&mut self, mut count: usize) {
        let here = count.min(self.head().len());
        self.written += here;
        count -= here;
        if count > 0 {
            let here = count.min(self.pieces.len());
            self.pieces.advance(here);
            self.tail = &self.tail[count - here..];
        }
        if self.is_empty() {
            // A connection that waits holds no memory.
            *self = Self {
                is_chunked: self.is_chunked,
                ..Self::default()
            };
        }
    }

    fn head(&self) -> &[u8] {
        &self.buffer[self.written..]
    }

    /// The line before a chunk.
    fn put_size(&mut self, size: usize) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.buffer.put_u8(DIGITS[size >> (4 * digit) & 15]);
        }
        self.buffer.put_slice(b"\r\n");
    }
}

/// What is written at once.
pub struct Slices<'o> {
    slices: [IoSlice<'o>; AT_ONCE],
    count: usize,
}

impl<'o> Slices<'o> {
    /// Adds one, where there is a place for it.
    fn add(&mut self, bytes: &'o [u8]) {
        if let Some(place) = self.slices.get_mut(self.count) {
            *place = IoSlice::new(bytes);
            self.count += 1;
        }
    }
}

impl<'o> Deref for Slices<'o> {
    type Target = [IoSlice<'o>];

    fn deref(&self) -> &Self::Target {
        &self.slices[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything out, at most `step` bytes at a time.
    fn written(outbox: &mut Outbox, step: usize) -> String {
        let mut bytes = Vec::new();
        while !outbox.is_empty() {
            let all: Vec<u8> = outbox
                .slices()
                .iter()
                .flat_map(|part| part.to_vec())
                .collect();
            let count = all.len().min(step);
            bytes.extend_from_slice(&all[..count]);
            outbox.advance(count);
        }
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn chunks_are_the_same_however_they_are_written() {
        let large = "x".repeat(SMALL + 1);
        for step in [1, 7, usize::MAX] {
            let mut outbox = Outbox::default();
            outbox.frame(true);
            outbox.buffer().put_slice(b"head ");
            outbox.push(Bytes::from_static(b"small"));
            outbox.push(Bytes::from(large.clone()));
            assert!(!outbox.has_room());
            outbox.end();

            let expected = format!("head 5\r\nsmall\r\n1001\r\n{large}\r\n0\r\n\r\n");
            assert_eq!(written(&mut outbox, step), expected);
            assert!(outbox.has_room());
        }
    }

    #[test]
    fn a_body_of_known_length_is_written_as_it_is() {
        let mut outbox = Outbox::default();

        outbox.push(Bytes::from_static(b"ab"));
        outbox.end();

        assert_eq!(written(&mut outbox, 1), "ab");
    }

    #[test]
    fn a_whole_body_is_written_piece_by_piece_and_in_order() {
        let pieces: Vec<String> = (0..2 * AT_ONCE).map(|it| it.to_string()).collect();
        for step in [1, 7, usize::MAX] {
            let mut outbox = Outbox::default();
            outbox.buffer().put_slice(b"head ");

            outbox.put_whole(pieces.iter().cloned().map(Bytes::from).collect());

            assert!(!outbox.has_room());
            assert_eq!(
                written(&mut outbox, step),
                format!("head {}", pieces.concat())
            );
            assert!(outbox.has_room());
        }
    }

    #[test]
    fn the_size_of_a_chunk_is_hexadecimal() {
        for (size, line) in [
            (1, "1\r\n"),
            (15, "f\r\n"),
            (16, "10\r\n"),
            (4096, "1000\r\n"),
            (48879, "beef\r\n"),
        ] {
            let mut outbox = Outbox::default();
            outbox.put_size(size);
            assert_eq!(written(&mut outbox, 99), line);
        }
    }
}
