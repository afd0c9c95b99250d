//! `@match` patterns.

use std::fmt;

use http::Method;

use super::capture::Capture;
use super::path::{Segments, percent_decoded};
use super::shape::{Look, Shape};
use super::target::Target;
use super::text::Case;

/// One `@match` line: `[METHODS] PATTERN`, such as `GET,POST /orders/**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// As it is written.
    text: Box<str>,
    /// Upper-case; empty for every method.
    methods: Vec<Method>,
    segments: Vec<Segment>,
    /// The pattern ends in `**`.
    takes_rest: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `*`
    Any,
    /// `{name}`, braces included.
    Named(String),
    /// Percent-decoded, as paths are before they are compared.
    Literal(String),
}

/// Why a text is no `[METHODS] PATTERN`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// No `/` in it.
    #[error("@match needs a pattern that begins with `/`, such as `GET /orders/**`")]
    NoPattern,
    /// Something else than methods before the pattern.
    #[error(
        "`{0}` before the pattern is no list of methods, such as `GET,POST` and a blank; \
         a pattern begins with `/`"
    )]
    Methods(String),
    /// More text behind the pattern.
    #[error("a pattern holds no blanks: write %20 for one, and remarks on another line")]
    Blank,
    /// A control character as such, or a NUL however it is written.
    #[error(
        "a pattern holds no control characters: write %09 for a tab; no path with a NUL is served"
    )]
    Control,
    /// A query or a fragment.
    #[error("a pattern is compared with the path alone; it holds no `?` or `#`")]
    NotAPath,
    /// `.` or `..` as a segment.
    #[error("a pattern holds no `.` or `..`: write the path that they lead to")]
    DotSegment,
    /// `**` before the end.
    #[error("`**` stands for the rest of the path, so nothing can follow it")]
    RestNotLast,
    /// Such as `x*` or `{id}.json`.
    #[error("`{0}`: `*` and `{{name}}` stand for a whole segment, never for a part of one")]
    PartOfSegment(String),
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Match {
    /// Parses what follows `@match`.
    pub fn parse(text: &str) -> Result<Self, MatchError> {
        let slash = text.find('/').ok_or(MatchError::NoPattern)?;
        let (methods, pattern) = text.split_at(slash);
        let methods = parse_methods(methods)?;
        let pattern = pattern.trim_end();
        if pattern.contains(char::is_whitespace) {
            return Err(MatchError::Blank);
        }
        if pattern.contains(char::is_control) {
            return Err(MatchError::Control);
        }
        if pattern.contains(['?', '#']) {
            return Err(MatchError::NotAPath);
        }

        let mut texts: Vec<_> = pattern.split('/').filter(|text| !text.is_empty()).collect();
        let takes_rest = texts.pop_if(|last| *last == "**").is_some();
        let segments = texts
            .into_iter()
            .map(Segment::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.trim().into(),
            methods,
            segments,
            takes_rest,
        })
    }

    /// The segment that a path has to begin with.
    pub(super) fn first_segment(&self) -> Option<&str> {
        match self.segments.first()? {
            Segment::Any | Segment::Named(_) => None,
            Segment::Literal(literal) => Some(literal),
        }
    }

    /// Whether the transaction's method and one reading of its path match.
    pub fn matches(&self, target: &Target<'_>) -> bool {
        target.methods().any(|it| self.matches_method(it))
            && target
                .readings()
                .any(|segments| self.matches_path(segments, target.case))
    }

    /// Whether it takes requests with this method.
    pub(super) fn takes(&self, method: &Method) -> bool {
        self.matches_method(method)
    }

    /// What the paths look like that it fits.
    pub(super) fn shape(&self) -> Shape {
        let look = |segment: &Segment| match segment {
            Segment::Any | Segment::Named(_) => Look::Any,
            Segment::Literal(literal) => Look::Literal(literal.clone()),
        };
        Shape {
            segments: self.segments.iter().map(look).collect(),
            is_open: self.takes_rest,
        }
    }

    /// What the parts in braces stand for; none where it doesn't match.
    pub(super) fn captures(&self, target: &Target<'_>) -> Option<Vec<Capture>> {
        if !target.methods().any(|it| self.matches_method(it)) {
            return None;
        }
        let segments = target
            .readings()
            .find(|segments| self.matches_path(segments.clone(), target.case))?;
        let captured = |(segment, text): (&Segment, &str)| match segment {
            Segment::Named(name) => Some(Capture {
                name: name.clone(),
                value: text.to_owned(),
            }),
            Segment::Any | Segment::Literal(_) => None,
        };
        Some(
            self.segments
                .iter()
                .zip(segments)
                .filter_map(captured)
                .collect(),
        )
    }

    fn matches_method(&self, method: &Method) -> bool {
        // Some that may be behind us read `get` as `GET`.
        let is_it = |own: &Method| own.as_str().eq_ignore_ascii_case(method.as_str());
        self.methods.is_empty()
            || self.methods.iter().any(is_it)
            || method.as_str().eq_ignore_ascii_case("HEAD") && self.methods.contains(&Method::GET)
    }

    fn matches_path(&self, path: Segments<'_>, case: Case) -> bool {
        let is_as_long = if self.takes_rest {
            path.len() >= self.segments.len()
        } else {
            path.len() == self.segments.len()
        };
        is_as_long
            && self
                .segments
                .iter()
                .zip(path)
                .all(|(segment, text)| match segment {
                    Segment::Any | Segment::Named(_) => true,
                    Segment::Literal(literal) => case.same(literal, text),
                })
    }
}

