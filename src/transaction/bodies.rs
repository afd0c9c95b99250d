//! Bodies that handlers see: read whole and checked, or told why they can't be had.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::document::Document;
use crate::message::charset::{Charset, Malformed, UnknownCharset};
use crate::message::coding::{Codings, Undecodable, UnknownCoding};
use crate::message::framing::{self, Length};
use crate::message::{Body, Fields};

use super::coded::Coded;
use super::gathered::Gathered;
use super::ports::{BodyError, BodySource, next};
use super::respond::Refusal;
use super::room::{Full, Share};
use super::unseen::Reason;

/// A body whose first pieces have been read already and come first.
pub(super) struct Resumed<S> {
    read: VecDeque<Bytes>,
    rest: S,
}

/// Why handlers can't have the body that goes with `fields`, as far as these say: no byte of
/// it need be read.
pub(super) fn foreseen(fields: &Fields, limit: usize) -> Option<Missing> {
    if Codings::of(fields).is_err() {
        return Some(Missing::Coded);
    }
    match framing::length(fields) {
        Ok(Length::Known(length)) if length > limit as u64 => Some(Missing::TooLarge),
        Ok(Length::Known(_) | Length::Chunked | Length::Unsaid) | Err(_) => None,
    }
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
    /// than `limit` bytes, decoded, in UTF-8, in memory that is taken for the `share`, and of this
    /// `syntax`. What was read of one that they can't have still comes first afterwards, as it came.
    pub(super) async fn read_for_handlers(
        &mut self,
        fields: &Fields,
        syntax: Syntax,
        limit: usize,
        share: &mut Share,
    ) -> Result<Received, Missing> {
        let codings = Codings::of(fields).map_err(|UnknownCoding| Missing::Coded)?;
        let expected = match framing::length(fields) {
            Ok(Length::Known(length)) => usize::try_from(length).map_or(limit, |it| it.min(limit)),
            Ok(Length::Chunked | Length::Unsaid) | Err(_) => 0,
        };
        let mut gathered = Gathered::default();
        while let Some(piece) = next(self).await.map_err(Missing::Broken)? {
            if gathered.len() + piece.len() > limit {
                let read = [gathered.into_bytes(), piece];
                self.read
                    .extend(read.into_iter().filter(|it| !it.is_empty()));
                return Err(Missing::TooLarge);
            }
            gathered.add(&piece, expected, share)?;
        }
        let whole = gathered.into_bytes();
        let mut read = decoded(codings, whole.clone(), fields, limit, share).await;
        if let (Syntax::Json, Ok(received)) = (syntax, &read)
            && !received.is_json().await
        {
            read = Err(Missing::NotJson);
        }
        if read.is_err() {
            self.read.push_back(whole);
        }
        read
    }
}

/// What a body has to be besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Nothing in particular, or what the engine finds out.
    Any,
    /// JSON, or blanks only.
    Json,
}

/// Bodies from here on are checked where that keeps no other connection of the worker waiting.
const LARGE: usize = 256 * 1024;

impl Received {
    /// Whether it is JSON. Blanks only count as no body.
    async fn is_json(&self) -> bool {
        let Some(pieces) = self.body.pieces() else {
            return true;
        };
        let text = pieces.clone().joined();
        let check = move || text.trim_ascii().is_empty() || Document::check(&text).is_ok();
        match pieces.len() {
            0..LARGE => check(),
            _ => spawn_blocking(check)
                .await
                .expect("it neither panics nor is it aborted"),
        }
    }
}

/// A body that handlers can have.
pub(super) struct Received {
    /// What they see of it.
    pub(super) body: Body,
    /// What it was on the wire, where that is something else.
    pub(super) coded: Option<Coded>,
}

