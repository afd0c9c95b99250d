//! What a transaction is called, where it comes from and what applies to it: read off its
//! request's head.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderValue, Method, header};
use ipnet::IpNet;
use uuid::Uuid;

use crate::generation::{Generation, Plan};
use crate::handler::{
    Case, NormalPath, Origin, Requested, Service, Services, Target, TooManyReadings, TransactionId,
};
use crate::message::forwarded::{self, Client};
use crate::message::namesakes::{self, Underscores};
use crate::message::{Fields, Request, head};

use super::overrides::{TooManyMethods, other_methods};
use super::respond::Refusal;
use super::session::SessionSources;

/// The longest name of a transaction that is taken from outside, in bytes.
const ID_LIMIT: usize = 128;

/// What requests are named by.
#[derive(Debug, Clone)]
pub struct Names {
    services: Services,
    /// The service of a path that is none's: one without a name at `/`.
    nameless: Arc<Service>,
    case: Case,
    /// Who may tell the client's address and scheme.
    trusted: Vec<IpNet>,
    /// The name of the member that holds a row's metadata.
    metadata_name: Arc<str>,
    session: SessionSources,
    /// Parameters of a query that may say which method a POST means.
    method_parameters: Vec<String>,
    /// What becomes of fields with `_` in their names that nobody here knows.
    underscores: Underscores,
}

/// A request, as far as its handlers are chosen by it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path, without the query.
    pub path: &'a str,
    /// Its query, without `?`.
    pub query: Option<&'a str>,
    /// Its fields.
    pub fields: &'a Fields,
    /// Whether a browser asks what it may do ([Fetch, CORS-preflight]).
    ///
    /// [Fetch, CORS-preflight]: https://fetch.spec.whatwg.org/#cors-preflight-request
    pub is_preflight: bool,
}

impl<'a> Asked<'a> {
    /// This request, as it came.
    pub fn by(request: &'a Request) -> Self {
        let (method, fields) = (&request.method, &request.fields);
        let asks = || fields.has(&header::ACCESS_CONTROL_REQUEST_METHOD);
        Self {
            method,
            path: &request.path,
            query: request.sent_query(),
            fields,
            is_preflight: *method == Method::OPTIONS && asks(),
        }
    }
}

