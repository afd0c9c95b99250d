//! The line a transaction takes, with every branch it can take.
//!
//! ```text
//!                    ┌── answer, reject ──────────────┐
//!  request handlers ─┴─ forward ─▶ upstream ─▶ response handlers ─▶ reply
//!                                     └── fails ──▶ error handlers ──┘
//! ```
//!
//! [`Pipeline::exchange`] is the whole line; a body that no handler sees streams past it.
//! Nothing here returns an error: whatever happens, there is a reply.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{StatusCode, header};

use crate::generation::{Generation, Planned, Ran, Step};
use crate::handler::host::Host;
use crate::handler::{Answer, Emitted, Fault, Rejection, Verdict};
use crate::message::coding::accept;
use crate::message::forwarded::{self, Way};
use crate::message::namesakes;
use crate::message::validators::{self, KeptCopy};
use crate::message::{Body, Fields, JsonType, Request, Response};

use super::bodies::Resumed;
use super::calls::Calls;
use super::coded::{Coded, Reader, encode_as_labelled};
use super::fallback;
use super::line::Upstreams;
use super::ports::{BodyError, BodySource, Exchange, Interim, Sending, UpstreamError};
use super::queued::Job;
use super::respond::{ErrorFormat, Refusal};
use super::revalidation::RevalidationError;
use super::schemes::Schemes;
use super::sight::leaves_body_out;
use super::story::Chronicler;
use super::unseen::Reason;
use super::{Outcome, Room, Transaction};

/// What the line obeys.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a transaction may take, host calls included.
    pub transaction_time: Duration,
    /// The longest request body a handler gets, in bytes.
    pub request_body: usize,
    /// The longest response body a handler gets, in bytes.
    pub response_body: usize,
    /// How our own errors look.
    pub errors: ErrorFormat,
    /// What happens to a body that a handler wants and can't have.
    pub unavailable: Unavailable,
    /// What happens to a request's body in a content coding that a handler sees.
    pub coded_requests: CodedRequests,
    /// The media types that are JSON.
    pub json_types: Vec<JsonType>,
    /// Whether the upstream is told `Via`.
    pub via: bool,
    /// Room for the bodies that handlers see.
    pub room: Room,
}

/// What happens to a body that a handler wants and can't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unavailable {
    /// The transaction is refused.
    #[default]
    Refuse,
    /// The body passes and the handlers that wanted it don't run.
    Pass,
}

/// What happens to a request's body in a content coding that a handler sees.
///
/// A coding has room for what a handler doesn't see and others may: comments, skipped frames,
/// a second member behind the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CodedRequests {
    /// It goes on decoded: the upstream reads what handlers read.
    #[default]
    Decode,
    /// It goes on as it came, or encoded again once it is edited.
    Keep,
    /// It is refused.
    Refuse,
}

/// The line and what it is connected to.
pub struct Pipeline {
    upstreams: Arc<Upstreams>,
    calls: Arc<Calls>,
    settings: Settings,
    /// Who listens to stories.
    chronicler: OnceLock<Arc<dyn Chronicler>>,
    schemes: Schemes,
}

/// What becomes of a transaction after its request phase.
#[derive(Debug)]
enum Next {
    /// The request goes to the upstream.
    Forward,
    /// This goes to the client; the upstream isn't asked.
    Reply(Response),
}

/// What the client gets.
pub enum Reply<'a> {
    /// A response whose body, if any, is in memory.
    Whole(Response),
    /// A response whose body is passed on as it comes.
    Streamed(Exchange<'a>),
}

impl Reply<'_> {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Whole(response) => response.status,
            Self::Streamed(exchange) => exchange.head.status,
        }
    }

    /// Whether the connection leaves HTTP with it.
    pub fn is_tunnel(&self) -> bool {
        self.status() == StatusCode::SWITCHING_PROTOCOLS
    }
}

impl Pipeline {
    /// A line between handlers, `upstreams` and what handlers may call.
    pub fn new(upstreams: Arc<Upstreams>, calls: Arc<Calls>, settings: Settings) -> Self {
        Self {
            upstreams,
            calls,
            settings,
            chronicler: OnceLock::new(),
            schemes: Schemes::new(),
        }
    }

