//! The head of a response: read as the upstream sent it, written for the client.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, Method, StatusCode, header};

use crate::message::framing::{self, Length};
use crate::message::{Body, Response};

use super::put::{put_field, put_framing};
use super::{Framing, Passage};

/// The longest head of a response, in bytes.
const HEAD_LIMIT: usize = 256 * 1024;

/// The most fields of a response.
const FIELD_LIMIT: usize = 256;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Most responses have no more fields than this; those are read with less memory.
const USUAL_FIELDS: usize = 32;

/// The head of a response.
#[derive(Debug)]
pub struct Head {
    /// Its body is [`Body::Streamed`] or empty.
    pub response: Response,
    /// How the body ends; [`Length::Unsaid`] is with the connection.
    pub length: Length,
    /// Whether the connection can be used again after the body.
    pub keeps_alive: bool,
    /// How long the other end keeps the connection while nobody uses it, where it says so
    /// (`Keep-Alive: timeout=5`).
    pub kept_for: Option<Duration>,
}

/// Reads the head at the start of `incoming`, the answer to a request with `method`, and
/// takes it off. `None` while it isn't there as a whole.
///
/// # Errors
///
/// What makes it unusable.
pub fn read_response(
    incoming: &mut BytesMut,
    method: &Method,
) -> Result<Option<Head>, &'static str> {
    match read_within::<USUAL_FIELDS>(incoming, method) {
        Err(Unread::TooManyFields) => read_within::<FIELD_LIMIT>(incoming, method),
        read => read,
    }
    .map_err(|unread| match unread {
        Unread::TooManyFields => "too many fields",
        Unread::Unusable(reason) => reason,
    })
}

enum Unread {
    TooManyFields,
    Unusable(&'static str),
}

impl From<&'static str> for Unread {
    fn from(reason: &'static str) -> Self {
        Self::Unusable(reason)
    }
}

fn read_within<const FIELDS: usize>(
    incoming: &mut BytesMut,
    method: &Method,
) -> Result<Option<Head>, Unread> {
    let mut places = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut places);
    let mut parser = httparse::ParserConfig::default();
    // Old servers write both; they are put right below ([RFC 9112 §5.1, §5.2]).
    parser.allow_spaces_after_header_name_in_responses(true);
    parser.allow_obsolete_multiline_headers_in_responses(true);
    let status = match parser.parse_response(&mut parsed, incoming) {
        Ok(status) => status,
        Err(httparse::Error::TooManyHeaders) => return Err(Unread::TooManyFields),
        Err(_) => return Err("no HTTP response".into()),
    };
    let (size, is_complete) = match status {
        httparse::Status::Complete(size) => (size, true),
        httparse::Status::Partial => (incoming.len(), false),
    };
    if size > HEAD_LIMIT {
        return Err("the head is too large".into());
    }
    if !is_complete {
        return Ok(None);
    }
    let code = parsed.code.ok_or("no status")?;
    let code = StatusCode::from_u16(code).map_err(|_| "no status")?;
    let is_http11 = parsed.version == Some(1);
    let reason = match parsed.reason {
        // The parser gives none that isn't ASCII.
        None | Some("") => reason(incoming),
        Some(ascii) => range(incoming, ascii.as_bytes()),
    };
    let mut is_folded = false;
    let mut ranges = [(Range::default(), Range::default()); FIELDS];
    let count = parsed.headers.len();
    for (place, field) in ranges.iter_mut().zip(parsed.headers.iter()) {
        *place = (
            range(incoming, field.name.as_bytes()),
            range(incoming, field.value),
        );
        is_folded |= memchr::memchr(b'\n', field.value).is_some();
    }

    let mut bytes = incoming.split_to(size);
    if is_folded {
        for (_, value) in &ranges[..count] {
            unfold(&mut bytes[value.start..value.end]);
        }
    }
    let bytes = bytes.freeze();
    let mut response = Response::new(code);
    response.receive_reason(reason.of(&bytes));
    response.fields.reserve(count + 1);
    for (name, value) in &ranges[..count] {
        response
            .fields
            .receive_within(&bytes, name.of(&bytes), value.of(&bytes))
            .map_err(|_| "a field is none")?;
    }
    Ok(finish(response, method, is_http11).map(Some)?)
}

/// The phrase behind the status of a head that is sound.
fn reason(head: &[u8]) -> Range {
    const STATUS: usize = "HTTP/1.1 200 ".len();
    let start = head.iter().position(|byte| !b"\r\n".contains(byte));
    let start = start.unwrap_or(head.len()) + STATUS;
    let length = head
        .get(start - 1..)
        .and_then(|rest| rest.strip_prefix(b" "))
        .and_then(|rest| rest.iter().position(|byte| b"\r\n".contains(byte)));
    Range {
        start,
        end: start + length.unwrap_or(0),
    }
}

