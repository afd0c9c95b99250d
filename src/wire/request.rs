//! The head of a request, as it is sent to the upstream.

use bytes::BufMut;
use http::header;

use crate::message::Request;
use crate::message::framing;

use super::put::{put, put_field, put_framing};
use super::{Framing, Passage};

/// Writes the head of a request.
///
/// Fields keep order and spelling; those of the client's connection stay behind. The field
/// that frames the body stands where the client's stood.
///
/// # Errors
///
/// The target can't be written in a request line.
pub fn put_request(
    out: &mut Vec<u8>,
    request: &Request,
    framing: Framing,
    authority: &str,
) -> Result<(), &'static str> {
    out.put_slice(request.method.as_str().as_bytes());
    out.put_u8(b' ');
    put_target(out, request)?;
    out.put_slice(b" HTTP/1.1\r\n");
    if !request.fields.has(&header::HOST) {
        put(out, b"Host", authority.as_bytes());
    }
    let passage = Passage {
        is_upgrade: framing::is_websocket_upgrade(&request.fields),
    };
    let mut is_framed = framing == Framing::Unsaid;
    for field in request.fields.iter() {
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
    out.put_slice(b"\r\n");
    Ok(())
}

fn put_target(out: &mut Vec<u8>, request: &Request) -> Result<(), &'static str> {
    if let Some(sent) = request.sent_target() {
        out.put_slice(sent);
        return Ok(());
    }
    let target = request.target();
    let is_sound = target.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    if !is_sound || !(target.starts_with('/') || target == "*") {
        return Err("the target is no path");
    }
    out.put_slice(target.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method};

    use crate::message::Fields;

    use super::*;

    fn request(fields: &[(&str, &'static str)]) -> Request {
        let mut list = Fields::default();
        for (name, value) in fields {
            let lower = name.to_ascii_lowercase().parse().expect("a name");
            list.receive(lower, name.as_bytes(), HeaderValue::from_static(value));
        }
        Request::new(Method::POST, "/a?b", list)
    }

    fn written(request: &Request, framing: Framing) -> String {
        let mut out = Vec::new();
        put_request(&mut out, request, framing, "api.test").expect("a head");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_head_keeps_order_and_spelling_and_its_framing_its_place() {
        let request = request(&[
            ("HOST", "a"),
            ("Connection", "close"),
            ("x-Weird", "1"),
            ("content-length", "9"),
            ("Keep-Alive", "2"),
            ("Accept", "*/*"),
        ]);

        assert_eq!(
            written(&request, Framing::Exact(3)),
            "POST /a?b HTTP/1.1\r\nHOST: a\r\nx-Weird: 1\r\ncontent-length: 3\r\nAccept: */*\r\n\r\n"
        );
    }

    #[test]
    fn a_head_without_host_or_framing_gets_them() {
        assert_eq!(
            written(&request(&[]), Framing::Chunked),
            "POST /a?b HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn only_a_handshake_keeps_what_asks_to_leave_http() {
        let socket = request(&[
            ("Host", "a"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
        ]);
        assert!(
            written(&socket, Framing::Unsaid)
                .contains("Connection: Upgrade\r\nUpgrade: websocket\r\n")
        );

        let other = request(&[("Host", "a"), ("Connection", "Upgrade"), ("Upgrade", "h2c")]);
        assert_eq!(
            written(&other, Framing::Unsaid),
            "POST /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
        );
    }

    #[test]
    fn a_target_that_would_break_the_request_line_is_refused() {
        for target in ["/a b", "/a\r\nX: 1", "a", "http://x/"] {
            let request = Request::new(Method::GET, target, Fields::default());
            let written = put_request(&mut Vec::new(), &request, Framing::Unsaid, "a");
            assert!(written.is_err(), "{target:?}");
        }
    }
}