    /// Lets somebody listen to what transactions have to tell of their handlers. The first
    /// one stays.
    pub fn tell(&self, chronicler: Arc<dyn Chronicler>) {
        // Called once, where everything is connected.
        let _ = self.chronicler.set(chronicler);
    }

    /// Who listens at present.
    pub(super) fn chronicler(&self) -> Option<&Arc<dyn Chronicler>> {
        self.chronicler
            .get()
            .filter(|chronicler| chronicler.listens())
    }

    /// Counts what handlers emitted, whether anybody listens to stories or not.
    pub(super) fn count(&self, emitted: &Emitted) {
        if let Some(chronicler) = self.chronicler.get()
            && !emitted.is_empty()
        {
            chronicler.emitted(emitted);
        }
    }

    pub(super) fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// What it obeys.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The whole line: reads the bodies that handlers see, lets the others stream.
    pub async fn exchange<'a>(
        &self,
        tx: &mut Transaction,
        client: Box<dyn BodySource + 'a>,
        interim: &mut dyn Interim,
    ) -> Reply<'a> {
        if self.chronicler().is_some() {
            tx.be_listened_to();
        }
        let mut client = Resumed::new(client);
        let deadline = tx.call.deadline;
        let read = {
            let reading = pin!(self.read_request(tx, &mut client, interim));
            before(deadline, reading).await
        };
        let coded = match read.unwrap_or(Err(Refusal::BodyTimedOut)) {
            Ok(coded) => coded,
            Err(refusal) => {
                tx.outcome = refusal.outcome();
                return Reply::Whole(self.settings.errors.refusal(refusal));
            }
        };
        if let Next::Reply(response) = self.request_phase(tx).await {
            return whole(response).await;
        }
        self.prepare_upstream_request(tx);
        let Request { fields, body, .. } = &mut tx.call.request;
        match coded {
            Some(coded) => match self.settings.coded_requests {
                CodedRequests::Decode => coded.leave_decoded(fields, body).await,
                CodedRequests::Keep | CodedRequests::Refuse => {
                    coded.restore(fields, body, Reader::Same).await;
                }
            },
            None => encode_as_labelled(fields, body).await,
        }
        let is_removed = tx.call.received.is_some() && tx.call.request.body == Body::Empty;
        let Request { fields, body, .. } = &mut tx.call.request;
        if body.is_edited() || is_removed {
            validators::remove_digests(fields);
        }
        let waits_for_client = Arc::new(AtomicBool::new(false));
        let sending = Sending::of(&tx.call.request, Box::new(client)).watched(&waits_for_client);
        let asked = {
            let asking = pin!(async {
                let upstream = self.upstreams.of(&tx.call.origin.service);
                let exchange = upstream
                    .exchange(tx.behalf(), &tx.call.request, sending, interim)
                    .await?;
                self.make_whole(tx, exchange, interim).await
            });
            before(deadline, asking).await
        };
        match asked.unwrap_or_else(|| {
            Err(if waits_for_client.load(Ordering::Relaxed) {
                UpstreamError::Client(BodyError::TimedOut).into()
            } else {
                let limit = self.settings.transaction_time;
                UpstreamError::Deadline { limit }.into()
            })
        }) {
            Ok(exchange) => self.respond(tx, exchange).await,
            Err(RevalidationError::Upstream(error)) => {
                whole(self.upstream_failed(tx, &error).await).await
            }
            Err(error @ RevalidationError::Partial) => {
                tracing::warn!(transaction = %tx.call.id, %error, "response body unavailable");
                whole(self.refused(tx, Refusal::UpstreamBody).await).await
            }
        }
    }

    /// Runs the request handlers.
    async fn request_phase(&self, tx: &mut Transaction) -> Next {
        if tx.plan.request.is_empty() && tx.plan.options.is_empty() {
            return Next::Forward;
        }
        if tx.plan.looks_back() {
            tx.sent = Some(tx.call.request.clone());
        }
        match self.run_before_upstream(tx).await {
            Verdict::Continue => Next::Forward,
            Verdict::Answer(answer) => {
                tx.outcome = Outcome::Answered;
                tx.is_final = answer == Answer::Final;
                let response = take_response(tx);
                Next::Reply(self.run_response_handlers(tx, response).await)
            }
            Verdict::Reject(rejection) => Next::Reply(self.rejected(tx, &rejection).await),
            Verdict::Unreadable(_) => {
                unreachable!("a request's body is text, which can always be read")
            }
        }
    }

    /// Runs the handlers for preflights, then those of requests. What answers a preflight
    /// is final: the handlers of the response phase have no say in it.
    async fn run_before_upstream(&self, tx: &mut Transaction) -> Verdict {
        if !tx.plan.options.is_empty() {
            match self.run(tx, steps(&tx.plan.options)).await {
                Verdict::Continue => {}
                Verdict::Answer(Answer::Open | Answer::Final) => {
                    return Verdict::Answer(Answer::Final);
                }
                decided @ (Verdict::Reject(_) | Verdict::Unreadable(_)) => return decided,
            }
        }
        if tx.plan.request.is_empty() {
            return Verdict::Continue;
        }
        self.run(tx, steps(&tx.plan.request)).await
    }

    /// Runs the response handlers on a response whose body was read or stays unseen.
    async fn run_response_handlers(&self, tx: &mut Transaction, response: Response) -> Response {
        tx.enter_with(response.status);
        let has_body = self.body_is_seen(tx, &response);
        let steps = tx.response_steps(response.status, |planned| {
            has_body || !planned.facts.sees_body
        });
        if steps.is_empty() {
            tx.keep(&response);
            return response;
        }
        enter_response_phase(tx, response);
        match self.run(tx, steps).await {
            Verdict::Continue | Verdict::Answer(_) => {
                let response = take_response(tx);
                tx.keep(&response);
                response
            }
            Verdict::Reject(rejection) => self.rejected(tx, &rejection).await,
            Verdict::Unreadable(reason) => self.unreadable(tx, &reason).await,
        }
    }

    /// What becomes of a response that says it is JSON and isn't.
    async fn unreadable(&self, tx: &mut Transaction, reason: &str) -> Response {
        let response = take_response(tx);
        let Some(bypass) = self.misnamed(tx, &response, Reason::NotJson) else {
            tracing::warn!(transaction = %tx.call.id, reason, "the upstream's body can't be had");
            return self.refused(tx, Refusal::UpstreamBody).await;
        };
        tx.unseen.response = Some(bypass);
        tx.plan.response.retain(|planned| !planned.facts.sees_body);
        tx.plan.queued.retain(|planned| !planned.facts.sees_body);
        // No step that is left sees a body: it can't be unreadable again.
        Box::pin(self.run_response_handlers(tx, response)).await
    }

    /// What the client gets where the upstream gave nothing usable.
    async fn upstream_failed(&self, tx: &mut Transaction, error: &UpstreamError) -> Response {
        tracing::warn!(transaction = %tx.call.id, %error, "upstream failed");
        tx.error = Some(error.to_string().into());
        if let Some(response) = fallback::instead_of_failure(tx) {
            tx.outcome = Refusal::from(error).outcome();
            return self.run_response_handlers(tx, response).await;
        }
        self.refused(tx, error.into()).await
    }

    /// Ends a transaction with an error of ours, once its handlers had a look at it.
    async fn refused(&self, tx: &mut Transaction, refusal: Refusal) -> Response {
        tx.outcome = refusal.outcome();
        let response = self.settings.errors.refusal(refusal);
        self.begin_anew(tx, response).await
    }

    /// Ends a transaction with what a handler threw, or with its failure.
    async fn rejected(&self, tx: &mut Transaction, rejection: &Rejection) -> Response {
        tx.outcome = match rejection.fault {
            Fault::Handler => Outcome::Rejected,
            Fault::Client => Outcome::ClientError,
            Fault::Script | Fault::Host => Outcome::HandlerFailed,
            Fault::Sidecar => Outcome::Unavailable,
        };
        let response = self.settings.errors.rejection(rejection);
        self.begin_anew(tx, response).await
    }

    /// Runs those error and `post_process` handlers that haven't run yet, once. If one
    /// throws, its rejection is the response and no more run.
    async fn begin_anew(&self, tx: &mut Transaction, response: Response) -> Response {
        tx.enter_with(response.status);
        let has_body = self.is_json(&response);
        let steps = tx.response_steps(response.status, |planned| {
            has_body || !planned.facts.sees_body
        });
        if steps.is_empty() {
            tx.keep(&response);
            return response;
        }
        enter_response_phase(tx, response);
        let response = match self.run(tx, steps).await {
            // A handler's own body may be no JSON though its type says so: it is sent as it stands.
            Verdict::Continue | Verdict::Answer(_) | Verdict::Unreadable(_) => take_response(tx),
            Verdict::Reject(rejection) => self.settings.errors.rejection(&rejection),
        };
        tx.keep(&response);
        response
    }

    /// Decides what happens to a response's body, reads it where a handler sees it, and
    /// runs the handlers.
    async fn respond<'a>(&self, tx: &mut Transaction, exchange: Exchange<'a>) -> Reply<'a> {
        if exchange.head.status == StatusCode::SWITCHING_PROTOCOLS {
            if tx.plan.may_see_response_body() {
                tx.unseen.response = Some(Reason::Upgrade);
            }
            return Reply::Streamed(exchange);
        }
        let (exchange, coded) = match self.read_response_in_time(tx, exchange).await {
            Ok(read) => read,
            Err(refusal) => return whole(self.refused(tx, refusal).await).await,
        };
        let Exchange { mut head, body } = exchange;
        let had_body = head.body.pieces().is_some();
        fill_in(tx, &mut head);
        let mut head = self.run_response_handlers(tx, head).await;
        match coded {
            Some(coded) => {
                let Response { fields, body, .. } = &mut head;
                let client = &client_request(tx).fields;
                coded.restore(fields, body, Reader::Asked(client)).await;
            }
            None => encode_as_labelled(&mut head.fields, &mut head.body).await,
        }
        let is_removed = had_body && head.body == Body::Empty;
        describe(tx, &mut head, is_removed);
        match head.body {
            Body::Streamed => Reply::Streamed(Exchange { head, body }),
            Body::Empty | Body::Whole(_) | Body::Edited(_) => Reply::Whole(head),
        }
    }

    async fn read_response_in_time<'a>(
        &self,
        tx: &mut Transaction,
        exchange: Exchange<'a>,
    ) -> Result<(Exchange<'a>, Option<Coded>), Refusal> {
        let deadline = tx.call.deadline;
        let read = {
            let reading = pin!(self.read_response(tx, exchange));
            before(deadline, reading).await
        };
        read.unwrap_or_else(|| {
            let limit = self.settings.transaction_time;
            let error = UpstreamError::Deadline { limit };
            tracing::warn!(transaction = %tx.call.id, %error, "upstream failed");
            Err((&error).into())
        })
    }

    /// Makes the request the one to be forwarded: says where it comes from, and where a
    /// handler may see the body of its response, asks for a coding that can be decoded, and by the
    /// tags that the upstream knows.
    /// The handlers of the response phase see the request without this.
    fn prepare_upstream_request(&self, tx: &mut Transaction) {
        if tx.sent.is_none() && tx.plan.looks_back() {
            tx.sent = Some(tx.call.request.clone());
        }
        let origin = Arc::clone(&tx.call.origin);
        let way = Way {
            client: &origin.client,
            host: &origin.host,
            id: &tx.call.id.0,
            passes: origin.passes,
            via: self.settings.via,
        };
        let looked_up = tx.call.kept.looked_up.take();
        let fields = &mut tx.call.request.fields;
        namesakes::remove_behind_handlers(fields, |dashed| {
            let looked_up = looked_up.as_ref();
            looked_up.is_some_and(|looked_up| looked_up.has(dashed))
        });
        self.announce(&way, fields);
        if tx.plan.may_see_response_body()
            && let Some(decodable) = accept::narrowed(fields)
        {
            fields.insert(header::ACCEPT_ENCODING, decodable);
        }
        if edits_what_is_kept(tx) {
            let mark = tx.generation.id.to_string();
            validators::unmark_conditions(&mut tx.call.request, &mark);
        } else {
            validators::restore_tags(&mut tx.call.request);
        }
    }

    /// Tells the upstream of a request's way here.
    pub(super) fn announce(&self, way: &Way<'_>, fields: &mut Fields) {
        for field in forwarded::announce(way, fields) {
            let name = field.name().clone();
            if let Some(before) = fields.replace(field)
                && forwarded::is_scheme_taken_back(&name, &before, way)
            {
                self.schemes.taken_back(way.client.peer);
            }
        }
    }

    /// What is left to be done of a transaction whose response is on the wire: its queued
    /// handlers, and the number of those that can't be run since they see a body that
    /// there isn't. None where no response was made that handlers may see.
    pub(super) fn job(&self, mut tx: Transaction) -> Option<(Job, usize)> {
        let response = tx.left.take()?;
        let has_body = self.body_is_seen(&tx, &response);
        let (due, left_out): (Vec<_>, Vec<_>) = std::mem::take(&mut tx.plan.queued)
            .into_iter()
            .partition(|planned| has_body || !planned.facts.sees_body);
        let steps = steps(&due);
        enter_response_phase(&mut tx, response);
        tx.call.request.body.join();
        tx.call.response.body.join();
        let job = Job {
            generation: tx.generation,
            call: *tx.call,
            steps,
        };
        Some((job, left_out.len()))
    }

    /// What the handlers of a generation may call once no client waits for them.
    pub(super) fn host_calls(&self, generation: &Arc<Generation>) -> Arc<dyn Host> {
        self.calls.of(generation, None)
    }

    async fn run(&self, tx: &mut Transaction, steps: Vec<Step>) -> Verdict {
        let numbers: Vec<usize> = steps.iter().map(|step| step.handler).collect();
        let call = tx.call.take();
        let host = self.calls.of(&tx.generation, tx.connection.as_ref());
        let Ran {
            call,
            verdict,
            begun,
        } = tx.generation.program.run(call, steps, &host).await;
        tx.call = call;
        tx.begun.extend_from_slice(&numbers[..begun]);
        verdict
    }
}