/// Why it can't be said what applies to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unplannable {
    /// Its path.
    #[error(transparent)]
    Path(#[from] TooManyReadings),
    /// Its methods.
    #[error(transparent)]
    Method(#[from] TooManyMethods),
}

impl From<Unplannable> for Refusal {
    fn from(reason: Unplannable) -> Self {
        Self::Head(match reason {
            Unplannable::Path(TooManyReadings) => head::Fault::TooManyReadings,
            Unplannable::Method(TooManyMethods) => {
                head::Fault::Malformed("it names too many methods")
            }
        })
    }
}

/// What applies to a request, and the part of the API it is for.
#[derive(Debug)]
pub struct Planned {
    /// The handlers.
    pub plan: Plan,
    /// The service its path belongs to.
    pub service: Arc<Service>,
    /// The last segment below the service's prefix that doesn't look like an id.
    pub resource: String,
    /// The request, as it came.
    pub requested: Requested,
}

impl Names {
    /// Names for an API of these parts, whose paths are compared by `case`.
    pub fn new(services: Services, case: Case, trusted: Vec<IpNet>, metadata_name: &str) -> Self {
        let nameless = Arc::new(Service::new("", "/"));
        Self {
            services,
            nameless,
            case,
            trusted,
            metadata_name: metadata_name.into(),
            session: SessionSources::default(),
            method_parameters: Vec::new(),
            underscores: Underscores::default(),
        }
    }

    /// Lets these parameters of a query say which method a POST means.
    #[must_use]
    pub fn with_method_parameters(mut self, parameters: Vec<String>) -> Self {
        self.method_parameters = parameters;
        self
    }

    /// Lets fields with `_` in their names pass, or not.
    #[must_use]
    pub fn with_underscores(mut self, underscores: Underscores) -> Self {
        self.underscores = underscores;
        self
    }

    /// Reads sessions off these sources.
    #[must_use]
    pub fn with_session(mut self, session: SessionSources) -> Self {
        self.session = session;
        self
    }

    /// The client behind a connection from `peer`.
    pub fn client(&self, peer: SocketAddr, tls: bool, fields: &Fields) -> Client {
        forwarded::client(peer, tls, fields, &self.trusted)
    }

    /// The service that a request for `path`, without its query, belongs to.
    pub fn service(&self, path: &str) -> Arc<Service> {
        let path = NormalPath::first(path.as_bytes());
        let service = self.services.of(&path, self.case).unwrap_or(&self.nameless);
        Arc::clone(service)
    }

    /// Finds what applies to a request. Handlers that are `running` further out stay out.
    /// `None` where nothing applies.
    ///
    /// # Errors
    ///
    /// [`Unplannable`] where it can't be said what applies.
    pub fn plan(
        &self,
        generation: &Generation,
        asked: &Asked<'_>,
        running: &[usize],
    ) -> Result<Option<Planned>, Unplannable> {
        if generation.chains.is_empty() {
            return Ok(None);
        }
        let path = NormalPath::new(asked.path.as_bytes())?;
        let parameters = &self.method_parameters;
        let other_methods = other_methods(asked.method, asked.fields, asked.query, parameters)?;
        let target = Target::new(asked.method, &path, &self.services, self.case);
        let target = target.counting_as(&other_methods);
        let plan = generation.plan(&target, asked.is_preflight, running);
        if plan.is_empty() {
            return Ok(None);
        }
        let service = target.service().unwrap_or(&self.nameless);
        let resource = target.resource().unwrap_or_else(|| whole_path(&path));
        Ok(Some(Planned {
            plan,
            service: Arc::clone(service),
            resource: resource_name(&resource).to_owned(),
            requested: Requested {
                method: asked.method.clone(),
                other_methods: other_methods.clone(),
                path: asked.path.into(),
                services: self.services.clone(),
                case: self.case,
            },
        }))
    }

    /// Removes the fields that are taken for others which the sidecar, the configuration or one of
    /// these handlers knows by name.
    pub fn remove_namesakes(&self, fields: &mut Fields, generation: &Generation, plan: &Plan) {
        let is_known = |dashed: &str| plan.names_field(generation, dashed);
        self.remove_namesakes_but(fields, is_known);
    }

    /// The same where no handler applies.
    pub fn remove_our_namesakes(&self, fields: &mut Fields) {
        self.remove_namesakes_but(fields, |_| false);
    }

    fn remove_namesakes_but(&self, fields: &mut Fields, is_known: impl Fn(&str) -> bool) {
        namesakes::remove(fields, self.underscores, |dashed| {
            self.session.names_field(dashed) || is_known(dashed)
        });
        for name in self.session.underscored_fields() {
            namesakes::remove_namesakes_of(fields, name);
        }
    }

    /// Where a client's own request, with these fields, comes from and what it is for.
    pub fn origin(
        &self,
        client: Client,
        fields: &Fields,
        host: &str,
        local: SocketAddr,
        planned: &Planned,
    ) -> Origin {
        Origin {
            client,
            host: host.to_owned(),
            local,
            requested: planned.requested.clone(),
            service: Arc::clone(&planned.service),
            resource: planned.resource.clone(),
            metadata_name: Arc::clone(&self.metadata_name),
            session: Arc::new(self.session.read(fields)),
            depth: 0,
            passes: forwarded::passes(fields),
            running: Vec::new(),
        }
    }
}

/// The name of a transaction: the one it came with where that is fit for a log line,
/// else a new one.
pub fn name(told: Option<&HeaderValue>) -> TransactionId {
    let fit = |name: &&str| !name.is_empty() && name.len() <= ID_LIMIT;
    let told = told.and_then(|value| value.to_str().ok()).filter(fit);
    match told {
        Some(name) => TransactionId(name.into()),
        None => TransactionId(Uuid::now_v7().to_string().into()),
    }
}

fn whole_path(path: &NormalPath<'_>) -> String {
    path.readings()
        .next()
        .map(|segments| segments.collect::<Vec<_>>().join("/"))
        .unwrap_or_default()
}

/// The last segment that doesn't look like an id: a number or a UUID.
fn resource_name(path: &str) -> &str {
    path.rsplit('/')
        .find(|segment| !segment.is_empty() && !is_id(segment))
        .unwrap_or("")
}

fn is_id(segment: &str) -> bool {
    segment.bytes().all(|byte| byte.is_ascii_digit()) || Uuid::try_parse(segment).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_the_last_segment_that_is_no_id() {
        assert_eq!(resource_name("customers"), "customers");
        assert_eq!(resource_name("customers/42"), "customers");
        assert_eq!(resource_name("customers/42/orders"), "orders");
        assert_eq!(
            resource_name("jobs/018f2c7e-5b0a-7cc3-98c4-dc0c0c07398f"),
            "jobs"
        );
        assert_eq!(resource_name("42"), "");
    }

    #[test]
    fn a_name_from_outside_is_kept_where_it_is_fit() {
        let told = |text: &'static str| name(Some(&HeaderValue::from_static(text))).to_string();

        assert_eq!(told("abc-1"), "abc-1");
        assert_eq!(told("").len(), 36);
        assert_eq!(name(None).to_string().len(), 36);
        assert_ne!(name(None), name(None));
    }
}
