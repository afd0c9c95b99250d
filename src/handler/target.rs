//! What a transaction is about.

use std::sync::Arc;

use http::Method;

use super::event::Verb;
use super::path::{NormalPath, Segments};
use super::service::{Service, Services};
use super::text::Case;

/// What a transaction is about, as patterns and events see it.
///
/// Made once per transaction, from the request as the client sent it; both
/// phases choose their handlers by it.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    method: &'a Method,
    /// The methods that somebody behind us may take it for besides.
    others: &'a [Method],
    verb: Option<Verb>,
    pub(super) case: Case,
    path: &'a NormalPath<'a>,
    /// Where the first reading of the path leads: the request goes there.
    first: Option<Located<'a>>,
    /// Where the others lead that lead anywhere.
    elsewhere: Vec<Located<'a>>,
}

/// A service, and what lies below its prefix.
type Located<'a> = (&'a Arc<Service>, Segments<'a>);

impl<'a> Target<'a> {
    /// Finds the service that each reading of `path` belongs to.
    pub fn new(
        method: &'a Method,
        path: &'a NormalPath<'a>,
        services: &'a Services,
        case: Case,
    ) -> Self {
        let mut located = path
            .readings()
            .map(|segments| services.locate(&segments, case));
        let first = located.next().flatten();
        let elsewhere = located.flatten().collect();
        Self {
            method,
            others: &[],
            verb: Verb::of(method),
            case,
            path,
            first,
            elsewhere,
        }
    }

    /// Counts as a request with each of these methods as well.
    #[must_use]
    pub fn counting_as(mut self, others: &'a [Method]) -> Self {
        self.others = others;
        self
    }

    /// The methods that it counts as, the one it was sent with first.
    pub(super) fn methods(&self) -> impl Iterator<Item = &'a Method> {
        std::iter::once(self.method).chain(self.others)
    }

    /// Whether it counts as a request with this verb.
    pub(super) fn has_verb(&self, verb: Verb) -> bool {
        self.verb == Some(verb) || self.others.iter().any(|it| Verb::of(it) == Some(verb))
    }

    /// The service the request goes to, in the first reading of its path.
    pub fn service(&self) -> Option<&'a Arc<Service>> {
        self.first.as_ref().map(|(service, _)| *service)
    }

    /// What lies below the service's prefix in that reading: its segments joined by `/`.
    pub fn resource(&self) -> Option<String> {
        let (_, segments) = self.first.clone()?;
        Some(segments.collect::<Vec<_>>().join("/"))
    }

    /// The verb of this transaction's events; none where the method has no event.
    pub fn verb(&self) -> Option<Verb> {
        self.verb
    }

    /// The first segment of the path, which may be empty; `None` where the path has several
    /// readings, or case doesn't count.
    pub(super) fn first_segment(&self) -> Option<&'a str> {
        let mut readings = self.readings();
        let first = readings.next()?.next().unwrap_or("");
        (readings.next().is_none() && self.case == Case::Counts).then_some(first)
    }

    pub(super) fn readings(&self) -> impl Iterator<Item = Segments<'a>> {
        self.path.readings()
    }

    /// The service and the resource of each reading that lies below a service's prefix.
    pub(super) fn located(&self) -> impl Iterator<Item = (&'a Arc<Service>, Segments<'a>)> {
        self.first.iter().chain(&self.elsewhere).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_its_service_resource_and_verb() {
        let services = Services::new([Service::new("db", "/api/v2/db")]);
        let path = NormalPath::first(b"/api/v2/db/_table/orders/42?limit=1");

        let target = Target::new(&Method::HEAD, &path, &services, Case::Counts);

        assert_eq!(target.service().map(|service| service.name()), Some("db"));
        assert_eq!(target.resource().as_deref(), Some("_table/orders/42"));
        assert_eq!(target.verb(), Some(Verb::Get));
    }

    #[test]
    fn a_path_outside_every_prefix_has_no_service() {
        let services = Services::new([Service::new("db", "/api/v2/db")]);
        let path = NormalPath::first(b"/other");

        let target = Target::new(&Method::GET, &path, &services, Case::Counts);

        assert!(target.service().is_none());
        assert_eq!(target.resource(), None);
    }
}
