//! One request, from its head to the record of how it ended.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::{Method, StatusCode, header};
use tokio::time::timeout_at;

use crate::generation::Generation;
use crate::message::forwarded;
use crate::message::framing;
use crate::message::head::{Fault, Head};
use crate::message::{Body, Request, Response};
use crate::transaction::ports::{BodyError, BodySource, ClientConnection, Interim, Observer};
use crate::transaction::respond::Refusal;
use crate::transaction::{
    Asked, Entry, Line, Outcome, Planned, Record, Reply, Sent, Transaction, Unseen, begin,
};

use super::Settings;
use super::connection::Parting;
use super::places::Place;
use super::reader::{Progress, Reader};
use super::writer::{After, Asker, Cut, Writer, Written};

/// What requests are served with.
pub struct Service {
    /// The line that transactions take.
    pub line: Arc<Line>,
    /// Who is told of finished transactions.
    pub observer: Option<Arc<dyn Observer>>,
    /// What the client side obeys.
    pub settings: Settings,
}

/// What the requests on one connection have in common.
pub(super) struct Visit<'c> {
    /// Where it comes from.
    pub(super) peer: SocketAddr,
    /// The address of ours that it came to.
    pub(super) local: SocketAddr,
    /// What upstreams know it by.
    pub(super) connection: Arc<ClientConnection>,
    pub(super) progress: &'c Progress,
    /// Whether every response ends its connection.
    pub(super) sends_away: &'c AtomicBool,
    /// Its place among the connections.
    pub(super) place: &'c Place,
    /// How many more requests the connection may have.
    pub(super) left: AtomicU32,
}

/// What is known of a request when its record is written.
struct Facts {
    entry: Entry,
    method: Method,
    /// Empty where nobody observes.
    path: String,
    outcome: Outcome,
    /// Why the upstream gave no usable response, where it didn't.
    error: Option<Box<str>>,
    /// Where a handler applies.
    transaction: Option<Transaction>,
}

impl Service {
    /// The answer to a head that is refused.
    pub(super) fn refused(&self, fault: Fault) -> Response {
        tracing::debug!(%fault, "request refused");
        let refusal = Refusal::Head(fault);
        let response = self.line.pipeline.settings().errors.refusal(refusal);
        if let Some(observer) = &self.observer {
            observer.finished(&Record {
                id: None,
                method: "",
                path: "",
                status: response.status.as_u16(),
                duration: Duration::ZERO,
                outcome: refusal.outcome(),
                error: None,
                unseen: Unseen::default(),
                generation: None,
            });
        }
        response
    }

    /// Serves one request; `None` where another one may follow.
    pub(super) async fn serve(
        &self,
        visit: &Visit<'_>,
        reader: &mut Reader<'_>,
        writer: &mut Writer<'_>,
        head: Box<Head>,
    ) -> Option<Parting> {
        let asker = Asker {
            wants_no_body: head.request.method == Method::HEAD,
            is_http10: head.is_http10,
            awaits_continue: head.awaits_continue(),
        };
        let keeps_alive = head.keeps_alive() && visit.has_more_left();
        let mut request = head.request;
        if asker.is_http10 {
            // There they mean nothing ([RFC 9110 §7.8, §10.1.1]).
            request.fields.remove(header::EXPECT);
            request.fields.remove(header::UPGRADE);
        }
        let mut facts = self.facts(visit, &request);
        writer.answer(asker);
        let asks_to_leave =
            request.body == Body::Empty && framing::is_websocket_upgrade(&request.fields);
        if asks_to_leave {
            reader.leave_http();
        }

        let deadline = self
            .settings
            .request_timeout
            .map(|limit| reader.began() + limit);
        // Whether the client still waits is not asked: a request that has come whole is
        // carried out, as every server would.
        let replied = {
            let replying = pin!(self.reply(&mut facts, request, &mut *reader, &mut *writer));
            within(deadline, replying).await
        };
        let reply = replied.unwrap_or_else(|| self.refusal(&mut facts, visit.too_late()));
        let deadline = deadline.filter(|_| !reply.is_tunnel());
        let status = reply.status();
        let may_keep = keeps_alive && (asks_to_leave || visit.can_go_on(writer));
        let Some(Written {
            after,
            is_open_ended,
            result,
        }) = within(deadline, pin!(writer.send(reply, may_keep))).await
        else {
            facts.outcome = visit.too_late().outcome();
            self.finish(facts, status.as_u16(), Sent::InPart);
            return Some(Parting::Broken);
        };
        if let Err(cut) = &result
            && facts.outcome == Outcome::Forwarded
        {
            facts.outcome = outcome(cut);
        }
        let sent = match &result {
            Ok(()) => Sent::Whole,
            Err(_) => Sent::InPart,
        };
        self.finish(facts, status.as_u16(), sent);

        match result {
            Ok(()) => {}
            Err(Cut::Body(_)) if is_open_ended => return Some(Parting::Broken),
            Err(Cut::Body(_)) => return Some(visit.parting(reader)),
            Err(Cut::Client) => return Some(Parting::Plain),
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Some(Parting::Plain);
        }
        if asks_to_leave {
            reader.stay();
        }
        if after == After::Close {
            return Some(visit.parting(reader));
        }
        let goes_on = visit.progress.is_done() || reader.drain().await;
        (!goes_on).then_some(Parting::Lingering)
    }

