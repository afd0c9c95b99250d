//! The chunked transfer coding ([RFC 9112 §7.1]), read strictly and without copying.
//!
//! Knows no connection: it is given bytes as they come and says what they are. One
//! thing is refused that some readers let pass: an empty line where a size belongs,
//! which would silently end a body.

/// The most bytes a size line with its extensions may have.
const LINE_LIMIT: usize = 4 * 1024;

/// The most bytes the trailer section may have.
const TRAILER_LIMIT: usize = 16 * 1024;

/// Reads one chunked body.
///
/// ```text
/// Size ──▶ Blank, Extension ──▶ SizeEnd ──▶ Data ──▶ DataEnd ──▶ Size …
///                                  └ size 0 ──▶ Trailer ──▶ Ended
/// ```
#[derive(Debug, Clone)]
pub struct Chunks {
    state: State,
    /// Bytes of the present size line or of the trailer section.
    overhead: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Within the digits of a size; `digits` of them have been read.
    Size {
        value: u64,
        digits: u8,
    },
    /// Within the blanks behind a size.
    Blank {
        value: u64,
    },
    /// Within the extensions, before the line's CR.
    Extension {
        value: u64,
    },
    /// Behind the CR of a size line.
    SizeEnd {
        value: u64,
    },
    /// Within data.
    Data {
        left: u64,
    },
    /// Behind data, before its CR.
    DataEnd,
    /// Behind the CR of data.
    DataLineEnd,
    /// At the start of a trailer line.
    Trailer,
    /// Within a trailer line.
    TrailerLine,
    /// Behind the CR of a trailer line.
    TrailerLineEnd,
    /// Behind the CR of the last line.
    LastLineEnd,
    Ended,
}

/// What the first bytes of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This many belong to the coding.
    Overhead(usize),
    /// This many are data.
    Data(usize),
    /// This many belong to the coding, and the body ends with them.
    End(usize),
}

/// Bytes that are no chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked body")]
pub struct BadChunk;

impl Default for Chunks {
    fn default() -> Self {
        Self {
            state: State::NEXT_SIZE,
            overhead: 0,
        }
    }
}

impl State {
    const NEXT_SIZE: Self = Self::Size {
        value: 0,
        digits: 0,
    };
}

impl Chunks {
    /// Whether the last byte of the body has been read.
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Reads the first bytes of `input`, which isn't empty and follows what was read before.
    ///
    /// # Errors
    ///
    /// [`BadChunk`]; nothing after it can be trusted.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, BadChunk> {
        if let State::Data { left } = &mut self.state {
            let here = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
            *left -= here as u64;
            if *left == 0 {
                self.state = State::DataEnd;
            }
            return Ok(Step::Data(here));
        }
        for (at, &byte) in input.iter().enumerate() {
            self.state = self.next(byte)?;
            match self.state {
                State::Data { .. } => return Ok(Step::Overhead(at + 1)),
                State::Ended => return Ok(Step::End(at + 1)),
                State::Size { .. }
                | State::Blank { .. }
                | State::Extension { .. }
                | State::SizeEnd { .. }
                | State::DataEnd
                | State::DataLineEnd
                | State::Trailer
                | State::TrailerLine
                | State::TrailerLineEnd
                | State::LastLineEnd => {}
            }
        }
        Ok(Step::Overhead(input.len()))
    }

    /// The state behind one byte of the coding.
    fn next(&mut self, byte: u8) -> Result<State, BadChunk> {
        self.overhead += 1;
        match (self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                // Sixteen digits are all that fit.
                if digits == 16 {
                    return Err(BadChunk);
                }
                let digit = (byte as char).to_digit(16).ok_or(BadChunk)?;
                Ok(State::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                })
            }
            (
                State::Size { value, digits: 1.. }
                | State::Blank { value }
                | State::Extension { value },
                b'\r',
            ) => Ok(State::SizeEnd { value }),
            (State::Size { value, digits: 1.. } | State::Blank { value }, b' ' | b'\t')
                if self.overhead <= LINE_LIMIT =>
            {
                Ok(State::Blank { value })
            }
            (State::Size { value, digits: 1.. } | State::Blank { value }, b';') => {
                Ok(State::Extension { value })
            }
            (State::Extension { value }, _) if is_text(byte) && self.overhead <= LINE_LIMIT => {
                Ok(State::Extension { value })
            }
            (State::SizeEnd { value: 0 }, b'\n') => {
                self.overhead = 0;
                Ok(State::Trailer)
            }
            (State::SizeEnd { value }, b'\n') => {
                self.overhead = 0;
                Ok(State::Data { left: value })
            }
            (State::DataEnd, b'\r') => Ok(State::DataLineEnd),
            (State::DataLineEnd, b'\n') => {
                self.overhead = 0;
                Ok(State::NEXT_SIZE)
            }
            (State::Trailer, b'\r') => Ok(State::LastLineEnd),
            (State::TrailerLine, b'\r') => Ok(State::TrailerLineEnd),
            // A line that begins with a blank would go on with the one before.
            (State::Trailer, b' ' | b'\t') => Err(BadChunk),
            (State::Trailer | State::TrailerLine, _)
                if is_text(byte) && self.overhead <= TRAILER_LIMIT =>
            {
                Ok(State::TrailerLine)
            }
            (State::TrailerLineEnd, b'\n') => Ok(State::Trailer),
            (State::LastLineEnd, b'\n') => Ok(State::Ended),
            _ => Err(BadChunk),
        }
    }
}

