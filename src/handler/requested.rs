//! What a client asked for, as events name it.
//!
//! Handlers may edit the request; the names of events stay those of the request as it came.

use std::sync::Arc;

use http::Method;

use super::capture::Capture;
use super::declared::Declared;
use super::event::EventName;
use super::kind::Kind;
use super::path::NormalPath;
use super::pattern::Match;
use super::service::Services;
use super::target::Target;
use super::text::Case;

/// Method and path of a request as it came, and the services its path is read by.
///
/// Nothing is worked out before a handler asks for it.
#[derive(Debug, Clone)]
pub struct Requested {
    /// The method.
    pub method: Method,
    /// The methods that somebody behind us may take it for besides.
    pub other_methods: Vec<Method>,
    /// The path as sent, without its query.
    pub path: Arc<str>,
    /// The services that there are.
    pub services: Services,
    /// Whether case counts in paths.
    pub case: Case,
}

impl Requested {
    /// What the parts in braces stand for, in `event` and in the first of `matches` that
    /// fits. A name that stands in both is the event's.
    pub fn captures(&self, event: Option<&EventName>, matches: &[Match]) -> Vec<Capture> {
        self.about(|target| {
            let mut captures = event
                .map(|event| event.captures(target))
                .unwrap_or_default();
            let matched = matches.iter().find_map(|one| one.captures(target));
            for capture in matched.unwrap_or_default() {
                if captures.iter().all(|other| other.name != capture.name) {
                    captures.push(capture);
                }
            }
            captures
        })
    }

    /// What lies below the service's prefix, segments joined by `/`; empty outside every service.
    pub fn resource(&self) -> String {
        self.about(|target| target.resource().unwrap_or_default())
    }

    /// The name that DF gives to what happens while a handler of `kind` runs: that of its own
    /// event where it is for one, else that of the request.
    pub fn event_name(&self, event: Option<&EventName>, kind: Kind) -> String {
        self.about(|target| {
            let mut parts = Vec::new();
            if let Some(event) = event {
                parts.push(event.as_str().to_owned());
            } else {
                parts.extend(target.service().map(|service| service.name().to_owned()));
                parts.extend(
                    target
                        .resource()
                        .filter(|resource| !resource.is_empty())
                        .map(|resource| resource.replace('/', ".")),
                );
            }
            if event.is_none_or(|event| !event.has_verb()) {
                parts.extend(target.verb().map(|verb| verb.as_str().to_owned()));
            }
            parts.push(kind.process().to_owned());
            parts.join(".")
        })
    }

    /// Whether it is one to a service.
    pub fn is_of_a_service(&self) -> bool {
        self.about(|target| target.service().is_some())
    }

    /// Why a handler doesn't apply to it, for people.
    pub fn why_not(&self, handler: &Declared) -> &'static str {
        self.about(|target| {
            if !handler.active {
                "it is switched off"
            } else if !handler.fits(target) {
                "its @match is for other requests"
            } else if !handler.applies(target) {
                "its event is another one"
            } else if handler.kind == Kind::Options {
                "the request is no preflight"
            } else {
                "it was running further out, or nobody listened when the request began"
            }
        })
    }

    fn about<R>(&self, look: impl FnOnce(&Target<'_>) -> R) -> R {
        let path = self.path.as_bytes();
        // One with too many readings was refused before it was asked about.
        let path = NormalPath::new(path).unwrap_or_else(|_| NormalPath::first(path));
        let target = Target::new(&self.method, &path, &self.services, self.case);
        look(&target.counting_as(&self.other_methods))
    }
}

#[cfg(test)]
mod tests {
    use super::super::service::Service;
    use super::*;

    fn requested(method: &str, path: &str) -> Requested {
        Requested {
            method: method.parse().expect("a method"),
            other_methods: Vec::new(),
            path: path.into(),
            services: Services::new([Service::new("db", "/api/v2/db")]),
            case: Case::Counts,
        }
    }

    #[test]
    fn an_event_is_named_after_the_handlers_own_or_after_the_request() {
        let event = |name: &str| EventName::parse(name).expect(name);
        let requested = requested("HEAD", "/api/v2/db/_table/orders/7");

        for (own, kind, name) in [
            (None, Kind::Request, "db._table.orders.7.get.pre_process"),
            (
                Some("db._table.{t}.{id}.get"),
                Kind::PostProcess,
                "db._table.{t}.{id}.get.post_process",
            ),
            (Some("db._table"), Kind::Error, "db._table.get.post_process"),
            (Some("db._table"), Kind::Queued, "db._table.get.queued"),
        ] {
            let own = own.map(event);
            assert_eq!(requested.event_name(own.as_ref(), kind), name);
        }
    }

    #[test]
    fn a_path_outside_every_service_has_no_resource() {
        assert_eq!(requested("GET", "/api/v2/db/a/b?x").resource(), "a/b");
        assert_eq!(requested("GET", "/other").resource(), "");
        assert_eq!(
            requested("GET", "/other").event_name(None, Kind::Request),
            "get.pre_process"
        );
    }

    #[test]
    fn braces_of_the_event_and_of_the_first_pattern_that_fits_are_captured() {
        let requested = requested("GET", "/api/v2/db/_table/my%20orders/7");
        let event = EventName::parse("db._table.{t}.{id}.get").expect("an event");
        let matches: Vec<_> = [
            "POST /{nobody}/**",
            "/{a}/*/{service}/**",
            "/{too_late}/**",
            "/api/{id}/**",
        ]
        .map(|text| Match::parse(text).expect(text))
        .into();

        let captured = |event, matches: &[Match]| -> Vec<(String, String)> {
            let captures = requested.captures(event, matches).into_iter();
            captures.map(|one| (one.name, one.value)).collect()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());

        assert_eq!(
            captured(Some(&event), &matches),
            [
                pair("{t}", "my orders"),
                pair("{id}", "7"),
                pair("{a}", "api"),
                pair("{service}", "db"),
            ]
        );
        assert_eq!(
            captured(Some(&event), &matches[3..]),
            [pair("{t}", "my orders"), pair("{id}", "7")]
        );
        assert_eq!(captured(None, &matches[..1]), []);
    }
}
