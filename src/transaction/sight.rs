//! Which bodies handlers see: read where one does and can, passed where none does or may.

use http::{StatusCode, header};

use crate::message::coding::Codings;
use crate::message::{Body, Fields, Pieces, Response, framing, media};

use super::Transaction;
use super::bodies::{Missing, Received, Resumed, Syntax, foreseen};
use super::coded::Coded;
use super::pipeline::{CodedRequests, Pipeline, Unavailable, client_request};
use super::ports::{BodySource, Exchange, Interim};
use super::respond::Refusal;
use super::unseen::Reason;

impl Pipeline {
    /// Reads the body that request handlers see, where one does. A body that they can't have is
    /// refused, or passes without them where that is configured; so does one of a type that they
    /// can't read, where each of them may be bypassed.
    pub(super) async fn read_request(
        &self,
        tx: &mut Transaction,
        client: &mut Resumed<impl BodySource>,
        interim: &mut dyn Interim,
    ) -> Result<Option<Coded>, Refusal> {
        let request = &mut tx.call.request;
        if !tx.plan.sees_request_body() || request.body != Body::Streamed {
            return Ok(None);
        }
        let is_guarded = tx.plan.guards_request_body();
        let types = &self.settings().json_types;
        let content_type = content_type(&request.fields);
        if !media::is_text(types, content_type) {
            if is_guarded && self.settings().unavailable == Unavailable::Refuse {
                return Err(Refusal::BodyType);
            }
            bypass_request(tx, Reason::OtherType);
            return Ok(None);
        }
        let syntax = match content_type {
            Some(_) if media::is_json(types, content_type) => Syntax::Json,
            Some(_) | None => Syntax::Any,
        };
        if self.settings().coded_requests == CodedRequests::Refuse
            && Codings::of(&request.fields).is_ok_and(|codings| !codings.is_empty())
        {
            return Err(Refusal::BodyCoding);
        }
        let limit = self.settings().request_body;
        if let Some(missing) = foreseen(&request.fields, limit) {
            // Nobody is given leave to send what is refused all the same.
            bypass_request(tx, self.passes(missing).ok_or(missing.refusal())?);
            return Ok(None);
        }
        if framing::has_token(&request.fields, &header::EXPECT, "100-continue") {
            // It is we who want the body: the upstream gets it without asking for it.
            interim.pass(Response::new(StatusCode::CONTINUE)).await;
            request.fields.remove(header::EXPECT);
        }
        let share = tx.share.get_or_insert_with(|| self.settings().room.share());
        let read = client
            .read_for_handlers(&request.fields, syntax, limit, share)
            .await;
        match read {
            Ok(Received { body, coded }) => {
                tx.call.received = body.pieces().cloned().map(Pieces::joined);
                request.body = body;
                Ok(coded)
            }
            Err(missing) => {
                // A body that is no JSON though it says so is like one of another type.
                let is_misnamed = missing == Missing::NotJson
                    || (missing == Missing::NotText && syntax == Syntax::Json);
                let reason = match self.passes(missing) {
                    None if is_misnamed && !is_guarded => missing.reason(),
                    reason => reason,
                };
                bypass_request(tx, reason.ok_or(missing.refusal())?);
                Ok(None)
            }
        }
    }

    /// Why a body passes without the handlers that wanted it, where it does.
    fn passes(&self, missing: Missing) -> Option<Reason> {
        match self.settings().unavailable {
            Unavailable::Refuse => None,
            Unavailable::Pass => missing.reason(),
        }
    }

