//! Heads of HTTP/1.1 messages: a request's is written, a response's is read.
//!
//! Pure: bytes in, bytes out.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::message::framing::{self, HopByHop, Length};
use crate::message::{Body, Field, Fields, Request, Response};

/// The longest head of a response, in bytes.
const HEAD_LIMIT: usize = 256 * 1024;

/// The most fields of a response.
const FIELD_LIMIT: usize = 256;

/// Writes the head of a request whose body is framed as `length` says.
///
/// Fields keep order and spelling. Those of the client's connection stay behind; so does
/// `Expect`, since nobody here waits for its answer. The field that frames the body
/// stands where the client's stood.
///
/// # Errors
///
/// The target can't be written in a request line.
pub(super) fn request_head(
    request: &Request,
    length: Length,
    authority: &str,
) -> Result<Bytes, &'static str> {
    let target = request.target();
    let is_sound = target.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    if !is_sound || !(target.starts_with('/') || target == "*") {
        return Err("the target is no path");
    }
    let mut out = BytesMut::with_capacity(1024);
    out.put_slice(request.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    if !request.fields.contains("host") {
        put_field(&mut out, b"Host", authority.as_bytes());
    }
    let mut is_framed = length == Length::Unsaid;
    let hop_by_hop = HopByHop::of(&request.fields);
    for field in request.fields.iter() {
        let name = field.name();
        if *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING {
            if !is_framed {
                put_framing(&mut out, length, Some(field));
                is_framed = true;
            }
        } else if !hop_by_hop.covers(name) && *name != header::EXPECT {
            field.put_name(&mut out);
            out.put_slice(b": ");
            out.put_slice(field.value().as_bytes());
            out.put_slice(b"\r\n");
        }
    }
    if !is_framed {
        put_framing(&mut out, length, None);
    }
    out.put_slice(b"\r\n");
    Ok(out.freeze())
}

/// Writes how the body ends, where `received` said it; spelled like that one where it is
/// the same field.
fn put_framing(out: &mut BytesMut, length: Length, received: Option<&Field>) {
    let (name, written, value) = match length {
        Length::Known(length) => (
            header::CONTENT_LENGTH,
            "Content-Length",
            length.to_string().into(),
        ),
        Length::Chunked => (
            header::TRANSFER_ENCODING,
            "Transfer-Encoding",
            Bytes::from_static(b"chunked"),
        ),
        Length::Unsaid => return,
    };
    match received.filter(|field| *field.name() == name) {
        Some(field) => {
            field.put_name(out);
            out.put_slice(b": ");
            out.put_slice(&value);
            out.put_slice(b"\r\n");
        }
        None => put_field(out, written.as_bytes(), &value),
    }
}

fn put_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Writes the line before a chunk of `length` bytes.
pub(super) fn chunk_line(length: usize) -> Bytes {
    Bytes::from(format!("{length:x}\r\n"))
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct Head {
    /// Its body is [`Body::Streamed`] or empty.
    pub(super) response: Response,
    /// How the body ends; [`Length::Unsaid`] is with the connection.
    pub(super) length: Length,
    /// Whether the connection can be used again after the body.
    pub(super) keeps_alive: bool,
}

/// Reads the head at the start of `incoming`, the answer to a request with `method`, and
/// takes it off. `None` while it isn't there as a whole.
///
/// # Errors
///
/// What makes it unusable.
pub(super) fn response_head(
    incoming: &mut BytesMut,
    method: &Method,
) -> Result<Option<Head>, &'static str> {
    let mut places = [httparse::EMPTY_HEADER; FIELD_LIMIT];
    let mut parsed = httparse::Response::new(&mut places);
    let status = match parsed.parse(incoming) {
        Ok(status) => status,
        Err(httparse::Error::TooManyHeaders) => return Err("too many fields"),
        Err(_) => return Err("no HTTP response"),
    };
    let httparse::Status::Complete(size) = status else {
        return if incoming.len() > HEAD_LIMIT {
            Err("the head is too large")
        } else {
            Ok(None)
        };
    };
    let code = parsed.code.ok_or("no status")?;
    let code = StatusCode::from_u16(code).map_err(|_| "no status")?;
    let is_http11 = parsed.version == Some(1);
    let reason = parsed.reason.unwrap_or("").as_bytes().to_vec();
    let ranges: Vec<_> = parsed
        .headers
        .iter()
        .map(|field| {
            (
                range(incoming, field.name.as_bytes()),
                range(incoming, field.value),
            )
        })
        .collect();

    let bytes = incoming.split_to(size).freeze();
    let mut response = Response::new(code);
    response.receive_reason(&reason);
    response.fields = fields(&bytes, &ranges)?;
    finish(response, method, is_http11).map(Some)
}