/// Waits for something until `deadline`; `None` once that has passed. What is there already counts
/// whatever the time is. What is waited for is pinned where it was made: to move it costs more
/// than the wait.
async fn before<T>(deadline: Instant, waited_for: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let deadline = tokio::time::Instant::from_std(deadline);
    tokio::time::timeout_at(deadline, waited_for).await.ok()
}

/// A response whose body is in memory, in the character set that it says it is in.
async fn whole(mut response: Response) -> Reply<'static> {
    encode_as_labelled(&mut response.fields, &mut response.body).await;
    Reply::Whole(response)
}

fn steps(planned: &[Planned]) -> Vec<Step> {
    planned.iter().map(|planned| planned.step.clone()).collect()
}

/// Gives a response without a body the one that a request handler left.
fn fill_in(tx: &mut Transaction, response: &mut Response) {
    if tx.call.fallback.is_some() && !leaves_body_out(tx, response) {
        fallback::fill_in(tx, response);
    }
}

fn take_response(tx: &mut Transaction) -> Response {
    std::mem::replace(&mut tx.call.response, Response::new(StatusCode::OK))
}

/// Puts the response, and the request as the client sent it, before the handlers.
fn enter_response_phase(tx: &mut Transaction, response: Response) {
    if let Some(sent) = tx.sent.take() {
        tx.call.request = sent;
    }
    tx.call.response = response;
}

