//! What the handlers of one transaction see and change.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};

use crate::message::field_text::FieldTexts;
use crate::message::forwarded::Client;
use crate::message::{Fields, Pieces, Request, Response};

use super::{Emitted, Requested, Service, Session, Times};

/// The name of one transaction: a UUID version 7 unless the client or a proxy
/// before us has named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionId(pub Arc<str>);

impl std::fmt::Display for TransactionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One phase of one transaction, handed to the engine and back.
///
/// Owned, so that it can follow a handler to another thread.
#[derive(Debug, Clone)]
pub struct Call {
    /// The transaction.
    pub id: TransactionId,
    /// In the request phase the request that will be forwarded; in the response
    /// phase the one that the client sent.
    pub request: Request,
    /// The text of the body the client sent, where it was read.
    pub received: Option<Bytes>,
    /// In the request phase the answer a handler is writing, else the response.
    pub response: Response,
    /// What the client gets where the upstream has nothing to say.
    pub fallback: Option<Fallback>,
    /// What is known of the request besides its bytes.
    pub origin: Arc<Origin>,
    /// What handlers keep for the later ones of the same transaction.
    pub kept: Kept,
    /// What handlers told the world beside the response.
    pub emitted: Emitted,
    /// When the transaction has to be over, host calls included.
    pub deadline: Instant,
}

impl Call {
    /// Whether anything of the messages differs from what they were `before`.
    pub fn is_edited_since(&self, before: &Self) -> bool {
        let (request, response) = (&self.request, &self.response);
        request.method != before.request.method
            || request.target() != before.request.target()
            || !request.fields.are_same(&before.request.fields)
            || request.body != before.request.body
            || response.status != before.response.status
            || !response.fields.are_same(&before.response.fields)
            || response.body != before.response.body
            || self.fallback != before.fallback
    }

    /// Takes the call away, to hand it to the engine. What stays behind has no message.
    #[must_use]
    pub fn take(self: &mut Box<Self>) -> Box<Self> {
        let vacant = Box::new(Self {
            id: self.id.clone(),
            request: Request::new(Method::GET, "", Fields::default()),
            received: None,
            response: Response::new(StatusCode::OK),
            fallback: None,
            origin: Arc::clone(&self.origin),
            kept: Kept::default(),
            emitted: Emitted::default(),
            deadline: self.deadline,
        });
        std::mem::replace(self, vacant)
    }
}

/// The body that a request handler gave a response that may never come: API Maker's
/// `g.res.output`. Status and fields stand in the call's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The body, serialised.
    pub body: Pieces,
    /// Its type, where the handlers named none.
    pub usual_type: &'static str,
}

/// Where a request comes from and what it is for.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client.
    pub client: Client,
    /// `Host` as the client sent it.
    pub host: String,
    /// The address of ours that it came to.
    pub local: SocketAddr,
    /// What the client asked for.
    pub requested: Requested,
    /// The service the path belongs to.
    pub service: Arc<Service>,
    /// The last segment of the path that doesn't look like an id.
    pub resource: String,
    /// The name of the member that holds a row's metadata, `@metadata` by default.
    pub metadata_name: Arc<str>,
    /// What is known of who asks: `platform.session`.
    pub session: Arc<Session>,
    /// How often the client's request had passed through a program like this before.
    pub passes: u8,
    /// How deep handlers have called handlers: 0 for a client's own request.
    pub depth: u8,
    /// The handlers that run further out, by their place in the generation.
    pub running: Vec<usize>,
}

/// What goes along from one phase to the next: values that handlers set for later ones, as
/// JSON text since they cross from one isolate to another, and how long they ran.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// `req.userProperties`, one JSON object.
    pub user_properties: Option<String>,
    /// `g.shared`
    pub shared: Option<String>,
    /// How long they ran.
    pub times: Times,
    /// The fields of the request that they asked for, where it has some that others may be taken for.
    pub looked_up: Option<LookedUp>,
    /// The texts that they got of fields whose bytes are beyond ASCII.
    pub field_texts: FieldTexts,
}

/// Names of fields that handlers have read, written or removed.
#[derive(Debug, Clone, Default)]
pub struct LookedUp {
    names: HashSet<HeaderName>,
    is_full: bool,
}

impl LookedUp {
    /// The most names that are noted: a handler that asks for more asks for any.
    const MAX_NAMES: usize = 512;

    /// Notes a name.
    pub fn note(&mut self, name: &HeaderName) {
        if self.names.contains(name) {
            return;
        }
        if self.names.len() == Self::MAX_NAMES {
            self.is_full = true;
        } else {
            self.names.insert(name.clone());
        }
    }

    /// Whether a field of this name may have been asked for.
    pub fn has(&self, name: &str) -> bool {
        self.is_full || self.names.iter().any(|known| known.as_str() == name)
    }
}

impl Kept {
    /// How long its texts are, in bytes.
    pub fn size(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        length(&self.user_properties) + length(&self.shared)
    }
}
