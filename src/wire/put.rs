//! Fields as they go over the wire.

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
        Framing::Unsaid => {}
        Framing::Exact(length) => {
            put_name(header::CONTENT_LENGTH, b"Content-Length");
            out.put_slice(b": ");
            put_decimal(out, length);
            out.put_slice(b"\r\n");
        }
        Framing::Chunked => {
            put_name(header::TRANSFER_ENCODING, b"Transfer-Encoding");
            out.put_slice(b": chunked\r\n");
        }
    }
}

/// Writes a number; the standard library's formatting takes ten times as long.
fn put_decimal(out: &mut Vec<u8>, number: u64) {
    const MOST_DIGITS: usize = 20;
    let mut digits = [0; MOST_DIGITS];
    let mut first = MOST_DIGITS;
    let mut left = number;
    loop {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.put_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_its_digits() {
        for number in [0, 7, 10, 4096, u64::MAX] {
            let mut out = Vec::new();
            put_decimal(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
