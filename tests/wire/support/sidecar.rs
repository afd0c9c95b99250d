//! The proxy in this process, on a port that was free.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use interpose::generation::{Generation, GenerationId, Generations, Quarantine};
use interpose::handler::{Case, Chains, Service as ApiPart, Services};
use interpose::message::JsonType;
use interpose::proxy::{Listener, Server, Service, Settings};
use interpose::queue::{self, Queue};
use interpose::transaction::pipeline::{CodedRequests, Unavailable};
use interpose::transaction::ports::Observer;
use interpose::transaction::respond::ErrorFormat;
use interpose::transaction::{self, Calls, Line, Names, Outcome, Record, Room, Routes, Unseen};
use interpose::upstream;

use super::{Client, Handlers, Upstream};

/// A running proxy.
pub(crate) struct Sidecar {
    pub(crate) server: Server,
    finished: Arc<Mutex<Vec<Finished>>>,
    errors: Arc<Mutex<Vec<String>>>,
}

/// How one transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) status: u16,
    pub(crate) outcome: Outcome,
    pub(crate) unseen: Unseen,
}

/// A proxy to be started.
pub(crate) struct Setup {
    handlers: Option<Handlers>,
    quarantine: Arc<Quarantine>,
    trusted: Vec<&'static str>,
    pub(crate) proxy: Settings,
    pub(crate) upstream: upstream::Settings,
    pub(crate) request_body: usize,
    pub(crate) unavailable: Unavailable,
    pub(crate) coded_requests: CodedRequests,
}

impl Sidecar {
    /// Without handlers.
    pub(crate) fn plain(upstream: &Upstream) -> Self {
        Setup::before(upstream).start()
    }

    /// With handlers.
    pub(crate) fn with(upstream: &Upstream, handlers: Handlers) -> Self {
        Setup::before(upstream).handlers(handlers).start()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// A new connection to it.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// Why the upstream failed, in the order of the transactions for which it did.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.errors.lock().expect("no panic").clone()
    }

    /// The transactions that have ended.
    pub(crate) fn finished(&self) -> Vec<Finished> {
        self.finished.lock().expect("no panic").clone()
    }
}

impl Setup {
    pub(crate) fn before(upstream: &Upstream) -> Self {
        Self::at(upstream.address)
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        let url = format!("http://{address}").parse().expect("an address");
        Self {
            handlers: Some(Handlers::default()),
            quarantine: Arc::default(),
            trusted: Vec::new(),
            proxy: Settings::default(),
            upstream: upstream::Settings::new(url),
            request_body: 1024 * 1024,
            unavailable: Unavailable::Refuse,
            coded_requests: CodedRequests::Decode,
        }
    }

    pub(crate) fn handlers(mut self, handlers: Handlers) -> Self {
        self.handlers = Some(handlers);
        self
    }

    /// The handlers that are in here don't run.
    pub(crate) fn quarantine(mut self, quarantine: &Arc<Quarantine>) -> Self {
        self.quarantine = Arc::clone(quarantine);
        self
    }

    /// Before there is a generation.
    pub(crate) fn without_generation(mut self) -> Self {
        self.handlers = None;
        self
    }

    pub(crate) fn trusting(mut self, net: &'static str) -> Self {
        self.trusted.push(net);
        self
    }

    pub(crate) fn start(self) -> Sidecar {
        let generations = Arc::new(Generations::default());
        if let Some(handlers) = self.handlers {
            generations.publish(generation(handlers).without_quarantined(&self.quarantine));
        }
        let client = Arc::new(upstream::Client::new(&self.upstream).expect("sound settings"));
        let egress = upstream::Egress::new(upstream::EgressSettings::default());
        let egress = Arc::new(egress.expect("sound settings"));
        let settings = transaction::Settings {
            transaction_time: Duration::from_secs(30),
            request_body: self.request_body,
            response_body: 1024 * 1024,
            errors: ErrorFormat::Default,
            unavailable: self.unavailable,
            coded_requests: self.coded_requests,
            json_types: vec![
                JsonType::parse("application/json").expect("a type"),
                JsonType::parse("none").expect("a pattern"),
            ],
            via: false,
            room: Room::new(1 << 30, |_| {}),
        };
        let calls = Arc::new(Calls::new(egress, Vec::new(), 0));
        let trusted = self.trusted.iter().map(|net| net.parse().expect("a net"));
        let names = Names::new(
            Services::new([ApiPart::new("api", "/")]),
            Case::Counts,
            trusted.collect(),
            "@metadata",
        );
        let finished = Arc::new(Mutex::new(Vec::new()));
        let errors = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder {
            finished: Arc::clone(&finished),
            errors: Arc::clone(&errors),
        };
        let service = Service {
            line: Line::new(
                generations,
                names,
                Routes::to(client),
                &calls,
                Queue::new(queue::Settings::default()),
                settings,
            ),
            observer: Some(Arc::new(recorder)),
            settings: self.proxy,
        };
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        Sidecar {
            server: listener.start(service),
            finished,
            errors,
        }
    }
}

fn generation(handlers: Handlers) -> Generation {
    let list = handlers.in_generation();
    Generation {
        id: GenerationId([0; 6]),
        since: SystemTime::now(),
        files: Vec::new(),
        chains: Chains::new(list.clone()),
        handlers: list,
        warnings: Vec::new(),
        program: Box::new(handlers),
    }
}

struct Recorder {
    finished: Arc<Mutex<Vec<Finished>>>,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Observer for Recorder {
    fn finished(&self, record: &Record<'_>) {
        let mut errors = self.errors.lock().expect("no panic");
        errors.extend(record.error.map(str::to_owned));
        self.finished.lock().expect("no panic").push(Finished {
            status: record.status,
            outcome: record.outcome,
            unseen: record.unseen,
        });
    }
}
