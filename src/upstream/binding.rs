//! Authentication that holds for a connection and not for a request.
//!
//! NTLM and Negotiate ([RFC 4559]) log the connection in: whoever sends the next request on
//! it is taken for the one who logged in. So a connection on which either was seen, in
//! either direction, belongs to one client connection until it ends.
//!
//! [RFC 4559]: https://www.rfc-editor.org/rfc/rfc4559

use http::{HeaderName, HeaderValue, header};

use crate::message::Fields;

/// The schemes, in lower case.
const SCHEMES: [&[u8]; 2] = [b"ntlm", b"negotiate"];

/// Whether a request logs its connection in.
pub(super) fn is_asked_for(request: &Fields) -> bool {
    names_a_scheme(request, &header::AUTHORIZATION)
}

/// Whether a response asks for that, or answers it.
pub(super) fn is_offered(response: &Fields) -> bool {
    names_a_scheme(response, &header::WWW_AUTHENTICATE)
}

/// Whether one of the schemes stands anywhere in the field. A name within a quoted text
/// counts too: to share a connection less often than possible harms nobody.
fn names_a_scheme(fields: &Fields, name: &HeaderName) -> bool {
    fields.all(name).any(|value: &HeaderValue| {
        value
            .as_bytes()
            .split(|byte| !byte.is_ascii_alphanumeric())
            .any(|word| {
                SCHEMES
                    .iter()
                    .any(|scheme| word.eq_ignore_ascii_case(scheme))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemes_are_found_wherever_they_stand() {
        let offered = |values: &[&'static str]| {
            let mut fields = Fields::default();
            for value in values {
                let name = header::WWW_AUTHENTICATE;
                fields.receive(name, b"WWW-Authenticate", HeaderValue::from_static(value));
            }
            is_offered(&fields)
        };

        for bound in [
            &["NTLM"][..],
            &["Negotiate"],
            &["negotiate TlRMTVNTUAACAAAA"],
            &["Basic realm=\"a\"", "NTLM"],
            &["Basic realm=\"a\", nTLM"],
            &["Negotiate,NTLM"],
        ] {
            assert!(offered(bound), "{bound:?}");
        }
        for free in [
            &[][..],
            &["Basic realm=\"a\""],
            &["Bearer ntlmish"],
            &["Digest realm=\"renegotiated\""],
        ] {
            assert!(!offered(free), "{free:?}");
        }
    }
}
