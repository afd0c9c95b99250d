//! One transaction while it is under way.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;

use crate::generation::{Generation, Plan, Planned, Step};
use crate::handler::{Call, Times};
use crate::message::validators::KeptCopy;
use crate::message::{Request, Response};

use super::ports::{ClientConnection, OnBehalfOf};
use super::room::Share;
use super::{Outcome, Unseen};

/// One transaction, from the head of its request to the end of its response.
///
/// Keeps the generation it began with for as long as it lives.
pub struct Transaction {
    /// The generation it runs on.
    pub generation: Arc<Generation>,
    /// What applies to it.
    pub plan: Plan,
    /// When it began.
    pub began: Instant,
    /// How it ended, as far as is known.
    pub outcome: Outcome,
    /// Why the upstream gave no usable response, where it didn't.
    pub error: Option<Box<str>>,
    /// The bodies that passed without the handlers that would have seen them.
    pub unseen: Unseen,
    /// The call, while no handler has it.
    pub(super) call: Box<Call>,
    /// The request as the client sent it, once handlers may have changed the call's.
    pub(super) sent: Option<Request>,
    /// Which copy of the client's a 304 of the upstream confirms, where handlers may edit the body.
    pub(super) confirmed: Option<KeptCopy>,
    /// The handlers of the response phase that have begun, by number: none runs twice.
    pub(super) begun: Vec<usize>,
    /// The response as handlers left it, kept for queued ones.
    pub(super) left: Option<Response>,
    /// What applied when it began, where somebody listens to its story.
    pub(super) planned: Option<Box<Plan>>,
    /// The statuses that the response phase began with, where somebody listens.
    pub(super) entered_with: Vec<StatusCode>,
    /// An answer that was returned as a value: nothing runs after it.
    pub(super) is_final: bool,
    /// The client's connection it belongs to; none where no client waits for it.
    pub(super) connection: Option<Arc<ClientConnection>>,
    /// The room that the bodies take which were read for handlers; none where none was.
    pub(super) share: Option<Share>,
}

impl Transaction {
    /// A transaction that has just begun.
    pub fn new(generation: Arc<Generation>, plan: Plan, call: Call, began: Instant) -> Self {
        Self {
            generation,
            plan,
            began,
            outcome: Outcome::default(),
            error: None,
            unseen: Unseen::default(),
            call: Box::new(call),
            sent: None,
            confirmed: None,
            begun: Vec::new(),
            left: None,
            planned: None,
            entered_with: Vec::new(),
            is_final: false,
            connection: None,
            share: None,
        }
    }

    /// On whose behalf its request goes to the upstream.
    pub(super) fn behalf(&self) -> OnBehalfOf<'_> {
        match &self.connection {
            Some(connection) if self.call.origin.depth == 0 => OnBehalfOf::Client(connection),
            connection => OnBehalfOf::handler(connection.as_ref()),
        }
    }

    /// The request to be forwarded.
    pub fn request(&self) -> &Request {
        &self.call.request
    }

    /// The call, for those who fill it in before a phase.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Notes what its story will need.
    pub(super) fn be_listened_to(&mut self) {
        if self.planned.is_none() {
            self.planned = Some(Box::new(self.plan.clone()));
            self.call.kept.times = Times::wanted();
        }
    }

    /// Notes the status that the response phase begins with.
    pub(super) fn enter_with(&mut self, status: StatusCode) {
        if self.planned.is_some() {
            self.entered_with.push(status);
        }
    }

    /// Keeps what the client gets, before it is encoded, for the queued handlers.
    pub(super) fn keep(&mut self, response: &Response) {
        if !self.plan.queued.is_empty() {
            self.left = Some(response.clone());
        }
    }

    /// The steps of the response phase that are due when it begins with `status`.
    pub(super) fn response_steps(
        &self,
        status: StatusCode,
        allows: impl Fn(&Planned) -> bool,
    ) -> Vec<Step> {
        if self.is_final {
            return Vec::new();
        }
        self.plan
            .response
            .iter()
            .filter(|planned| planned.runs_on(status) && allows(planned))
            .filter(|planned| !self.begun.contains(&planned.step.handler))
            .map(|planned| planned.step.clone())
            .collect()
    }
}
