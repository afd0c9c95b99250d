//! One handler as its files declare it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::directive::{BodyPlan, Directive, OnError, Word};
use super::event::{EventError, EventName};
use super::header::Header;
use super::kind::Kind;
use super::metadata::Metadata;
use super::name::HandlerName;
use super::never::Never;
use super::pattern::Match;
use super::service::Services;
use super::target::Target;

/// One handler: when it runs, by what rules, and its text. Not compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name, unique among the active handlers of its kind.
    pub name: HandlerName,
    /// When it runs.
    pub kind: Kind,
    /// Its file, relative to the set's root, with `/`.
    pub path: Arc<str>,
    /// Whether it runs at all. One that doesn't is listed and checked all the same.
    pub active: bool,
    /// The event it is for, from its name or from `@event`.
    pub event: Option<EventName>,
    /// It runs where any of them matches; empty for everywhere.
    pub matches: Vec<Match>,
    /// Its own time limit.
    pub timeout: Option<Duration>,
    /// What its failure does to the transaction.
    pub on_error: OnError,
    /// Whether it sees bodies; none where its text decides.
    pub body: Option<BodyPlan>,
    /// Whether what it makes of request and response counts (`allow_event_modification`).
    pub allows_edits: bool,
    /// The file's text without a BOM; lines and columns count in it.
    pub source: Arc<str>,
}

/// What is known of a handler before its text is looked at.
#[derive(Debug, Clone)]
pub struct DeclaredFile {
    /// From the file's name.
    pub name: HandlerName,
    /// From the file's name, its directory or its `NAME.json`.
    pub kind: Kind,
    /// Relative to the set's root, with `/`.
    pub path: Arc<str>,
    /// The name doesn't end in `.off` or `.disabled`.
    pub active: bool,
    /// The file's text without a BOM.
    pub source: Arc<str>,
}

/// Why what is said of a handler can't be held together.
#[derive(Debug, thiserror::Error)]
enum Conflict {
    #[error("`@{word}` stands in `{metadata}` too; leave one out")]
    BothPlaces {
        word: &'static str,
        metadata: String,
    },
    #[error("`@{0}` may stand only once")]
    Twice(&'static str),
    #[error("the handler's name is an event's already; leave out `@event`")]
    TwoEvents,
    #[error("the name `{name}` reads as an event's: {error}")]
    EventName {
        name: HandlerName,
        error: EventError,
    },
}

impl Declared {
    /// Whether it runs in this transaction, as far as patterns and events decide.
    pub fn applies(&self, target: &Target<'_>) -> bool {
        self.fits(target)
            && self
                .event
                .as_ref()
                .is_none_or(|event| event.matches(target))
    }

    /// Whether a body that is not what it reads may pass without it: it names no requests of its own,
    /// so it can't be meant as a guard of these, or its failure may be skipped.
    pub fn may_be_bypassed(&self) -> bool {
        !self.names_requests() || self.on_error == OnError::Skip
    }

    /// Whether it says which requests it is for, by a pattern or an event.
    pub fn names_requests(&self) -> bool {
        !self.matches.is_empty() || self.event.is_some()
    }

    /// Whether one of its patterns fits, or it has none.
    pub(super) fn fits(&self, target: &Target<'_>) -> bool {
        self.matches.is_empty() || self.matches.iter().any(|one| one.matches(target))
    }

    /// The segments that a path has to begin with, one of them and spelled so where case
    /// counts; `None` where it may begin with anything, or be empty.
    pub(super) fn first_segments(&self) -> Option<BTreeSet<&str>> {
        if self.matches.is_empty() {
            return None;
        }
        self.matches.iter().map(Match::first_segment).collect()
    }

    fn without_directives(file: DeclaredFile) -> Self {
        let DeclaredFile {
            name,
            kind,
            path,
            active,
            source,
        } = file;
        Self {
            name,
            kind,
            path,
            active,
            source,
            event: None,
            matches: Vec::new(),
            timeout: None,
            on_error: OnError::default(),
            body: None,
            allows_edits: true,
        }
    }

