//! Bodies that passed without the handlers that would have seen them: which, and why. A
//! closed list.

/// The bodies of one transaction that passed unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unseen {
    /// The request's.
    pub request: Option<Reason>,
    /// The response's.
    pub response: Option<Reason>,
}

/// Why handlers did not get a body, and so did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is longer than its limit.
    TooLarge,
    /// It has a content coding that isn't known.
    UnknownCoding,
    /// It isn't what its content coding says.
    Corrupt,
    /// It isn't text in the character set of its label, UTF-8 without one.
    NotText,
    /// Its label names a character set that isn't known.
    UnknownCharset,
    /// It says that it is JSON, and isn't.
    NotJson,
    /// It doesn't say that it is JSON.
    OtherType,
    /// It is a stream of events, whose end nobody waits for.
    EventStream,
    /// The response describes it and leaves it out: to HEAD, and with 304.
    LeftOut,
    /// The request asks to leave HTTP.
    Upgrade,
}

impl Reason {
    /// All reasons, in the order in which they are told.
    pub const ALL: [Self; 10] = [
        Self::TooLarge,
        Self::UnknownCoding,
        Self::Corrupt,
        Self::NotText,
        Self::UnknownCharset,
        Self::NotJson,
        Self::OtherType,
        Self::EventStream,
        Self::LeftOut,
        Self::Upgrade,
    ];

    /// Its name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::UnknownCoding => "unknown_coding",
            Self::Corrupt => "corrupt",
            Self::NotText => "not_text",
            Self::UnknownCharset => "unknown_charset",
            Self::NotJson => "not_json",
            Self::OtherType => "other_type",
            Self::EventStream => "event_stream",
            Self::LeftOut => "left_out",
            Self::Upgrade => "upgrade",
        }
    }
}
