//! One request, from its head to the record of how it ended.
//!
//! The order of the methods is the order in which pingora calls them.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http::{HeaderMap, StatusCode, Version, header};
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use crate::generation::{Generation, Path};
use crate::handler::TransactionId;
use crate::message::Response;
use crate::message::forwarded::{self, Way};
use crate::message::framing::{self, Length};
use crate::message::head::Fault;
use crate::transaction::ports::Observer;
use crate::transaction::respond::Refusal;
use crate::transaction::unseen::Reason;
use crate::transaction::{
    Asked, Line, Next, Outcome, Planned, Record, Reply, Routes, Sent, Transaction, begin,
};
use crate::upstream::Peer;

use super::connection::{Connection, Turn};
use super::error::{Trouble, trouble};
use super::inbound::{self, Arrival, ClientBody};
use super::listener::Rules;
use super::{Settings, head, outbound};

/// What ends an exchange whose response has been sent in place of the upstream's.
const ANSWERED: ErrorType = ErrorType::Custom("answered instead of the upstream");

/// What requests are served with.
pub struct Service {
    parts: Parts,
}

/// What a service is made of.
pub struct Parts {
    /// The line that transactions take.
    pub line: Arc<Line>,
    /// The upstreams, for those that are streamed.
    pub upstreams: Routes<Arc<Peer>>,
    /// Who is told of finished transactions.
    pub observer: Option<Arc<dyn Observer>>,
    /// What the client side obeys.
    pub settings: Settings,
}

/// One request under way.
pub struct Context {
    began: Instant,
    connection: Option<Arc<Connection>>,
    id: TransactionId,
    /// Where a handler applies.
    transaction: Option<Transaction>,
    outcome: Outcome,
    sent: Sent,
    /// The upstream that it is streamed to, where there are several.
    upstream: Option<Arc<Peer>>,
    /// How many of the upstream's addresses are left to be tried.
    tries: Option<usize>,
}

impl Service {
    /// A service made of these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The upstream of what no service with one of its own is asked for.
    pub(super) fn upstream(&self) -> &Peer {
        self.parts.upstreams.main()
    }

    /// The upstream that a request is streamed to.
    fn upstream_of<'a>(&'a self, ctx: &'a Context) -> &'a Peer {
        ctx.upstream
            .as_deref()
            .unwrap_or_else(|| self.parts.upstreams.main())
    }

    /// Finds the upstream of a request, where there are several.
    fn route(&self, path: &str) -> Option<Arc<Peer>> {
        let Parts {
            line, upstreams, ..
        } = &self.parts;
        (!upstreams.is_one()).then(|| Arc::clone(upstreams.of(&line.names.service(path))))
    }

