//! Event names: `{service}.{resource…}.{verb}`.
//!
//! DF's names of what happens. A name without a verb stands for every
//! verb on its resource and below it; parts in braces stand for segments of the
//! path. The kind, which DF writes behind the name, is not part of it
//! here: it has been read from the file's name before.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use http::Method;

use super::capture::Capture;
use super::kind::Kind;
use super::path::Segments;
use super::service::Services;
use super::shape::{Look, Shape};
use super::target::Target;
use super::text::Case;

/// The name of an event, such as `db._table.{table_name}.get`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventName {
    text: Arc<str>,
    service: String,
    resource: Vec<Part>,
    verb: Option<Verb>,
}

/// The last part of an event's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `get`; HEAD counts as it.
    Get,
    /// `post`
    Post,
    /// `put`
    Put,
    /// `patch`
    Patch,
    /// `delete`
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `{…_path}`: the rest, one segment or more.
    Rest(String),
    /// `{…}`: one segment.
    One(String),
    Literal(String),
}

/// The most parts of a name whose paths are told in advance: there may be 2 to that.
const MOST_PARTS: usize = 10;

/// Why a text is no event name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Two dots in a row, or one at an end.
    #[error("an event's name has no empty parts")]
    EmptyPart,
    /// Such as `x{id}` or `{}`.
    #[error("`{0}`: braces enclose a whole part, and a name")]
    Braces(String),
    /// A part behind `{…_path}` that is not the verb.
    #[error("`{0}` stands for the rest of the path, so only a verb can follow it")]
    RestNotLast(String),
    /// Blanks, or a slash.
    #[error("an event's name holds no blanks and no `/`; its parts are joined by dots")]
    Characters,
    /// A kind behind the verb.
    #[error("leave out `{0}`: an @event names no kind")]
    Kind(String),
}

impl EventName {
    /// Whether `name`, a handler's, is an event's name and not a plain one.
    ///
    /// It is when it has a dot and its first part is a service, its last part a
    /// verb, or any part stands in braces.
    pub fn is_one(name: &str, services: &Services) -> bool {
        let (Some((first, _)), Some((_, last))) = (name.split_once('.'), name.rsplit_once('.'))
        else {
            return false;
        };
        let in_braces = |part: &str| part.starts_with('{') && part.ends_with('}');
        services.has(first) || Verb::parse(last).is_some() || name.split('.').any(in_braces)
    }

