//! Calls that a handler makes: `getResource`, `SysUtility` and their kin.
//!
//! A call blocks its handler and nobody else: the worker hands its other work to another
//! thread first. The handler's own clock stands still meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rquickjs::{Ctx, Exception, FromJs, Object, TypedArray, Value};
use tokio::sync::Semaphore;

use crate::handler::host::{Caller, Destination, HostError, HostRequest, HostResponse};
use crate::handler::{Secrets, Service};

use super::argument::BytesArgument;
use super::clock::Clock;
use super::scope::Scope;
use super::scope::allowance::{CALLS, check_size};
use super::text::mended_json;
use super::value;
use super::web;

/// How handlers' calls are addressed and bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// `[resources]`: a resource's path, where that isn't its name below the service's prefix.
    pub resources: BTreeMap<String, String>,
    /// `[resources.settings]`: the query parameter a setting becomes, where that isn't its own name.
    pub settings: BTreeMap<String, String>,
    /// `[secrets]`: what `getSecret` gives.
    pub secrets: Secrets,
    /// What `platform.config` shows: one JSON object, as text; empty for none.
    pub config: String,
}

/// How many host calls may be under way in the whole process: each holds a thread.
const AT_ONCE: usize = 256;

/// What a query parameter's name and value may have unescaped (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What settings are made of while they become a query or fields, for each byte of their text, in
/// bytes: at worst a map of names with short values.
const PARSED: usize = 64;

/// What a field of a call's response takes while it becomes a script's, in bytes, besides its text:
/// entries of lists and maps.
const FIELD: usize = 256;

/// Makes the calls of one isolate.
#[derive(Clone)]
pub(super) struct HostCalls {
    settings: Arc<HostSettings>,
    /// In bytes.
    longest_body: usize,
    permits: Arc<Semaphore>,
    pub(super) clock: Clock,
}

impl HostCalls {
    pub(super) fn new(
        settings: Arc<HostSettings>,
        longest_body: usize,
        permits: Arc<Semaphore>,
        clock: Clock,
    ) -> Self {
        Self {
            settings,
            longest_body,
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
        let path = match self.settings.resources.get(name) {
            Some(path) => path.clone(),
            None => {
                let name = escape_path(&name.replace(':', "/"));
                let service = scope.with(|state| Arc::clone(&state.call.origin.service));
                below(&service, &format!("/{}", name.trim_start_matches('/')))
                    .map_err(|message| Exception::throw_type(ctx, &message))?
            }
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
            None,
        )
    }

    /// What `getSecret` gives.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.settings.secrets
    }

    /// What `platform.config` shows, as JSON text.
    pub(super) fn config(&self) -> &str {
        match self.settings.config.as_str() {
            "" => "{}",
            config => config,
        }
    }