    /// What the byte streams of its connections obey.
    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::new(Rules {
            settings: self.parts.settings.clone(),
            errors: self.parts.line.pipeline.settings().errors.clone(),
            observer: self.parts.observer.clone(),
        })
    }

    /// Answers with an error of ours that no handler sees.
    async fn refuse(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        refusal: Refusal,
    ) -> Result<()> {
        ctx.outcome = refusal.outcome();
        let response = self.parts.line.pipeline.settings().errors.refusal(refusal);
        outbound::whole(session, ctx.connection(), &response).await
    }

    /// What applies to a request, and by which generation; `None` where nothing does.
    fn plan(
        &self,
        received: &RequestHeader,
    ) -> Result<Option<(Arc<Generation>, Planned)>, Refusal> {
        if forwarded::goes_in_circles(&received.headers) {
            return Err(Refusal::Head(Fault::Loop));
        }
        let line = &self.parts.line;
        let Some(generation) = line.generations.current() else {
            return Err(Refusal::NotReady);
        };
        let asked = Asked::new(&received.method, received.uri.path(), &received.headers);
        let planned = line.plan(&generation, &asked);
        Ok(planned.map(|planned| (generation, planned)))
    }

    /// Runs a request that handlers apply to; gives whether it has been answered, else
    /// it is to be streamed.
    async fn run(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        generation: Arc<Generation>,
        planned: Planned,
    ) -> Result<bool> {
        let line = &self.parts.line;
        // On the way out of HTTP there is no body to be seen.
        let leaves = framing::is_websocket_upgrade(&session.req_header().headers);
        let streams = leaves || planned.plan.path() == Path::Heads;
        let arrival = Arrival {
            id: ctx.id.clone(),
            generation,
            planned,
            began: ctx.began,
            time: line.pipeline.settings().transaction_time,
        };
        let tx = inbound::begin(session, ctx.connection(), &line.names, arrival);
        let tx = ctx.transaction.insert(tx);
        if leaves && tx.plan.may_see_response_body() {
            tx.unseen.response = Some(Reason::Upgrade);
        }
        let reply = if streams {
            match line.pipeline.request_phase(tx).await {
                Next::Reply(response) => Reply::Whole(response),
                Next::Forward => {
                    line.pipeline.prepare_upstream_request(tx);
                    return Ok(false);
                }
            }
        } else {
            let mut body = ClientBody::new(session, self.parts.settings.body_time);
            line.pipeline.exchange(tx, &mut body).await
        };
        ctx.outcome = tx.outcome;
        outbound::send(session, ctx.connection(), reply).await?;
        Ok(true)
    }

    /// Tells the upstream of the way of a request that no handler applies to.
    fn announce(
        &self,
        session: &Session,
        ctx: &Context,
        request: &mut RequestHeader,
    ) -> Result<()> {
        let connection = ctx.connection();
        let received: &HeaderMap = &session.req_header().headers;
        let client = self
            .parts
            .line
            .names
            .client(connection.peer, connection.tls, received);
        let host = received
            .get(header::HOST)
            .map(|host| String::from_utf8_lossy(host.as_bytes()))
            .unwrap_or_default();
        let way = Way {
            client: &client,
            host: &host,
            id: &ctx.id.0,
            via: self.parts.line.pipeline.settings().via,
        };
        for field in forwarded::announce(&way, &request.headers) {
            request.insert_header(head::spelled(&field), field.value().clone())?;
        }
        Ok(())
    }

    /// What a client gets for a transaction that came to nothing while it was streamed;
    /// `None` where nobody is there to get it.
    async fn response_to(&self, trouble: Trouble, ctx: &mut Context) -> Option<Response> {
        let refusal = match (trouble, &mut ctx.transaction) {
            (Trouble::Gone, _) => {
                ctx.outcome = Outcome::ClientGone;
                return None;
            }
            (Trouble::Upstream(error), Some(tx)) => {
                let response = self.parts.line.pipeline.upstream_failed(tx, &error).await;
                ctx.outcome = tx.outcome;
                return Some(response);
            }
            (Trouble::Upstream(error), None) => {
                tracing::warn!(transaction = %ctx.id, %error, "upstream failed");
                Refusal::from(&error)
            }
            (Trouble::Client(refusal), _) => refusal,
        };
        ctx.outcome = refusal.outcome();
        Some(self.parts.line.pipeline.settings().errors.refusal(refusal))
    }

    /// Lets the handlers see the head of a response that streams past. What they change
    /// of it is written back; an answer of theirs takes its place.
    async fn run_on_head(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        received: &mut ResponseHeader,
    ) -> Result<()> {
        let Some(tx) = ctx.transaction.as_mut().filter(|tx| tx.plan.looks_back()) else {
            return Ok(());
        };
        let sent = head::response(received, &session.req_header().method);
        let body = sent.body.clone();
        let response = self.parts.line.pipeline.response_phase(tx, sent).await;
        ctx.outcome = tx.outcome;
        if response.body == body {
            let version = received.version;
            *received = head::whole_response(&response, head::Framing::Kept)?;
            received.set_version(version);
            return Ok(());
        }
        answer_instead(session, ctx.connection(), &response).await
    }
}

/// Sends a response in place of the upstream's, whose head has arrived. Pingora offers
/// no way to drop the rest of that one and go on: the connection ends.
async fn answer_instead(
    session: &mut Session,
    connection: &Connection,
    response: &Response,
) -> Result<()> {
    session.set_keepalive(None);
    outbound::whole(session, connection, response).await?;
    Err(Error::new_in(ANSWERED))
}

impl Context {
    fn connection(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("every session is given its connection before it is served")
    }
}

#[async_trait]
impl ProxyHttp for Service {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context {
            began: Instant::now(),
            connection: None,
            id: TransactionId("".into()),
            transaction: None,
            outcome: Outcome::default(),
            sent: Sent::InPart,
            upstream: None,
            tries: None,
        }
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {
        // None: what is streamed is not touched.
    }

