//! The line with everything a transaction needs to begin on it, for the proxy and for
//! the calls that handlers make back into the API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;

use crate::generation::{Generation, Generations};
use crate::handler::host::Caller;
use crate::handler::{Call, Emitted, Kept, LookedUp, Origin, Token, TransactionId};
use crate::message::forwarded::{self, Way};
use crate::message::{Body, Pieces, Request, Response, validators};

use super::begin::{self, Asked, Names, Planned, Unplannable};
use super::calls::Calls;
use super::ports::{
    BodyError, BodySource, ClientConnection, Exchange, Interim, Nobody, OnBehalfOf, Sending,
    Upstream, UpstreamError,
};
use super::queued::{LeftOut, Queue};
use super::{Outcome, Pipeline, Reply, Routes, Settings, Transaction};

/// Where transactions begin.
pub struct Line {
    /// The handlers.
    pub generations: Arc<Generations>,
    /// What requests are named by.
    pub names: Names,
    /// What happens to those that handlers apply to.
    pub pipeline: Pipeline,
    /// Where requests go.
    pub(super) upstreams: Arc<Upstreams>,
    queue: Arc<dyn Queue>,
    /// How many client connections there have been.
    connected: AtomicU64,
}

/// How much of a response went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// All of it.
    Whole,
    /// A part of it, or nothing.
    InPart,
}

/// The upstreams that requests are exchanged with.
pub type Upstreams = Routes<Arc<dyn Upstream>>;

impl Line {
    /// A line to `upstreams`, whose handlers call through `calls` and whose queued ones
    /// wait in `queue`.
    pub fn new(
        generations: Arc<Generations>,
        names: Names,
        upstreams: Upstreams,
        calls: &Arc<Calls>,
        queue: Arc<dyn Queue>,
        settings: Settings,
    ) -> Arc<Self> {
        let upstreams = Arc::new(upstreams);
        let pipeline = Pipeline::new(Arc::clone(&upstreams), Arc::clone(calls), settings);
        let line = Arc::new(Self {
            generations,
            names,
            pipeline,
            upstreams,
            queue,
            connected: AtomicU64::new(0),
        });
        calls.connect(Arc::downgrade(&line));
        line
    }

    /// A client has connected: all its requests are told to be of this connection.
    pub fn client_connects(&self) -> Arc<ClientConnection> {
        ClientConnection::new(self.connected.fetch_add(1, Ordering::Relaxed))
    }

