//! Handlers that run once the response is on the wire: kind `queued`.
//!
//! A [`Job`] is what is left to be done of a transaction: its queued handlers, the
//! generation they belong to and the transaction as it ended. Where jobs wait, for how
//! long and how often they are tried is the business of whoever implements [`Queue`].
//!
//! A queued handler sees everything and changes nothing: each gets a copy of the call.

use std::sync::Arc;
use std::time::Instant;

use crate::generation::{Generation, Ran, Step};
use crate::handler::{Call, Emitted, TransactionId, Verdict};
use crate::message::{Body, Pieces};

use super::{Emissions, Fate, Pipeline, QueuedStory};

/// The queued handlers of one transaction that are still to be run.
pub struct Job {
    /// Keeps the generation, as the transaction did.
    pub(super) generation: Arc<Generation>,
    /// The transaction as it ended, its request as the client sent it.
    pub(super) call: Call,
    pub(super) steps: Vec<Step>,
}

/// Where jobs wait until somebody runs them.
pub trait Queue: Send + Sync {
    /// Takes a job. One that finds no room is dropped, counted and logged; never blocks.
    fn put(&self, job: Job);

    /// Counts the handlers of a transaction that were not to be run after all.
    fn left_out(&self, transaction: &TransactionId, handlers: usize, why: LeftOut);
}

/// Why queued handlers that applied to a transaction never became a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// The response did not get to the client as a whole.
    Unsent,
    /// They see the body and there was none that they could have read.
    NoBody,
}

impl Job {
    /// The transaction it belongs to.
    pub fn transaction(&self) -> &TransactionId {
        &self.call.id
    }

    /// How many handlers are to be run.
    pub fn handlers(&self) -> usize {
        self.steps.len()
    }

    /// What it holds in memory, in bytes: bodies, heads and what handlers kept.
    pub fn size(&self) -> usize {
        let Call {
            request,
            received,
            response,
            kept,
            ..
        } = &self.call;
        let length = |body: &Body| body.pieces().map_or(0, Pieces::len);
        let fields = |fields: &crate::message::Fields| -> usize {
            fields
                .iter()
                .map(|field| field.name().as_str().len() + field.value().len())
                .sum()
        };
        // The text that was received is the request's body unless a handler has edited it.
        let received = match &request.body {
            Body::Whole(_) => 0,
            Body::Empty | Body::Streamed | Body::Edited(_) => {
                received.as_ref().map_or(0, bytes::Bytes::len)
            }
        };
        size_of::<Self>()
            + kept.size()
            + request.target().len()
            + received
            + length(&request.body)
            + length(&response.body)
            + fields(&request.fields)
            + fields(&response.fields)
    }

    /// The names of its handlers.
    pub fn names(&self) -> Vec<&str> {
        let handler = |step: &Step| {
            self.generation.handlers[step.handler]
                .declared
                .name
                .as_str()
        };
        self.steps.iter().map(handler).collect()
    }
}

/// What came of one try of a job.
pub struct Tried {
    /// How many handlers came to their end.
    pub done: usize,
    /// How many could not read the body, which says that it is JSON and isn't.
    pub unreadable: usize,
    /// Those that failed, to be tried again.
    pub failed: Option<Job>,
}

impl Pipeline {
    /// Runs the handlers of a job, in order; each may take until `deadline`, its calls
    /// included. One that fails keeps none behind it from running.
    pub async fn run_queued(&self, job: Job, deadline: impl Fn() -> Instant) -> Tried {
        let Job {
            generation,
            call,
            steps,
        } = job;
        let host = self.host_calls(&generation);
        let (mut done, mut unreadable) = (0, 0);
        let mut failed = Vec::new();
        for step in steps {
            let mut copy = Box::new(call.clone());
            copy.deadline = deadline();
            copy.emitted = Emitted::default();
            let ran = generation
                .program
                .run(copy, vec![step.clone()], &host)
                .await;
            self.tell_of_queued(&generation, &step, &ran);
            match ran.verdict {
                Verdict::Continue | Verdict::Answer(_) => done += 1,
                Verdict::Unreadable(_) => unreadable += 1,
                Verdict::Reject(_) => failed.push(step),
            }
        }
        let failed = (!failed.is_empty()).then_some(Job {
            generation,
            call,
            steps: failed,
        });
        Tried {
            done,
            unreadable,
            failed,
        }
    }

    fn tell_of_queued(&self, generation: &Generation, step: &Step, ran: &Ran) {
        let Ran { call, verdict, .. } = ran;
        self.count(&call.emitted);
        let Some(chronicler) = self.chronicler() else {
            return;
        };
        chronicler.told_of_queued(QueuedStory {
            transaction: call.id.clone(),
            name: generation.handlers[step.handler].declared.name.clone(),
            fate: match verdict {
                Verdict::Continue | Verdict::Answer(_) => {
                    Fate::Ran(call.kept.times.of(step.handler))
                }
                Verdict::Unreadable(_) => Fate::NoBody,
                Verdict::Reject(_) => Fate::Failed,
            },
            emitted: Emissions::of(&call.emitted),
        });
    }
}
