//! Bodies that came in a content coding: handlers see the text, the wire gets the coding.
//!
//! An untouched body leaves as the bytes that came; an edited one is encoded anew, in what
//! `Content-Encoding` says once the handlers have run.

use bytes::Bytes;
use http::{HeaderValue, header};
use tokio::task::spawn_blocking;

use crate::message::coding::{Codings, UnknownCoding, accept};
use crate::message::{Body, Fields, validators};

use super::bodies::Missing;
use super::room::Share;

/// Bodies from here on are decoded and encoded where that keeps nobody else waiting: a
/// worker that handles several connections would be busy for milliseconds.
const LARGE: usize = 32 * 1024;

/// A body as it came.
pub(super) struct Coded {
    bytes: Bytes,
    codings: Codings,
    /// `Content-Encoding` as it came.
    said: Vec<HeaderValue>,
}

/// Who reads a body once handlers have had it.
#[derive(Clone, Copy)]
pub(super) enum Reader<'a> {
    /// The one it came for: it reads the coding it came in.
    Same,
    /// A client that sent these fields.
    Asked(&'a Fields),
}

impl Reader<'_> {
    fn accepts(self, codings: &Codings) -> bool {
        match self {
            Self::Same => true,
            Self::Asked(fields) => accept::accepts(fields, codings),
        }
    }
}

impl Coded {
    /// Decodes a body that came with `fields`, to a text of at most `limit` bytes in memory that is
    /// taken for the `share`.
    pub(super) async fn decode(
        mut codings: Codings,
        bytes: Bytes,
        fields: &Fields,
        limit: usize,
        share: &mut Share,
    ) -> Result<(Bytes, Self), Missing> {
        let said = said(fields);
        // Where the transaction ends meanwhile, what is taken is given back once this has.
        let mut lent = share.lend();
        let (text, coded, lent) = off_workers(bytes.len(), move || {
            let text = codings.decode(&bytes, limit, &mut lent);
            let coded = Self {
                bytes,
                codings,
                said,
            };
            (text, coded, lent)
        })
        .await;
        *share = lent;
        Ok((text?, coded))
    }

    /// Lets a body go on decoded, and its fields say so. Where a handler has said that it is to
    /// have another coding than it came in, it gets that.
    pub(super) async fn leave_decoded(self, fields: &mut Fields, body: &mut Body) {
        if said(fields) != self.said {
            return self.restore(fields, body, Reader::Same).await;
        }
        fields.remove(header::CONTENT_ENCODING);
        validators::remove_digests(fields);
    }

    /// Makes a body what `fields` say it is, after handlers have had both. A coding that
    /// its reader can't undo is left off what they edited.
    pub(super) async fn restore(self, fields: &mut Fields, body: &mut Body, reader: Reader<'_>) {
        let is_as_said = said(fields) == self.said;
        let text = match body {
            Body::Whole(_) if is_as_said => {
                *body = Body::Whole(self.bytes.into());
                return;
            }
            Body::Whole(text) | Body::Edited(text) => text.clone(),
            Body::Empty | Body::Streamed => return,
        };
        let codings = if is_as_said {
            self.codings
        } else {
            // A coding of the handler's own that nobody here knows is its own affair.
            let Ok(codings) = Codings::of(fields) else {
                return;
            };
            codings
        };
        if text.is_empty() || !reader.accepts(&codings) {
            fields.remove(header::CONTENT_ENCODING);
            // What came is not what goes.
            *body = Body::Edited(text);
            return;
        }
        let encoded = off_workers(text.len(), move || codings.encode(text.joined())).await;
        *body = Body::Edited(encoded.into());
    }
}

/// Decodes a body for somebody who only reads it, to at most `limit` bytes. Its fields say
/// nothing of a coding afterwards.
pub(super) async fn decode_for_good(
    body: Bytes,
    fields: &mut Fields,
    limit: usize,
    share: &mut Share,
) -> Result<Bytes, Missing> {
    let codings = Codings::of(fields).map_err(|UnknownCoding| Missing::Coded)?;
    if codings.is_empty() || body.is_empty() {
        return Ok(body);
    }
    let (text, _) = Coded::decode(codings, body, fields, limit, share).await?;
    fields.remove(header::CONTENT_ENCODING);
    fields.remove(header::CONTENT_LENGTH);
    Ok(text)
}

fn said(fields: &Fields) -> Vec<HeaderValue> {
    fields.get_all(header::CONTENT_ENCODING).cloned().collect()
}

async fn off_workers<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if size < LARGE {
        return work();
    }
    spawn_blocking(work)
        .await
        .expect("it neither panics nor is it aborted")
}