    /// A request that a handler makes to this API, through the handlers that aren't
    /// running further out, of the generation that the handler belongs to.
    pub(super) async fn inner(
        &self,
        generation: Arc<Generation>,
        mut request: Request,
        caller: &Caller,
        connection: Option<Arc<ClientConnection>>,
    ) -> Exchange<'static> {
        let asked = Asked::by(&request);
        let planned = match self.names.plan(&generation, &asked, &caller.running) {
            Ok(planned) => planned,
            Err(reason) => {
                return in_memory(self.pipeline.settings().errors.refusal(reason.into()));
            }
        };
        let body = std::mem::take(&mut request.body);
        let Some(planned) = planned else {
            let pieces = body.pieces().cloned().unwrap_or_default();
            let service = self.names.service(&request.path);
            validators::restore_tags(&mut request);
            request
                .fields
                .replace(forwarded::pass(caller.origin.passes));
            let exchange = self
                .upstreams
                .of(&service)
                .exchange(
                    OnBehalfOf::handler(connection.as_ref()),
                    &request,
                    Sending::Whole(pieces),
                    &mut Nobody,
                )
                .await;
            return exchange.unwrap_or_else(|error| {
                in_memory(self.pipeline.settings().errors.refusal((&error).into()))
            });
        };
        let origin = inner_origin(caller, &planned);
        let source = Once(body.pieces().cloned().map(Pieces::joined));
        request.body = if source.0.is_some() {
            Body::Streamed
        } else {
            Body::Empty
        };
        let call = Call {
            id: begin::name(None),
            request,
            received: None,
            response: Response::new(StatusCode::OK),
            fallback: None,
            origin: Arc::new(origin),
            kept: Kept::default(),
            emitted: Emitted::default(),
            deadline: caller.deadline,
        };
        let mut tx = Transaction::new(generation, planned.plan, call, Instant::now());
        tx.connection = connection;
        let client = Box::new(source);
        let reply = self.pipeline.exchange(&mut tx, client, &mut Nobody).await;
        self.finish(tx, Sent::Whole);
        match reply {
            Reply::Whole(head) => in_memory(head),
            Reply::Streamed(exchange) => exchange,
        }
    }

    /// Ends a transaction: tells its story to who listens. Its queued handlers are put into the queue where the client
    /// got the response.
    pub fn finish(&self, tx: Transaction, sent: Sent) {
        look_at_token(&tx);
        self.pipeline.count(&tx.call().emitted);
        if let Some(chronicler) = self.pipeline.chronicler()
            && let Some(story) = tx.story(sent)
        {
            chronicler.told(story);
        }
        let handlers = tx.plan.queued.len();
        if handlers == 0 {
            return;
        }
        let id = tx.call().id.clone();
        let is_gone = tx.outcome == Outcome::ClientGone;
        match sent {
            Sent::Whole if !is_gone => {
                let Some((job, without_body)) = self.pipeline.job(tx) else {
                    return;
                };
                if without_body > 0 {
                    self.queue.left_out(&id, without_body, LeftOut::NoBody);
                }
                if job.handlers() > 0 {
                    self.queue.put(job);
                }
            }
            Sent::Whole | Sent::InPart => self.queue.left_out(&id, handlers, LeftOut::Unsent),
        }
    }

    /// Finds what applies to a request of a client.
    ///
    /// # Errors
    ///
    /// [`Unplannable`]
    pub fn plan(
        &self,
        generation: &Generation,
        asked: &Asked<'_>,
    ) -> Result<Option<Planned>, Unplannable> {
        self.names.plan(generation, asked, &[])
    }

    /// Begins the transaction of a client's request, to which `planned` applies.
    pub fn begin(
        &self,
        entry: &Entry,
        mut request: Request,
        generation: Arc<Generation>,
        planned: Planned,
    ) -> Transaction {
        self.names
            .remove_namesakes(&mut request.fields, &generation, &planned.plan);
        let looked_up = request.fields.have_underscores().then(LookedUp::default);
        let client = self
            .names
            .client(entry.peer, entry.is_encrypted, &request.fields);
        let host = host(&request);
        let origin = self
            .names
            .origin(client, &request.fields, &host, entry.local, &planned);
        let call = Call {
            id: entry.id.clone(),
            request,
            received: None,
            response: Response::new(StatusCode::OK),
            fallback: None,
            origin: Arc::new(origin),
            kept: Kept {
                looked_up,
                ..Kept::default()
            },
            emitted: Emitted::default(),
            deadline: entry.began + self.pipeline.settings().transaction_time,
        };
        let mut tx = Transaction::new(generation, planned.plan, call, entry.began);
        tx.connection = Some(Arc::clone(&entry.connection));
        tx
    }

    /// Passes on a client's request that no handler applies to, with word of its way here.
    ///
    /// # Errors
    ///
    /// The upstream gave no usable response.
    pub async fn pass<'a>(
        &self,
        entry: &Entry,
        request: &mut Request,
        client: Box<dyn BodySource + 'a>,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'a>, UpstreamError> {
        self.names.remove_our_namesakes(&mut request.fields);
        let upstream = if self.upstreams.is_one() {
            self.upstreams.main()
        } else {
            self.upstreams.of(&self.names.service(&request.path))
        };
        let way = Way {
            client: &self
                .names
                .client(entry.peer, entry.is_encrypted, &request.fields),
            host: &host(request),
            id: &entry.id.0,
            passes: forwarded::passes(&request.fields),
            via: self.pipeline.settings().via,
        };
        self.pipeline.announce(&way, &mut request.fields);
        validators::restore_tags(request);
        let sending = Sending::of(request, client);
        let behalf = OnBehalfOf::Client(&entry.connection);
        upstream.exchange(behalf, request, sending, interim).await
    }
}

/// Has the token looked at while it counts, where handlers are left that may ask for it
/// once its time is over, and says why one was refused.
fn look_at_token(tx: &Transaction) {
    let Call { id, origin, .. } = tx.call();
    if !tx.plan.queued.is_empty() {
        origin.session.values();
    }
    match origin.session.token() {
        Some(Token::Refused(refusal)) if origin.depth == 0 => {
            tracing::info!(transaction = %id, reason = refusal.label(), "token refused");
        }
        Some(Token::Refused(_) | Token::Missing | Token::Unseen | Token::Accepted) | None => {}
    }
}

/// How a client's request came in.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub id: TransactionId,
    /// Its connection.
    pub connection: Arc<ClientConnection>,
    /// Where its connection comes from.
    pub peer: SocketAddr,
    /// The address of ours that it came to.
    pub local: SocketAddr,
    /// Whether its connection is encrypted.
    pub is_encrypted: bool,
    /// When it began.
    pub began: Instant,
}

/// `Host` as the client sent it.
fn host(request: &Request) -> String {
    let host = request.fields.get(http::header::HOST);
    host.map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned())
        .unwrap_or_default()
}

/// The origin of an inner request: the client's, one level deeper.
fn inner_origin(caller: &Caller, planned: &Planned) -> Origin {
    let outer = &caller.origin;
    Origin {
        client: outer.client,
        host: outer.host.clone(),
        local: outer.local,
        requested: planned.requested.clone(),
        service: Arc::clone(&planned.service),
        resource: planned.resource.clone(),
        metadata_name: Arc::clone(&outer.metadata_name),
        session: Arc::clone(&outer.session),
        depth: outer.depth + 1,
        passes: outer.passes,
        running: caller.running.clone(),
    }
}

/// A response in memory as an exchange.
pub(super) fn in_memory(head: Response) -> Exchange<'static> {
    Exchange {
        head,
        body: Box::new(Once(None)),
    }
}

/// A body in memory, as one that arrives.
struct Once(Option<Bytes>);

impl BodySource for Once {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        Poll::Ready(Ok(self.0.take()))
    }
}