    /// A call to this API through its handlers, or to another host by its full address. The
    /// prelude gets `{status, text, headers}`, or what `refused` tells.
    pub(super) fn call<'js>(
        &self,
        ctx: &Ctx<'js>,
        scope: &Scope,
        mut head: CallHead,
        url: &str,
        parameters: &str,
        body: &str,
    ) -> rquickjs::Result<Object<'js>> {
        let url = with_query(url, &query(ctx, parameters, &BTreeMap::new())?);
        let names_type = |(name, _): &(HeaderName, HeaderValue)| name == header::CONTENT_TYPE;
        if !body.is_empty() && !head.fields.iter().any(names_type) {
            let usual = HeaderValue::from_static("application/json");
            head.fields.push((header::CONTENT_TYPE, usual));
        }
        let request = head.request(&url, value::counted(ctx, body.as_bytes())?);
        self.make(ctx, scope, request, head.timeout)
    }

    /// `fetch`: the same with a body of text or bytes. The prelude gets `{status, reason,
    /// fields, body}`: pairs and bytes.
    pub(super) fn fetch<'js>(
        &self,
        ctx: &Ctx<'js>,
        scope: &Scope,
        head: &CallHead,
        url: &str,
        body: Value<'js>,
    ) -> rquickjs::Result<Object<'js>> {
        let body = if body.is_string() {
            value::copied(ctx, &body)?
        } else {
            BytesArgument::from_js(ctx, body)?.with(|bytes| value::counted(ctx, bytes))?
        };
        let answer = Object::new(ctx.clone())?;
        match self.wait_for(scope, head.request(url, body), head.timeout) {
            Ok(response) => {
                answer.set("status", response.status.as_u16())?;
                answer.set("reason", response.status.canonical_reason().unwrap_or(""))?;
                let _charge = value::charged(ctx, copies(&response))?;
                let pair = |(name, value): &(HeaderName, HeaderValue)| {
                    vec![name.as_str().to_owned(), scope.field_text(name, &[value])]
                };
                answer.set(
                    "fields",
                    response.fields.iter().map(pair).collect::<Vec<_>>(),
                )?;
                answer.set(
                    "body",
                    TypedArray::<u8>::new_copy(ctx.clone(), &response.body)?,
                )?;
            }
            Err(error) => refused(&answer, &error)?,
        }
        Ok(answer)
    }

    /// Makes the call and gives the prelude `{status, text, headers}` or what `refused` tells.
    fn make<'js>(
        &self,
        ctx: &Ctx<'js>,
        scope: &Scope,
        request: HostRequest,
        timeout: Option<Duration>,
    ) -> rquickjs::Result<Object<'js>> {
        let answer = Object::new(ctx.clone())?;
        match self.wait_for(scope, request, timeout) {
            Ok(response) => {
                let _charge = value::charged(ctx, copies(&response))?;
                answer.set("status", response.status.as_u16())?;
                answer.set("text", web::decoded(ctx, &response.body, false)?)?;
                answer.set("headers", headers(ctx, scope, &response)?)?;
            }
            Err(error) => refused(&answer, &error)?,
        }
        Ok(answer)
    }

    /// Blocks this thread, and only it, until the call is through or the deadline is reached.
    fn wait_for(
        &self,
        scope: &Scope,
        request: HostRequest,
        timeout: Option<Duration>,
    ) -> Result<HostResponse, HostError> {
        if !scope.with(|state| state.allowance.call()) {
            return Err(HostError::TooMany { limit: CALLS });
        }
        if request.body.len() > self.longest_body {
            return Err(HostError::TooLarge {
                limit: self.longest_body,
            });
        }
        let _permit = self.permits.try_acquire().map_err(|_| HostError::Busy)?;
        let (caller, host) = scope.with(|state| {
            (
                Caller::of(&state.call, state.handler),
                Arc::clone(&state.host),
            )
        });
        let now = Instant::now();
        if now >= caller.deadline {
            return Err(HostError::Deadline);
        }
        let own = timeout.and_then(|timeout| now.checked_add(timeout));
        let (until, late) = match own {
            Some(own) if own < caller.deadline => (own, HostError::TimedOut),
            Some(_) | None => (caller.deadline, HostError::Deadline),
        };
        let until = tokio::time::Instant::from_std(until);
        self.clock.stand_up();
        self.clock.suspend();
        let answer = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                tokio::time::timeout_at(until, host.call(&caller, request)).await
            })
        });
        self.clock.resume();
        answer.unwrap_or(Err(late))
    }
}

/// A call before it has an address and a body.
pub(super) struct CallHead {
    method: Method,
    fields: Vec<(HeaderName, HeaderValue)>,
    timeout: Option<Duration>,
}

impl CallHead {
    /// The head of a call, as the prelude gives it: `headers` as JSON, `timeout` in
    /// milliseconds, 0 for none but the transaction's.
    pub(super) fn read(
        ctx: &Ctx<'_>,
        scope: &Scope,
        method: &str,
        headers: &str,
        timeout: f64,
    ) -> rquickjs::Result<Self> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Exception::throw_type(ctx, &format!("{method:?} is no method")))?;
        let timeout = Duration::try_from_secs_f64(timeout / 1000.0)
            .ok()
            .filter(|timeout| !timeout.is_zero());
        Ok(Self {
            method,
            fields: parse_fields(ctx, scope, headers)?,
            timeout,
        })
    }

    fn request(&self, url: &str, body: Bytes) -> HostRequest {
        let is_full = url.starts_with("http://") || url.starts_with("https://");
        let to = if is_full {
            Destination::Host(url.to_owned())
        } else {
            Destination::Chains(rooted(url))
        };
        HostRequest {
            to,
            method: self.method.clone(),
            fields: self.fields.clone(),
            body,
        }
    }
}

