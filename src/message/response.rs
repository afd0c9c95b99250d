//! A response, as the upstream sent it or as the client will get it.

use bytes::Bytes;
use http::StatusCode;

use super::{Body, Fields};

/// A response's head and what is known of its body.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub fields: Fields,
    /// The body.
    pub body: Body,
    /// What the upstream wrote behind the status, where that is not the usual phrase.
    reason: Option<(StatusCode, Bytes)>,
}

impl Response {
    /// A response without fields and body.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            fields: Fields::default(),
            body: Body::Empty,
            reason: None,
        }
    }

    /// Keeps the phrase that came with the present status.
    pub fn receive_reason(&mut self, phrase: &[u8]) {
        let usual = self.status.canonical_reason().unwrap_or("").as_bytes();
        self.reason = (phrase != usual).then(|| (self.status, Bytes::copy_from_slice(phrase)));
    }

    /// The phrase that goes with the status: the one received as long as the status is
    /// the one it came with, else the usual one.
    pub fn reason(&self) -> &[u8] {
        match &self.reason {
            Some((status, phrase)) if *status == self.status => phrase,
            Some(_) | None => self.status.canonical_reason().unwrap_or("").as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_goes_with_the_status_it_came_with() {
        let mut response = Response::new(StatusCode::OK);

        response.receive_reason(b"Fine");
        assert_eq!(response.reason(), b"Fine");

        response.status = StatusCode::CREATED;
        assert_eq!(response.reason(), b"Created");
    }
}
