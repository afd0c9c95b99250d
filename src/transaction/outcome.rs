//! How a transaction ended: a closed list.

/// How a transaction ended. A new one does not compile until it has a label and a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// The upstream's response, edited or not.
    #[default]
    Forwarded,
    /// A handler's answer; the upstream was not asked.
    Answered,
    /// A handler refused it on purpose.
    Rejected,
    /// A script is wrong, too slow or too large, or what it called failed.
    HandlerFailed,
    /// The request could not be taken: framing, limits, a body that can't be had.
    ClientError,
    /// No usable response from the upstream.
    UpstreamFailed,
    /// The upstream took too long.
    UpstreamTimedOut,
    /// We had no generation, no isolate or no room.
    Unavailable,
    /// The client went away.
    ClientGone,
}

impl Outcome {
    /// Its name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Answered => "answered",
            Self::Rejected => "rejected",
            Self::HandlerFailed => "handler_failed",
            Self::ClientError => "client_error",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimedOut => "upstream_timed_out",
            Self::Unavailable => "unavailable",
            Self::ClientGone => "client_gone",
        }
    }
}
