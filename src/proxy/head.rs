//! Heads in pingora's words and in ours.
//!
//! `HeaderMap` moves its last field to the place of one that is removed. So a head that
//! loses a field is written anew, in order; one that doesn't stays as it is.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use percent_encoding::percent_encode_byte;
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::message::framing::{self, HopByHop, Length, Lookup};
use crate::message::{Body, Field, Fields, Request, Response};

use super::connection::Date;

/// The request with this head, its body to be streamed where it has one.
pub(super) fn request(head: &RequestHeader, has_body: bool) -> Request {
    let mut fields = Fields::with_capacity(head.headers.len());
    for ((sent, _), (name, value)) in head.case_header_iter().zip(&head.headers) {
        fields.receive(name.clone(), sent.as_slice(), value.clone());
    }
    let target = target(head);
    let mut request = Request::new(head.method.clone(), &target, fields);
    if has_body {
        request.body = Body::Streamed;
    }
    request
}

/// Path and query as text. What isn't UTF-8 is percent-encoded, of a whole address only
/// the path counts: `Host` says the rest.
pub(super) fn target(head: &RequestHeader) -> Cow<'_, str> {
    if head.raw_path_is_utf8() {
        return match head.uri.path_and_query() {
            Some(target) => Cow::Borrowed(target.as_str()),
            None => Cow::Borrowed("/"),
        };
    }
    let mut text = String::with_capacity(head.raw_path().len() + 8);
    for &byte in head.raw_path() {
        if byte.is_ascii() {
            text.push(char::from(byte));
        } else {
            text.push_str(percent_encode_byte(byte));
        }
    }
    Cow::Owned(text)
}

/// The response with this head, its body to be streamed where it has one.
pub(super) fn response(head: &ResponseHeader, method: &Method) -> Response {
    let mut response = Response::new(head.status);
    response.receive_reason(head.get_reason_phrase().unwrap_or("").as_bytes());
    response.fields = Fields::with_capacity(head.headers.len());
    for ((sent, _), (name, value)) in head.case_header_iter().zip(&head.headers) {
        response
            .fields
            .receive(name.clone(), sent.as_slice(), value.clone());
    }
    let is_empty = framing::length(&head.headers) == Ok(Length::Known(0));
    if framing::has_body(method, head.status) && !is_empty {
        response.body = Body::Streamed;
    }
    response
}

/// Which fields of a message pass on to the next connection.
pub(super) struct Passage {
    hop_by_hop: HopByHop,
    /// The message leaves HTTP: what says so passes.
    is_upgrade: bool,
    /// A second length has to be equal, and one is enough.
    has_length: bool,
}

impl Passage {
    /// Of a request; only websockets may leave HTTP.
    pub(super) fn of_request(fields: &impl Lookup) -> Self {
        Self {
            hop_by_hop: HopByHop::of(fields),
            is_upgrade: framing::is_websocket_upgrade(fields),
            has_length: false,
        }
    }

    /// Of a response.
    pub(super) fn of_response(fields: &impl Lookup, status: StatusCode) -> Self {
        Self {
            hop_by_hop: HopByHop::of(fields),
            is_upgrade: status == StatusCode::SWITCHING_PROTOCOLS,
            has_length: false,
        }
    }

    fn lets_pass(&mut self, name: &HeaderName) -> bool {
        if *name == header::CONTENT_LENGTH {
            return !std::mem::replace(&mut self.has_length, true);
        }
        if *name == header::CONNECTION || *name == header::UPGRADE {
            return self.is_upgrade;
        }
        !self.hop_by_hop.covers(name)
    }

    fn lets_all_pass(&mut self, fields: &HeaderMap) -> bool {
        fields.iter().all(|(name, _)| self.lets_pass(name))
    }
}

/// Takes off what doesn't pass on.
pub(super) fn strip_request(head: &mut RequestHeader) -> Result<()> {
    if Passage::of_request(&head.headers).lets_all_pass(&head.headers) {
        return Ok(());
    }
    let mut passage = Passage::of_request(&head.headers);
    rebuild_request(head, |name| passage.lets_pass(name))
}

fn rebuild_request(
    head: &mut RequestHeader,
    mut keeps: impl FnMut(&HeaderName) -> bool,
) -> Result<()> {
    let mut kept = empty_request(head, head.method.clone(), head.raw_path())?;
    for ((sent, _), (name, value)) in head.case_header_iter().zip(&head.headers) {
        if keeps(name) {
            kept.append_header(sent.clone(), value.clone())?;
        }
    }
    *head = kept;
    Ok(())
}

/// Takes off what a client of HTTP/1.0 can't mean ([RFC 9110 §10.1.1]).
pub(super) fn expect_nothing(head: &mut RequestHeader) -> Result<()> {
    if head.headers.contains_key(header::EXPECT) {
        rebuild_request(head, |name| *name != header::EXPECT)?;
    }
    Ok(())
}

