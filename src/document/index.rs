//! One validating scan: text → tape.
//!
//! The tape has one token for each scalar, each key and each bracket, in the order of the text. A token is eight bytes;
//! its kind is the byte of the text it begins at, so it is stored nowhere.
//!
//! ```text
//! text   {  "a"  :  [  1 , 2  ]  }
//! tape   {   "a"    [  1   2  ]  }
//! extent 7    3     6  1   1  2  1      a scalar: bytes;  an opening bracket: the tape index behind its closing one;
//!                                       a closing bracket: how many members or elements
//! ```

use super::error::Fault;
use super::number;
use super::{MAX_DEPTH, Node};

/// A scalar, a key or a bracket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// Offset of its first byte.
    pub(super) start: u32,
    /// How far it goes; the module header says in what unit.
    pub(super) extent: u32,
}

/// What a scan finds out about a text.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) tokens: Vec<Token>,
    /// Numbers that JavaScript might spell in another way, in the order of the text.
    pub(super) odd_numbers: Vec<Node>,
    /// Whether no blank stands between the first token and the last.
    pub(super) is_compact: bool,
}

/// Scans the value that `text` holds from offset `start` on, to the end of the text.
///
/// # Errors
///
/// The first fault and its offset. The encoding is not looked at: `text` must be UTF-8 already.
pub(super) fn scan(text: &[u8], start: usize) -> Result<Index, (usize, Fault)> {
    if u32::try_from(text.len()).is_err() {
        return Err((0, Fault::Length));
    }
    let mut scan = Scan {
        text,
        at: start,
        // Six bytes a token is denser than most documents are; the pages that stay unused are never touched.
        tokens: Vec::with_capacity(text.len() / 6 + 4),
        odd_numbers: Vec::new(),
        blanks: 0,
        open: Vec::with_capacity(8),
    };
    scan.skip_blanks();
    scan.blanks = 0;
    match scan.document() {
        Ok(()) => Ok(Index {
            tokens: scan.tokens,
            odd_numbers: scan.odd_numbers,
            is_compact: scan.blanks == 0,
        }),
        Err(fault) if scan.at >= text.len() => Err((
            text.len(),
            match fault {
                Fault::Unexpected | Fault::Control | Fault::Escape | Fault::Number => Fault::End,
                Fault::Encoding | Fault::End | Fault::Depth | Fault::Trailing | Fault::Length => {
                    fault
                }
            },
        )),
        Err(fault) => Err((scan.at, fault)),
    }
}

/// A container whose closing bracket has not come yet.
struct Open {
    token: u32,
    children: u32,
    is_object: bool,
}

struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    tokens: Vec<Token>,
    odd_numbers: Vec<Node>,
    /// Bytes of blanks seen.
    blanks: usize,
    open: Vec<Open>,
}

impl Scan<'_> {
    fn document(&mut self) -> Result<(), Fault> {
        loop {
            if self.value()? {
                // A container was opened and has a first child.
                continue;
            }
            if !self.behind_value()? {
                break;
            }
        }
        let inner_blanks = self.blanks;
        self.skip_blanks();
        self.blanks = inner_blanks;
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(Fault::Trailing)
        }
    }

    /// Scans a scalar or an opening bracket; true if a child must follow.
    fn value(&mut self) -> Result<bool, Fault> {
        match self.peek() {
            b'"' => self.string()?,
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => return Err(Fault::Unexpected),
        }
        Ok(false)
    }

    /// Scans what stands behind a value, closing brackets included; true if another value must follow.
    fn behind_value(&mut self) -> Result<bool, Fault> {
        while let Some(open) = self.open.last_mut() {
            open.children += 1;
            let is_object = open.is_object;
            self.skip_blanks();
            match (self.peek(), is_object) {
                (b',', _) => {
                    self.at += 1;
                    self.skip_blanks();
                    if is_object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                (b'}', true) | (b']', false) => self.close(),
                _ => return Err(Fault::Unexpected),
            }
        }
        Ok(false)
    }

    fn open(&mut self, is_object: bool) -> Result<bool, Fault> {
        if self.open.len() == MAX_DEPTH {
            return Err(Fault::Depth);
        }
        self.open.push(Open {
            token: index(self.tokens.len()),
            children: 0,
            is_object,
        });
        self.push(self.at, 0);
        self.at += 1;
        self.skip_blanks();
        match (self.peek(), is_object) {
            (b'}', true) | (b']', false) => {
                self.close();
                Ok(false)
            }
            (_, true) => self.key().map(|()| true),
            (_, false) => Ok(true),
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.push(self.at, open.children as usize);
        self.at += 1;
        self.tokens[open.token as usize].extent = index(self.tokens.len());
    }

    fn key(&mut self) -> Result<(), Fault> {
        if self.peek() != b'"' {
            return Err(Fault::Unexpected);
        }
        self.string()?;
        self.skip_blanks();
        if self.peek() != b':' {
            return Err(Fault::Unexpected);
        }
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += 1;
        loop {
            self.at = plain_end(self.text, self.at);
            match self.peek() {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return Err(Fault::Control),
            }
        }
        self.at += 1;
        self.push(start, self.at - start);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_ascii_hexdigit() {
                        return Err(Fault::Escape);
                    }
                    self.at += 1;
                }
            }
            _ => return Err(Fault::Escape),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        let whole = self.digits()?;
        if whole > 1 && self.text[self.at - whole] == b'0' {
            self.at -= whole - 1;
            return Err(Fault::Number);
        }
        let mut is_odd = whole > number::EXACT_DIGITS || self.text[start..self.at] == *b"-0";
        if self.peek() == b'.' {
            is_odd = true;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            is_odd = true;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        if is_odd {
            self.odd_numbers.push(Node(index(self.tokens.len())));
        }
        self.push(start, self.at - start);
        Ok(())
    }

    /// Skips one digit or more, and counts them.
    fn digits(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start {
            Err(Fault::Number)
        } else {
            Ok(self.at - start)
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        let start = self.at;
        for &letter in word {
            if self.peek() != letter {
                return Err(Fault::Unexpected);
            }
            self.at += 1;
        }
        self.push(start, word.len());
        Ok(())
    }

    #[inline]
    fn skip_blanks(&mut self) {
        let start = self.at;
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        self.blanks += self.at - start;
    }

    /// The byte to look at next; behind the end a NUL, which JSON allows nowhere.
    #[inline]
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn push(&mut self, start: usize, extent: usize) {
        self.tokens.push(Token {
            start: index(start),
            extent: index(extent),
        });
    }
}

/// Offsets and tape indexes: neither exceeds the text's length, which `scan` has checked.
#[inline]
#[allow(clippy::cast_possible_truncation)]
fn index(number: usize) -> u32 {
    number as u32
}

/// The offset, from `at` on, of the first byte that does not stand for itself in a string: a quote, a backslash or a control.
///
/// Looks at eight bytes at a time: in each lane the high bit is set where the lane holds such a byte. A borrow may set a
/// lane too many, but only behind a true one, so the first is always right
/// (<https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>).
#[inline]
fn plain_end(text: &[u8], mut at: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (LOW * 0x22);
        let backslash = word ^ (LOW * 0x5C);
        let special = (quote.wrapping_sub(LOW) & !quote)
            | (backslash.wrapping_sub(LOW) & !backslash)
            | (word.wrapping_sub(LOW * 0x20) & !word);
        let special = special & HIGH;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |&b: &u8| b == b'"' || b == b'\\' || b < 0x20;
    let tail = text.get(at..).unwrap_or_default();
    at + tail.iter().position(is_special).unwrap_or(tail.len())
}