/// Puts a value that was written in several lines into one.
fn unfold(value: &mut [u8]) {
    for byte in value {
        if b"\r\n".contains(byte) {
            *byte = b' ';
        }
    }
}

/// A part of a head.
#[derive(Debug, Clone, Copy, Default)]
struct Range {
    start: usize,
    end: usize,
}

impl Range {
    fn of(self, whole: &Bytes) -> &[u8] {
        whole.get(self.start..self.end).unwrap_or_default()
    }
}

/// Where `part` lies in `whole`, of which it is a slice; an empty part may lie anywhere.
fn range(whole: &[u8], part: &[u8]) -> Range {
    if part.is_empty() {
        return Range::default();
    }
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    Range {
        start,
        end: start + part.len(),
    }
}

/// Decides how the response ends ([RFC 9112 §6.3]) and takes off what belongs to its
/// connection.
fn finish(mut response: Response, method: &Method, is_http11: bool) -> Result<Head, &'static str> {
    let said = framing::length(&response.fields).map_err(|_| "it isn't clear where it ends")?;
    let is_framed_twice = said == Length::Chunked && response.fields.has(&header::CONTENT_LENGTH);
    let has_body = framing::has_body(method, response.status);
    let length = if has_body { said } else { Length::Known(0) };
    // Some send the body all the same; nobody knows what the next bytes are.
    let may_be_followed = !has_body && !matches!(said, Length::Known(0) | Length::Unsaid);
    let keeps_alive = if is_http11 {
        !framing::has_token(&response.fields, &header::CONNECTION, "close")
    } else {
        framing::has_token(&response.fields, &header::CONNECTION, "keep-alive")
            && said != Length::Chunked
    };
    let kept_for = kept_for(&response);
    if response.fields.has(&header::CONNECTION) {
        framing::take_off_named(&mut response.fields)
            .map_err(|_| "Connection names a field of the message")?;
    }
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        response
            .fields
            .retain(|name| !framing::is_of_the_connection(name));
    }
    let is_empty_for_good = response.status == StatusCode::NO_CONTENT;
    if said == Length::Chunked || is_empty_for_good {
        response.fields.remove(header::CONTENT_LENGTH);
    }
    if is_empty_for_good {
        response.fields.remove(header::TRANSFER_ENCODING);
    }
    response.fields.forget_edits();
    response.body = match length {
        Length::Known(0) => Body::Empty,
        Length::Known(_) | Length::Chunked | Length::Unsaid => Body::Streamed,
    };
    Ok(Head {
        response,
        length,
        keeps_alive: keeps_alive
            && !is_framed_twice
            && !may_be_followed
            && length != Length::Unsaid,
        kept_for,
    })
}

/// Reads `Keep-Alive: timeout=5, max=99`.
fn kept_for(response: &Response) -> Option<Duration> {
    let value = response.fields.all(&KEEP_ALIVE).next()?.to_str().ok()?;
    let timeout = value.split(',').find_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        is_timeout.then(|| seconds.trim().trim_matches('"'))
    })?;
    timeout.parse().ok().map(Duration::from_secs)
}

