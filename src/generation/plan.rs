//! What will happen to one transaction: computed once, when it begins.

use http::StatusCode;

use crate::handler::{Chain, Chains, Target};

use super::{Facts, Generation, Handler, Step};

/// The handlers that apply to one transaction, and what they make of its path.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Those for preflights, in order; none where the request isn't one.
    pub options: Vec<Planned>,
    /// Those of the request phase, in order.
    pub request: Vec<Planned>,
    /// Those of the response phase, of every kind, in order.
    pub response: Vec<Planned>,
    /// Those that run once the response is on the wire, in order.
    pub queued: Vec<Planned>,
}

/// One handler of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What runs.
    pub step: Step,
    /// What its code needs.
    pub facts: Facts,
    /// Whether a body that it can't read may pass without it.
    pub may_be_bypassed: bool,
}

/// The way a transaction takes through the sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// No handler applies: streamed through untouched.
    Stream,
    /// Handlers run on the heads, bodies stream past.
    Heads,
    /// A handler sees a body: it is read before the handler runs.
    Buffered,
}

impl Plan {
    /// The way it takes.
    pub fn path(&self) -> Path {
        if self.is_empty() {
            Path::Stream
        } else if self.sees_request_body() || self.may_see_response_body() {
            Path::Buffered
        } else {
            Path::Heads
        }
    }

    /// Whether nothing applies.
    pub fn is_empty(&self) -> bool {
        let Self {
            options,
            request,
            response,
            queued,
        } = self;
        [options, request, response, queued]
            .iter()
            .all(|planned| planned.is_empty())
    }

    /// Whether handlers will see the request as the client sent it, once it has been
    /// forwarded.
    pub fn looks_back(&self) -> bool {
        !self.response.is_empty() || !self.queued.is_empty()
    }

    /// Whether the request's body has to be read.
    pub fn sees_request_body(&self) -> bool {
        self.options
            .iter()
            .chain(&self.request)
            .chain(&self.response)
            .chain(&self.queued)
            .any(|planned| planned.facts.sees_request_body)
    }

    /// Whether a handler that sees the request's body must not be passed by one that it can't read.
    pub fn guards_request_body(&self) -> bool {
        self.options
            .iter()
            .chain(&self.request)
            .chain(&self.response)
            .chain(&self.queued)
            .any(|planned| planned.facts.sees_request_body && !planned.may_be_bypassed)
    }

    /// Whether a handler that sees the body of a response that begins with this status must not be
    /// passed by one that it can't read.
    pub fn guards_response_body(&self, status: StatusCode) -> bool {
        let in_response = |planned: &&Planned| planned.runs_on(status);
        self.response
            .iter()
            .filter(in_response)
            .chain(&self.queued)
            .any(|planned| planned.sees_body() && !planned.may_be_bypassed)
    }

    /// Whether one of its handlers may name this header field, which has a dash in its name.
    pub fn names_field(&self, generation: &Generation, name: &str) -> bool {
        let Self {
            options,
            request,
            response,
            queued,
        } = self;
        [options, request, response, queued]
            .into_iter()
            .flatten()
            .any(|planned| {
                generation.handlers[planned.step.handler]
                    .fields
                    .contains(name)
            })
    }

    /// Leaves out the handlers that would see the request's body.
    pub fn leave_out_those_that_see_the_request_body(&mut self) {
        let Self {
            options,
            request,
            response,
            queued,
        } = self;
        for planned in [options, request, response, queued] {
            planned.retain(|planned| !planned.facts.sees_request_body);
        }
    }

    /// Whether a response that begins with this status has to be read, should it have a body.
    pub fn sees_response_body(&self, status: StatusCode) -> bool {
        self.may_edit_response_body(status) || self.queued.iter().any(Planned::sees_body)
    }

    /// Whether a response that begins with this status may get another body.
    pub fn may_edit_response_body(&self, status: StatusCode) -> bool {
        self.response
            .iter()
            .any(|planned| planned.sees_body() && planned.runs_on(status))
    }

    /// Whether any handler could see the response's body, whatever its status.
    pub fn may_see_response_body(&self) -> bool {
        self.response
            .iter()
            .chain(&self.queued)
            .any(Planned::sees_body)
    }
}

impl Planned {
    fn sees_body(&self) -> bool {
        self.facts.sees_body
    }

    /// Whether it runs in a response phase that begins with this status.
    pub fn runs_on(&self, status: StatusCode) -> bool {
        self.step.kind.runs_on(status)
    }
}

impl Generation {
    /// What applies to a transaction, which may begin as a CORS preflight. Handlers that
    /// are already `running` further out, by number, stay out.
    pub fn plan(&self, target: &Target<'_>, is_preflight: bool, running: &[usize]) -> Plan {
        let planned = |handler: &Handler| {
            let step = Step {
                handler: handler.number,
                kind: handler.declared.kind,
            };
            (!running.contains(&handler.number)).then_some(Planned {
                step,
                facts: handler.facts,
                may_be_bypassed: handler.declared.may_be_bypassed(),
            })
        };
        let of = |chain: &Chain<Handler>| chain.select(target).filter_map(planned).collect();
        let Chains {
            request,
            response,
            queued,
            options,
        } = &self.chains;
        Plan {
            options: if is_preflight {
                of(options)
            } else {
                Vec::new()
            },
            request: of(request),
            response: of(response),
            queued: of(queued),
        }
    }
}
