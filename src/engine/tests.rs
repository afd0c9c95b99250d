//! Handlers run on calls, without a proxy around them. Here is what all of these tests share: sets of handlers, calls, and a
//! host that answers.

mod aliases;
mod bodies;
mod bounds;
mod charged;
mod collisions;
pub(super) mod counting;
mod field_bytes;
mod growth;
mod heads;
mod isolation;
mod kept;
mod loading;
mod log;
mod memory;
mod moves;
mod panics;
mod reachable;
mod refusal;
mod script_text;
mod surrogates;
mod time;
mod unwritable;
mod verdicts;
mod vocabularies;
mod writes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{Engine, HostSettings, Limits};
use crate::generation::{Compile, Module, Ran, Step};
use crate::handler::host::{Caller, Destination, Host, HostError, HostRequest, HostResponse};
use crate::handler::{
    Answer, Call, Case, Content, Declared, DeclaredFile, Diagnostic, Diagnostics, Emitted, Fault,
    HandlerName, Kept, Kind, Origin, Rejection, Requested, Secrets, Service, Services, Session,
    TransactionId, Verdict, declare,
};
use crate::message::forwarded::Client;
use crate::message::{Body, Fields, Request, Response};
use crate::store::{Bounds, MemoryStore};

/// An engine with one secret and a configuration for scripts.
fn engine(limits: Limits) -> Engine {
    let host = HostSettings {
        secrets: Secrets::new([("crm".to_owned(), Arc::from("s3cret"))]),
        config: r#"{"region":"eu"}"#.to_owned(),
        ..HostSettings::default()
    };
    Engine::new(limits, host, Arc::new(MemoryStore::new(Bounds::default())))
}

const LIMITS: Limits = Limits {
    handler_time: Duration::from_millis(50),
    memory: 64 << 20,
    total_memory: 1 << 30,
    text: 32 << 20,
    max_hung_threads: 4,
    code_from_text: false,
};

/// A host whose every resource is one row that says what was asked for.
struct Echo;

#[async_trait::async_trait]
impl Host for Echo {
    async fn call(
        &self,
        _caller: &Caller,
        request: HostRequest,
    ) -> Result<HostResponse, HostError> {
        match request.to {
            Destination::Upstream(target) if target.starts_with("/missing") => {
                Ok(response(404, "{}"))
            }
            Destination::Upstream(target) | Destination::Chains(target)
                if target.starts_with("/marked") =>
            {
                Ok(response(200, "\u{FEFF}{\"a\":1}"))
            }
            Destination::Upstream(target) | Destination::Chains(target) => Ok(response(
                200,
                &format!(
                    r#"[{{"asked":"{} {target}","price":1.10}}]"#,
                    request.method
                ),
            )),
            Destination::Host(host) => Err(HostError::NotAllowed { host }),
        }
    }
}

fn response(status: u16, body: &str) -> HostResponse {
    HostResponse {
        status: StatusCode::from_u16(status).expect("a status"),
        fields: Vec::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// Handlers of one phase, in the order they are written.
struct Set {
    handlers: Vec<Declared>,
    modules: Vec<Module>,
    limits: Limits,
}

impl Set {
    fn of(kind: Kind, sources: &[&str]) -> Self {
        let declared = |(at, source): (usize, &&str)| {
            let name = format!("{at}0-x");
            let file = DeclaredFile {
                name: HandlerName::parse(&name).expect("a name"),
                kind,
                path: format!("{name}.js").into(),
                active: true,
                source: (*source).into(),
            };
            let mut diagnostics = Diagnostics::default();
            let declared = declare(file, None, &Services::default(), &mut diagnostics);
            assert_eq!(diagnostics, Diagnostics::default());
            declared
        };
        Self {
            handlers: sources.iter().enumerate().map(declared).collect(),
            modules: Vec::new(),
            limits: LIMITS,
        }
    }

    fn with_module(mut self, path: &str, text: &str) -> Self {
        self.modules.push(Module {
            path: path.into(),
            file: path.into(),
            text: text.into(),
        });
        self
    }

    fn compile(&self) -> Result<crate::generation::Compiled, Vec<Diagnostic>> {
        engine(self.limits).compile(&self.handlers, &self.modules)
    }

    fn problem(&self) -> String {
        let errors = self.compile().err().expect("it has a problem");
        errors[0].to_string()
    }

    /// Runs the set on calls, one after the other on the same isolates.
    fn run_all(&self, calls: Vec<Call>) -> Vec<Ran> {
        let mut ran = Vec::new();
        self.run_with(Arc::new(Echo), calls, |each| ran.push(each));
        ran
    }

    /// The same with a host, for who looks at each before the next one.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers make it for this call"
    )]
    fn run_with(
        &self,
        host: Arc<dyn Host>,
        calls: impl IntoIterator<Item = Call>,
        mut look: impl FnMut(Ran),
    ) {
        let compiled = self.compile().unwrap_or_else(|errors| panic!("{errors:?}"));
        let steps = || {
            self.handlers
                .iter()
                .enumerate()
                .map(|(handler, it)| Step {
                    handler,
                    kind: it.kind,
                })
                .collect()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            for call in calls {
                look(compiled.program.run(Box::new(call), steps(), &host).await);
            }
        });
    }

    fn run(&self, call: Call) -> Ran {
        self.run_all(vec![call]).remove(0)
    }
}

