//! Calls that a handler makes while it runs: what it may ask for and what it gets.
//!
//! The engine turns `getResource`, `SysUtility`, `platform.api` and `fetch` into these;
//! the transaction line carries them out.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::Call;

/// Where a host call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Straight to the upstream, past the handlers: a path with its query.
    Upstream(String),
    /// To this API through its handler chains: a path with its query.
    Chains(String),
    /// To another host, which must be listed: a full address.
    Host(String),
}

/// One host call.
#[derive(Debug, Clone)]
pub struct HostRequest {
    /// Where to.
    pub to: Destination,
    /// The method.
    pub method: Method,
    /// Fields besides the caller's authentication, which goes along to this API.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// The body, empty for none.
    pub body: Bytes,
}

/// What came back: any status is a response.
#[derive(Debug, Clone)]
pub struct HostResponse {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// The body, decoded from its content coding.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HostError {
    /// The host isn't in `[hosts] allow`.
    #[error("host {host} is not allowed; list it in [hosts] allow")]
    NotAllowed {
        /// As the handler named it.
        host: String,
    },
    /// The address is none.
    #[error("{address:?} is no address that can be called: {reason}")]
    BadAddress {
        /// As the handler wrote it.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Handlers called handlers too often.
    #[error("calls through handlers are nested too deeply")]
    TooDeep,
    /// The handlers have made as many as they may.
    #[error("the handlers of one phase make at most {limit} host calls")]
    TooMany {
        /// How many.
        limit: usize,
    },
    /// The body is longer than what is sent for a handler.
    #[error("the body of a host call has at most {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Too many host calls are under way, or bodies in memory.
    #[error("too many host calls are under way, or too many bodies in memory")]
    Busy,
    /// No response in the call's own time.
    #[error("no response in time")]
    TimedOut,
    /// The transaction's deadline has passed: no call is begun or waited for any longer.
    #[error("the transaction has had its limits.transaction_time; no call is made after it")]
    Deadline,
    /// No usable response.
    #[error("no usable response: {reason}")]
    Failed {
        /// Why, for the log.
        reason: String,
    },
}

/// Carries out host calls. Implemented by the transaction line.
#[async_trait::async_trait]
pub trait Host: Send + Sync {
    /// Makes one call on behalf of `caller`, with the caller's authentication where it
    /// stays within this API. Bounded by the caller's deadline.
    async fn call(&self, caller: &Caller, request: HostRequest) -> Result<HostResponse, HostError>;
}

/// Who makes a host call.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The transaction, as it was when its phase began.
    pub id: super::TransactionId,
    /// The authentication that goes along.
    pub authentication: Vec<(HeaderName, HeaderValue)>,
    /// When the call has to be over.
    pub deadline: std::time::Instant,
    /// The client's origin, which inner requests inherit.
    pub origin: Arc<super::Origin>,
    /// The handlers that run further out and stay out of the inner chain.
    pub running: Vec<usize>,
}

impl Caller {
    /// The caller that a handler of `call` is.
    pub fn of(call: &Call, handler: usize) -> Self {
        let authentication = ["authorization", "cookie", "x-api-key"]
            .into_iter()
            .flat_map(|name| {
                call.request
                    .fields
                    .get_all(name)
                    .map(move |value| (HeaderName::from_static(name), value.clone()))
            })
            .collect();
        let mut running = call.origin.running.clone();
        running.push(handler);
        Self {
            id: call.id.clone(),
            authentication,
            deadline: call.deadline,
            origin: Arc::clone(&call.origin),
            running,
        }
    }
}
