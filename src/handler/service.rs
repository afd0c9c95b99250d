//! Services: the names that events begin with, and the paths they stand for.

use std::sync::Arc;

use super::path::{NormalPath, Segments};
use super::shape::Shape;
use super::text::Case;

/// One `[[service]]`: a name for what lies below a prefix of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    name: String,
    prefix: Vec<String>,
    /// Where it isn't the one that the prefix names.
    api_version: Option<String>,
}

/// All services, the longest prefix first. A clone is the same ones.
#[derive(Debug, Clone, Default)]
pub struct Services(Arc<[Arc<Service>]>);

impl Service {
    /// A service of this name below `prefix`, a path such as `/api/v2/db`.
    pub fn new(name: impl Into<String>, prefix: &str) -> Self {
        let prefix = NormalPath::first(prefix.as_bytes())
            .readings()
            .next()
            .map(|segments| segments.map(str::to_owned).collect())
            .unwrap_or_default();
        Self {
            name: name.into(),
            prefix,
            api_version: None,
        }
    }

    /// Gives it a version that its prefix doesn't name.
    #[must_use]
    pub fn with_api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = Some(version.into());
        self
    }

    /// The name that its events begin with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path it begins at: `/`, or `/api/v2/db` without a slash at its end.
    pub fn prefix(&self) -> String {
        format!("/{}", self.prefix.join("/"))
    }

    /// The segments of its prefix.
    pub(super) fn segments(&self) -> &[String] {
        &self.prefix
    }

    /// Its version: the one that was given, else the one that the prefix names, such as
    /// `v2`; empty where there is none.
    pub fn api_version(&self) -> &str {
        if let Some(version) = &self.api_version {
            return version;
        }
        let is_version = |part: &&String| {
            part.strip_prefix('v')
                .is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_digit()))
        };
        self.prefix
            .iter()
            .rev()
            .find(is_version)
            .map_or("", String::as_str)
    }

    /// Whether a path that was put together below the prefix stays there, whoever reads it.
    pub fn keeps(&self, path: &str) -> bool {
        let prefix = self.prefix();
        let (Ok(prefixes), Ok(path)) = (
            NormalPath::new(prefix.as_bytes()),
            NormalPath::new(path.as_bytes()),
        ) else {
            return false;
        };
        let begins_with = |path: &Segments<'_>, mut prefix: Segments<'_>| {
            let mut path = path.clone();
            prefix.all(|part| path.next() == Some(part))
        };
        path.readings().all(|reading| {
            let mut prefixes = prefixes.readings();
            prefixes.any(|prefix| begins_with(&reading, prefix))
        })
    }

    /// What of `path` lies below the prefix.
    fn below<'p>(&self, mut path: Segments<'p>, case: Case) -> Option<Segments<'p>> {
        self.prefix
            .iter()
            .all(|part| path.next().is_some_and(|segment| case.same(part, segment)))
            .then_some(path)
    }
}

impl Services {
    /// Takes the services as configured; of two with one prefix the first wins.
    pub fn new(services: impl IntoIterator<Item = Service>) -> Self {
        let mut services: Vec<_> = services.into_iter().map(Arc::new).collect();
        services.sort_by_key(|service| std::cmp::Reverse(service.prefix.len()));
        Self(services.into())
    }

    /// The names of all services.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|service| service.name())
    }

    /// Whether a service has this name.
    pub fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// The service of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Service>> {
        self.0.iter().find(|service| service.name == name)
    }

    /// The other service that takes all paths of a shape, since its prefix is longer than
    /// that of `service`.
    pub(super) fn taker(&self, service: &Service, shape: &Shape) -> Option<&Arc<Service>> {
        self.0.iter().find(|other| {
            other.prefix.len() > service.prefix.len() && shape.lies_below(&other.prefix)
        })
    }

    /// The service that `path` belongs to, in its first reading.
    pub fn of(&self, path: &NormalPath<'_>, case: Case) -> Option<&Arc<Service>> {
        let first = path.readings().next()?;
        Some(self.locate(&first, case)?.0)
    }

    /// The service that `path` belongs to, and the resource: the segments below its prefix.
    pub(super) fn locate<'s, 'p>(
        &'s self,
        path: &Segments<'p>,
        case: Case,
    ) -> Option<(&'s Arc<Service>, Segments<'p>)> {
        self.0
            .iter()
            .find_map(|service| Some((service, service.below(path.clone(), case)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(path: &str, case: Case) -> Option<(String, Vec<String>)> {
        let services = Services::new([
            Service::new("api", "/api"),
            Service::new("db", "/api/v2/db/"),
        ]);
        let path = NormalPath::first(path.as_bytes());
        let (service, resource) = services.locate(&path.readings().next()?, case)?;
        Some((
            service.name().to_owned(),
            resource.map(str::to_owned).collect(),
        ))
    }

    #[test]
    fn the_longest_prefix_wins() {
        for (path, service, resource) in [
            ("/api/v2/db/_table/t", "db", &["_table", "t"][..]),
            ("/api/v2/db", "db", &[]),
            ("/api/v2/dbx", "api", &["v2", "dbx"]),
            ("/api", "api", &[]),
        ] {
            let (name, rest) = located(path, Case::Counts).expect(path);
            assert_eq!(
                (name.as_str(), rest.as_slice()),
                (service, &owned(resource)[..])
            );
        }
        assert_eq!(located("/other", Case::Counts), None);
    }

    #[test]
    fn case_counts_in_a_prefix_unless_it_is_ignored() {
        assert_eq!(located("/API/x", Case::Counts), None);
        assert!(located("/API/x", Case::Ignored).is_some());
    }

    #[test]
    fn a_path_that_leaves_the_prefix_in_any_reading_is_not_kept() {
        let service = Service::new("crm", "/api/crm");
        for path in [
            "/api/crm",
            "/api/crm/customers/42",
            "/api/crm/a/../b",
            "/api/crm/a%2Fb;v=1",
            "/api/crm//a",
        ] {
            assert!(service.keeps(path), "{path}");
        }
        for path in [
            "/api/crm/../x",
            "/api/crm/../../x",
            "/api/crm/%2e%2e/x",
            "/api/crm/%252e%252e/x",
            "/api/crm/..%2fx",
            "/api/crm/..;/x",
            "/api/crm/..%5cx",
            "/api/crm/a/../../x",
            "/api/crmx",
        ] {
            assert!(!service.keeps(path), "{path}");
        }
        assert!(Service::new("all", "/").keeps("/../x"));
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }
}
