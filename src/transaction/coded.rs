//! Bodies that came in a content coding or in another character set than UTF-8: handlers see
//! the text, the wire gets what it was.
//!
//! An untouched body leaves as the bytes that came; an edited one is encoded anew, in what
//! `Content-Encoding` says once the handlers have run.

use bytes::Bytes;
use http::{HeaderValue, header};
use tokio::task::spawn_blocking;

use crate::message::charset::{self, Charset, Encoded, Lacking, UnknownCharset};
use crate::message::coding::{Codings, UnknownCoding, accept};
use crate::message::{Body, Fields, Pieces, validators};

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
    charset: Charset,
    /// How its type named that.
    label: Option<String>,
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
    /// A body that came with `fields`, in no content coding.
    pub(super) fn in_charset(bytes: Bytes, fields: &Fields) -> Self {
        Self {
            bytes,
            codings: Codings::default(),
            said: said(fields),
            charset: Charset::UTF_8,
            label: charset::label(fields).map(str::to_owned),
        }
    }

    /// Decodes its text from a character set, to at most `limit` bytes in memory that is taken
    /// for the `share`.
    pub(super) async fn decode_charset(
        &mut self,
        charset: Charset,
        text: Bytes,
        limit: usize,
        share: &mut Share,
    ) -> Result<Bytes, Missing> {
        self.charset = charset;
        decode_charset(charset, text, limit, share).await
    }

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
        let label = charset::label(fields).map(str::to_owned);
        // Where the transaction ends meanwhile, what is taken is given back once this has.
        let mut lent = share.lend();
        let (text, coded, lent) = off_workers(bytes.len(), move || {
            let text = codings.decode(&bytes, limit, &mut lent);
            let coded = Self {
                bytes,
                codings,
                said,
                charset: Charset::UTF_8,
                label,
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
        if self.codings.is_empty() || said(fields) != self.said {
            return self.restore(fields, body, Reader::Same).await;
        }
        fields.remove(header::CONTENT_ENCODING);
        validators::remove_digests(fields);
        if let Body::Whole(text) | Body::Edited(text) = body
            && let Ok(charset) = self.charset_now(fields)
        {
            *text = encode_charset(charset, text.clone(), fields).await;
        }
    }

    /// The character set of its text: the one it came in, or of a label that a handler wrote.
    fn charset_now(&self, fields: &Fields) -> Result<Charset, UnknownCharset> {
        if charset::label(fields) == self.label.as_deref() {
            Ok(self.charset)
        } else {
            Charset::of(fields)
        }
    }

    /// Makes a body what `fields` say it is, after handlers have had both. A coding that
    /// its reader can't undo is left off what they edited.
    pub(super) async fn restore(self, fields: &mut Fields, body: &mut Body, reader: Reader<'_>) {
        let is_as_said = said(fields) == self.said;
        let is_labelled_so = charset::label(fields) == self.label.as_deref();
        let text = match body {
            Body::Whole(_) if is_as_said && is_labelled_so => {
                *body = Body::Whole(self.bytes.into());
                return;
            }
            Body::Whole(text) | Body::Edited(text) => text.clone(),
            Body::Empty | Body::Streamed => return,
        };
        let text = match self.charset_now(fields) {
            Ok(charset) => encode_charset(charset, text, fields).await,
            // A label of the handler's own that nobody here knows is its own affair.
            Err(_) => text,
        };
        let codings = if is_as_said {
            self.codings
        } else {
            // So is a coding.
            let Ok(codings) = Codings::of(fields) else {
                *body = Body::Edited(text);
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
        if codings.is_empty() {
            *body = Body::Edited(text);
            return;
        }
        let encoded = off_workers(text.len(), move || codings.encode(text.joined())).await;
        *body = Body::Edited(encoded.into());
    }
}

/// Makes a body that didn't come so what its type says it is in: a handler wrote one of both.
pub(super) async fn encode_as_labelled(fields: &mut Fields, body: &mut Body) {
    let (Body::Whole(text) | Body::Edited(text)) = body else {
        return;
    };
    if let Ok(charset) = Charset::of(fields)
        && !charset.is_utf8()
    {
        let before = text.clone();
        let encoded = encode_charset(charset, before.clone(), fields).await;
        if encoded != before {
            *body = Body::Edited(encoded);
        }
    }
}

/// A text in a character set; in UTF-8, and said to be, where it has characters that can't be
/// spelled in that set.
async fn encode_charset(charset: Charset, text: Pieces, fields: &mut Fields) -> Pieces {
    if charset.is_utf8() {
        return text;
    }
    let (lacking, joined) = (Lacking::of(fields), text.clone().joined());
    let encoded = off_workers(joined.len(), move || match std::str::from_utf8(&joined) {
        Ok(text) => charset.encode(text, lacking),
        // Bytes that a handler made.
        Err(_) => Encoded::Same,
    });
    match encoded.await {
        Encoded::Same => text,
        Encoded::Bytes(bytes) => Bytes::from(bytes).into(),
        Encoded::Lacking => {
            charset::say_utf8(fields);
            text
        }
    }
}

async fn decode_charset(
    charset: Charset,
    text: Bytes,
    limit: usize,
    share: &mut Share,
) -> Result<Bytes, Missing> {
    if charset.is_utf8() {
        return Ok(text);
    }
    let decoded = off_workers(text.len(), move || charset.decode(&text)).await?;
    if decoded.len() > limit {
        return Err(Missing::TooLarge);
    }
    share.take(decoded.len())?;
    Ok(decoded.into())
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
    let mut text = body;
    if !(codings.is_empty() || text.is_empty()) {
        (text, _) = Coded::decode(codings, text, fields, limit, share).await?;
        fields.remove(header::CONTENT_ENCODING);
        fields.remove(header::CONTENT_LENGTH);
    }
    // Bytes of a character set that nobody knows are given as they are.
    let labelled = Charset::of(fields).unwrap_or(Charset::UTF_8);
    let charset = labelled.or_marked(&text);
    decode_charset(charset, text, limit, share).await
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