/// Reads a body to its end, for somebody who takes whatever it is, in memory that is taken for the
/// `share`.
///
/// # Errors
///
/// [`Missing::TooLarge`] as soon as it is longer than `limit` bytes; nothing of it is kept.
pub(super) async fn read_whole(
    source: &mut dyn BodySource,
    limit: usize,
    share: &mut Share,
) -> Result<Bytes, Missing> {
    let mut gathered = Gathered::default();
    while let Some(piece) = next(source).await.map_err(Missing::Broken)? {
        if gathered.len() + piece.len() > limit {
            return Err(Missing::TooLarge);
        }
        gathered.add(&piece, 0, share)?;
    }
    Ok(gathered.into_bytes())
}

async fn decoded(
    codings: Codings,
    whole: Bytes,
    fields: &Fields,
    limit: usize,
    share: &mut Share,
) -> Result<Received, Missing> {
    let labelled = Charset::of(fields).map_err(|UnknownCharset| Missing::Charset)?;
    let (mut text, mut coded) = if codings.is_empty() || whole.is_empty() {
        (whole, None)
    } else {
        let (text, coded) = Coded::decode(codings, whole, fields, limit, share).await?;
        (text, Some(coded))
    };
    let charset = labelled.or_marked(&text);
    if !(text.is_empty() || labelled.is_utf8() && charset.is_utf8()) {
        let came = coded.get_or_insert_with(|| Coded::in_charset(text.clone(), fields));
        text = came.decode_charset(charset, text, limit, share).await?;
    }
    if simdutf8::basic::from_utf8(&text).is_err() {
        return Err(Missing::NotText);
    }
    let body = if text.is_empty() && coded.is_none() {
        Body::Empty
    } else {
        Body::Whole(text.into())
    };
    Ok(Received { body, coded })
}

impl<S: BodySource> BodySource for Resumed<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        match self.read.pop_front() {
            Some(piece) => Poll::Ready(Ok(Some(piece))),
            None => self.rest.poll_next(cx),
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
    /// There is no room for it among the others that are in memory.
    #[error("there is no room for it now")]
    NoRoom,
    /// It has a content coding that isn't known.
    #[error("it has a content coding that is not known")]
    Coded,
    /// It isn't what its content coding says.
    #[error("it is not what its content coding says")]
    Corrupt,
    /// It isn't text in the character set of its label, UTF-8 without one.
    #[error("it is not text in the character set of its label, or in UTF-8 where it has none")]
    NotText,
    /// Its label names a character set that isn't known.
    #[error("its label names a character set that is not known")]
    Charset,
    /// Its type says JSON, and it is none.
    #[error("it is not JSON, though its type says so")]
    NotJson,
}

impl Missing {
    /// Why the body can pass without handlers, where it can.
    pub(super) fn reason(self) -> Option<Reason> {
        match self {
            Self::Broken(_) | Self::NoRoom => None,
            Self::TooLarge => Some(Reason::TooLarge),
            Self::Coded => Some(Reason::UnknownCoding),
            Self::Corrupt => Some(Reason::Corrupt),
            Self::NotText => Some(Reason::NotText),
            Self::Charset => Some(Reason::UnknownCharset),
            Self::NotJson => Some(Reason::NotJson),
        }
    }

    /// What a client is told whose body it is.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Broken(error) => error.into(),
            Self::TooLarge => Refusal::BodyTooLarge,
            Self::NoRoom => Refusal::NoRoom,
            Self::Coded => Refusal::BodyCoding,
            Self::Charset => Refusal::BodyType,
            Self::Corrupt => Refusal::BodyCorrupt,
            Self::NotText => Refusal::BodyNotText,
            Self::NotJson => Refusal::BodyNotJson,
        }
    }
}

impl From<Full> for Missing {
    fn from(Full: Full) -> Self {
        Self::NoRoom
    }
}

impl From<Malformed> for Missing {
    fn from(Malformed: Malformed) -> Self {
        Self::NotText
    }
}

impl From<Undecodable> for Missing {
    fn from(error: Undecodable) -> Self {
        match error {
            Undecodable::Malformed => Self::Corrupt,
            Undecodable::TooLarge => Self::TooLarge,
            Undecodable::NoRoom => Self::NoRoom,
        }
    }
}
