//! One validating scan: text → tape.
//!
//! The tape has one token for each scalar, each key and each bracket, in the order of the text. A
//! token is eight bytes; its kind is the byte of the text it begins at, so it is stored nowhere.
//!
//! ```text
//! text   {  "a"  :  [  1 , 2  ]  }
//! tape   {   "a"    [  1   2  ]  }
//! extent 7    3     6  1   1  2  1      a scalar: bytes;  an opening bracket: the tape index behind its closing one;
//!                                       a closing bracket: how many members or elements
//! ```

use super::error::Fault;
use super::memory::{Charge, Full, lengthen};
use super::number;
use super::plain::plain_end;
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

/// Room is made at first for as much of a text, in bytes, at six bytes a token, which is denser than
/// most documents are; how long the tape of a longer one becomes is told by what is there by then.
const SAMPLE: usize = 64 * 1024;

/// How many tokens are noted between two looks at the time: some tens of microseconds.
const UNTIL_LOOK: usize = 4096;

/// A fault and its offset.
type Found = (usize, Fault);

/// Scans the value that `text` holds from offset `start` on, to the end of the text. What the index
/// takes is added to `charge`.
///
/// # Errors
///
/// The first fault and its offset. The encoding is not looked at: `text` must be UTF-8 already.
pub(super) fn scan(text: &[u8], start: usize, charge: &Charge) -> Result<Index, Found> {
    if u32::try_from(text.len()).is_err() {
        return Err((0, Fault::Length));
    }
    let tokens = text.len().min(SAMPLE) / 6 + 4;
    charge
        .grow(tokens * size_of::<Token>())
        .map_err(|Full| (0, Fault::Memory))?;
    let mut tape = Tape::<true>::new(text, Vec::with_capacity(tokens), charge);
    let is_compact = tape.whole(start)?;
    Ok(Index {
        tokens: tape.tokens,
        odd_numbers: tape.odd_numbers,
        is_compact,
    })
}

/// Whether `text` holds one value from offset `start` on, and nothing else. Keeps nothing, so it
/// takes no memory to speak of.
///
/// # Errors
///
/// As [`scan`], but for [`Fault::Memory`] and [`Fault::Time`].
pub(super) fn check(text: &[u8], start: usize) -> Result<(), Found> {
    if u32::try_from(text.len()).is_err() {
        return Err((0, Fault::Length));
    }
    let uncharged = Charge::on(None);
    Tape::<false>::new(text, Vec::new(), &uncharged)
        .whole(start)
        .map(drop)
}

/// A container whose closing bracket has not come yet.
#[derive(Clone, Copy)]
struct Open {
    token: u32,
    children: u32,
    closing: u8,
}

/// A scan under way, which keeps the tokens it sees or only looks at them.
struct Tape<'t, const KEEPS: bool> {
    text: &'t [u8],
    tokens: Vec<Token>,
    odd_numbers: Vec<Node>,
    /// Bytes of blanks seen.
    blanks: usize,
    charge: &'t Charge,
    /// At so many tokens there is no room for more, or somebody looks at the time.
    pause: usize,
    /// Where the scan ended early, and why. Not in what the functions return, so that this fits
    /// into registers.
    found: Option<Found>,
}

impl<'t, const KEEPS: bool> Tape<'t, KEEPS> {
    fn new(text: &'t [u8], tokens: Vec<Token>, charge: &'t Charge) -> Self {
        Self {
            text,
            tokens,
            odd_numbers: Vec::new(),
            blanks: 0,
            charge,
            pause: 0,
            found: None,
        }
    }

    /// Scans the one value of the text, from offset `start` to its end. Returns whether no blank is
    /// within it.
    fn whole(&mut self, start: usize) -> Result<bool, Found> {
        let root = self.skip_blanks(start);
        self.blanks = 0;
        let Some(end) = self.value(root) else {
            let found = self.found.filter(|(at, _)| *at < self.text.len());
            return Err(found.unwrap_or((self.text.len(), Fault::End)));
        };
        let is_compact = self.blanks == 0;
        let end = self.skip_blanks(end);
        if end < self.text.len() {
            return Err((end, Fault::Trailing));
        }
        Ok(is_compact)
    }

