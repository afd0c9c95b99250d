//! Which media types are JSON (`bodies.json_types`), which are text, and which are streams.

/// Types of streams: bodies of many small messages, whose end may never come. Server-sent events;
/// JSON values one after another, which are no JSON text; parts that replace each other.
const STREAMS: [&str; 12] = [
    "text/event-stream",
    "application/stream+json",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json-seq",
    "application/x-json-stream",
    "application/json-lines",
    "multipart/x-mixed-replace",
];

/// A pattern for the `Content-Type` of a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonType {
    /// One type, in lower case, such as `application/json`.
    Exact(String),
    /// Every type with a structured suffix [RFC 6838 §4.2.8], in lower case: `*+json`
    /// is `Suffix("+json")`.
    Suffix(String),
    /// `none`: a body that has no type.
    Missing,
}

/// A text is no pattern for a media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no media type")]
pub struct NoMediaType;

impl JsonType {
    /// Reads a pattern as it is configured.
    ///
    /// # Errors
    ///
    /// It is no media type, no `*+SUFFIX` and not `none`.
    pub fn parse(text: &str) -> Result<Self, NoMediaType> {
        let lower = text.to_ascii_lowercase();
        if lower == "none" {
            return Ok(Self::Missing);
        }
        if let Some(suffix) = lower.strip_prefix('*')
            && suffix.strip_prefix('+').is_some_and(is_token)
        {
            return Ok(Self::Suffix(suffix.to_owned()));
        }
        match lower.split_once('/') {
            Some((kind, subtype)) if is_token(kind) && is_token(subtype) => Ok(Self::Exact(lower)),
            Some(_) | None => Err(NoMediaType),
        }
    }

    /// Whether a body with this `Content-Type` fits; parameters and case don't count.
    pub fn matches(&self, content_type: Option<&str>) -> bool {
        match (self, content_type.map(essence)) {
            (Self::Missing, None) => true,
            (Self::Exact(pattern), Some(essence)) => essence.eq_ignore_ascii_case(pattern),
            (Self::Suffix(suffix), Some(essence)) => {
                essence.to_ascii_lowercase().ends_with(suffix.as_str())
            }
            (Self::Missing, Some(_)) | (Self::Exact(_) | Self::Suffix(_), None) => false,
        }
    }
}

/// Whether a body with this `Content-Type` is a stream, which may never end.
pub fn is_stream(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| {
        let essence = essence(value);
        STREAMS.iter().any(|it| essence.eq_ignore_ascii_case(it))
            || has_suffix(essence, "+json-seq")
    })
}

/// Whether a body with this `Content-Type` is one JSON text: its type says so and is none of a stream.
pub fn is_json(types: &[JsonType], content_type: Option<&str>) -> bool {
    types.iter().any(|known| known.matches(content_type)) && !is_stream(content_type)
}

/// Whether a request body with this `Content-Type` is text, which handlers can read: `text/*`, JSON,
/// XML, a form, or no type at all.
pub fn is_text(json: &[JsonType], content_type: Option<&str>) -> bool {
    let Some(value) = content_type else {
        return true;
    };
    let essence = essence(value);
    let is_one_of = |known: &[&str]| known.iter().any(|it| essence.eq_ignore_ascii_case(it));
    let is_of_text = |essence: &str| {
        essence
            .get(..5)
            .is_some_and(|kind| kind.eq_ignore_ascii_case("text/"))
    };
    is_of_text(essence)
        || json.iter().any(|known| known.matches(content_type))
        || is_one_of(&[
            "application/json",
            "application/xml",
            "application/x-www-form-urlencoded",
        ])
        || has_suffix(essence, "+json")
        || has_suffix(essence, "+xml")
        || (is_stream(content_type) && !essence.to_ascii_lowercase().starts_with("multipart/"))
}

/// Whether a media type ends in this structured suffix [RFC 6838 §4.2.8].
fn has_suffix(essence: &str, suffix: &str) -> bool {
    let start = essence.len().checked_sub(suffix.len());
    start
        .and_then(|start| essence.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// A media type without its parameters.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or(value).trim()
}

/// Whether a text is a `token` as RFC 9110 §5.6.2 has it, without `*`.
fn is_token(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, content_type: Option<&str>) -> bool {
        JsonType::parse(pattern)
            .expect(pattern)
            .matches(content_type)
    }

    #[test]
    fn parameters_and_case_do_not_count() {
        assert!(matches(
            "application/json",
            Some("Application/JSON; charset=utf-8")
        ));
        assert!(matches("*+json", Some("application/problem+json;v=1")));
        assert!(!matches("application/json", Some("application/json-seq")));
        assert!(!matches("*+json", Some("application/json")));
    }

    #[test]
    fn none_is_a_body_without_a_type() {
        assert!(matches("none", None));
        assert!(!matches("none", Some("text/html")));
        assert!(!matches("*+json", None));
    }

    #[test]
    fn streamed_json_is_no_json_text() {
        let all = [
            JsonType::Suffix("+json".to_owned()),
            JsonType::parse("application/x-ndjson").unwrap(),
            JsonType::parse("application/json").unwrap(),
        ];
        for stream in [
            "application/stream+json",
            "Application/X-NDJSON; charset=utf-8",
            "application/jsonl",
            "application/json-seq",
            "application/geo+json-seq",
            "text/event-stream;a=b",
        ] {
            assert!(is_stream(Some(stream)), "{stream}");
            assert!(!is_json(&all, Some(stream)), "{stream}");
        }
        for text in ["application/json", "application/geo+json"] {
            assert!(
                !is_stream(Some(text)) && is_json(&all, Some(text)),
                "{text}"
            );
        }
        assert!(!is_stream(None));
    }

    #[test]
    fn a_request_body_is_text_by_its_type() {
        for text in [
            None,
            Some("text/plain"),
            Some("TEXT/HTML; charset=latin1"),
            Some("application/json"),
            Some("application/vnd.api+json"),
            Some("application/xml"),
            Some("application/soap+xml; action=a"),
            Some("application/x-www-form-urlencoded"),
            Some("application/x-ndjson"),
        ] {
            assert!(is_text(&[], text), "{text:?}");
        }
        for other in [
            "image/png",
            "application/octet-stream",
            "application/x-git-receive-pack-request",
            "multipart/form-data; boundary=a",
            "multipart/x-mixed-replace",
            "application/grpc",
            "unreadable",
            "texte/plain",
            "",
        ] {
            assert!(!is_text(&[], Some(other)), "{other}");
        }
        let own = [JsonType::parse("application/x-own").unwrap()];
        assert!(is_text(&own, Some("application/x-own")));
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for text in [
            "",
            "json",
            "*",
            "*json",
            "application/*",
            "a/b/c",
            "text/json; a=b",
        ] {
            assert!(JsonType::parse(text).is_err(), "{text:?}");
        }
    }
}