/// The methods in `text`: all that stands before the pattern, the blank between them included.
fn parse_methods(text: &str) -> Result<Vec<Method>, MatchError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let refused = || MatchError::Methods(text.trim().to_owned());
    if !text.ends_with(char::is_whitespace) {
        return Err(refused());
    }
    text.split(',')
        .map(|method| Method::from_bytes(method.trim().to_ascii_uppercase().as_bytes()))
        .collect::<Result<_, _>>()
        .map_err(|_| refused())
}

impl Segment {
    fn parse(text: &str) -> Result<Self, MatchError> {
        let name = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match (text, name) {
            ("**", _) => Err(MatchError::RestNotLast),
            ("." | "..", _) => Err(MatchError::DotSegment),
            ("*", _) => Ok(Self::Any),
            (_, Some(name)) if !name.is_empty() && !name.contains(['{', '}', '*']) => {
                Ok(Self::Named(text.to_owned()))
            }
            _ if text.contains(['{', '}', '*']) => Err(MatchError::PartOfSegment(text.to_owned())),
            _ => match percent_decoded(text.as_bytes()) {
                literal if literal.contains('\0') => Err(MatchError::Control),
                literal => Ok(Self::Literal(literal)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::NormalPath;
    use super::super::service::Services;
    use super::*;

    fn matches(pattern: &str, method: &str, path: &str, case: Case) -> bool {
        let path = NormalPath::new(path.as_bytes()).expect("few readings");
        let services = Services::default();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Match::parse(pattern)
            .unwrap()
            .matches(&Target::new(&method, &path, &services, case))
    }

    #[test]
    fn a_pattern_matches_whole_segments_and_two_stars_the_rest() {
        for (pattern, path, expected) in [
            ("/orders", "/orders", true),
            ("/orders", "/orders/", true),
            ("/orders/", "/orders", true),
            ("/orders", "/orders/1", false),
            ("/orders", "/order", false),
            ("/orders", "/Orders", false),
            ("/orders/*", "/orders/1", true),
            ("/orders/*", "/orders", false),
            ("/orders/{id}/lines", "/orders/1/lines", true),
            ("/orders/{id}/lines", "/orders/1/2/lines", false),
            ("/orders/**", "/orders", true),
            ("/orders/**", "/orders/1/lines", true),
            ("/orders/**", "/ordersX", false),
            ("/**", "/", true),
            ("/", "/", true),
            ("/", "/orders", false),
            ("//orders//1", "/orders/1", true),
            ("/caf%C3%A9", "/café", true),
            ("/a%20b", "/a%20b", true),
            ("/a/b", "/a%2Fb", true),
            ("/{file}", "/a%2Fb", true),
            ("/admin/**", "/x/..%2fadmin/users", true),
        ] {
            assert_eq!(
                matches(pattern, "GET", path, Case::Counts),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn methods_limit_a_pattern_and_head_counts_as_get() {
        for (pattern, method, expected) in [
            ("/x", "PROPFIND", true),
            ("GET,POST /x", "POST", true),
            ("GET, POST /x", "POST", true),
            ("post /x", "POST", true),
            ("GET,POST /x", "PUT", false),
            ("GET /x", "HEAD", true),
            ("POST /x", "HEAD", false),
            ("HEAD /x", "HEAD", true),
            ("HEAD /x", "GET", false),
            ("GET /x", "get", true),
            ("get /x", "Get", true),
            ("GET /x", "head", true),
            ("PURGE /x", "purge", true),
            ("GET /x", "gett", false),
        ] {
            assert_eq!(
                matches(pattern, method, "/x", Case::Counts),
                expected,
                "{pattern} {method}"
            );
        }
    }

    #[test]
    fn a_request_matches_by_each_method_that_it_counts_as() {
        let path = NormalPath::first(b"/x");
        let services = Services::default();
        let others = [Method::DELETE, Method::from_bytes(b"ODD").unwrap()];
        let target = Target::new(&Method::POST, &path, &services, Case::Counts);
        let target = target.counting_as(&others);

        for (pattern, expected) in [
            ("POST /x", true),
            ("DELETE /x", true),
            ("ODD /x", true),
            ("PUT /x", false),
            ("DELETE /y", false),
        ] {
            let pattern = Match::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&target), expected, "{pattern}");
            assert_eq!(pattern.captures(&target).is_some(), expected, "{pattern}");
        }
    }

    #[test]
    fn case_is_ignored_where_the_configuration_says_so() {
        assert!(matches("/Orders/{id}", "GET", "/oRDERS/1", Case::Ignored));
        assert!(!matches("/Orders/{id}", "GET", "/oRDERS/1", Case::Counts));
    }

    #[test]
    fn what_cannot_match_is_refused() {
        let part = |text: &str| MatchError::PartOfSegment(text.to_owned());
        let methods = |text: &str| MatchError::Methods(text.to_owned());
        for (text, error) in [
            ("", MatchError::NoPattern),
            ("GET", MatchError::NoPattern),
            ("orders/**", methods("orders")),
            ("GET POST /x", methods("GET POST")),
            ("GET,,POST /x", methods("GET,,POST")),
            (": /x", methods(":")),
            ("/a/**/b", MatchError::RestNotLast),
            ("/a/../b", MatchError::DotSegment),
            ("/a?b=c", MatchError::NotAPath),
            ("/orders the orders", MatchError::Blank),
            ("/orders\tthe orders", MatchError::Blank),
            ("/orders\0", MatchError::Control),
            ("/{x\u{1}}", MatchError::Control),
            ("/orders\u{7f}/**", MatchError::Control),
            ("/orders%00", MatchError::Control),
            ("/order-*", part("order-*")),
            ("/{id}.json", part("{id}.json")),
            ("/{}", part("{}")),
            ("/{a}{b}", part("{a}{b}")),
            ("/***", part("***")),
        ] {
            assert_eq!(Match::parse(text), Err(error), "{text}");
        }
    }
}