    fn take(&mut self, directive: Directive) {
        match directive {
            Directive::Match(one) => self.matches.push(one),
            Directive::Event(event) => self.event = Some(event),
            Directive::Active(active) => self.active &= active,
            Directive::Timeout(timeout) => self.timeout = Some(timeout),
            Directive::OnError(on_error) => self.on_error = on_error,
            Directive::Body(body) => self.body = Some(body),
        }
    }

    /// Binds the handler to the event it is named after.
    fn take_event_name(&mut self, services: &Services, diagnostics: &mut Diagnostics) {
        if EventName::is_one(self.name.as_str(), services) {
            match EventName::parse(self.name.as_str()) {
                Ok(_) if self.event.is_some() => {
                    diagnostics
                        .errors
                        .push(self.diagnostic(Conflict::TwoEvents));
                }
                Ok(event) => self.event = Some(event),
                Err(error) => {
                    let conflict = Conflict::EventName {
                        name: self.name.clone(),
                        error,
                    };
                    diagnostics.errors.push(self.diagnostic(conflict));
                }
            }
        }
    }

    fn diagnostic(&self, message: impl std::fmt::Display) -> Diagnostic {
        Diagnostic::of_file(&*self.path, message)
    }
}

impl AsRef<Declared> for Declared {
    fn as_ref(&self) -> &Declared {
        self
    }
}

/// Joins what a handler's name and text say with what its `NAME.json` says; the
/// latter comes with its path.
///
/// What is wrong goes into `diagnostics`, but for what is wrong with the
/// metadata alone: several handlers may share it. The handler is good only where
/// there are no errors.
pub fn declare(
    file: DeclaredFile,
    metadata: Option<(&str, &Metadata)>,
    services: &Services,
    diagnostics: &mut Diagnostics,
) -> Declared {
    let header = Header::read(&file.path, &file.source);
    diagnostics.extend(header.diagnostics);
    let (metadata_path, beside) = metadata.map_or(("", &[][..]), |(path, metadata)| {
        (path, &metadata.directives)
    });
    for (at, conflict) in conflicts(&header.directives, metadata_path, beside) {
        let error = Diagnostic::at(&*file.path, &file.source, at, conflict);
        diagnostics.errors.push(error);
    }

    let mut declared = Declared::without_directives(file);
    declared.allows_edits = metadata
        .and_then(|(_, metadata)| metadata.allows_edits)
        .unwrap_or(true);
    let beside = beside.iter().cloned();
    for (_, directive) in header.directives.into_iter().chain(beside) {
        declared.take(directive);
    }
    declared.take_event_name(services, diagnostics);
    if declared.active
        && let Some(never) = Never::of(&declared, services)
    {
        let warning = declared.diagnostic(never);
        diagnostics.warnings.push(warning);
    }
    declared
}

/// Directives of the header that stand twice, or beside the file as well, by place.
fn conflicts(
    header: &[(usize, Directive)],
    metadata_path: &str,
    beside: &[(usize, Directive)],
) -> Vec<(usize, Conflict)> {
    let has = |directives: &[(usize, Directive)], word: Word| {
        directives
            .iter()
            .any(|(_, directive)| directive.word() == word)
    };
    let mut conflicts = Vec::new();
    for (position, (at, directive)) in header.iter().enumerate() {
        let word = directive.word();
        let conflict = if has(beside, word) {
            let metadata = metadata_path.to_owned();
            Conflict::BothPlaces {
                word: word.as_str(),
                metadata,
            }
        } else if word != Word::Match && has(&header[..position], word) {
            Conflict::Twice(word.as_str())
        } else {
            continue;
        };
        conflicts.push((*at, conflict));
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use super::super::service::Service;
    use super::*;

    fn declared(name: &str, source: &str, metadata: Option<&str>) -> (Declared, Diagnostics) {
        let file = DeclaredFile {
            name: HandlerName::parse(name).unwrap(),
            kind: Kind::Request,
            path: format!("request/{name}.js").into(),
            active: true,
            source: source.into(),
        };
        let path = format!("request/{name}.json");
        let metadata = metadata.map(|text| Metadata::read(&path, text));
        let metadata = metadata.as_ref().map(|read| (path.as_str(), read));
        let services = Services::new([Service::new("db", "/db")]);
        let mut diagnostics = Diagnostics::default();
        let declared = declare(file, metadata, &services, &mut diagnostics);
        (declared, diagnostics)
    }

    fn errors(name: &str, source: &str, metadata: Option<&str>) -> Vec<String> {
        let (_, diagnostics) = declared(name, source, metadata);
        diagnostics
            .errors
            .iter()
            .map(Diagnostic::to_string)
            .collect()
    }

    #[test]
    fn a_header_and_a_metadata_file_add_up() {
        let (declared, diagnostics) = declared(
            "10-x",
            "// @match /a\n// @match /b\n// @timeout 20ms\n",
            Some(r#"{"onError": "skip", "body": "none", "isActive": false}"#),
        );

        assert_eq!(diagnostics, Diagnostics::default());
        assert_eq!(declared.matches.len(), 2);
        assert_eq!(declared.timeout, Some(Duration::from_millis(20)));
        assert_eq!(declared.on_error, OnError::Skip);
        assert_eq!(declared.body, Some(BodyPlan::None));
        assert!(!declared.active);
    }

    #[test]
    fn a_handler_that_says_nothing_runs_everywhere_and_fails_closed() {
        let (declared, diagnostics) = declared("10-x", "json = '';", None);

        assert_eq!(diagnostics, Diagnostics::default());
        assert!(declared.active && declared.matches.is_empty() && declared.event.is_none());
        assert_eq!(declared.on_error, OnError::Fail);
        assert_eq!((declared.timeout, declared.body), (None, None));
    }

    #[test]
    fn the_same_in_both_places_is_an_error() {
        assert_eq!(
            errors("10-x", "// @match /a", Some(r#"{"match": "/b"}"#)),
            ["request/10-x.js:1:4: `@match` stands in `request/10-x.json` too; leave one out"]
        );
        assert_eq!(
            errors("10-x", "// @active false", Some(r#"{"isActive": false}"#)),
            ["request/10-x.js:1:4: `@active` stands in `request/10-x.json` too; leave one out"]
        );
    }

    #[test]
    fn all_but_match_stands_only_once() {
        assert_eq!(
            errors("10-x", "// @body none\n// @body full", None),
            ["request/10-x.js:2:4: `@body` may stand only once"]
        );
    }

    #[test]
    fn a_name_or_a_directive_binds_a_handler_to_an_event() {
        let event = |name, source| declared(name, source, None).0.event.unwrap().to_string();

        assert_eq!(event("db.orders.{id}.get", ""), "db.orders.{id}.get");
        assert_eq!(event("10-x", "// @event db.orders.get"), "db.orders.get");
    }

    #[test]
    fn a_handler_has_one_event() {
        assert_eq!(
            errors("db.orders.get", "// @event db.x.get", None),
            ["request/db.orders.get.js:1:1: \
              the handler's name is an event's already; leave out `@event`"]
        );
    }

    #[test]
    fn a_name_that_is_nearly_an_events_is_an_error() {
        assert_eq!(
            errors("db.x{id}.get", "", None),
            [
                "request/db.x{id}.get.js:1:1: the name `db.x{id}.get` reads as an event's: \
              `x{id}`: braces enclose a whole part, and a name"
            ]
        );
    }

    #[test]
    fn an_event_of_an_unknown_service_never_runs_and_is_warned_of() {
        let (declared, diagnostics) = declared("crm.orders.get", "", None);

        assert!(declared.event.is_some(), "it is never read as a plain name");
        assert_eq!(
            diagnostics.warnings[0].to_string(),
            "request/crm.orders.get.js:1:1: never runs: no service is called `crm`"
        );
    }
}