/// Where `part` lies in `whole`, of which it is a slice.
fn range(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// The fields, sharing the head's memory.
fn fields(
    head: &Bytes,
    ranges: &[(std::ops::Range<usize>, std::ops::Range<usize>)],
) -> Result<Fields, &'static str> {
    let mut fields = Fields::with_capacity(ranges.len());
    for (name, value) in ranges {
        let sent = &head[name.clone()];
        let name = HeaderName::from_bytes(sent).map_err(|_| "a field's name is none")?;
        let value = HeaderValue::from_maybe_shared(head.slice(value.clone()))
            .map_err(|_| "a field's value is none")?;
        fields.receive(name, sent, value);
    }
    Ok(fields)
}

/// Decides how the response ends ([RFC 9112 §6.3]) and takes off what belongs to its
/// connection.
fn finish(mut response: Response, method: &Method, is_http11: bool) -> Result<Head, &'static str> {
    let said = framing::length(&response.fields).map_err(|_| "it isn't clear where it ends")?;
    let is_framed_twice = said == Length::Chunked && response.fields.contains("content-length");
    let length = if framing::has_body(method, response.status) {
        said
    } else {
        Length::Known(0)
    };
    let keeps_alive = if is_http11 {
        !framing::has_token(&response.fields, "connection", "close")
    } else {
        framing::has_token(&response.fields, "connection", "keep-alive") && said != Length::Chunked
    };
    framing::strip_hop_by_hop(&mut response.fields);
    if said == Length::Chunked {
        response.fields.remove(header::CONTENT_LENGTH);
    }
    response.fields.forget_edits();
    response.body = match length {
        Length::Known(0) => Body::Empty,
        Length::Known(_) | Length::Chunked | Length::Unsaid => Body::Streamed,
    };
    Ok(Head {
        response,
        length,
        keeps_alive: keeps_alive && !is_framed_twice && length != Length::Unsaid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &'static str)]) -> Request {
        let mut list = Fields::default();
        for (name, value) in fields {
            let lower = name.to_ascii_lowercase().parse().expect("a name");
            list.receive(lower, name.as_bytes(), HeaderValue::from_static(value));
        }
        Request::new(Method::POST, "/a?b", list)
    }

    fn written(request: &Request, length: Length) -> String {
        let head = request_head(request, length, "api.test").expect("a head");
        String::from_utf8(head.to_vec()).expect("text")
    }

    fn read(head: &str, method: &Method) -> Result<Option<Head>, &'static str> {
        response_head(&mut BytesMut::from(head), method)
    }

    #[test]
    fn a_head_keeps_order_and_spelling_and_its_framing_its_place() {
        let request = request(&[
            ("HOST", "a"),
            ("Connection", "X-Hop"),
            ("x-Weird", "1"),
            ("content-length", "9"),
            ("X-Hop", "2"),
            ("Expect", "100-continue"),
            ("Accept", "*/*"),
        ]);

        assert_eq!(
            written(&request, Length::Known(3)),
            "POST /a?b HTTP/1.1\r\nHOST: a\r\nx-Weird: 1\r\ncontent-length: 3\r\nAccept: */*\r\n\r\n"
        );
    }

    #[test]
    fn a_head_without_host_or_framing_gets_them() {
        assert_eq!(
            written(&request(&[]), Length::Chunked),
            "POST /a?b HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn a_target_that_would_break_the_request_line_is_refused() {
        for target in ["/a b", "/a\r\nX: 1", "a", "http://x/"] {
            let request = Request::new(Method::GET, target, Fields::default());
            assert!(
                request_head(&request, Length::Unsaid, "a").is_err(),
                "{target:?}"
            );
        }
    }

    #[test]
    fn a_response_ends_as_its_head_says() {
        let length = |fields: &str, method: &Method| {
            read(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), method)
                .expect("sound")
                .expect("whole")
                .length
        };

        assert_eq!(
            length("Content-Length: 3\r\n", &Method::GET),
            Length::Known(3)
        );
        assert_eq!(
            length("Content-Length: 3\r\n", &Method::HEAD),
            Length::Known(0)
        );
        assert_eq!(length("", &Method::GET), Length::Unsaid);
        let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(length(both, &Method::GET), Length::Chunked);
    }

    #[test]
    fn a_connection_is_kept_only_after_a_clear_end() {
        let keeps = |head: &str| {
            read(head, &Method::GET)
                .expect("sound")
                .expect("whole")
                .keeps_alive
        };

        assert!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"));
        assert!(keeps(
            "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n"
        ));
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x, Close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n",
        ] {
            assert!(!keeps(head), "{head:?}");
        }
    }

    #[test]
    fn what_is_no_sound_response_is_refused() {
        for head in [
            "garbage\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n",
        ] {
            assert!(read(head, &Method::GET).is_err(), "{head:?}");
        }
        assert!(
            read("HTTP/1.1 200 OK\r\nX:", &Method::GET)
                .expect("so far")
                .is_none()
        );
    }
}
