//! Handlers written in Rust.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use interpose::generation::{Facts, Handler, Program, Ran, Step};
use interpose::handler::host::Host;
use interpose::handler::{
    Call, Content, DeclaredFile, Diagnostics, Fault, HandlerName, Kind, Message, Rejection,
    Services, Verdict, declare,
};

/// A script set of Rust closures, in the order they were added.
#[derive(Default, Clone)]
pub(crate) struct Handlers(Vec<One>);

/// One handler of each kind, and what it sees.
pub(crate) const KINDS: [(Kind, Facts); 7] = {
    let nothing = Facts {
        sees_body: false,
        sees_request_body: false,
    };
    let bodies = Facts {
        sees_body: true,
        sees_request_body: true,
    };
    [
        (Kind::Request, nothing),
        (Kind::Request, bodies),
        (Kind::Response, nothing),
        (Kind::Response, bodies),
        (Kind::PostProcess, nothing),
        (Kind::PostProcess, bodies),
        (Kind::Options, nothing),
    ]
};

#[derive(Clone)]
struct One {
    kind: Kind,
    facts: Facts,
    act: Arc<dyn Fn(&mut Call) -> Verdict + Send + Sync>,
}

impl Handlers {
    /// A request handler that sees the body.
    pub(crate) fn on_request(
        self,
        act: impl Fn(&mut Call) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let facts = Facts {
            sees_body: true,
            sees_request_body: true,
        };
        self.with(Kind::Request, facts, act)
    }

    /// A request handler that sees no body.
    pub(crate) fn on_request_head(
        self,
        act: impl Fn(&mut Call) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.with(Kind::Request, Facts::default(), act)
    }

    /// A response handler that sees the response's body. It runs whatever the status is.
    pub(crate) fn on_response(
        self,
        act: impl Fn(&mut Call) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let facts = Facts {
            sees_body: true,
            sees_request_body: false,
        };
        self.with(Kind::PostProcess, facts, act)
    }

    /// A response handler that sees no body. It runs whatever the status is.
    pub(crate) fn on_response_head(
        self,
        act: impl Fn(&mut Call) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.with(Kind::PostProcess, Facts::default(), act)
    }

    pub(crate) fn with(
        mut self,
        kind: Kind,
        facts: Facts,
        act: impl Fn(&mut Call) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let act = Arc::new(act);
        self.0.push(One { kind, facts, act });
        self
    }

    /// The same as a generation keeps them.
    pub(super) fn in_generation(&self) -> Vec<Handler> {
        let handler = |(number, one): (usize, &One)| {
            let file = DeclaredFile {
                name: HandlerName::parse(&format!("{number}-test")).expect("a name"),
                kind: one.kind,
                path: format!("{number}-test.js").into(),
                active: true,
                source: "".into(),
            };
            let services = Services::default();
            let declared = declare(file, None, &services, &mut Diagnostics::default());
            Handler {
                number,
                declared: Arc::new(declared),
                facts: one.facts,
                fields: Arc::default(),
            }
        };
        self.0.iter().enumerate().map(handler).collect()
    }
}

impl Program for Handlers {
    fn run<'a>(
        &'a self,
        mut call: Box<Call>,
        steps: Vec<Step>,
        _: &'a Arc<dyn Host>,
    ) -> BoxFuture<'a, Ran> {
        let mut verdict = Verdict::Continue;
        let mut begun = 0;
        for step in &steps {
            begun += 1;
            verdict = (self.0[step.handler].act)(&mut call);
            if !matches!(verdict, Verdict::Continue) {
                break;
            }
        }
        std::future::ready(Ran {
            call,
            verdict,
            begun,
        })
        .boxed()
    }
}

/// Handlers that change nothing, for each path that a transaction can take: none, some on
/// the heads, some that see one of the bodies, some that see both.
pub(crate) fn every_path() -> [(&'static str, Handlers); 4] {
    let looks = |_: &mut Call| Verdict::Continue;
    let heads = Handlers::default()
        .on_request_head(looks)
        .on_response_head(looks);
    let responses = Handlers::default().on_response(looks);
    [
        ("streamed", Handlers::default()),
        ("on heads", heads),
        ("with the response's body", responses.clone()),
        ("with both bodies", responses.on_request(looks)),
    ]
}

/// A deliberate rejection.
pub(crate) fn reject(status: u16, text: &str) -> Verdict {
    Verdict::Reject(Rejection {
        status: status.try_into().expect("a status"),
        content: Content::Message(Message {
            text: text.to_owned(),
            ..Message::default()
        }),
        fault: Fault::Handler,
    })
}
