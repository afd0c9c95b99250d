//! Ranges and conditions, decided once the head of the response is there: by its type and status it
//! is known whether a handler may edit it.
//!
//! ```text
//! 206, and no handler sees it ──▶ passes      304 that confirms an edited copy ──▶ passes, marked
//!      a handler sees it ──▶ asked again           an unedited one ──▶ is its type one that handlers edit?
//!                            for the whole                             no ──▶ passes   yes ──▶ asked again
//! ```

use http::{Method, StatusCode, header};

use crate::message::validators::{self, KeptCopy};
use crate::message::{Body, Pieces, Request, media};

use super::Transaction;
use super::line::in_memory;
use super::pipeline::{Pipeline, client_request};
use super::ports::{Exchange, Interim, Sending, UpstreamError};

/// Why a response could not be made whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum RevalidationError {
    /// Handlers see its body, it is a part, and the request can't be sent again.
    #[error("the API sent a part of a body that handlers read")]
    Partial,
    /// The upstream was asked again and gave no usable response.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl Pipeline {
    /// Gives a response that handlers may see: a part, or the word that a kept copy is good, is
    /// replaced by the whole response where they may edit it.
    pub(super) async fn make_whole<'a>(
        &self,
        tx: &mut Transaction,
        exchange: Exchange<'a>,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'a>, RevalidationError> {
        match exchange.head.status {
            StatusCode::PARTIAL_CONTENT => self.whole_for_part(tx, exchange, interim).await,
            StatusCode::NOT_MODIFIED => self.whole_for_unedited(tx, exchange, interim).await,
            _ => Ok(exchange),
        }
    }

    async fn whole_for_part<'a>(
        &self,
        tx: &Transaction,
        exchange: Exchange<'a>,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'a>, RevalidationError> {
        let head = &exchange.head;
        if !tx.plan.sees_response_body(head.status) || self.passes_by_type(&exchange) {
            return Ok(exchange);
        }
        if !is_repeatable(&tx.call.request) {
            return Err(RevalidationError::Partial);
        }
        // Its connection is not to be waited for.
        drop(exchange);
        let whole = self.ask_again(tx, Method::GET, interim).await?;
        if whole.head.status == StatusCode::PARTIAL_CONTENT {
            return Err(RevalidationError::Partial);
        }
        Ok(whole)
    }

    async fn whole_for_unedited<'a>(
        &self,
        tx: &mut Transaction,
        exchange: Exchange<'a>,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'a>, RevalidationError> {
        let method = tx.call.request.method.clone();
        if !validators::asks_whether_kept(&client_request(tx).fields) {
            // It confirms nothing: nobody asked.
            return Ok(exchange);
        }
        if !tx.plan.may_edit_response_body(StatusCode::OK) || !is_repeatable(&tx.call.request) {
            return Ok(exchange);
        }
        let mark = tx.generation.id.to_string();
        let tag = exchange.head.fields.get(header::ETAG);
        let copy = validators::confirmed(&client_request(tx).fields, tag, &mark);
        tx.confirmed = Some(copy);
        if copy == KeptCopy::Edited || self.passes_by_type(&exchange) {
            return Ok(exchange);
        }
        // A 304 has no body: its connection is free for what is asked next.
        let head = exchange.head;
        drop(exchange.body);
        // Few 304 have a type. HEAD shows it without a body; where it does not, the body is needed.
        let probe = self.ask_again(tx, Method::HEAD, interim).await.ok();
        let probe = probe.filter(|probe| probe.head.status.is_success());
        if probe
            .as_ref()
            .is_some_and(|probe| self.passes_by_type(probe))
        {
            return Ok(in_memory(head));
        }
        let whole = match probe {
            Some(probe) if method == Method::HEAD => probe,
            Some(_) | None => self.ask_again(tx, method, interim).await?,
        };
        if whole.head.status == StatusCode::NOT_MODIFIED {
            // It was asked without a condition: that is what it sends.
            return Ok(in_memory(head));
        }
        tx.confirmed = None;
        Ok(whole)
    }

    /// Whether a response's own type says that handlers do not see its body.
    fn passes_by_type(&self, exchange: &Exchange<'_>) -> bool {
        let value = exchange.head.fields.get_str(header::CONTENT_TYPE);
        let is_of_parts = value.is_some_and(|value| {
            let start = value.get(.."multipart/byteranges".len());
            start.is_some_and(|start| start.eq_ignore_ascii_case("multipart/byteranges"))
        });
        value.is_some() && !is_of_parts && !media::is_json(&self.settings().json_types, value)
    }

    /// Sends the request again, for the whole body whatever the client keeps.
    async fn ask_again(
        &self,
        tx: &Transaction,
        method: Method,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'static>, UpstreamError> {
        let mut request = tx.call.request.clone();
        request.method = method;
        validators::ask_for_whole(&mut request.fields);
        let upstream = self.upstreams().of(&tx.call.origin.service);
        upstream
            .exchange(
                tx.behalf(),
                &request,
                Sending::Whole(Pieces::default()),
                interim,
            )
            .await
    }
}

/// Whether a request may be sent again: it changes nothing, and has no body that is gone.
fn is_repeatable(request: &Request) -> bool {
    matches!(request.method, Method::GET | Method::HEAD) && request.body == Body::Empty
}
