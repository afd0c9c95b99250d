//! A body, taken out of the bytes of its connection.

use bytes::{Buf, Bytes, BytesMut};

use crate::message::chunked::{BadChunk, Chunks, Step};
use crate::message::framing::Length;

/// What is still to come of one body.
#[derive(Debug)]
pub enum Inbox {
    /// This many bytes.
    Known(u64),
    /// Chunks.
    Chunked(Chunks),
    /// Everything until the connection ends.
    UntilClosed,
}

impl Inbox {
    /// A body that ends as its message says; one that says nothing ends with its connection.
    pub fn new(length: Length) -> Self {
        match length {
            Length::Known(length) => Self::Known(length),
            Length::Chunked => Self::Chunked(Chunks::default()),
            Length::Unsaid => Self::UntilClosed,
        }
    }

    /// Whether all of it has been taken.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Known(left) => *left == 0,
            Self::Chunked(chunks) => chunks.has_ended(),
            Self::UntilClosed => false,
        }
    }

    /// Takes the next piece of the body off `incoming`; `None` where more must be read
    /// first, or where it has ended.
    ///
    /// # Errors
    ///
    /// [`BadChunk`]; nothing after it can be trusted.
    pub fn take(&mut self, incoming: &mut BytesMut) -> Result<Option<Bytes>, BadChunk> {
        let piece = match self {
            Self::Known(left) => {
                let here =
                    usize::try_from(*left).map_or(incoming.len(), |left| left.min(incoming.len()));
                *left -= here as u64;
                incoming.split_to(here).freeze()
            }
            Self::Chunked(chunks) => loop {
                if incoming.is_empty() || chunks.has_ended() {
                    break Bytes::new();
                }
                match chunks.step(incoming)? {
                    Step::Overhead(size) | Step::End(size) => incoming.advance(size),
                    Step::Data(size) => break incoming.split_to(size).freeze(),
                }
            },
            Self::UntilClosed => incoming.split().freeze(),
        };
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut inbox: Inbox, bytes: &str) -> (String, String, bool) {
        let mut incoming = BytesMut::from(bytes);
        let mut body = Vec::new();
        while let Some(piece) = inbox.take(&mut incoming).expect("a sound body") {
            body.extend_from_slice(&piece);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&body), text(&incoming), inbox.has_ended())
    }

    #[test]
    fn a_body_ends_where_its_message_says_and_what_follows_stays() {
        let told = |body: &str, rest: &str, ended| (body.to_owned(), rest.to_owned(), ended);

        assert_eq!(
            taken(Inbox::new(Length::Known(3)), "abcGET"),
            told("abc", "GET", true)
        );
        assert_eq!(
            taken(Inbox::new(Length::Known(9)), "abc"),
            told("abc", "", false)
        );
        let chunks = "2\r\nab\r\n1;x\r\nc\r\n0\r\nT: 1\r\n\r\nGET";
        assert_eq!(
            taken(Inbox::new(Length::Chunked), chunks),
            told("abc", "GET", true)
        );
        assert_eq!(
            taken(Inbox::new(Length::Unsaid), "abc"),
            told("abc", "", false)
        );
    }
}