    /// Parses a name, whether its service is known or not.
    pub fn parse(text: &str) -> Result<Self, EventError> {
        if text.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(EventError::Characters);
        }
        let mut parts: Vec<_> = text.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(EventError::EmptyPart);
        }
        if let [_, .., verb, kind] = parts[..]
            && Verb::parse(verb).is_some()
            && Kind::parse(kind).is_some()
        {
            return Err(EventError::Kind(kind.to_owned()));
        }

        let service = parts.remove(0).to_owned();
        let verb = parts.last().and_then(|last| Verb::parse(last));
        if verb.is_some() {
            parts.pop();
        }
        let resource = parts
            .into_iter()
            .map(Part::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if let Some((_, before)) = resource.split_last()
            && let Some(rest) = before.iter().find(|part| matches!(part, Part::Rest(_)))
        {
            return Err(EventError::RestNotLast(rest.text().to_owned()));
        }
        Ok(Self {
            text: text.into(),
            service,
            resource,
            verb,
        })
    }

    /// The service whose events these are; it need not be configured.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The name without its verb, such as `crm.orders.{id}`.
    pub fn without_verb(&self) -> &str {
        let Some(verb) = self.verb else {
            return &self.text;
        };
        let length = self.text.len() - verb.as_str().len() - ".".len();
        &self.text[..length]
    }

    /// The name as it is spelled.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The verb it names; without one it stands for every one.
    pub(super) fn verb(&self) -> Option<Verb> {
        self.verb
    }

    /// What the paths below `prefix` look like that fire it; none where these are too many
    /// to tell, since each dot between two literals may be one of a segment.
    pub(super) fn shapes(&self, prefix: &[String]) -> Option<Vec<Shape>> {
        if self.resource.len() > MOST_PARTS {
            return None;
        }
        let mut shapes = vec![Shape {
            segments: prefix.iter().cloned().map(Look::Literal).collect(),
            is_open: self.verb.is_none(),
        }];
        let mut before: Option<&Part> = None;
        for part in &self.resource {
            let mut joined = match (before, part) {
                (Some(Part::Literal(_)), Part::Literal(literal)) => with_dot(&shapes, literal),
                _ => Vec::new(),
            };
            for shape in &mut shapes {
                match part {
                    Part::Literal(literal) => shape.segments.push(Look::Literal(literal.clone())),
                    Part::One(_) => shape.segments.push(Look::Any),
                    Part::Rest(_) => {
                        shape.segments.push(Look::Any);
                        shape.is_open = true;
                    }
                }
            }
            shapes.append(&mut joined);
            before = Some(part);
        }
        Some(shapes)
    }

    /// Whether it names a verb; else it stands for every one.
    pub fn has_verb(&self) -> bool {
        self.verb.is_some()
    }

    /// From generic to literal: part by part, end < `{…_path}` < `{…}` < literal,
    /// without a verb before with one. Two names of one shape are `Equal`.
    pub fn generic_first(&self, other: &Self) -> Ordering {
        fn shape(name: &EventName) -> impl Iterator<Item = u8> {
            name.resource.iter().map(Part::literalness)
        }
        shape(self)
            .cmp(shape(other))
            .then(self.verb.is_some().cmp(&other.verb.is_some()))
    }

    /// Whether the transaction fires this event, in any reading of its path.
    pub(super) fn matches(&self, target: &Target<'_>) -> bool {
        self.fired_on(target).is_some()
    }

    /// What the parts in braces stand for; none where the event isn't fired.
    pub(super) fn captures(&self, target: &Target<'_>) -> Vec<Capture> {
        let Some(resource) = self.fired_on(target) else {
            return Vec::new();
        };
        let mut alignment = Alignment::new(resource, target.case);
        self.resource
            .iter()
            .filter_map(|part| {
                let value = match alignment.step(part)? {
                    Stands::Literal => return None,
                    Stands::One(segment) => segment.to_owned(),
                    Stands::Rest(segments) => segments.collect::<Vec<_>>().join("/"),
                };
                Some(Capture {
                    name: part.text().to_owned(),
                    value,
                })
            })
            .collect()
    }

    /// The resource of the first reading that fires this event.
    fn fired_on<'t>(&self, target: &Target<'t>) -> Option<Segments<'t>> {
        if self.verb.is_some() && self.verb != target.verb {
            return None;
        }
        target
            .located()
            .filter(|(service, _)| service.name() == self.service)
            .map(|(_, resource)| resource)
            .find(|resource| self.matches_resource(resource.clone(), target.case))
    }

    fn matches_resource(&self, resource: Segments<'_>, case: Case) -> bool {
        let mut alignment = Alignment::new(resource, case);
        self.resource
            .iter()
            .all(|part| alignment.step(part).is_some())
            && if self.verb.is_some() {
                alignment.is_at_end()
            } else {
                alignment.is_between_segments()
            }
    }
}

/// Shapes whose last segment, a literal, goes on with a dot and this one.
fn with_dot(shapes: &[Shape], literal: &str) -> Vec<Shape> {
    let joined = |shape: &Shape| {
        let mut shape = shape.clone();
        if let Some(Look::Literal(last)) = shape.segments.last_mut() {
            last.push('.');
            last.push_str(literal);
        }
        shape
    };
    shapes.iter().map(joined).collect()
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The verb spelled exactly so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }

    /// The verb of a method's events: HEAD counts as get, OPTIONS and others have none.
    pub fn of(method: &Method) -> Option<Self> {
        match method.as_str() {
            "GET" | "HEAD" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    /// As event names spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, EventError> {
        let name = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if name.is_empty() || name.contains(['{', '}']) => {
                Err(EventError::Braces(text.to_owned()))
            }
            Some(name) if name.ends_with("_path") => Ok(Self::Rest(text.to_owned())),
            Some(_) => Ok(Self::One(text.to_owned())),
            None if text.contains(['{', '}']) => Err(EventError::Braces(text.to_owned())),
            None => Ok(Self::Literal(text.to_owned())),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Rest(text) | Self::One(text) | Self::Literal(text) => text,
        }
    }

    fn literalness(&self) -> u8 {
        match self {
            Self::Rest(_) => 0,
            Self::One(_) => 1,
            Self::Literal(_) => 2,
        }
    }
}