    /// Scans the value that begins at `at` and all that is in it; returns the offset behind it.
    fn value(&mut self, mut at: usize) -> Option<usize> {
        let mut around: Vec<Open> = Vec::new();
        let mut innermost: Option<Open> = None;
        loop {
            let start = at;
            match self.peek(at) {
                b'"' => at = self.string(at)?,
                opening @ (b'{' | b'[') => {
                    if let Some(outer) = innermost {
                        around.push(outer);
                    }
                    if around.len() == MAX_DEPTH {
                        return self.fail(at, Fault::Depth);
                    }
                    // In ASCII a closing bracket stands two behind the opening one.
                    let container = Open {
                        token: index(self.tokens.len()),
                        children: 0,
                        closing: opening + 2,
                    };
                    self.push(at, at)?;
                    at = self.skip_blanks(at + 1);
                    if self.peek(at) == container.closing {
                        at = self.close(container, at)?;
                        innermost = around.pop();
                    } else {
                        if opening == b'{' {
                            at = self.key(at)?;
                        }
                        innermost = Some(container);
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => at = self.number(at)?,
                b't' => at = self.word(at, b"true")?,
                b'f' => at = self.word(at, b"false")?,
                b'n' => at = self.word(at, b"null")?,
                _ => return self.fail(start, Fault::Unexpected),
            }
            // Behind a value: more of the same, or the end of the container and what is behind
            // that.
            loop {
                let Some(container) = &mut innermost else {
                    return Some(at);
                };
                container.children += 1;
                at = self.skip_blanks(at);
                let byte = self.peek(at);
                if byte == b',' {
                    at = self.skip_blanks(at + 1);
                    if container.closing == b'}' {
                        at = self.key(at)?;
                    }
                    break;
                }
                if byte != container.closing {
                    return self.fail(at, Fault::Unexpected);
                }
                at = self.close(*container, at)?;
                innermost = around.pop();
            }
        }
    }

    fn close(&mut self, container: Open, at: usize) -> Option<usize> {
        if !KEEPS {
            return Some(at + 1);
        }
        self.note(Token {
            start: index(at),
            extent: container.children,
        })?;
        self.tokens[container.token as usize].extent = index(self.tokens.len());
        Some(at + 1)
    }

    /// Scans a key and its colon; returns the offset of the value.
    #[inline]
    fn key(&mut self, at: usize) -> Option<usize> {
        if self.peek(at) != b'"' {
            return self.fail(at, Fault::Unexpected);
        }
        let at = self.string(at)?;
        let at = self.skip_blanks(at);
        if self.peek(at) != b':' {
            return self.fail(at, Fault::Unexpected);
        }
        Some(self.skip_blanks(at + 1))
    }

    #[inline]
    fn string(&mut self, start: usize) -> Option<usize> {
        let at = plain_end(self.text, start + 1);
        let quote = if self.peek(at) == b'"' {
            at
        } else {
            self.closing_quote(at)?
        };
        self.push(start, quote + 1)?;
        Some(quote + 1)
    }

    /// The offset of the quote that ends a string, from an escape in it on.
    #[inline(never)]
    fn closing_quote(&mut self, mut at: usize) -> Option<usize> {
        while self.peek(at) != b'"' {
            at = plain_end(self.text, self.escape(at)?);
        }
        Some(at)
    }

    fn escape(&mut self, at: usize) -> Option<usize> {
        if self.peek(at) != b'\\' {
            return self.fail(at, Fault::Control);
        }
        match self.peek(at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
            b'u' => {
                let digits = at + 2..at + 6;
                match digits
                    .clone()
                    .find(|&at| !self.peek(at).is_ascii_hexdigit())
                {
                    None => Some(digits.end),
                    Some(at) => self.fail(at, Fault::Escape),
                }
            }
            _ => self.fail(at + 1, Fault::Escape),
        }
    }

    fn number(&mut self, start: usize) -> Option<usize> {
        let whole = start + usize::from(self.peek(start) == b'-');
        let mut at = self.digits(whole)?;
        if self.peek(whole) == b'0' && at > whole + 1 {
            return self.fail(whole + 1, Fault::Number);
        }
        let mut is_odd =
            at - whole > number::EXACT_DIGITS || (whole > start && self.peek(whole) == b'0');
        if self.peek(at) == b'.' {
            is_odd = true;
            at = self.digits(at + 1)?;
        }
        if matches!(self.peek(at), b'e' | b'E') {
            is_odd = true;
            at = self.digits(at + 1 + usize::from(matches!(self.peek(at + 1), b'+' | b'-')))?;
        }
        if KEEPS && is_odd {
            self.note_odd()?;
        }
        self.push(start, at)?;
        Some(at)
    }

    /// Skips one digit or more.
    #[inline]
    fn digits(&mut self, start: usize) -> Option<usize> {
        let mut at = start;
        loop {
            let Some(eight) = self.text.get(at..).and_then(<[u8]>::first_chunk) else {
                at = self.last_digits(at);
                break;
            };
            let count = leading_digits(*eight);
            at += count;
            if count < eight.len() {
                break;
            }
        }
        if at == start {
            self.fail(at, Fault::Number)
        } else {
            Some(at)
        }
    }

    /// Skips digits among the last bytes of the text.
    #[cold]
    fn last_digits(&self, mut at: usize) -> usize {
        while self.peek(at).is_ascii_digit() {
            at += 1;
        }
        at
    }

    #[inline]
    fn word<const LENGTH: usize>(&mut self, start: usize, word: &[u8; LENGTH]) -> Option<usize> {
        if self.text[start..].first_chunk() != Some(word) {
            return self.not_word(start, word);
        }
        self.push(start, start + LENGTH)?;
        Some(start + LENGTH)
    }

    /// Ends the scan at the first letter that isn't the word's.
    #[cold]
    fn not_word(&mut self, start: usize, word: &[u8]) -> Option<usize> {
        let is_other = |&(at, &letter): &(usize, &u8)| self.peek(at) != letter;
        let other = (start..).zip(word).find(is_other);
        self.fail(other.map_or(start, |(at, _)| at), Fault::Unexpected)
    }

    #[inline]
    fn skip_blanks(&mut self, at: usize) -> usize {
        if self.peek(at) > b' ' {
            at
        } else {
            self.skip_some_blanks(at)
        }
    }

    fn skip_some_blanks(&mut self, start: usize) -> usize {
        let mut at = start;
        while matches!(self.peek(at), b' ' | b'\n' | b'\r' | b'\t') {
            at += 1;
        }
        self.blanks += at - start;
        at
    }

    /// Ends the scan.
    #[cold]
    fn fail<T>(&mut self, at: usize, fault: Fault) -> Option<T> {
        self.found = Some((at, fault));
        None
    }

    /// The byte at an offset; behind the end a NUL, which JSON allows nowhere.
    #[inline]
    fn peek(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// Notes a token by where it begins and where it ends.
    #[inline]
    fn push(&mut self, start: usize, end: usize) -> Option<()> {
        self.note(Token {
            start: index(start),
            extent: index(end - start),
        })
    }

    #[inline]
    fn note(&mut self, token: Token) -> Option<()> {
        if !KEEPS {
            return Some(());
        }
        if self.tokens.len() == self.pause {
            self.pause(token.start as usize)?;
        }
        self.tokens.push(token);
        Some(())
    }

    /// Makes room where there is none, and ends the scan where there is no time left for it.
    #[cold]
    fn pause(&mut self, at: usize) -> Option<()> {
        if self.tokens.len() == self.tokens.capacity() {
            self.lengthen(at)?;
        }
        if self.charge.is_over() {
            return self.fail(at, Fault::Time);
        }
        self.pause = self.tokens.capacity().min(self.tokens.len() + UNTIL_LOOK);
        Some(())
    }

    /// Makes room for the tokens from offset `at` on: as many as there are if the text goes on as
    /// it was, and some more.
    fn lengthen(&mut self, at: usize) -> Option<()> {
        let (known, left) = (self.tokens.len(), self.text.len() - at);
        let alike = known as u64 * left as u64 / at.max(1) as u64;
        let more = usize::try_from(alike + alike / 16).unwrap_or(usize::MAX);
        // A token has a byte of the text at least.
        let more = more.max(known / 8 + 8).min(left);
        if let Err(Full) = lengthen(&mut self.tokens, more, self.charge) {
            return self.fail(at, Fault::Memory);
        }
        Some(())
    }

    /// Notes that the next token is a number that JavaScript might spell in another way.
    fn note_odd(&mut self) -> Option<()> {
        let odd = &mut self.odd_numbers;
        if odd.len() == odd.capacity() {
            // The shortest is `-0` with a comma.
            let more = odd.len().max(8).min(self.text.len() / 3 + 1 - odd.len());
            if let Err(Full) = lengthen(odd, more, self.charge) {
                return self.fail(0, Fault::Memory);
            }
        }
        self.odd_numbers.push(Node(index(self.tokens.len())));
        Some(())
    }
}

/// How many digits come first. Numbers are short, and where a loop over them ends nobody can foresee.
#[inline]
fn leading_digits(eight: [u8; 8]) -> usize {
    const HIGH: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    const THREES: u64 = 0x3030_3030_3030_3030;
    const SIXES: u64 = 0x0606_0606_0606_0606;
    let bytes = u64::from_le_bytes(eight);
    // The digits are 0x30 to 0x39: six more is still 0x3F at most. What another byte carries over
    // goes to those behind it.
    let others = (bytes ^ THREES | bytes.wrapping_add(SIXES) ^ THREES) & HIGH;
    others.trailing_zeros() as usize / 8
}

/// Offsets and tape indexes: neither exceeds the text's length, which `scan` has checked.
#[inline]
#[allow(clippy::cast_possible_truncation)]
fn index(number: usize) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_whatever_follows_them() {
        for count in 0..8 {
            for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                for behind in [b'0', b'9', other, u8::MAX] {
                    let mut eight = [behind; 8];
                    let digits = (b'0'..=b'9').cycle().skip(usize::from(other) % 10);
                    for (byte, digit) in eight[..count].iter_mut().zip(digits) {
                        *byte = digit;
                    }
                    eight[count] = other;
                    assert_eq!(leading_digits(eight), count, "{eight:?}");
                }
            }
        }
        assert_eq!(leading_digits(*b"01234567"), 8);
        assert_eq!(leading_digits(*b"99999999"), 8);
    }
}
