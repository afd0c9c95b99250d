//! How a response is framed for the client that gets it: decided here, from its final
//! status, its body and who asked, and nowhere else.
//!
//! Whatever made the status, nothing follows the head where a client expects nothing:
//! what did would be taken for the next response ([RFC 9112 §6.3]).

use http::StatusCode;

use crate::message::framing::{self, Length};
use crate::message::{Body, Response};

use super::Framing;

/// What has to be known of a request to frame its response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recipient {
    /// It asked for the head only.
    pub wants_no_body: bool,
    /// It reads no chunks.
    pub is_http10: bool,
}

/// The frame of one response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// What the head says.
    pub framing: Framing,
    /// Whether a body follows the head.
    pub has_body: bool,
}

impl Frame {
    /// The frame of `response`, whose status and body are final.
    pub fn of(response: &Response, recipient: Recipient) -> Self {
        let framing = match response.status {
            // Neither length nor coding ([RFC 9110 §8.6], [RFC 9112 §6.1]).
            status if status.is_informational() || status == StatusCode::NO_CONTENT => {
                Framing::Unsaid
            }
            // It has no content, but its recipient looks for some ([RFC 9110 §15.3.6]).
            StatusCode::RESET_CONTENT => Framing::Exact(0),
            StatusCode::NOT_MODIFIED => described(response, false),
            _ if recipient.wants_no_body => described(response, !recipient.is_http10),
            _ => return Self::with_body(response, recipient),
        };
        Self {
            framing,
            has_body: false,
        }
    }

    fn with_body(response: &Response, recipient: Recipient) -> Self {
        let framing = match &response.body {
            Body::Empty => Framing::Exact(0),
            Body::Whole(pieces) | Body::Edited(pieces) => Framing::Exact(pieces.len() as u64),
            Body::Streamed => match framing::length(&response.fields) {
                Ok(Length::Known(length)) => Framing::Exact(length),
                Ok(Length::Chunked | Length::Unsaid) | Err(_) if recipient.is_http10 => {
                    Framing::Unsaid
                }
                Ok(Length::Chunked | Length::Unsaid) | Err(_) => Framing::Chunked,
            },
        };
        Self {
            framing,
            has_body: response.body != Body::Empty,
        }
    }

    /// Whether the end of the body is that of the connection.
    pub fn ends_with_connection(self) -> bool {
        self.has_body && self.framing == Framing::Unsaid
    }
}

/// What the head says of a body that isn't sent: what is known of its length, and where
/// chunks `may_be_told` of, that it would come in some.
fn described(response: &Response, may_be_told: bool) -> Framing {
    // An empty text is no body that 304 could speak of.
    if let Some(pieces) = response.body.pieces()
        && (may_be_told || !pieces.is_empty())
    {
        return Framing::Exact(pieces.len() as u64);
    }
    match framing::length(&response.fields) {
        Ok(Length::Known(length)) => Framing::Exact(length),
        Ok(Length::Chunked) if may_be_told => Framing::Chunked,
        Ok(Length::Chunked | Length::Unsaid) | Err(_) => Framing::Unsaid,
    }
}