/// A resource's path, taken up part by part.
///
/// A name joins segments by dots, and a segment may have dots of its own:
/// `files.report.pdf` is the event of `/report.pdf` as well as of `/report/pdf`.
struct Alignment<'p> {
    segments: Segments<'p>,
    /// What a literal left of its segment, past the dot.
    tail: Option<&'p str>,
    case: Case,
}

/// What a part stands for.
enum Stands<'p> {
    Literal,
    One(&'p str),
    Rest(Segments<'p>),
}

impl<'p> Alignment<'p> {
    fn new(segments: Segments<'p>, case: Case) -> Self {
        Self {
            segments,
            tail: None,
            case,
        }
    }

    /// Takes up what `part` stands for; none where it does not fit.
    fn step(&mut self, part: &Part) -> Option<Stands<'p>> {
        match part {
            Part::Literal(literal) => self.literal(literal).then_some(Stands::Literal),
            Part::One(_) if self.tail.is_none() => self.segments.next().map(Stands::One),
            Part::Rest(_) if self.tail.is_none() => {
                let rest = self.segments.clone();
                self.segments.next()?;
                self.segments.by_ref().for_each(drop);
                Some(Stands::Rest(rest))
            }
            Part::One(_) | Part::Rest(_) => None,
        }
    }

    fn literal(&mut self, literal: &str) -> bool {
        let Some(text) = self.tail.take().or_else(|| self.segments.next()) else {
            return false;
        };
        if self.case.same(text, literal) {
            return true;
        }
        self.tail = text
            .split_once('.')
            .and_then(|(head, tail)| self.case.same(head, literal).then_some(tail));
        self.tail.is_some()
    }

    fn is_between_segments(&self) -> bool {
        self.tail.is_none()
    }

    fn is_at_end(&self) -> bool {
        self.tail.is_none() && self.segments.clone().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::NormalPath;
    use super::super::service::Service;
    use super::*;

    fn event(text: &str) -> EventName {
        EventName::parse(text).expect(text)
    }

    fn services() -> Services {
        Services::new([
            Service::new("db", "/api/v2/db"),
            Service::new("files", "/api/v2/files"),
            Service::new("system", "/api/v2/system"),
        ])
    }

    fn captures(name: &str, method: &str, path: &str, case: Case) -> Option<Vec<(String, String)>> {
        let (services, path) = (services(), NormalPath::new(path.as_bytes()));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let target = Target::new(&method, &path, &services, case);
        let event = event(name);
        event.matches(&target).then(|| {
            let captures = event.captures(&target).into_iter();
            captures
                .map(|Capture { name, value }| (name, value))
                .collect()
        })
    }

    fn fires(name: &str, method: &str, path: &str) -> bool {
        captures(name, method, path, Case::Counts).is_some()
    }

    #[test]
    fn an_event_is_fired_by_its_service_resource_and_verb() {
        for (name, request, expected) in [
            ("db.get", "GET /api/v2/db", true),
            ("db.get", "GET /api/v2/db/_table", false),
            ("db._table.get", "GET /api/v2/db/_table", true),
            ("db._table.get", "HEAD /api/v2/db/_table", true),
            ("db._table.get", "POST /api/v2/db/_table", false),
            ("db._table.get", "GET /api/v2/files/_table", false),
            ("db._table.{t}.get", "GET /api/v2/db/_table/orders", true),
            ("db._table.{t}.get", "GET /api/v2/db/_table", false),
            ("db._table.{t}.get", "GET /api/v2/db/_table/orders/1", false),
            ("db._table.orders.get", "GET /api/v2/db/_table/orders", true),
            (
                "db._table.orders.get",
                "GET /api/v2/db/_table/Orders",
                false,
            ),
            (
                "db._table.orders.get",
                "GET /api/v2/db/_table/x/../orders/",
                true,
            ),
            ("files.{file_path}.get", "GET /api/v2/files/a/b/c.txt", true),
            ("files.{file_path}.get", "GET /api/v2/files", false),
            ("files.a%2Fb.get", "GET /api/v2/files/a%252Fb", true),
            ("nowhere.x.get", "GET /api/v2/db/x", false),
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            assert_eq!(fires(name, method, path), expected, "{name} {request}");
        }
    }

    #[test]
    fn a_name_without_verb_stands_for_every_verb_on_its_resource_and_below() {
        for (request, expected) in [
            ("GET /api/v2/system/admin", true),
            ("OPTIONS /api/v2/system/admin", true),
            ("DELETE /api/v2/system/admin/session/1", true),
            ("GET /api/v2/system", false),
            ("GET /api/v2/system/administrator", false),
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            assert_eq!(fires("system.admin", method, path), expected, "{request}");
        }
    }

    #[test]
    fn a_segment_with_dots_is_several_parts_of_a_name() {
        for (name, path, expected) in [
            ("files.report.pdf.get", "/api/v2/files/report.pdf", true),
            ("files.report.pdf.get", "/api/v2/files/report/pdf", true),
            ("files.a.b.c.get", "/api/v2/files/a/b.c", true),
            ("files.report.get", "/api/v2/files/report.pdf", false),
            ("files.report", "/api/v2/files/report.pdf", false),
            ("files.report.{x}.get", "/api/v2/files/report.pdf", false),
            ("files.{x}.get", "/api/v2/files/report.pdf", true),
        ] {
            assert_eq!(fires(name, "GET", path), expected, "{name} {path}");
        }
    }

    #[test]
    fn parts_in_braces_capture_what_they_stand_for() {
        let pairs = |name, path| captures(name, "GET", path, Case::Counts).expect(path);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());

        assert_eq!(
            pairs(
                "db._table.{table_name}.{id}.get",
                "/api/v2/db/_table/my%20orders/42"
            ),
            [pair("{table_name}", "my orders"), pair("{id}", "42")]
        );
        assert_eq!(
            pairs("files.{file_path}.get", "/api/v2/files/a/b.txt"),
            [pair("{file_path}", "a/b.txt")]
        );
        assert_eq!(
            pairs("db.a.b.{id}.get", "/api/v2/db/a%2Fb/7"),
            [pair("{id}", "7")],
            "only the second reading of %2F matches"
        );
        assert_eq!(pairs("db._table.get", "/api/v2/db/_table"), []);
    }

    #[test]
    fn case_is_ignored_where_the_configuration_says_so() {
        let path = "/API/v2/db/_table/ORDERS";

        assert!(captures("db._table.orders.get", "GET", path, Case::Ignored).is_some());
        assert!(captures("db._table.orders.get", "GET", path, Case::Counts).is_none());
    }

    #[test]
    fn a_handler_name_is_an_event_name_by_its_service_its_verb_or_its_braces() {
        for (name, expected) in [
            ("db.orders", true),
            ("unknown.orders.get", true),
            ("unknown.{id}", true),
            ("{x}.y", true),
            ("db", false),
            ("get", false),
            ("10-strip.v2", false),
            ("unknown.orders", false),
            ("orders.head", false),
            ("a.x{id}", false),
        ] {
            assert_eq!(EventName::is_one(name, &services()), expected, "{name}");
        }
    }

    #[test]
    fn what_can_name_no_event_is_refused() {
        let text = |text: &str| text.to_owned();
        for (name, error) in [
            ("", EventError::EmptyPart),
            ("db..get", EventError::EmptyPart),
            ("db.x.", EventError::EmptyPart),
            ("db.x y.get", EventError::Characters),
            ("/db/x", EventError::Characters),
            ("db.x{id}.get", EventError::Braces(text("x{id}"))),
            ("db.{}.get", EventError::Braces(text("{}"))),
            (
                "db.{a_path}.x.get",
                EventError::RestNotLast(text("{a_path}")),
            ),
            (
                "db.x.get.post_process",
                EventError::Kind(text("post_process")),
            ),
        ] {
            assert_eq!(EventName::parse(name), Err(error), "{name}");
        }
        assert_eq!(
            event("db.options").verb,
            None,
            "a resource may be called like a kind"
        );
    }

    #[test]
    fn names_order_from_generic_to_literal() {
        let expected = [
            "db",
            "db.get",
            "db.{x_path}",
            "db.{x_path}.get",
            "db.{x}",
            "db.{x}.get",
            "db.{x}.{y_path}.get",
            "db.{x}.{y}.get",
            "db.{x}.lines.get",
            "db.orders",
            "db.orders.get",
            "db.orders.{id}",
            "db.orders.{id}.get",
            "db.orders.total",
        ];

        for (at, left) in expected.iter().enumerate() {
            for (other, right) in expected.iter().enumerate() {
                let order = event(left).generic_first(&event(right));
                assert_eq!(order, at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(
            event("db.a.get").generic_first(&event("db.b.put")),
            Ordering::Equal
        );
    }
}
