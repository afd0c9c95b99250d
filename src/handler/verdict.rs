//! What a chain of handlers decides.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

/// What becomes of a transaction when the handlers of a phase are through.
#[derive(Debug)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// The call's response is the answer.
    Answer(Answer),
    /// A handler refused it, or failed.
    Reject(Rejection),
    /// The response's body is no JSON, for the reason given; no handler was run.
    Unreadable(String),
}

/// How an answer was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Written as a response: later handlers of the response phase see it.
    Open,
    /// Returned as a value: no later handler of either phase runs.
    Final,
}

/// A response that takes the place of what would have been.
#[derive(Debug)]
pub struct Rejection {
    /// 400 to 599.
    pub status: StatusCode,
    /// What it says.
    pub content: Content,
    /// Whose doing it is.
    pub fault: Fault,
}

/// The content of a rejection.
#[derive(Debug)]
pub enum Content {
    /// A message, to be put in the configured form.
    Message(Message),
    /// A body of the handler's own, sent as it is.
    Own {
        /// The fields that go with it.
        fields: Vec<(HeaderName, HeaderValue)>,
        /// The body, serialised.
        body: Bytes,
    },
}

/// What the default rejection body is made of.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// For people.
    pub text: String,
    /// The `code` of a thrown object, as JSON; else the status.
    pub code: Option<String>,
    /// A thrown array, as JSON; else one entry is made of text and code.
    pub errors: Option<String>,
}

/// Whose doing a rejection is: decides the log level and whether its text is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A handler threw on purpose.
    Handler,
    /// The client's body is not what a handler could read.
    Client,
    /// A script is wrong, too slow or too large.
    Script,
    /// Something a handler called failed.
    Host,
    /// No isolate was free, or we are at fault otherwise.
    Sidecar,
}
