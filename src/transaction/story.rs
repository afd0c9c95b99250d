//! Why handlers ran, or didn't: what one transaction has to tell of them.
//!
//! Told only while somebody listens; a transaction that no handler applies to has none.

use std::time::Duration;

use crate::generation::{GenerationId, Path, Planned};
use crate::handler::{Audience, Emitted, HandlerName, Kind, Token, TransactionId};

use super::line::Sent;
use super::{Transaction, Unseen};

/// Who listens to stories; must not block.
pub trait Chronicler: Send + Sync {
    /// Whether stories are wanted at present.
    fn listens(&self) -> bool;

    /// A transaction with handlers has ended. Its record, if it has one, came before.
    fn told(&self, story: Story);

    /// A queued handler of a transaction was tried. The transaction's story came before.
    fn told_of_queued(&self, story: QueuedStory);

    /// Handlers have emitted something. Told whether stories are wanted or not.
    fn emitted(&self, emitted: &Emitted);
}

/// What became of the handlers of one transaction.
#[derive(Debug, Clone)]
pub struct Story {
    /// The transaction.
    pub transaction: TransactionId,
    /// The generation it ran on.
    pub generation: GenerationId,
    /// The method, as the client sent it.
    pub method: String,
    /// The path, as the client sent it, without the query.
    pub path: String,
    /// How deep handlers have called handlers: 0 for a client's own request.
    pub depth: u8,
    /// The way it was planned to take.
    pub way: Path,
    /// The bodies that passed without the handlers that would have seen them.
    pub unseen: Unseen,
    /// What came of its token; none where no token counts.
    pub token: Option<Token>,
    /// Every handler that applied, in order.
    pub handlers: Vec<Told>,
    /// What handlers emitted.
    pub emitted: Emissions,
}

/// One try of a queued handler.
#[derive(Debug, Clone)]
pub struct QueuedStory {
    /// Its transaction.
    pub transaction: TransactionId,
    /// The handler.
    pub name: HandlerName,
    /// What became of it.
    pub fate: Fate,
    /// What it emitted.
    pub emitted: Emissions,
}

/// What handlers emitted, without the data.
#[derive(Debug, Clone, Default)]
pub struct Emissions {
    /// For whom, called what, and how many bytes of data.
    pub events: Vec<(Audience, String, usize)>,
    /// How many events more there were than are kept.
    pub dropped: usize,
}

/// One handler that applied to a transaction.
#[derive(Debug, Clone)]
pub struct Told {
    /// The handler.
    pub name: HandlerName,
    /// As which kind it applied.
    pub kind: Kind,
    /// Whether it sees a body, and so makes the sidecar read it.
    pub sees_body: bool,
    /// What became of it.
    pub fate: Fate,
    /// How often it was tried, as a queued one.
    pub tries: usize,
}

/// What became of a handler that applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It ran, for so long.
    Ran(Option<Duration>),
    /// It was put into the queue and has not run, or was dropped there.
    Queued,
    /// It ran once the response was on the wire, and failed.
    Failed,
    /// It runs on other statuses than the response phase began with.
    OtherStatus,
    /// It sees the body, and there was none that it could have read.
    NoBody,
    /// A handler before it answered, rejected or stopped the event; or there was an error
    /// before its turn came.
    Ended,
    /// The response did not get to the client as a whole.
    Unsent,
}

impl Fate {
    /// Its name in lists.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ran(_) => "ran",
            Self::Queued => "queued",
            Self::Failed => "failed",
            Self::OtherStatus => "other_status",
            Self::NoBody => "no_body",
            Self::Ended => "ended",
            Self::Unsent => "unsent",
        }
    }
}

impl Emissions {
    /// Those of a transaction, or of one try.
    pub fn of(emitted: &Emitted) -> Self {
        let events = emitted.events().iter();
        Self {
            events: events
                .map(|event| (event.audience, event.name.to_string(), event.data.len()))
                .collect(),
            dropped: emitted.dropped(),
        }
    }
}

impl Transaction {
    /// What it has to tell, once it has ended; none where nobody listened when it began.
    pub(super) fn story(&self, sent: Sent) -> Option<Story> {
        let plan = self.planned.as_deref()?;
        let requested = &self.call.origin.requested;
        let handlers = [&plan.options, &plan.request, &plan.response, &plan.queued]
            .into_iter()
            .flatten();
        Some(Story {
            transaction: self.call.id.clone(),
            generation: self.generation.id,
            method: requested.method.to_string(),
            path: requested.path.to_string(),
            depth: self.call.origin.depth,
            way: plan.path(),
            unseen: self.unseen,
            token: self.call.origin.session.token(),
            handlers: handlers.map(|planned| self.told(planned, sent)).collect(),
            emitted: Emissions::of(&self.call.emitted),
        })
    }

    fn told(&self, planned: &Planned, sent: Sent) -> Told {
        let number = planned.step.handler;
        let times = &self.call.kept.times;
        let fate = if self.begun.contains(&number) {
            Fate::Ran(times.of(number))
        } else {
            self.fate_of_idle(planned, sent)
        };
        Told {
            name: self.generation.handlers[number].declared.name.clone(),
            kind: planned.step.kind,
            sees_body: planned.facts.sees_body,
            fate,
            tries: 0,
        }
    }

    /// What became of a handler that did not run before the response was sent.
    fn fate_of_idle(&self, planned: &Planned, sent: Sent) -> Fate {
        let kind = planned.step.kind;
        let unseen = match kind {
            Kind::Request | Kind::Options => self.unseen.request.is_some(),
            Kind::Response | Kind::Error | Kind::PostProcess | Kind::Queued => {
                self.unseen.response.is_some()
                    || planned.facts.sees_request_body && self.unseen.request.is_some()
            }
        };
        let sees = planned.facts.sees_body || planned.facts.sees_request_body;
        match kind {
            _ if sees && unseen => Fate::NoBody,
            Kind::Queued => match sent {
                Sent::Whole => Fate::Queued,
                Sent::InPart => Fate::Unsent,
            },
            Kind::Response | Kind::Error | Kind::PostProcess
                if !self.entered_with.is_empty()
                    && !self.entered_with.iter().any(|status| kind.runs_on(*status)) =>
            {
                Fate::OtherStatus
            }
            Kind::Request | Kind::Options | Kind::Response | Kind::Error | Kind::PostProcess => {
                Fate::Ended
            }
        }
    }
}
