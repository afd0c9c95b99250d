//! Bodies that handlers see: read whole and checked, or told why they can't be had.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header;

use crate::message::Fields;

use super::ports::{BodyError, BodySource};
use super::respond::Refusal;

/// A body whose first pieces have been read already and come first.
pub(super) struct Resumed<S> {
    read: VecDeque<Bytes>,
    rest: S,
}

impl<S: BodySource> Resumed<S> {
    /// A body none of which has been read.
    pub(super) fn new(rest: S) -> Self {
        Self {
            read: VecDeque::new(),
            rest,
        }
    }

    /// Reads the whole body that goes with `fields`, if handlers can have it: no longer
    /// than `limit` bytes, in no content coding, in UTF-8. What was read of one that they
    /// can't have still comes first afterwards.
    pub(super) async fn read_for_handlers(
        &mut self,
        fields: &Fields,
        limit: usize,
    ) -> Result<Bytes, Missing> {
        if is_coded(fields) {
            return Err(Missing::Coded);
        }
        let mut pieces = VecDeque::new();
        let mut length = 0;
        while let Some(piece) = self.next().await.map_err(Missing::Broken)? {
            length += piece.len();
            pieces.push_back(piece);
            if length > limit {
                self.read = pieces;
                return Err(Missing::TooLarge);
            }
        }
        let whole = joined(pieces, length);
        if std::str::from_utf8(&whole).is_err() {
            self.read.push_back(whole);
            return Err(Missing::NotText);
        }
        Ok(whole)
    }
}

#[async_trait::async_trait]
impl<S: BodySource> BodySource for Resumed<S> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.read.pop_front() {
            Some(piece) => Ok(Some(piece)),
            None => self.rest.next().await,
        }
    }
}

/// Why handlers can't have a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Missing {
    /// It did not arrive: nobody can have it.
    #[error(transparent)]
    Broken(BodyError),
    /// It is longer than its limit.
    #[error("it is too large")]
    TooLarge,
    /// It has a content coding.
    #[error("it has a content coding")]
    Coded,
    /// It isn't UTF-8.
    #[error("it is not UTF-8")]
    NotText,
}

impl Missing {
    /// Whether the body can pass by without handlers.
    pub(super) fn can_pass(self) -> bool {
        match self {
            Self::Broken(_) => false,
            Self::TooLarge | Self::Coded | Self::NotText => true,
        }
    }

    /// What a client is told whose body it is.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Broken(error) => error.into(),
            Self::TooLarge => Refusal::BodyTooLarge,
            Self::Coded => Refusal::BodyCoding,
            Self::NotText => Refusal::BodyNotText,
        }
    }
}

/// One piece is passed on as it is, several are copied once.
fn joined(mut pieces: VecDeque<Bytes>, length: usize) -> Bytes {
    match (pieces.pop_front(), pieces.is_empty()) {
        (None, _) => Bytes::new(),
        (Some(only), true) => only,
        (Some(first), false) => {
            let mut whole = Vec::with_capacity(length);
            whole.extend_from_slice(&first);
            for piece in pieces {
                whole.extend_from_slice(&piece);
            }
            whole.into()
        }
    }
}

fn is_coded(fields: &Fields) -> bool {
    fields.get_all(header::CONTENT_ENCODING).any(|coding| {
        let coding = coding.as_bytes().trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}
