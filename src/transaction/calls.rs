//! Carries out the calls that handlers make.
//!
//! ```text
//! getResource ──────────▶ upstream                    past the handlers
//! a path of this API ───▶ the line, one level deeper  through the handlers
//! http(s)://host ───────▶ that host, where it is listed
//! ```

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use url::{Host as HostName, Url};

use crate::generation::Generation;
use crate::handler::host::{Caller, Destination, Host, HostError, HostRequest, HostResponse};
use crate::message::percent;
use crate::message::{Body, Fields, Request, forwarded};

use super::bodies::{Missing, read_whole};
use super::coded::decode_for_good;
use super::configured::AllowedHost;
use super::line::Line;
use super::ports::{
    BodyError, ClientConnection, Exchange, Hosts, Nobody, OnBehalfOf, Sending, UpstreamError,
};
use super::room::Share;

/// How deep handlers may call handlers below a client's own request.
pub const DEEPEST: u8 = 4;

/// What host calls go through.
pub struct Calls {
    /// Calls other hosts.
    hosts: Arc<dyn Hosts>,
    allowed: Vec<AllowedHost>,
    /// The longest response a handler gets, in bytes.
    limit: usize,
    /// The line that calls to this API take. Weak, since the line owns this.
    line: OnceLock<Weak<Line>>,
}

impl Calls {
    /// Calls to this API, and by `hosts` to those in `allowed`.
    pub fn new(hosts: Arc<dyn Hosts>, allowed: Vec<AllowedHost>, limit: usize) -> Self {
        Self {
            hosts,
            allowed,
            limit,
            line: OnceLock::new(),
        }
    }

    /// What the handlers of a transaction of this generation may call; `connection` is that
    /// of the client that waits for it.
    pub(super) fn of(
        self: &Arc<Self>,
        generation: &Arc<Generation>,
        connection: Option<&Arc<ClientConnection>>,
    ) -> Arc<dyn Host> {
        Arc::new(CallsIn {
            calls: Arc::clone(self),
            generation: Arc::clone(generation),
            connection: connection.map(Arc::downgrade),
        })
    }

    /// Connects the line that calls to this API take. Until then there is none.
    pub(super) fn connect(&self, line: Weak<Line>) {
        // Called once, by the line itself when it is built.
        let _ = self.line.set(line);
    }

    fn line(&self) -> Result<Arc<Line>, HostError> {
        self.line
            .get()
            .and_then(Weak::upgrade)
            .ok_or(HostError::Busy)
    }

    async fn to_upstream(
        &self,
        target: &str,
        caller: &Caller,
        connection: Option<&Arc<ClientConnection>>,
        call: HostRequest,
    ) -> Result<HostResponse, HostError> {
        let line = self.line()?;
        let mut request = request(target, caller, &call);
        request
            .fields
            .replace(forwarded::pass(caller.origin.passes));
        let service = line.names.service(&request.path);
        let exchange = line
            .upstreams
            .of(&service)
            .exchange(
                OnBehalfOf::handler(connection),
                &request,
                Sending::Whole(call.body.into()),
                &mut Nobody,
            )
            .await
            .map_err(|error| failed(&error))?;
        self.read(exchange).await
    }

    async fn through_handlers(
        &self,
        generation: &Arc<Generation>,
        target: &str,
        caller: &Caller,
        connection: Option<Arc<ClientConnection>>,
        call: HostRequest,
    ) -> Result<HostResponse, HostError> {
        if caller.origin.depth >= DEEPEST {
            return Err(HostError::TooDeep);
        }
        let line = self.line()?;
        let mut request = request(target, caller, &call);
        request.body = if call.body.is_empty() {
            Body::Empty
        } else {
            Body::Whole(call.body.into())
        };
        let response = line
            .inner(Arc::clone(generation), request, caller, connection)
            .await;
        self.read(response).await
    }

    async fn to_host(
        &self,
        address: &str,
        passes: u8,
        call: HostRequest,
    ) -> Result<HostResponse, HostError> {
        let url = Url::parse(address).map_err(|error| HostError::BadAddress {
            address: without_secrets(address),
            reason: error.to_string(),
        })?;
        let host = url
            .host()
            .ok_or_else(|| HostError::NotAllowed {
                host: without_secrets(address),
            })?
            .to_owned();
        if !self.allows(&host, url.port_or_known_default()) {
            return Err(HostError::NotAllowed {
                host: host.to_string(),
            });
        }
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut request = Request::new(call.method.clone(), &target, fields(&call.fields));
        let name = url
            .port()
            .map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        let name =
            HeaderValue::from_str(&name).map_err(|_| HostError::NotAllowed { host: name })?;
        request.fields.insert(header::HOST, name);
        ask_for_text(&mut request.fields);
        // A host may lead back here.
        request.fields.replace(forwarded::pass(passes));
        let exchange = self
            .hosts
            .exchange(&url, &request, call.body)
            .await
            .map_err(|error| failed(&error))?;
        self.read(exchange).await
    }

    fn allows(&self, host: &HostName, port: Option<u16>) -> bool {
        self.allowed.iter().any(|allowed| {
            allowed.host == *host && (allowed.port.is_none() || allowed.port == port)
        })
    }

    /// A full address of this API, such as `req.baseUrl` makes, as a path of it.
    ///
    /// By what the client calls us it is known only where handlers may call no such host. Else
    /// whoever sends a listed host's name as `Host` would have calls answered by this API that
    /// are meant for that host.
    fn own_target(&self, address: &str, caller: &Caller) -> Option<String> {
        let (_, rest) = address.split_once("://")?;
        let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let origin = &caller.origin;
        let is_ours = names_local(host, origin.local)
            || (host == origin.host && !self.allows_address(address));
        is_ours.then(|| {
            if target.is_empty() {
                "/".to_owned()
            } else {
                target.to_owned()
            }
        })
    }

