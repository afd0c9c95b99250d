//! Which header fields belong to one connection, and how long a message says it is.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{Field, Fields};

/// Fields that `Connection` may not name, each with what would go wrong if it took them away. Those
/// that begin with `content-` are none of the connection either: they say what the body is.
const NEVER_OF_A_CONNECTION: [(&str, &str); 7] = [
    ("transfer-encoding", "nobody knows where the body ends"),
    ("host", "nobody knows whom the request is for"),
    ("expect", "its sender waits for leave to send the body"),
    (
        "digest",
        "a body that was changed is taken for the sender's",
    ),
    (
        "repr-digest",
        "a body that was changed is taken for the sender's",
    ),
    ("etag", "nobody knows which body it is"),
    ("last-modified", "nobody knows which body it is"),
];

/// `Connection` names a field that is not the connection's to take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Connection names a field that belongs to the message")]
pub struct NamesTheMessage;

/// Takes off the fields that `Connection` names, in either direction ([RFC 9110 §7.6.1]), and
/// leaves in it what is said of the connection itself. Done once, when the head has come: what
/// is written later under such a name is not the sender's to take away.
///
/// # Errors
///
/// [`NamesTheMessage`], whether such a field is there or not.
pub fn take_off_named(fields: &mut Fields) -> Result<(), NamesTheMessage> {
    let mut named = HashSet::new();
    let mut options: Vec<&[u8]> = Vec::new();
    let mut names_others = false;
    let tokens = fields
        .all(&header::CONNECTION)
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty());
    for token in tokens {
        if is_option(token) {
            options.push(token);
            continue;
        }
        names_others = true;
        if belongs_to_the_message(token) {
            return Err(NamesTheMessage);
        }
        named.extend(HeaderName::from_bytes(token).ok());
    }
    if !names_others {
        return Ok(());
    }
    let rest = HeaderValue::from_bytes(&options.join(&b", "[..]));
    let rest = rest.ok().filter(|rest| !rest.is_empty());
    fields.retain(|name| !named.contains(name) && (rest.is_some() || *name != header::CONNECTION));
    if let Some(rest) = rest {
        fields.replace(Field::new(header::CONNECTION, rest));
    }
    Ok(())
}

/// What is said of the connection, or names a field that never passes on.
fn is_option(token: &[u8]) -> bool {
    const OPTIONS: [&[u8]; 5] = [
        b"close",
        b"keep-alive",
        b"upgrade",
        b"te",
        b"http2-settings",
    ];
    OPTIONS
        .iter()
        .any(|option| token.eq_ignore_ascii_case(option))
}

fn belongs_to_the_message(token: &[u8]) -> bool {
    let is_content = token
        .get(.."content-".len())
        .is_some_and(|start| start.eq_ignore_ascii_case(b"content-"));
    is_content
        || NEVER_OF_A_CONNECTION
            .iter()
            .any(|(name, _)| token.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether a field belongs to one connection, whatever `Connection` says, and is never forwarded.
///
/// `Transfer-Encoding` is not among them: it frames the message and is for whoever
/// sends it to write anew or to leave.
pub fn is_of_the_connection(name: &HeaderName) -> bool {
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
        || is_of_the_connection(name)
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

    fn names(fields: &Fields) -> Vec<&str> {
        fields.iter().map(|field| field.name().as_str()).collect()
    }

    #[test]
    fn what_connection_names_goes_and_what_it_says_of_itself_stays() {
        for (said, left) in [
            ("x-hop", None),
            ("X-Hop, close", Some("close")),
            ("keep-alive,x-hop , X-HOP", Some("keep-alive")),
            ("Upgrade, x-hop", Some("Upgrade")),
            (",, x-hop", None),
            ("x hop, x-hop", None),
        ] {
            let mut fields = fields(&[
                ("X-Hop", "1"),
                ("connection", said),
                ("Accept", "*/*"),
                ("x-HOP", "2"),
                ("Content-Length", "3"),
            ]);

            take_off_named(&mut fields).expect("nothing of the message");

            assert_eq!(fields.get_str("connection"), left, "{said}");
            let others: Vec<_> = names(&fields)
                .into_iter()
                .filter(|name| *name != "connection")
                .collect();
            assert_eq!(others, ["accept", "content-length"], "{said}");
            assert!(!fields.is_edited(&HeaderName::from_static("x-hop")));
        }
    }

    #[test]
    fn what_connection_says_of_itself_alone_is_left_as_it_came() {
        for said in [
            "close",
            "Keep-Alive",
            "upgrade,  HTTP2-Settings",
            "TE, close",
        ] {
            let mut fields = fields(&[("Connection", said), ("TE", "trailers"), ("a", "1")]);

            take_off_named(&mut fields).expect("nothing of the message");

            assert_eq!(fields.get_str("connection"), Some(said));
            assert_eq!(names(&fields), ["connection", "te", "a"]);
        }
    }

    #[test]
    fn connection_takes_nothing_away_that_belongs_to_the_message() {
        let content = [
            "Content-Encoding",
            "content-TYPE",
            "content-length",
            "content-whatever",
        ];
        let others = NEVER_OF_A_CONNECTION.map(|(name, _)| name);
        for name in content.into_iter().chain(others) {
            let said = format!("close, {name}");
            let mut fields = Fields::default();
            let value = HeaderValue::try_from(said).expect("a value");
            fields.receive(header::CONNECTION, b"Connection", value);

            assert_eq!(take_off_named(&mut fields), Err(NamesTheMessage), "{name}");
        }
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