/// Whether a byte may stand in an extension or a trailer: no control but the tab.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `size` bytes; gives the data and what is left over.
    fn read(input: &[u8], size: usize) -> Result<(Vec<u8>, Option<usize>), BadChunk> {
        let mut chunks = Chunks::default();
        let mut data = Vec::new();
        let mut used = 0;
        for piece in input.chunks(size) {
            let mut rest = piece;
            while !rest.is_empty() {
                let step = chunks.step(rest)?;
                let (Step::Overhead(n) | Step::Data(n) | Step::End(n)) = step;
                if let Step::Data(n) = step {
                    data.extend_from_slice(&rest[..n]);
                }
                used += n;
                rest = &rest[n..];
                if chunks.has_ended() {
                    return Ok((data, Some(input.len() - used)));
                }
            }
        }
        Ok((data, None))
    }

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        let body =
            b"5\r\nhello\r\n00B;a=\"b\"\r\n, chunked w\r\n4 \r\norld\r\n0\r\nX-T: 1\r\n\r\nGET";

        for size in 1..=body.len() {
            let (data, left) = read(body, size).expect("a chunked body");
            assert_eq!(data, b"hello, chunked world", "pieces of {size}");
            assert_eq!(left, Some(3), "pieces of {size}");
        }
    }

    #[test]
    fn a_body_that_goes_on_has_not_ended() {
        assert_eq!(read(b"5\r\nhel", 2), Ok((b"hel".to_vec(), None)));
        assert_eq!(read(b"0\r\n", 1), Ok((Vec::new(), None)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let wrong: [&[u8]; 18] = [
            b"\r\n",
            b"  \r\n",
            b";x\r\n",
            b"x\r\n",
            b"-1\r\n",
            b"0x5\r\nhello",
            b"5\nhello",
            b"5 5\r\nhello",
            b"5\rhello",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\n",
            b"5\r\nhello\r\n\r\n",
            b"00000000000000005\r\nhello",
            b"5;\x00\r\nhello",
            b"5;a\nb\r\nhello",
            b"0\r\n X: folded\r\n\r\n",
            b"0\r\nX: a\nY: b\r\n\r\n",
            b"0\n\n",
        ];
        for body in wrong {
            for size in [1, body.len()] {
                assert_eq!(read(body, size), Err(BadChunk), "{}", body.escape_ascii());
            }
        }
    }

    #[test]
    fn a_line_or_a_trailer_without_end_is_refused() {
        let mut line = b"5;".to_vec();
        line.resize(LINE_LIMIT + 1, b'a');
        assert_eq!(read(&line, 1024), Err(BadChunk));

        let mut trailer = b"0\r\n".to_vec();
        trailer.resize(TRAILER_LIMIT + 4, b'a');
        assert_eq!(read(&trailer, 1024), Err(BadChunk));
    }
}
