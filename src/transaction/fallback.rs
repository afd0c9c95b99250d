//! What a client gets where the upstream has nothing to say: the output that a request handler
//! left, API Maker's `g.res.output`.

use http::{HeaderValue, StatusCode, header};

use crate::handler::Fallback;
use crate::message::{Body, Response};

use super::Transaction;

/// The whole response, where no usable one came; `None` where no handler left an output.
pub(super) fn instead_of_failure(tx: &mut Transaction) -> Option<Response> {
    let fallback = tx.call.fallback.take()?;
    let mut response = std::mem::replace(&mut tx.call.response, Response::new(StatusCode::OK));
    put(fallback, &mut response);
    Some(response)
}

/// The body of a response that came without one, where it may have one.
pub(super) fn fill_in(tx: &mut Transaction, response: &mut Response) {
    let is_empty = match &response.body {
        Body::Empty => true,
        Body::Whole(pieces) | Body::Edited(pieces) => pieces.is_empty(),
        Body::Streamed => false,
    };
    if !is_empty || !response.status.is_success() {
        return;
    }
    let Some(fallback) = tx.call.fallback.take() else {
        return;
    };
    if [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&response.status) {
        response.status = StatusCode::OK;
    }
    response.fields.remove(header::CONTENT_ENCODING);
    response.fields.remove(header::CONTENT_TYPE);
    put(fallback, response);
}

fn put(fallback: Fallback, response: &mut Response) {
    if !response.fields.contains(header::CONTENT_TYPE) {
        let usual = HeaderValue::from_static(fallback.usual_type);
        response.fields.insert(header::CONTENT_TYPE, usual);
    }
    response.body = Body::Edited(fallback.body);
}