/// The request as the client sent it, once there are handlers of the response phase.
pub(super) fn client_request(tx: &Transaction) -> &Request {
    tx.sent.as_ref().unwrap_or(&tx.call.request)
}

/// Makes the fields of a response true of what handlers made of its body, which they may
/// have taken away.
fn describe(tx: &Transaction, response: &mut Response, is_removed: bool) {
    if response.body.is_edited() || is_removed {
        validators::describe_edited(&mut response.fields, &tx.generation.id.to_string());
    } else if !edits_what_is_kept(tx) || tx.confirmed == Some(KeptCopy::Unedited) {
        // It is true of the body as the upstream sent it.
    } else if response.status == StatusCode::NOT_MODIFIED {
        // It speaks of a body that this generation has edited.
        validators::mark_tag(&mut response.fields, &tx.generation.id.to_string());
    } else if tx.unseen.response == Some(Reason::LeftOut) {
        // To HEAD. Were it true of the upstream's own body, a cache could go on with one from
        // before the handlers ([RFC 9111 §4.3.5]).
        validators::describe_edited(&mut response.fields, &tx.generation.id.to_string());
    }
}

/// Whether handlers may edit a body that the client keeps and asks about later.
fn edits_what_is_kept(tx: &Transaction) -> bool {
    tx.plan.may_edit_response_body(StatusCode::OK)
}