/// Gives the prelude why nothing came back: `{error, code, isRefused}`.
fn refused(answer: &Object<'_>, error: &HostError) -> rquickjs::Result<()> {
    let code = match error {
        HostError::NotAllowed { .. }
        | HostError::BadAddress { .. }
        | HostError::TooMany { .. }
        | HostError::TooLarge { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        HostError::TooDeep => StatusCode::LOOP_DETECTED,
        HostError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        HostError::TimedOut | HostError::Failed { .. } => StatusCode::BAD_GATEWAY,
        HostError::Deadline => StatusCode::GATEWAY_TIMEOUT,
    };
    answer.set("error", error.to_string())?;
    answer.set("code", code.as_u16())?;
    answer.set("isRefused", code == StatusCode::INTERNAL_SERVER_ERROR)
}

/// What is copied of a call's response, at worst, while it becomes a script's: the texts of the
/// fields twice, of bytes that are two each where they are no UTF-8.
fn copies(response: &HostResponse) -> usize {
    let fields = response.fields.iter();
    let fields = fields.map(|(name, value)| FIELD + 2 * name.as_str().len() + 4 * value.len());
    response.body.len() + fields.sum::<usize>()
}

/// A response's fields as an object: names in lower case, repeated ones joined, but for
/// `Set-Cookie`, which is a list.
fn headers<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    response: &HostResponse,
) -> rquickjs::Result<Object<'js>> {
    let mut joined: BTreeMap<&str, (&HeaderName, Vec<&HeaderValue>)> = BTreeMap::new();
    for (name, value) in &response.fields {
        let (_, values) = joined.entry(name.as_str()).or_insert((name, Vec::new()));
        values.push(value);
    }
    let headers = Object::new(ctx.clone())?;
    for (key, (name, values)) in joined {
        if name == header::SET_COOKIE {
            let texts = values.iter().map(|value| scope.field_text(name, &[value]));
            headers.set(key, texts.collect::<Vec<_>>())?;
        } else {
            headers.set(key, scope.field_text(name, &values))?;
        }
    }
    Ok(headers)
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
    let _charge = value::charged(ctx, PARSED * settings.len())?;
    let settings = mended_json(settings);
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&settings)
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

/// The path of `rest`, which may begin with `/`, below a service's prefix.
///
/// # Errors
///
/// Why it isn't one, for the script.
pub(super) fn below(service: &Service, rest: &str) -> Result<String, String> {
    let prefix = service.prefix();
    let path = format!("{}{rest}", prefix.trim_end_matches('/'));
    let only = path.split('?').next().unwrap_or_default();
    if service.keeps(only) {
        Ok(path)
    } else {
        Err(format!(
            "{path:?} leaves the service's prefix {prefix}; call the path that it leads to"
        ))
    }
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

fn parse_fields(
    ctx: &Ctx<'_>,
    scope: &Scope,
    headers: &str,
) -> rquickjs::Result<Vec<(HeaderName, HeaderValue)>> {
    let refuse = |message: &str| Exception::throw_type(ctx, message);
    let _charge = value::charged(ctx, PARSED * headers.len())?;
    let headers = mended_json(headers);
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&headers)
        .map_err(|_| refuse("the headers of a call are an object"))?;
    let bytes = |(name, value): (&String, &serde_json::Value)| {
        name.len() + value.as_str().map_or(0, str::len)
    };
    check_size(parsed.len(), parsed.iter().map(bytes).sum()).map_err(|message| refuse(&message))?;
    parsed
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            scope.field(name, value).map_err(|message| refuse(&message))
        })
        .collect()
}
