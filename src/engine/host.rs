//! Calls that a handler makes: `getResource`, `SysUtility` and their kin.
//!
//! A call blocks its handler and nobody else: the worker hands its other work to another
//! thread first. The handler's own clock stands still meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rquickjs::{Ctx, Exception, Object};
use tokio::sync::Semaphore;

use crate::handler::Secrets;
use crate::handler::host::{Caller, Destination, HostError, HostRequest, HostResponse};

use super::limits::Clock;
use super::scope::{Scope, header_value};

/// How handlers' calls are addressed and bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// `[resources]`: a resource's path, where that isn't its name below the service's prefix.
    pub resources: BTreeMap<String, String>,
    /// `[resources.settings]`: the query parameter a setting becomes, where that isn't its own name.
    pub settings: BTreeMap<String, String>,
    /// `[secrets]`: what `getSecret` gives.
    pub secrets: Secrets,
}

/// How many host calls may be under way in the whole process: each holds a thread.
const AT_ONCE: usize = 256;

/// What a query parameter's name and value may have unescaped (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Makes the calls of one isolate.
#[derive(Clone)]
pub(super) struct HostCalls {
    settings: Arc<HostSettings>,
    permits: Arc<Semaphore>,
    pub(super) clock: Clock,
}

impl HostCalls {
    pub(super) fn new(settings: Arc<HostSettings>, permits: Arc<Semaphore>, clock: Clock) -> Self {
        Self {
            settings,
            permits,
            clock,
        }
    }

    /// The permits that all isolates of a process share.
    pub(super) fn permits() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(AT_ONCE))
    }

    /// `getResource(name, settings)`: a GET straight from the upstream.
    pub(super) fn get_resource<'js>(
        &self,
        ctx: &Ctx<'js>,
        scope: &Scope,
        name: &str,
        settings: &str,
    ) -> rquickjs::Result<Object<'js>> {
        let prefix = scope.with(|state| state.call.origin.service.prefix());
        let path = match self.settings.resources.get(name) {
            Some(path) => path.clone(),
            None => format!(
                "{}/{}",
                prefix.trim_end_matches('/'),
                escape_path(&name.replace(':', "/"))
            ),
        };
        let query = query(ctx, settings, &self.settings.settings)?;
        self.make(
            ctx,
            scope,
            HostRequest {
                to: Destination::Upstream(with_query(&path, &query)),
                method: Method::GET,
                fields: vec![(header::ACCEPT, HeaderValue::from_static("application/json"))],
                body: Bytes::new(),
            },
        )
    }

    /// A call to this API through its handlers, or to another host by its full address.
    #[expect(
        clippy::too_many_arguments,
        reason = "the prelude's call, one argument a part of a request"
    )]
    pub(super) fn call<'js>(
        &self,
        ctx: &Ctx<'js>,
        scope: &Scope,
        method: &str,
        url: &str,
        parameters: &str,
        headers: &str,
        body: String,
    ) -> rquickjs::Result<Object<'js>> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Exception::throw_type(ctx, &format!("{method:?} is no method")))?;
        let url = with_query(url, &query(ctx, parameters, &BTreeMap::new())?);
        let is_full = url.starts_with("http://") || url.starts_with("https://");
        let to = if is_full {
            Destination::Host(url)
        } else {
            Destination::Chains(rooted(&url))
        };
        let mut fields = parse_fields(ctx, headers)?;
        if !body.is_empty() && !fields.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
            fields.push((
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            ));
        }
        self.make(
            ctx,
            scope,
            HostRequest {
                to,
                method,
                fields,
                body: body.into(),
            },
        )
    }

    /// Makes the call and gives the prelude `{status, text}` or `{error, code, isRefused}`.
    fn make<'js>(
        &self,
        ctx: &Ctx<'js>,
        scope: &Scope,
        request: HostRequest,
    ) -> rquickjs::Result<Object<'js>> {
        let answer = Object::new(ctx.clone())?;
        match self.wait_for(scope, request) {
            Ok(response) => {
                answer.set("status", response.status.as_u16())?;
                answer.set("text", String::from_utf8_lossy(&response.body).into_owned())?;
            }
            Err(error) => {
                let code = match error {
                    HostError::NotAllowed { .. } | HostError::BadAddress { .. } => {
                        StatusCode::INTERNAL_SERVER_ERROR
                    }
                    HostError::TooDeep => StatusCode::LOOP_DETECTED,
                    HostError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                    HostError::TimedOut | HostError::Failed { .. } => StatusCode::BAD_GATEWAY,
                };
                answer.set("error", error.to_string())?;
                answer.set("code", code.as_u16())?;
                answer.set("isRefused", code == StatusCode::INTERNAL_SERVER_ERROR)?;
            }
        }
        Ok(answer)
    }

    /// Blocks this thread, and only it, until the call is through or the deadline is reached.
    fn wait_for(&self, scope: &Scope, request: HostRequest) -> Result<HostResponse, HostError> {
        let _permit = self.permits.try_acquire().map_err(|_| HostError::Busy)?;
        let (caller, host) = scope.with(|state| {
            (
                Caller::of(&state.call, state.handler),
                Arc::clone(&state.host),
            )
        });
        let deadline = tokio::time::Instant::from_std(caller.deadline);
        self.clock.suspend(caller.deadline);
        let answer = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                tokio::time::timeout_at(deadline, host.call(&caller, request)).await
            })
        });
        self.clock.resume();
        answer.unwrap_or(Err(HostError::TimedOut))
    }
}

/// A settings object as a query: `null` is left out, names are mapped.
fn query(
    ctx: &Ctx<'_>,
    settings: &str,
    names: &BTreeMap<String, String>,
) -> rquickjs::Result<String> {
    if settings.is_empty() {
        return Ok(String::new());
    }
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(settings)
        .map_err(|_| Exception::throw_type(ctx, "the settings of a call are an object"))?;
    let pairs = parsed
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let name = names.get(name).unwrap_or(name);
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            format!(
                "{}={}",
                utf8_percent_encode(name, RESERVED),
                utf8_percent_encode(&value, RESERVED)
            )
        });
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

fn with_query(url: &str, query: &str) -> String {
    if query.is_empty() {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

fn escape_path(path: &str) -> String {
    const PATH: &AsciiSet = &RESERVED
        .remove(b'/')
        .remove(b'@')
        .remove(b'%')
        .remove(b'(')
        .remove(b')')
        .remove(b',');
    utf8_percent_encode(path, PATH).to_string()
}

fn parse_fields(ctx: &Ctx<'_>, headers: &str) -> rquickjs::Result<Vec<(HeaderName, HeaderValue)>> {
    let refuse = |message: &str| Exception::throw_type(ctx, message);
    let parsed: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(headers).map_err(|_| refuse("the headers of a call are an object"))?;
    parsed
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let value = header_value(name, &value).map_err(|message| refuse(&message))?;
            let name = name
                .parse()
                .map_err(|_| refuse(&format!("{name:?} is no name of a header field")))?;
            Ok((name, value))
        })
        .collect()
}
