//! Which content codings a client reads: `Accept-Encoding` ([RFC 9110 §12.5.3]).

use http::{HeaderName, HeaderValue, header};

use crate::message::Fields;

use super::{Coding, Codings};

const FIELD: HeaderName = header::ACCEPT_ENCODING;

/// Whether the client that sent these fields reads a body in all of these codings. One
/// that says nothing reads everything.
pub fn accepts(fields: &Fields, codings: &Codings) -> bool {
    let Some(list) = fields.joined(&FIELD) else {
        return true;
    };
    codings.0.iter().all(|coding| {
        let is_named = |item: &Item<'_>| match item.coding() {
            Some(Coding::Zlib) => matches!(coding, Coding::Zlib | Coding::RawDeflate),
            named => named == Some(*coding),
        };
        items(&list)
            .find(is_named)
            .or_else(|| items(&list).find(|item| item.name == "*"))
            .is_some_and(|item| item.is_wanted)
    })
}

/// What the upstream may be asked for by a client that sent these fields: those of its
/// items that we can decode, as they stand, `identity` where none is. `None` where that is
/// what the fields say already.
pub fn narrowed(fields: &Fields) -> Option<HeaderValue> {
    let list = fields.joined(&FIELD).unwrap_or_default();
    let fitting: Vec<Item<'_>> = items(&list).filter(Item::is_safe).collect();
    if !fitting.iter().any(|item| item.is_wanted) {
        return Some(HeaderValue::from_static("identity"));
    }
    if fitting.len() == items(&list).count() {
        return None;
    }
    let texts: Vec<&str> = fitting.iter().map(|item| item.text).collect();
    let narrowed = HeaderValue::try_from(texts.join(", "));
    Some(narrowed.unwrap_or(HeaderValue::from_static("identity")))
}

/// One item of the list, such as `gzip;q=0.5`.
struct Item<'a> {
    text: &'a str,
    name: &'a str,
    /// Whether its weight isn't zero.
    is_wanted: bool,
}

impl Item<'_> {
    fn coding(&self) -> Option<Coding> {
        Coding::named(self.name)
    }

    /// Whether an upstream that reads it can't come up with a coding that we don't know.
    fn is_safe(&self) -> bool {
        !self.is_wanted || self.coding().is_some() || self.name.eq_ignore_ascii_case("identity")
    }
}

fn items(list: &str) -> impl Iterator<Item = Item<'_>> {
    list.split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| {
            let (name, weight) = text.split_once(';').unwrap_or((text, ""));
            Item {
                text,
                name: name.trim(),
                is_wanted: !is_zero(weight),
            }
        })
}

/// Whether a parameter is `q=0`, with or without decimals.
fn is_zero(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    let value = value.trim();
    name.trim().eq_ignore_ascii_case("q")
        && value.starts_with('0')
        && value.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use crate::message::Fields;

    use super::*;

    fn fields(name: &'static str, values: &[&'static str]) -> Fields {
        let mut fields = Fields::default();
        for value in values {
            fields.receive(
                http::HeaderName::from_static(name),
                name.as_bytes(),
                HeaderValue::from_static(value),
            );
        }
        fields
    }

    fn accepted(accept: &[&'static str], encoding: &'static str) -> bool {
        let codings = Codings::of(&fields("content-encoding", &[encoding])).expect("known");
        accepts(&fields(FIELD.as_str(), accept), &codings)
    }

    fn asked(accept: &[&'static str]) -> Option<String> {
        let value = narrowed(&fields(FIELD.as_str(), accept))?;
        Some(value.to_str().expect("text").to_owned())
    }

    #[test]
    fn a_client_reads_what_it_names_and_does_not_weigh_with_zero() {
        assert!(accepted(&[], "br"));
        assert!(accepted(&["gzip, br;q=0.1"], "br"));
        assert!(accepted(&["x-gzip", "BR"], "gzip, br"));
        assert!(accepted(&["*"], "zstd"));
        assert!(accepted(&["deflate"], "deflate"));
        assert!(accepted(&[""], "identity"));

        assert!(!accepted(&[""], "gzip"));
        assert!(!accepted(&["gzip"], "gzip, br"));
        assert!(!accepted(&["*, br;q=0.000"], "br"));
        assert!(!accepted(&["gzip, *;q=0"], "br"));
        assert!(!accepted(&["identity"], "gzip"));
    }

    #[test]
    fn what_can_all_be_decoded_is_asked_for_as_it_stands() {
        assert_eq!(asked(&["gzip, deflate, br, zstd"]), None);
        assert_eq!(asked(&["br;q=1.0, identity; q=0.5, *;q=0"]), None);
        assert_eq!(asked(&["identity"]), None);
    }

    #[test]
    fn what_can_not_be_decoded_is_not_asked_for() {
        let some = |text: &str| Some(text.to_owned());

        assert_eq!(
            asked(&["compress, gzip;q=0.5", "dcb, br"]),
            some("gzip;q=0.5, br")
        );
        assert_eq!(asked(&["*"]), some("identity"));
        assert_eq!(asked(&["gzip, *;q=0.1"]), some("gzip"));
        assert_eq!(asked(&["gzip;q=0"]), some("identity"));
        assert_eq!(asked(&[""]), some("identity"));
        assert_eq!(asked(&[]), some("identity"));
    }
}
