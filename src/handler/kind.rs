//! Kinds: when a handler runs.

use http::StatusCode;

/// When a handler runs.
///
/// Three systems name the kinds differently; [`Kind::parse`] knows all their
/// names, [`Kind::first_name`] is the one we print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Before the upstream: `request`, `pre_process`, `pre_hook`.
    Request,
    /// The response phase begins with a status below 400: `response`, `post_hook`.
    Response,
    /// The response phase begins with a status of 400 or more, or a rejection: `error`.
    Error,
    /// Every outcome: `post_process`.
    PostProcess,
    /// After the response is on the wire: `queued`.
    Queued,
    /// A CORS preflight: `options`.
    Options,
}

/// One of the two runs of handlers in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the upstream.
    Request,
    /// After it.
    Response,
}

/// Every name of a kind, with the first name of each before its synonyms.
const NAMES: [(&str, Kind); 9] = [
    ("request", Kind::Request),
    ("pre_process", Kind::Request),
    ("pre_hook", Kind::Request),
    ("response", Kind::Response),
    ("post_hook", Kind::Response),
    ("error", Kind::Error),
    ("post_process", Kind::PostProcess),
    ("queued", Kind::Queued),
    ("options", Kind::Options),
];

impl Kind {
    /// All kinds, in the order in which they are listed to people.
    pub const ALL: [Self; 6] = [
        Self::Request,
        Self::Response,
        Self::Error,
        Self::PostProcess,
        Self::Queued,
        Self::Options,
    ];

    /// The phase it runs in. A queued handler sees a transaction as the response phase left it.
    pub fn phase(self) -> Phase {
        match self {
            Self::Request | Self::Options => Phase::Request,
            Self::Response | Self::Error | Self::PostProcess | Self::Queued => Phase::Response,
        }
    }

    /// The kind with this name or synonym, spelled exactly so.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
    }

    /// The name this kind is listed under.
    pub fn first_name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Error => "error",
            Self::PostProcess => "post_process",
            Self::Queued => "queued",
            Self::Options => "options",
        }
    }

    /// What DF writes behind an event's name for the moment this kind runs at.
    pub fn process(self) -> &'static str {
        match self {
            Self::Request => "pre_process",
            Self::Response | Self::Error | Self::PostProcess => "post_process",
            Self::Queued => "queued",
            Self::Options => "options",
        }
    }

    /// Every name and synonym of every kind.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether a handler of this kind runs in a response phase that begins with `status`.
    pub fn runs_on(self, status: StatusCode) -> bool {
        let failed = status.as_u16() >= 400;
        match self {
            Self::Response => !failed,
            Self::Error => failed,
            Self::PostProcess => true,
            Self::Request | Self::Queued | Self::Options => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synonyms_name_the_same_kind() {
        for (kind, names) in [
            (Kind::Request, &["request", "pre_process", "pre_hook"][..]),
            (Kind::Response, &["response", "post_hook"]),
            (Kind::Error, &["error"]),
            (Kind::PostProcess, &["post_process"]),
            (Kind::Queued, &["queued"]),
            (Kind::Options, &["options"]),
        ] {
            for name in names {
                assert_eq!(Kind::parse(name), Some(kind), "{name}");
            }
            assert_eq!(kind.first_name(), names[0]);
        }
    }

    #[test]
    fn a_kind_is_spelled_exactly() {
        for name in ["Request", "requests", "", "get", "lib", "pre-process"] {
            assert_eq!(Kind::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_status_decides_between_response_and_error() {
        let runs = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            Kind::ALL.map(|kind| kind.runs_on(status))
        };

        assert_eq!(runs(399), [false, true, false, true, false, false]);
        assert_eq!(runs(400), [false, false, true, true, false, false]);
    }
}