    fn facts(&self, visit: &Visit<'_>, request: &Request) -> Facts {
        let entry = Entry {
            id: begin::name(request.fields.get("x-request-id")),
            connection: Arc::clone(&visit.connection),
            peer: visit.peer,
            local: visit.local,
            is_encrypted: false,
            began: Instant::now(),
        };
        let path = match &self.observer {
            Some(_) => request.path.clone(),
            None => String::new(),
        };
        Facts {
            entry,
            method: request.method.clone(),
            path,
            outcome: Outcome::default(),
            error: None,
            transaction: None,
        }
    }

    /// What a request comes to.
    async fn reply<'c>(
        &self,
        facts: &mut Facts,
        mut request: Request,
        client: &'c mut (dyn BodySource + 'c),
        interim: &mut dyn Interim,
    ) -> Reply<'c> {
        let line = &self.line;
        let (generation, planned) = match self.plan(&request) {
            Ok((generation, Some(planned))) => (generation, planned),
            Ok((_, None)) => {
                let passed = line
                    .pass(&facts.entry, &mut request, Box::new(client), interim)
                    .await;
                return passed.map_or_else(
                    |error| {
                        tracing::warn!(transaction = %facts.entry.id, %error, "upstream failed");
                        facts.error = Some(error.to_string().into());
                        self.refusal(facts, Refusal::from(&error))
                    },
                    Reply::Streamed,
                );
            }
            Err(refusal) => return self.refusal(facts, refusal),
        };
        let tx = line.begin(&facts.entry, request, generation, planned);
        let tx = facts.transaction.insert(tx);
        let reply = line.pipeline.exchange(tx, Box::new(client), interim).await;
        facts.outcome = tx.outcome;
        facts.error = tx.error.take();
        reply
    }

    /// What applies to a request, and by which generation.
    fn plan(&self, request: &Request) -> Result<(Arc<Generation>, Option<Planned>), Refusal> {
        if forwarded::goes_in_circles(&request.fields) {
            return Err(Refusal::Head(Fault::Loop));
        }
        let Some(generation) = self.line.generations.current() else {
            return Err(Refusal::NotReady);
        };
        let planned = self.line.plan(&generation, &Asked::by(request))?;
        Ok((generation, planned))
    }

    /// An error of ours that no handler sees.
    fn refusal<'c>(&self, facts: &mut Facts, refusal: Refusal) -> Reply<'c> {
        facts.outcome = refusal.outcome();
        Reply::Whole(self.line.pipeline.settings().errors.refusal(refusal))
    }

    /// Ends a transaction: tells the observer, and leaves its queued handlers behind.
    fn finish(&self, facts: Facts, status: u16, sent: Sent) {
        let tx = facts.transaction;
        if let Some(observer) = &self.observer {
            observer.finished(&Record {
                id: Some(&facts.entry.id),
                method: facts.method.as_str(),
                path: &facts.path,
                status,
                duration: facts.entry.began.elapsed(),
                outcome: facts.outcome,
                error: facts.error.as_deref(),
                unseen: tx.as_ref().map(|tx| tx.unseen).unwrap_or_default(),
                generation: tx.as_ref().map(|tx| tx.generation.id),
            });
        }
        if let Some(tx) = tx {
            self.line.finish(tx, sent);
        }
    }
}

/// What comes of `what` until `deadline`; `None` where that is over first.
///
/// It is pinned where it was made: to move a future that has the whole line in it costs more than
/// half of a request that just passes.
async fn within<T>(
    deadline: Option<tokio::time::Instant>,
    what: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    match deadline {
        None => Some(what.await),
        Some(deadline) => timeout_at(deadline, what).await.ok(),
    }
}

impl Visit<'_> {
    /// Why a request ends that has taken longer than it may: it is the client or the upstream
    /// that was waited for.
    fn too_late(&self) -> Refusal {
        if self.progress.is_done() {
            Refusal::UpstreamTimeout
        } else {
            Refusal::BodyTimedOut
        }
    }

    /// Counts a request; whether others may follow it.
    fn has_more_left(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) > 1
    }

    /// Whether another request can follow the present one, once it is answered. A client
    /// that was never told to go on may or may not send its body: nobody knows what comes
    /// next.
    fn can_go_on(&self, writer: &Writer<'_>) -> bool {
        let is_readable =
            self.progress.is_done() || self.progress.is_worth_draining() && !writer.is_awaited();
        let has_to_end = self.sends_away.load(Ordering::Acquire)
            || self.place.is_given_up()
            || self.place.is_wanted();
        is_readable && !has_to_end
    }

    fn parting(&self, reader: &Reader<'_>) -> Parting {
        if self.progress.is_done() && reader.is_empty() {
            Parting::Plain
        } else {
            Parting::Lingering
        }
    }
}

/// How a transaction ended whose response was cut short.
fn outcome(cut: &Cut) -> Outcome {
    match cut {
        Cut::Client => Outcome::ClientGone,
        Cut::Body(BodyError::TimedOut) => Outcome::UpstreamTimedOut,
        Cut::Body(BodyError::Cut) => Outcome::UpstreamFailed,
    }
}
