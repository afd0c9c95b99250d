//! Event names: `{service}.{resource…}.{verb}`.
//!
//! DF's names of what happens. A name without a verb stands for every
//! verb on its resource and below it; parts in braces stand for segments of the
//! path. The kind, which DF writes behind the name, is not part of it
//! here: it has been read from the file's name before.

mod alignment;
mod part;
#[cfg(test)]
mod tests;
mod verb;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::capture::Capture;
use super::kind::Kind;
use super::path::Segments;
use super::service::Services;
use super::shape::{Look, Shape};
use super::target::Target;
use super::text::Case;

use alignment::{Alignment, Stands};
use part::Part;

pub use verb::Verb;

/// The name of an event, such as `db._table.{table_name}.get`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventName {
    text: Arc<str>,
    service: String,
    resource: Vec<Part>,
    verb: Option<Verb>,
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
    /// Blanks, control characters, or a slash.
    #[error(
        "an event's name holds no blanks, control characters or `/`; its parts are joined by dots"
    )]
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
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
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
        if self.verb.is_some_and(|verb| !target.has_verb(verb)) {
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
