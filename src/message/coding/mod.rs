//! Content codings ([RFC 9110 §8.4]): a body is decoded for handlers and encoded again.
//!
//! `Content-Encoding` names the codings in the order in which they were applied, so they
//! are undone from the end. Which of them a client reads is for [`accept`] to say; the
//! algorithms are `codec`'s.

pub mod accept;
mod codec;

use bytes::Bytes;

use super::Fields;

/// How many times a body may have been encoded.
const DEEPEST: usize = 3;

/// A text of up to this many bytes is never taken for a bomb.
const HARMLESS: usize = 1024 * 1024;

/// How many times as long as its encoding a longer text may be. `deflate` reaches 1032 on
/// zeros; JSON that people send stays far below this.
const RATIO: usize = 256;

/// One way to encode a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, also written `x-gzip`.
    Gzip,
    /// `deflate`: deflated data in the zlib format.
    Zlib,
    /// What many senders take `deflate` for: the same without zlib's frame.
    RawDeflate,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

impl Coding {
    /// The coding of this name, in any case.
    fn named(name: &str) -> Option<Self> {
        const NAMES: [(&str, Coding); 5] = [
            ("gzip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("deflate", Coding::Zlib),
            ("br", Coding::Brotli),
            ("zstd", Coding::Zstd),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, coding)| *coding)
    }
}

/// The codings of one body, in the order in which they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codings(Vec<Coding>);

/// `Content-Encoding` names a coding that we don't know, or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has a content coding that is not known")]
pub struct UnknownCoding;

/// Why a body can't be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// It isn't what its coding says: corrupt, cut, or with something behind its end.
    #[error("it is not what its content coding says")]
    Malformed,
    /// The text is longer than it may be, or too much longer than its encoding.
    #[error("it is too large once it is decoded")]
    TooLarge,
    /// There is no memory for the text now.
    #[error("there is no room for it once it is decoded")]
    NoRoom,
}

/// Where the memory for decoded texts comes from.
pub trait Room {
    /// Takes so many bytes; false where there aren't as many.
    fn take(&mut self, bytes: usize) -> bool;

    /// Gives back so many of the bytes that were taken.
    fn give_back(&mut self, bytes: usize);
}

impl Codings {
    /// Reads `Content-Encoding`. `identity` is no coding.
    ///
    /// # Errors
    ///
    /// [`UnknownCoding`].
    pub fn of(fields: &Fields) -> Result<Self, UnknownCoding> {
        let Some(list) = fields.joined(&http::header::CONTENT_ENCODING) else {
            return Ok(Self::default());
        };
        let codings = list
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"))
            .map(|name| Coding::named(name).ok_or(UnknownCoding))
            .collect::<Result<Vec<_>, _>>()?;
        if codings.len() > DEEPEST {
            return Err(UnknownCoding);
        }
        Ok(Self(codings))
    }

    /// Whether the body is encoded at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Decodes a body to at most `limit` bytes, in memory of the `room`, where the text stays taken.
    /// Only the data tell which of its two meanings `deflate` has; it is kept for
    /// [`encode`](Self::encode).
    ///
    /// # Errors
    ///
    /// [`Undecodable`]; nothing of the body can be used.
    pub fn decode(
        &mut self,
        encoded: &Bytes,
        limit: usize,
        room: &mut impl Room,
    ) -> Result<Bytes, Undecodable> {
        let mut body = encoded.clone();
        let mut taken = 0;
        for coding in self.0.iter_mut().rev() {
            if *coding == Coding::Zlib && !codec::has_zlib_header(&body) {
                *coding = Coding::RawDeflate;
            }
            let most = limit.min(HARMLESS.max(body.len().saturating_mul(RATIO)));
            let text = codec::decode(*coding, &body, most, room);
            // Of a text between two codings nothing is kept.
            let kept = text.as_ref().map_or(0, Vec::capacity);
            body = text
                .map(Bytes::from)
                .inspect_err(|_| room.give_back(taken))?;
            room.give_back(std::mem::replace(&mut taken, kept));
        }
        Ok(body)
    }

    /// Encodes a text.
    pub fn encode(&self, text: Bytes) -> Bytes {
        self.0
            .iter()
            .fold(text, |body, coding| codec::encode(*coding, &body).into())
    }
}

#[cfg(test)]
mod tests;
