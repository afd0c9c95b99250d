//! Which header fields belong to one connection, and how long a message says it is.

use http::{HeaderName, Method, StatusCode, header};

use super::Fields;

/// The fields of one message that belong to its connection and are never forwarded, in
/// either direction ([RFC 9110 §7.6.1]): the fixed ones and those that `Connection` names.
///
/// `Transfer-Encoding` is not among them: it frames the message and is for whoever
/// sends it to write anew or to leave.
#[derive(Debug, Default)]
pub struct HopByHop {
    named: Vec<HeaderName>,
}

impl HopByHop {
    /// Those of the message with these fields.
    pub fn of(fields: &Fields) -> Self {
        let named = fields
            .all(&header::CONNECTION)
            .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
            .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
            .filter(|name| !matches!(name.as_str(), "close" | "content-length" | "host"))
            .filter(|name| !is_fixed(name))
            .collect();
        Self { named }
    }

    /// Whether the field `name` stays behind.
    pub fn covers(&self, name: &HeaderName) -> bool {
        is_fixed(name) || self.named.contains(name)
    }
}

fn is_fixed(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "upgrade"
    )
}

/// Whether a handler may not write this field: it is ours, since it frames the message
/// or belongs to the connection.
pub fn is_ours(name: &HeaderName) -> bool {
    matches!(name.as_str(), "content-length" | "transfer-encoding")
        || name.as_str().starts_with("proxy-")
        || is_fixed(name)
}

/// Removes the fields that belong to one connection. Those that frame the message stay.
pub fn strip_hop_by_hop(fields: &mut Fields) {
    let hop_by_hop = HopByHop::of(fields);
    fields.retain(|name| !hop_by_hop.covers(name));
}

/// Whether the fields ask to leave HTTP for the websocket protocol. Other upgrades
/// (`h2c`) would take a client past us and are not forwarded.
pub fn is_websocket_upgrade(fields: &Fields) -> bool {
    let asked = fields
        .all(&header::UPGRADE)
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    asked && has_token(fields, &header::CONNECTION, "upgrade")
}

/// Whether the list `name` has this token, in any case.
pub fn has_token(fields: &Fields, name: &HeaderName, token: &str) -> bool {
    fields
        .all(name)
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|text| text.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// What a message's fields say of the length of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// This many bytes.
    Known(u64),
    /// In chunks.
    Chunked,
    /// Nothing: a request has no body then, a response ends with its connection.
    Unsaid,
}

/// Why it can't be known where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unframed {
    /// `Content-Length` is no number, or two differ.
    #[error("Content-Length is malformed or differs from itself")]
    Length,
    /// `Transfer-Encoding` is anything but exactly `chunked`.
    #[error("Transfer-Encoding is not exactly chunked")]
    Coding,
}

/// Reads what frames a message ([RFC 9112 §6.3]). Where it has both fields,
/// `Transfer-Encoding` counts; equal lengths count as one.
///
/// # Errors
///
/// [`Unframed`] where two recipients could read it in two ways.
pub fn length(fields: &Fields) -> Result<Length, Unframed> {
    let mut codings = fields.all(&header::TRANSFER_ENCODING);
    if let Some(coding) = codings.next() {
        let chunked = coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked");
        return if chunked && codings.next().is_none() {
            Ok(Length::Chunked)
        } else {
            Err(Unframed::Coding)
        };
    }
    let mut known = None;
    for text in fields
        .all(&header::CONTENT_LENGTH)
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
    {
        let length = decimal(text.trim_ascii()).ok_or(Unframed::Length)?;
        if *known.get_or_insert(length) != length {
            return Err(Unframed::Length);
        }
    }
    Ok(known.map_or(Length::Unsaid, Length::Known))
}

/// Digits and nothing else: no sign, no blank, no overflow.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        if !byte.is_ascii_digit() {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))
    })
}

/// Whether a response to `method` with this status has a body at all ([RFC 9112 §6.3]).
pub fn has_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD
        && !status.is_informational()
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(list: &[(&str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in list {
            let lower = name.to_ascii_lowercase().parse().expect("a name");
            fields.receive(lower, name.as_bytes(), HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn the_fixed_fields_and_the_named_ones_go_and_the_others_stay() {
        let mut fields = fields(&[
            ("Connection", "X-Hop, close,Content-Length"),
            ("x-hop", "1"),
            ("Keep-Alive", "5"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "3"),
            ("Accept", "*/*"),
        ]);

        strip_hop_by_hop(&mut fields);

        let left: Vec<_> = fields.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(left, ["transfer-encoding", "content-length", "accept"]);
    }

    #[test]
    fn framing_and_proxy_fields_are_ours() {
        for name in [
            "Content-Length",
            "transfer-encoding",
            "Proxy-Anything",
            "TE",
            "Upgrade",
        ] {
            assert!(
                is_ours(&HeaderName::from_bytes(name.as_bytes()).expect("a name")),
                "{name}"
            );
        }
        assert!(!is_ours(&http::header::CONTENT_TYPE));
    }

    #[test]
    fn a_length_is_read_in_one_way_only() {
        let lengths = |values: &[&'static str]| {
            let list: Vec<_> = values.iter().map(|v| ("Content-Length", *v)).collect();
            length(&fields(&list))
        };

        assert_eq!(lengths(&[]), Ok(Length::Unsaid));
        assert_eq!(lengths(&["3"]), Ok(Length::Known(3)));
        assert_eq!(lengths(&["3", "3"]), Ok(Length::Known(3)));
        assert_eq!(lengths(&["3, 3"]), Ok(Length::Known(3)));
        for wrong in ["", "+3", "-1", "0x2", "3 3", "3,", "99999999999999999999"] {
            assert_eq!(lengths(&[wrong]), Err(Unframed::Length), "{wrong:?}");
        }
        assert_eq!(lengths(&["3", "4"]), Err(Unframed::Length));
        assert_eq!(lengths(&["3, 4"]), Err(Unframed::Length));
    }

    #[test]
    fn only_exactly_chunked_is_a_coding_we_follow() {
        let coding = |values: &[&'static str]| {
            let list: Vec<_> = values.iter().map(|v| ("Transfer-Encoding", *v)).collect();
            length(&fields(&list))
        };

        assert_eq!(coding(&["Chunked"]), Ok(Length::Chunked));
        for wrong in ["xchunked", "gzip, chunked", "chunked, identity", "", "gzip"] {
            assert_eq!(coding(&[wrong]), Err(Unframed::Coding), "{wrong:?}");
        }
        assert_eq!(coding(&["chunked", "chunked"]), Err(Unframed::Coding));
    }

    #[test]
    fn only_a_websocket_may_upgrade() {
        let upgrade = |connection, protocol| {
            is_websocket_upgrade(&fields(&[
                ("Connection", connection),
                ("Upgrade", protocol),
            ]))
        };

        assert!(upgrade("keep-alive, Upgrade", "WebSocket"));
        assert!(!upgrade("keep-alive", "websocket"));
        assert!(!upgrade("Upgrade, HTTP2-Settings", "h2c"));
    }
}
