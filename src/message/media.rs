//! Which media types count as JSON (`bodies.json_types`), and which as a stream of events.

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

/// Whether a body with this `Content-Type` is a stream of events, which may never end.
pub fn is_event_stream(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| essence(value).eq_ignore_ascii_case("text/event-stream"))
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