    /// Reads a response's body, where a handler sees it. Where they can't have it, it
    /// passes without them if that is configured.
    pub(super) async fn read_response<'a>(
        &self,
        tx: &mut Transaction,
        mut exchange: Exchange<'a>,
    ) -> Result<(Exchange<'a>, Option<Coded>), Refusal> {
        let status = exchange.head.status;
        if !tx.plan.sees_response_body(status) {
            return Ok((exchange, None));
        }
        tx.unseen.response = self.unseen(tx, &exchange.head);
        if tx.unseen.response == Some(Reason::LeftOut) && tx.plan.may_edit_response_body(status) {
            // It tells the length of a body as it would be without the handlers.
            exchange.head.fields.remove(header::CONTENT_LENGTH);
        }
        if tx.unseen.response.is_some() || exchange.head.body != Body::Streamed {
            return Ok((exchange, None));
        }
        let mut body = Resumed::new(exchange.body);
        let share = tx.share.get_or_insert_with(|| self.settings().room.share());
        let limit = self.settings().response_body;
        let read = body
            .read_for_handlers(&exchange.head.fields, Syntax::Any, limit, share)
            .await;
        exchange.body = Box::new(body);
        let coded = match read {
            Ok(Received { body, coded }) => {
                exchange.head.body = body;
                coded
            }
            Err(missing) => {
                let reason = match self.passes(missing) {
                    None if missing == Missing::NotText => {
                        self.misnamed(tx, &exchange.head, Reason::NotText)
                    }
                    reason => reason,
                };
                let Some(reason) = reason else {
                    tracing::warn!(transaction = %tx.call.id, reason = %missing, "the upstream's body can't be had");
                    return Err(match missing {
                        Missing::NoRoom => Refusal::NoRoom,
                        Missing::Broken(_)
                        | Missing::TooLarge
                        | Missing::Coded
                        | Missing::Corrupt
                        | Missing::NotText
                        | Missing::Charset
                        | Missing::NotJson => Refusal::UpstreamBody,
                    });
                };
                tx.unseen.response = Some(reason);
                None
            }
        };
        Ok((exchange, coded))
    }

    /// Why a response's body that is no JSON passes without the handlers that would see it, where it
    /// does: nothing says that it is JSON, or each of them may be bypassed.
    pub(super) fn misnamed(
        &self,
        tx: &Transaction,
        head: &Response,
        reason: Reason,
    ) -> Option<Reason> {
        if content_type(&head.fields).is_none() {
            return Some(Reason::OtherType);
        }
        let is_guarded = tx.plan.guards_response_body(head.status);
        let passes = !is_guarded || self.settings().unavailable == Unavailable::Pass;
        passes.then_some(reason)
    }

    /// Why handlers that see a body don't see this response's, as far as its head says.
    fn unseen(&self, tx: &Transaction, head: &Response) -> Option<Reason> {
        let is_empty = head.body == Body::Empty;
        if self.is_json(head) {
            (is_empty && leaves_body_out(tx, head)).then_some(Reason::LeftOut)
        } else if is_empty {
            None
        } else if media::is_stream(content_type(&head.fields)) {
            Some(Reason::EventStream)
        } else {
            Some(Reason::OtherType)
        }
    }

    /// Whether handlers of the response phase that see a body have one to see.
    pub(super) fn body_is_seen(&self, tx: &Transaction, response: &Response) -> bool {
        match response.body {
            Body::Streamed => false,
            Body::Whole(_) | Body::Edited(_) => self.is_json(response),
            Body::Empty => !leaves_body_out(tx, response) && self.is_json(response),
        }
    }

    /// Whether a response's type says it is JSON.
    pub(super) fn is_json(&self, response: &Response) -> bool {
        media::is_json(&self.settings().json_types, content_type(&response.fields))
    }
}

/// Lets the request's body pass without the handlers that would see it.
fn bypass_request(tx: &mut Transaction, reason: Reason) {
    tx.unseen.request = Some(reason);
    tx.plan.leave_out_those_that_see_the_request_body();
}

fn content_type(fields: &Fields) -> Option<&str> {
    let value = fields.get(header::CONTENT_TYPE)?;
    // No type that is known has other letters.
    Some(value.to_str().unwrap_or("unreadable"))
}

/// Whether a response describes a body that isn't sent: the answer to HEAD, and 304.
pub(super) fn leaves_body_out(tx: &Transaction, response: &Response) -> bool {
    client_request(tx).method == http::Method::HEAD || response.status == StatusCode::NOT_MODIFIED
}
