//! Which bodies handlers see: read where one does and can, passed where none does or may.

use http::{StatusCode, header};

use crate::message::{Body, Pieces, Response, framing, media};

use super::Transaction;
use super::bodies::{Missing, Received, Resumed};
use super::coded::Coded;
use super::pipeline::{Pipeline, Unavailable, client_request};
use super::ports::{BodySource, Exchange, Interim};
use super::respond::Refusal;
use super::unseen::Reason;

impl Pipeline {
    /// Reads the body that request handlers see, where one does. Where they can't have
    /// it, it passes without them if that is configured.
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
        if framing::has_token(&request.fields, &header::EXPECT, "100-continue") {
            // It is we who want the body: the upstream gets it without asking for it.
            interim.pass(Response::new(StatusCode::CONTINUE)).await;
            request.fields.remove(header::EXPECT);
        }
        let share = tx.share.get_or_insert_with(|| self.settings().room.share());
        match client
            .read_for_handlers(&request.fields, self.settings().request_body, share)
            .await
        {
            Ok(Received { body, coded }) => {
                tx.call.received = body.pieces().cloned().map(Pieces::joined);
                request.body = body;
                Ok(coded)
            }
            Err(missing) => {
                tx.unseen.request = Some(self.passes(missing).ok_or(missing.refusal())?);
                tx.plan.leave_out_those_that_see_the_request_body();
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
            .read_for_handlers(&exchange.head.fields, limit, share)
            .await;
        exchange.body = Box::new(body);
        let coded = match read {
            Ok(Received { body, coded }) => {
                exchange.head.body = body;
                coded
            }
            Err(missing) => {
                let Some(reason) = self.passes(missing) else {
                    tracing::warn!(transaction = %tx.call.id, reason = %missing, "the upstream's body can't be had");
                    return Err(match missing {
                        Missing::NoRoom => Refusal::NoRoom,
                        Missing::Broken(_)
                        | Missing::TooLarge
                        | Missing::Coded
                        | Missing::Corrupt
                        | Missing::NotText => Refusal::UpstreamBody,
                    });
                };
                tx.unseen.response = Some(reason);
                None
            }
        };
        Ok((exchange, coded))
    }

    /// Why handlers that see a body don't see this response's, as far as its head says.
    fn unseen(&self, tx: &Transaction, head: &Response) -> Option<Reason> {
        let is_empty = head.body == Body::Empty;
        if self.is_json(head) {
            (is_empty && leaves_body_out(tx, head)).then_some(Reason::LeftOut)
        } else if is_empty {
            None
        } else if media::is_event_stream(content_type(head)) {
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
        let value = content_type(response);
        self.settings()
            .json_types
            .iter()
            .any(|known| known.matches(value))
    }
}

fn content_type(response: &Response) -> Option<&str> {
    let value = response.fields.get(header::CONTENT_TYPE)?;
    // No type that is known has other letters.
    Some(value.to_str().unwrap_or("unreadable"))
}

/// Whether a response describes a body that isn't sent: the answer to HEAD, and 304.
pub(super) fn leaves_body_out(tx: &Transaction, response: &Response) -> bool {
    client_request(tx).method == http::Method::HEAD || response.status == StatusCode::NOT_MODIFIED
}
