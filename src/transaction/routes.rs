//! Which upstream a request goes to: that of its service, else the one of the whole API.
//!
//! The service is the one whose prefix the client asked below. What handlers make of the
//! path afterwards doesn't change it: taking a prefix off is what they edit paths for.

use std::collections::BTreeMap;

use crate::handler::Service;

/// The ways to the upstreams, each of them a `U`.
#[derive(Debug, Clone)]
pub struct Routes<U> {
    main: U,
    /// Those of services that have one of their own, by the service's name.
    own: BTreeMap<String, U>,
}

impl<U> Routes<U> {
    /// One way for every request.
    pub fn to(main: U) -> Self {
        Self {
            main,
            own: BTreeMap::new(),
        }
    }

    /// Gives a service an upstream of its own.
    #[must_use]
    pub fn with_own(mut self, service: impl Into<String>, upstream: U) -> Self {
        self.own.insert(service.into(), upstream);
        self
    }

    /// The way of requests that no service with an upstream of its own is asked for.
    pub fn main(&self) -> &U {
        &self.main
    }

    /// Whether every request goes the same way.
    pub fn is_one(&self) -> bool {
        self.own.is_empty()
    }

    /// The way of a request to this service.
    pub fn of(&self, service: &Service) -> &U {
        self.own.get(service.name()).unwrap_or(&self.main)
    }

    /// The same ways, each turned into something else.
    pub fn map<V>(&self, mut turn: impl FnMut(&U) -> V) -> Routes<V> {
        Routes {
            main: turn(&self.main),
            own: self
                .own
                .iter()
                .map(|(service, upstream)| (service.clone(), turn(upstream)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_an_upstream_of_its_own_goes_to_the_main_one() {
        let routes = Routes::to("main").with_own("crm", "crm's");

        let of = |name: &str| *routes.of(&Service::new(name, "/"));

        assert_eq!((of("crm"), of("hr"), of("")), ("crm's", "main", "main"));
        assert!(!routes.is_one() && Routes::to("main").is_one());
    }
}
