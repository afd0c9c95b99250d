//! Why a text is not a JSON document, and where.

use super::memory::Full;

/// What is wrong at a place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes there are no UTF-8.
    #[error("invalid UTF-8")]
    Encoding,
    /// A byte that cannot stand there, [RFC 8259 §2].
    #[error("unexpected character")]
    Unexpected,
    /// The text ends within a value.
    #[error("unexpected end of text")]
    End,
    /// A control character that stands bare in a string, [RFC 8259 §7].
    #[error("control character in a string")]
    Control,
    /// A backslash that begins no escape, [RFC 8259 §7].
    #[error("unknown escape")]
    Escape,
    /// A number with a leading zero, or without a digit where one must stand, [RFC 8259 §6].
    #[error("malformed number")]
    Number,
    /// More containers inside each other than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("nested too deeply")]
    Depth,
    /// Something behind the document's one value.
    #[error("text after the value")]
    Trailing,
    /// A text of 4 GiB or more: offsets have 32 bits.
    #[error("text too long")]
    Length,
    /// Nothing is wrong with the text: there is no memory for its index.
    #[error("no memory left for its index")]
    Memory,
    /// Nothing is wrong with the text: there is no time to index it.
    #[error("no time left for its index")]
    Time,
}

/// A text that is not a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct ParseError {
    /// Bytes before the place, a byte order mark included.
    pub offset: usize,
    /// Lines are counted from one and end with a line feed.
    pub line: usize,
    /// Characters of the line up to the place, counted from one.
    pub column: usize,
    /// What is wrong there.
    pub fault: Fault,
}

impl From<Full> for ParseError {
    fn from(Full: Full) -> Self {
        Self {
            offset: 0,
            line: 1,
            column: 1,
            fault: Fault::Memory,
        }
    }
}

impl ParseError {
    /// Finds the line and column of `offset` in `text`.
    pub(super) fn at(text: &[u8], offset: usize, fault: Fault) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1);
        let is_char_start = |b: &&u8| **b & 0xC0 != 0x80;
        Self {
            offset,
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: before[line_start..].iter().filter(is_char_start).count() + 1,
            fault,
        }
    }
}