/// Writes status line and fields of a response, without the empty line that ends them.
/// The field that frames the body stands where the received one stood; of equal lengths
/// the first is written.
pub fn put_response(out: &mut Vec<u8>, response: &Response, framing: Framing) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(response.status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(response.reason());
    out.put_slice(b"\r\n");
    let passage = Passage {
        is_upgrade: response.status == StatusCode::SWITCHING_PROTOCOLS,
    };
    let mut is_framed = false;
    for field in response.fields.iter() {
        let name = field.name();
        if *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING {
            if !std::mem::replace(&mut is_framed, true) {
                put_framing(out, framing, Some(field));
            }
        } else if passage.lets_pass(name) {
            put_field(out, field);
        }
    }
    if !is_framed {
        put_framing(out, framing, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str, method: &Method) -> Result<Option<Head>, &'static str> {
        read_response(&mut BytesMut::from(head), method)
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
    fn a_connection_is_not_kept_behind_a_body_that_was_announced_and_may_follow_all_the_same() {
        let keeps = |method: &Method, status: &str, fields: &str| {
            read(&format!("HTTP/1.1 {status} X\r\n{fields}\r\n"), method)
                .expect("sound")
                .expect("whole")
                .keeps_alive
        };

        for (method, status) in [
            (Method::HEAD, "200"),
            (Method::HEAD, "404"),
            (Method::GET, "204"),
            (Method::GET, "304"),
            (Method::HEAD, "204"),
        ] {
            assert!(keeps(&method, status, ""), "{method} {status}");
            assert!(keeps(&method, status, "Content-Length: 0\r\n"));
            for announced in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
                let kept = keeps(&method, status, announced);
                assert!(!kept, "{method} {status} {announced:?}");
            }
        }
    }

    #[test]
    fn how_long_a_connection_is_kept_is_read_where_it_is_said() {
        let kept_for = |field: &str| {
            read(
                &format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 0\r\n\r\n"),
                &Method::GET,
            )
            .expect("sound")
            .expect("whole")
            .kept_for
            .map(|time| time.as_secs())
        };

        for (field, seconds) in [
            ("", None),
            ("Keep-Alive: timeout=5\r\n", Some(5)),
            ("keep-alive: max=99, Timeout = \"15\"\r\n", Some(15)),
            ("Keep-Alive: max=99\r\n", None),
            ("Keep-Alive: timeout=soon\r\n", None),
            ("Keep-Alive: 300\r\n", None),
        ] {
            assert_eq!(kept_for(field), seconds, "{field:?}");
        }
    }

    #[test]
    fn a_response_204_keeps_nothing_that_frames() {
        for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
            let head = format!("HTTP/1.1 204 No Content\r\nX: 1\r\n{fields}\r\n");
            let read = read(&head, &Method::GET).expect("sound").expect("whole");
            let names = read
                .response
                .fields
                .iter()
                .map(|field| field.name().as_str());
            assert_eq!(names.collect::<Vec<_>>(), ["x"], "{fields:?}");
        }
    }

    #[test]
    fn what_old_servers_write_is_put_right() {
        let fields = "A : 1\r\nB\t :2\r\nC: x\r\n  y\r\n\tz\r\nD:\r\n w\r\nTransfer-Encoding :\r\n chunked\r\nE:\r\n";
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        for known in 0..head.len() {
            let part = read(&head[..known], &Method::GET).expect("so far");
            assert!(part.is_none(), "{known}");
        }

        let read = read(&head, &Method::GET).expect("sound").expect("whole");

        assert_eq!(read.length, Length::Chunked);
        let mut out = Vec::new();
        put_response(&mut out, &read.response, Framing::Chunked);
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: x    y  \tz\r\nD: w\r\nTransfer-Encoding: chunked\r\nE: \r\n"
        );
    }

    #[test]
    fn a_phrase_keeps_its_bytes() {
        for phrase in [&b"Zur\xfcck"[..], b"\xff", b"Fine \tindeed", b"OK", b""] {
            let mut head = b"\r\nHTTP/1.1 200 ".to_vec();
            head.extend_from_slice(phrase);
            head.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
            let read = read_response(&mut BytesMut::from(&head[..]), &Method::GET);
            let read = read.expect("sound").expect("whole");
            assert_eq!(read.response.reason(), phrase, "{}", phrase.escape_ascii());
        }
        let bare = read("HTTP/1.1 200\r\n\r\n", &Method::GET);
        assert_eq!(bare.expect("sound").expect("whole").response.reason(), b"");
    }

    #[test]
    fn what_is_no_sound_response_is_refused() {
        for head in [
            "garbage\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\n X: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX\r\n : 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked,\r\n\tgzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: Content-Type\r\n\r\n",
            "HTTP/1.1 101 OK\r\nConnection: upgrade, transfer-encoding\r\n\r\n",
        ] {
            assert!(read(head, &Method::GET).is_err(), "{head:?}");
        }
        assert!(
            read("HTTP/1.1 200 OK\r\nX:", &Method::GET)
                .expect("so far")
                .is_none()
        );
    }

    #[test]
    fn what_connection_names_is_gone_before_anybody_sees_it() {
        for status in ["200 OK", "101 Switching Protocols"] {
            let head = format!(
                "HTTP/1.1 {status}\r\nX-A: 1\r\nConnection: x-a, upgrade\r\nX-B: 2\r\n\r\n"
            );
            let read = read(&head, &Method::GET).expect("sound").expect("whole");

            assert!(!read.response.fields.contains("x-a"), "{status}");
            assert!(read.response.fields.contains("x-b"), "{status}");
        }
    }

    #[test]
    fn the_framing_takes_the_place_of_the_one_received() {
        let head = "HTTP/1.1 200 Fine\r\ncontent-LENGTH: 3\r\nX-a: 1\r\nContent-Length: 3\r\n\r\n";
        let read = read(head, &Method::GET).expect("sound").expect("whole");
        let written = |framing| {
            let mut out = Vec::new();
            put_response(&mut out, &read.response, framing);
            String::from_utf8(out).expect("text")
        };

        assert_eq!(
            written(Framing::Exact(12)),
            "HTTP/1.1 200 Fine\r\ncontent-LENGTH: 12\r\nX-a: 1\r\n"
        );
        assert_eq!(
            written(Framing::Chunked),
            "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nX-a: 1\r\n"
        );
        assert_eq!(written(Framing::Unsaid), "HTTP/1.1 200 Fine\r\nX-a: 1\r\n");
    }
}