/// Takes off what doesn't pass on.
pub(super) fn strip_response(head: &mut ResponseHeader) -> Result<()> {
    if Passage::of_response(&head.headers, head.status).lets_all_pass(&head.headers) {
        return Ok(());
    }
    let mut passage = Passage::of_response(&head.headers, head.status);
    rebuild_response(head, |name| passage.lets_pass(name))
}

/// Takes a field off and leaves the others in order.
pub(super) fn remove(head: &mut ResponseHeader, gone: &HeaderName) -> Result<()> {
    rebuild_response(head, |name| name != gone)
}

fn rebuild_response(
    head: &mut ResponseHeader,
    mut keeps: impl FnMut(&HeaderName) -> bool,
) -> Result<()> {
    let mut kept = ResponseHeader::build(head.status, Some(head.headers.len()))?;
    kept.set_version(head.version);
    kept.set_reason_phrase(head.get_reason_phrase())?;
    for ((sent, _), (name, value)) in head.case_header_iter().zip(&head.headers) {
        if keeps(name) {
            kept.append_header(sent.clone(), value.clone())?;
        }
    }
    *head = kept;
    Ok(())
}

/// The head of a request that handlers may have changed, to be streamed on. Body and
/// framing are those of `received`, and so is a target that was left alone.
pub(super) fn changed_request(
    received: &RequestHeader,
    request: &Request,
) -> Result<RequestHeader> {
    let changed = request.target();
    let raw = if changed == target(received) {
        received.raw_path()
    } else {
        changed.as_bytes()
    };
    let mut passage = Passage::of_request(&received.headers);
    let mut head = empty_request(received, request.method.clone(), raw)?;
    for field in request
        .fields
        .iter()
        .filter(|field| passage.lets_pass(field.name()))
    {
        head.append_header(spelled(field), field.value().clone())?;
    }
    Ok(head)
}

fn empty_request(like: &RequestHeader, method: Method, target: &[u8]) -> Result<RequestHeader> {
    let mut head = RequestHeader::build(method, target, Some(like.headers.len() + 8))?;
    head.set_version(like.version);
    Ok(head)
}

/// How a response that we write says how long its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// As its fields say.
    Kept,
    /// This many bytes.
    Exact(usize),
    /// Not at all.
    Unsaid,
    /// In chunks.
    Chunked,
}

/// The head of a response in pingora's words. The field that frames the body stands where
/// the received one stood.
pub(super) fn whole_response(response: &Response, framing: Framing) -> Result<ResponseHeader> {
    let mut head =
        ResponseHeader::build(response.status, Some(response.fields.iter().count() + 3))?;
    head.set_reason_phrase(std::str::from_utf8(response.reason()).ok())?;
    let mut passage = Passage::of_response(&response.fields, response.status);
    let mut is_framed = false;
    for field in response.fields.iter() {
        let name = field.name();
        let frames = *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING;
        if frames && framing != Framing::Kept {
            if !std::mem::replace(&mut is_framed, true) {
                frame(&mut head, framing, Some(field))?;
            }
        } else if passage.lets_pass(name) {
            head.append_header(spelled(field), field.value().clone())?;
        }
    }
    if !is_framed {
        frame(&mut head, framing, None)?;
    }
    Ok(head)
}

/// Writes how the body ends, where `received` said it; spelled like that one where it is
/// the same field.
fn frame(head: &mut ResponseHeader, framing: Framing, received: Option<&Field>) -> Result<()> {
    let (name, value) = match framing {
        Framing::Exact(length) => (header::CONTENT_LENGTH, HeaderValue::from(length)),
        Framing::Chunked => (
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        ),
        Framing::Kept | Framing::Unsaid => return Ok(()),
    };
    match received.filter(|field| *field.name() == name) {
        Some(field) => head.insert_header(spelled(field), value),
        None => head.insert_header(name, value),
    }
}

/// The upstream's `Date` in a response that is about to be written.
pub(super) fn date(head: &ResponseHeader) -> Option<Date> {
    head.case_header_iter()
        .zip(&head.headers)
        .find(|(_, (name, _))| **name == header::DATE)
        .map(|((sent, _), (_, value))| Date {
            name: Bytes::copy_from_slice(sent.as_slice()),
            value: value.clone(),
        })
}

/// A field's name as it is to be written.
pub(super) fn spelled(field: &Field) -> Bytes {
    if let Some(sent) = field.spelling() {
        return sent.clone();
    }
    let mut name = BytesMut::with_capacity(field.name().as_str().len());
    field.put_name(&mut name);
    name.freeze()
}

/// Whether a client of this version can read chunks.
pub(super) fn reads_chunks(version: Version) -> bool {
    version != Version::HTTP_10 && version != Version::HTTP_09
}