    fn allows_address(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else {
            return false;
        };
        let port = url.port_or_known_default();
        url.host()
            .is_some_and(|host| self.allows(&host.to_owned(), port))
    }

    async fn read(&self, mut exchange: Exchange<'_>) -> Result<HostResponse, HostError> {
        let mut share = self.line()?.pipeline.settings().room.share();
        let body = match exchange.head.body {
            Body::Empty => Bytes::new(),
            Body::Whole(pieces) | Body::Edited(pieces) => pieces.joined(),
            Body::Streamed => read_whole(exchange.body.as_mut(), self.limit, &mut share)
                .await
                .map_err(unread)?,
        };
        // Nobody asked for a coding, and some use one all the same.
        let fields = &mut exchange.head.fields;
        let body = decode_for_good(body, fields, self.limit, &mut share)
            .await
            .map_err(unread)?;
        let fields = fields
            .iter()
            .map(|field| (field.name().clone(), field.value().clone()))
            .collect();
        Ok(HostResponse {
            status: exchange.head.status,
            fields,
            body: Bytes::from_owner(Read {
                body,
                _share: share,
            }),
        })
    }
}

/// A body that takes its room as long as the handler that asked for it hasn't taken it over.
struct Read {
    body: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Read {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// The calls of one transaction: those that go through handlers stay in its generation.
struct CallsIn {
    calls: Arc<Calls>,
    generation: Arc<Generation>,
    /// The client's connection. Weak: a handler that can't be stopped doesn't keep what
    /// ends with it.
    connection: Option<Weak<ClientConnection>>,
}

#[async_trait::async_trait]
impl Host for CallsIn {
    async fn call(&self, caller: &Caller, request: HostRequest) -> Result<HostResponse, HostError> {
        let Self {
            calls,
            generation,
            connection,
        } = self;
        let connection = connection.as_ref().and_then(Weak::upgrade);
        if let Destination::Upstream(target) | Destination::Chains(target) = &request.to {
            check_path(target)?;
        }
        match request.to.clone() {
            Destination::Upstream(target) => {
                calls
                    .to_upstream(&target, caller, connection.as_ref(), request)
                    .await
            }
            Destination::Chains(target) => {
                calls
                    .through_handlers(generation, &target, caller, connection, request)
                    .await
            }
            Destination::Host(address) => match calls.own_target(&address, caller) {
                Some(target) => {
                    check_path(&target)?;
                    calls
                        .through_handlers(generation, &target, caller, connection, request)
                        .await
                }
                None => {
                    let passes = caller.origin.passes;
                    calls.to_host(&address, passes, request).await
                }
            },
        }
    }
}

/// Refuses what a client's request is refused for as well.
fn check_path(target: &str) -> Result<(), HostError> {
    let path = target.split('?').next().unwrap_or_default();
    if percent::hides_nul(path.as_bytes()) {
        return Err(HostError::BadAddress {
            address: path.to_owned(),
            reason: "the path holds a NUL".to_owned(),
        });
    }
    Ok(())
}

/// Whether a host and port are those of ours that the client is connected to.
fn names_local(host: &str, local: SocketAddr) -> bool {
    host == local.to_string()
        || (local.ip().is_loopback() && host == format!("localhost:{}", local.port()))
}

/// What a log may hold of an address: neither credentials nor a query.
fn without_secrets(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match address.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => address.to_owned(),
    }
}

/// A request to this API, with the caller's authentication and the client's host.
fn request(target: &str, caller: &Caller, call: &HostRequest) -> Request {
    let mut fields = fields(&call.fields);
    for (name, value) in &caller.authentication {
        if !fields.contains(name) {
            fields.insert(name.clone(), value.clone());
        }
    }
    if let Ok(host) = HeaderValue::from_str(&caller.origin.host) {
        fields.insert(header::HOST, host);
    }
    ask_for_text(&mut fields);
    Request::new(call.method.clone(), target, fields)
}

/// Handlers see text: asked for it as such, nothing has to be decoded on the way.
fn ask_for_text(fields: &mut Fields) {
    fields.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
}

fn fields(pairs: &[(HeaderName, HeaderValue)]) -> Fields {
    let mut fields = Fields::with_capacity(pairs.len() + 4);
    for (name, value) in pairs {
        fields.insert(name.clone(), value.clone());
    }
    fields
}

fn failed(error: &UpstreamError) -> HostError {
    match error {
        UpstreamError::TimedOut { .. } => HostError::TimedOut,
        UpstreamError::Deadline { .. } => HostError::Deadline,
        UpstreamError::Connect { .. }
        | UpstreamError::NoRoom { .. }
        | UpstreamError::Broken { .. }
        | UpstreamError::Client(_) => HostError::Failed {
            reason: error.to_string(),
        },
    }
}

fn unread(missing: Missing) -> HostError {
    match missing {
        Missing::Broken(BodyError::TimedOut) => HostError::TimedOut,
        Missing::NoRoom => HostError::Busy,
        Missing::Broken(BodyError::Cut)
        | Missing::TooLarge
        | Missing::Coded
        | Missing::Corrupt
        | Missing::NotText
        | Missing::Charset
        | Missing::NotJson => HostError::Failed {
            reason: format!("the body of the response can't be read: {missing}"),
        },
    }
}