    fn on_connection_reuse(
        &self,
        _: &mut Session,
        ctx: &mut Context,
        kept: Box<dyn std::any::Any + Send + Sync>,
    ) {
        ctx.connection = kept.downcast::<Arc<Connection>>().ok().map(|kept| *kept);
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        let time = Some(self.parts.settings.body_time);
        session.set_read_timeout(time);
        session.set_write_timeout(time);
        if !head::reads_chunks(session.req_header().version) {
            // It knows no interim responses.
            session.set_ignore_info_resp(true);
            head::expect_nothing(session.req_header_mut())?;
        }
        // Pingora would close wherever an answer, even an interim one, precedes the end of a
        // request. Whether that has to be is decided with the head of the response.
        session.set_close_on_response_before_downstream_finish(false);
        let received = session.req_header();
        ctx.id = begin::name(received.headers.get("x-request-id"));
        ctx.upstream = self.route(received.uri.path());
        match self.plan(received) {
            Err(refusal) => {
                self.refuse(session, ctx, refusal).await?;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Ok(Some((generation, planned))) => self.run(session, ctx, generation, planned).await,
        }
    }

    async fn upstream_peer(&self, _: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        let no_address = |error: std::io::Error| {
            Error::because(ErrorType::ConnectError, "looking up the upstream", error).into_up()
        };
        let upstream = self.upstream_of(ctx);
        let tries = match ctx.tries {
            Some(tries) => tries,
            None => upstream.count().await.map_err(no_address)?,
        };
        let peer = upstream.address().await.map_err(no_address)?;
        ctx.tries = Some(tries);
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        ctx: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        self.upstream_of(ctx).pass_over();
        let left = ctx.tries.unwrap_or(1).saturating_sub(1);
        ctx.tries = Some(left);
        error.set_retry(left > 0);
        error
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        ctx: &mut Context,
        is_reused: bool,
    ) -> Box<Error> {
        // What counts is the method that the upstream gets.
        let method = match &ctx.transaction {
            Some(tx) => &tx.request().method,
            None => &session.req_header().method,
        };
        if method.is_idempotent() && !session.retry_buffer_truncated() {
            error.retry.decide_reuse(is_reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if let Some(tx) = &ctx.transaction {
            *request = head::changed_request(session.req_header(), tx.request())?;
        } else {
            head::strip_request(request)?;
            self.announce(session, ctx, request)?;
        }
        request.set_version(Version::HTTP_11);
        // Clients of HTTP/1.0 may leave it out, we may not.
        if !request.headers.contains_key(header::HOST) {
            request.insert_header(header::HOST, self.upstream_of(ctx).authority())?;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _: &mut Context,
    ) -> Result<()> {
        let unusable = |why| Error::explain(ErrorType::InvalidHTTPHeader, why).into_up();
        if response.status == StatusCode::SWITCHING_PROTOCOLS && !session.is_upgrade_req() {
            return Err(unusable("it switches to a protocol nobody asked for"));
        }
        if framing::length(&response.headers).is_err() {
            return Err(unusable("it isn't clear where it ends"));
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        head::strip_response(response)?;
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            ctx.connection().set_turn(Turn::Tunnel);
            return Ok(());
        }
        if response.status.is_informational() {
            return Ok(());
        }
        if !session.is_body_done() {
            // Nobody will read the rest of the request.
            session.set_keepalive(None);
        }
        self.run_on_head(session, ctx, response).await?;
        let is_chunked = framing::length(&response.headers) == Ok(Length::Chunked);
        if is_chunked && !head::reads_chunks(session.req_header().version) {
            head::remove(response, &header::TRANSFER_ENCODING)?;
            session.set_keepalive(None);
        }
        if ctx.connection().is_sent_away() {
            session.set_keepalive(None);
        }
        if let Some(date) = head::date(response) {
            ctx.connection().keep_date(date);
        }
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Context,
    ) -> FailToProxy {
        if *error.etype() == ANSWERED {
            ctx.sent = Sent::Whole;
            // The client may still be sending, which must not cost it the answer.
            session.shutdown().await;
            return closed(0);
        }
        let trouble = trouble(error, self.upstream_of(ctx));
        if let Some(written) = final_response(session) {
            if framing::length(&written.headers) == Ok(Length::Unsaid) {
                ctx.connection().set_broken();
            }
            if ctx.outcome == Outcome::Forwarded {
                ctx.outcome = cut_outcome(&trouble);
            }
            return closed(0);
        }
        session.set_keepalive(None);
        let Some(response) = self.response_to(trouble, ctx).await else {
            return closed(0);
        };
        let status = response.status.as_u16();
        if outbound::whole(session, ctx.connection(), &response)
            .await
            .is_ok()
        {
            ctx.sent = Sent::Whole;
            session.shutdown().await;
        }
        closed(status)
    }

    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        // What is worth a line has been logged in our words.
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        if error.is_none() {
            ctx.sent = Sent::Whole;
        }
        self.tell(session, ctx);
        if let Some(tx) = ctx.transaction.take() {
            self.parts.line.finish(tx, ctx.sent);
        }
    }
}

impl Service {
    /// Tells the observer of a transaction that has ended.
    fn tell(&self, session: &Session, ctx: &Context) {
        let Some(observer) = &self.parts.observer else {
            return;
        };
        let status = final_response(session).map_or(0, |head| head.status.as_u16());
        let request = session.req_header();
        let tx = ctx.transaction.as_ref();
        observer.finished(&Record {
            id: Some(&ctx.id),
            method: request.method.as_str(),
            path: request.uri.path(),
            status,
            duration: ctx.began.elapsed(),
            outcome: ctx.outcome,
            unseen: tx.map(|tx| tx.unseen).unwrap_or_default(),
            generation: tx.map(|tx| tx.generation.id),
        });
    }
}

/// The response that has been written, where one has.
fn final_response(session: &Session) -> Option<&ResponseHeader> {
    session.response_written().filter(|head| {
        !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS
    })
}

/// How a transaction ended whose response was cut short.
fn cut_outcome(trouble: &Trouble) -> Outcome {
    match trouble {
        Trouble::Upstream(error) => Refusal::from(error).outcome(),
        Trouble::Client(_) | Trouble::Gone => Outcome::ClientGone,
    }
}

fn closed(error_code: u16) -> FailToProxy {
    FailToProxy {
        error_code,
        can_reuse_downstream: false,
    }
}
