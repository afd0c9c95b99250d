//! Fields as they go over the wire.

use std::io::Write as _;

use bytes::BufMut;
use http::{HeaderName, header};

use crate::message::Field;

use super::Framing;

/// Writes one field as it is spelled.
pub(super) fn put_field(out: &mut Vec<u8>, field: &Field) {
    field.put_name(out);
    out.put_slice(b": ");
    out.put_slice(field.value().as_bytes());
    out.put_slice(b"\r\n");
}

/// Writes a field of our own.
pub(super) fn put(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Writes how the body ends, in the place of the field that said it when the message was
/// received; spelled like that one where it is the same field.
pub(super) fn put_framing(out: &mut Vec<u8>, framing: Framing, received: Option<&Field>) {
    let mut put_name = |name: HeaderName, usual: &[u8]| match received {
        Some(field) if *field.name() == name => field.put_name(out),
        Some(_) | None => out.put_slice(usual),
    };
    match framing {
        Framing::Kept => received.map_or((), |field| put_field(out, field)),
        Framing::Unsaid => {}
        Framing::Exact(length) => {
            put_name(header::CONTENT_LENGTH, b"Content-Length");
            write!(out, ": {length}\r\n").expect("a buffer in memory grows");
        }
        Framing::Chunked => {
            put_name(header::TRANSFER_ENCODING, b"Transfer-Encoding");
            out.put_slice(b": chunked\r\n");
        }
    }
}