fn call(method: &str, target: &str, body: &str) -> Call {
    let mut fields = Fields::default();
    for (name, value) in [
        ("Host", "api.test"),
        ("X-Weird", "w"),
        ("Authorization", "Basic Ym9iOng="),
        ("cookie", "c=1"),
    ] {
        fields.receive(
            name.to_ascii_lowercase().parse().expect("a name"),
            name.as_bytes(),
            HeaderValue::from_static(value),
        );
    }
    let mut request = Request::new(method.parse::<Method>().expect("a method"), target, fields);
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    request.body = if body.is_empty() {
        Body::Empty
    } else {
        Body::Whole(bytes.clone().into())
    };
    let origin = Origin {
        client: Client {
            address: [192, 0, 2, 7].into(),
            peer: [192, 0, 2, 7].into(),
            https: false,
            through_trusted: false,
        },
        host: "api.test".to_owned(),
        requested: Requested {
            other_methods: Vec::new(),
            method: Method::GET,
            path: "/orders".into(),
            services: Services::new([Service::new("crm", "/")]),
            case: Case::Counts,
        },
        local: SocketAddr::from(([127, 0, 0, 1], 8080)),
        service: Arc::new(Service::new("crm", "/")),
        resource: "orders".to_owned(),
        metadata_name: "@metadata".into(),
        session: Arc::default(),
        depth: 0,
        passes: 0,
        running: Vec::new(),
    };
    Call {
        id: TransactionId("tx-1".into()),
        request,
        received: (!body.is_empty()).then_some(bytes),
        response: Response::new(StatusCode::OK),
        origin: Arc::new(origin),
        fallback: None,
        kept: Kept::default(),
        emitted: Emitted::default(),
        deadline: Instant::now() + Duration::from_secs(30),
    }
}

fn answered(status: u16, content_type: &str, body: &str) -> Call {
    let mut call = call("GET", "/orders?limit=1", "");
    call.response.status = StatusCode::from_u16(status).expect("a status");
    call.response.fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(content_type).expect("a value"),
    );
    call.response.body = if body.is_empty() {
        Body::Empty
    } else {
        Body::Whole(Bytes::copy_from_slice(body.as_bytes()).into())
    };
    call
}

fn request_body(ran: &Ran) -> &str {
    text(&ran.call.request.body)
}

fn response_body(ran: &Ran) -> &str {
    text(&ran.call.response.body)
}

fn text(body: &Body) -> &str {
    let only = body
        .pieces()
        .map(|pieces| pieces.as_one().expect("it is short"));
    std::str::from_utf8(only.map_or(&b""[..], |bytes| bytes)).expect("text")
}

fn rejection(ran: Ran) -> Rejection {
    match ran.verdict {
        Verdict::Reject(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}

fn message(rejection: &Rejection) -> &str {
    match &rejection.content {
        Content::Message(message) => &message.text,
        Content::Own { .. } => panic!("a body of its own"),
    }
}

fn thrown_by(source: &str) -> Rejection {
    rejection(Set::of(Kind::Request, &[source]).run(call("POST", "/orders", r#"{"a":1}"#)))
}

fn json(source: &str, body: &str) -> String {
    response_body(&Set::of(Kind::Response, &[source]).run(answered(200, "application/json", body)))
        .to_owned()
}
