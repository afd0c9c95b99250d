//! The line with everything a transaction needs to begin on it, for the proxy and for
//! the calls that handlers make back into the API.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;

use crate::generation::{Generation, Generations};
use crate::handler::host::Caller;
use crate::handler::{Call, Emitted, Kept, Origin};
use crate::message::{Body, Request, Response};

use super::begin::{self, Asked, Names, Planned};
use super::calls::Calls;
use super::ports::{BodyError, BodySource, Exchange, Gone, Requester, Sending, Upstream};
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
        });
        calls.connect(Arc::downgrade(&line));
        line
    }

    /// A request that a handler makes to this API, through the handlers that aren't
    /// running further out, of the generation that the handler belongs to.
    pub(super) async fn inner(
        &self,
        generation: Arc<Generation>,
        mut request: Request,
        caller: &Caller,
    ) -> Exchange {
        let asked = Asked::new(&request.method, &request.path, &request.fields);
        let planned = self.names.plan(&generation, &asked, &caller.running);
        let body = std::mem::take(&mut request.body);
        let Some(planned) = planned else {
            let bytes = body.bytes().cloned().unwrap_or_default();
            let service = self.names.service(&request.path);
            let exchange = self
                .upstreams
                .of(&service)
                .exchange(&request, Sending::Whole(bytes))
                .await;
            return exchange.unwrap_or_else(|error| {
                in_memory(self.pipeline.settings().errors.refusal((&error).into()))
            });
        };
        let origin = inner_origin(caller, &planned);
        let mut source = Once(body.bytes().cloned());
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
        let reply = self.pipeline.exchange(&mut tx, &mut source).await;
        self.finish(tx, Sent::Whole);
        match reply {
            Reply::Whole(head) => in_memory(head),
            Reply::Streamed(exchange) => exchange,
            Reply::Nobody => unreachable!("a handler that calls waits for what comes of it"),
        }
    }

    /// Ends a transaction. Its queued handlers are put into the queue where the client
    /// got the response.
    pub fn finish(&self, tx: Transaction, sent: Sent) {
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
    pub fn plan(&self, generation: &Generation, asked: &Asked<'_>) -> Option<Planned> {
        self.names.plan(generation, asked, &[])
    }
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
        running: caller.running.clone(),
    }
}

/// A response in memory as an exchange.
fn in_memory(head: Response) -> Exchange {
    Exchange {
        head,
        body: Box::new(Once(None)),
    }
}

/// A body in memory, as one that arrives.
struct Once(Option<Bytes>);

#[async_trait::async_trait]
impl BodySource for Once {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        Ok(self.0.take())
    }
}

#[async_trait::async_trait]
impl Requester for Once {
    async fn interim(&mut self, _: &Response) -> Result<(), Gone> {
        Ok(())
    }

    async fn gone(&mut self) {
        std::future::pending::<()>().await;
    }
}
