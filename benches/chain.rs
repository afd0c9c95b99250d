//! The line a transaction takes, with 0, 1 and 10 handlers on it; no sockets: the upstream is in memory.
//!
//! The zero is 0 handlers. `heads`: the bodies stream past and nobody reads them. `body`: the handlers share one document
//! of 12 KB, which is opened for the first and written after the last.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use divan::Bencher;
use http::{HeaderValue, StatusCode, header};
use interpose::generation::{Generation, Generations, Path};
use interpose::handler::{Case, Services};
use interpose::message::{Body, JsonType, Request, Response};
use interpose::queue::{self, Queue};
use interpose::transaction::pipeline::{CodedRequests, Unavailable};
use interpose::transaction::ports::{
    BodyError, BodySource, Exchange, Hosts, Interim, Nobody, OnBehalfOf, Sending, Upstream,
    UpstreamError,
};
use interpose::transaction::respond::ErrorFormat;
use interpose::transaction::{
    Asked, Calls, Line, Names, Outcome, Reply, Room, Routes, Settings, Transaction,
};
use tokio::runtime::Runtime;

#[path = "support/call.rs"]
mod call;
#[path = "support/generation.rs"]
mod generation;
#[path = "support/rows.rs"]
mod rows;
#[path = "support/script_dir.rs"]
mod script_dir;

use call::call;
use generation::load;
use rows::rows;
use script_dir::script_dir;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Handlers of a chain.
const HANDLERS: [usize; 3] = [0, 1, 10];

fn main() {
    divan::main();
}

#[divan::bench(args = HANDLERS)]
fn heads(bencher: Bencher, count: usize) {
    let file = |number| {
        let code = format!("res.headers['x-step-{number}'] = res.headers['content-type'];");
        (format!("response/{number:02}-step.js"), code)
    };
    let bench = Bench::new((0..count).map(file), Path::Heads);
    bencher.bench_local(|| bench.transaction());
}

#[divan::bench(args = HANDLERS)]
fn body(bencher: Bencher, count: usize) {
    let file = |number| {
        let code = format!("json[{number}].price += 1;");
        (format!("response/{number:02}-raise.js"), code)
    };
    let bench = Bench::new((0..count).map(file), Path::Buffered);
    bencher.bench_local(|| bench.transaction());
}

/// A line with handlers, and what runs transactions on it.
struct Bench {
    generation: Arc<Generation>,
    line: Arc<Line>,
    runtime: Runtime,
}

impl Bench {
    /// Panics where a transaction with handlers doesn't take the path that is meant.
    fn new(handlers: impl Iterator<Item = (String, String)>, path: Path) -> Self {
        let generations = Arc::new(Generations::default());
        let generation = generations.publish(load(script_dir(handlers).path()));
        let upstream = Arc::new(InMemory(rows(50).into()));
        let hosts = Arc::clone(&upstream) as Arc<dyn Hosts>;
        let calls = Arc::new(Calls::new(hosts, Vec::new(), 0));
        let names = Names::new(Services::default(), Case::Counts, Vec::new(), "@metadata");
        let queue = Queue::new(queue::Settings::default());
        let line = Line::new(
            generations,
            names,
            Routes::to(upstream),
            &calls,
            queue,
            settings(),
        );
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("the system gives what a runtime needs");

        let planned = line
            .plan(&generation, &Asked::by(&call().request))
            .expect("one reading of its path");
        assert!(planned.is_none_or(|planned| planned.plan.path() == path));
        Self {
            generation,
            line,
            runtime,
        }
    }

    /// From the head of the request to the reply.
    fn transaction(&self) -> Reply<'static> {
        let call = call();
        let planned = self
            .line
            .plan(&self.generation, &Asked::by(&call.request))
            .expect("one reading of its path");
        let plan = planned.map(|planned| planned.plan).unwrap_or_default();
        let generation = Arc::clone(&self.generation);
        let mut tx = Transaction::new(generation, plan, call, Instant::now());

        let no_body = Box::new(Once(None));
        let pipeline = &self.line.pipeline;
        let reply = self
            .runtime
            .block_on(pipeline.exchange(&mut tx, no_body, &mut Nobody));

        assert_eq!(tx.outcome, Outcome::default());
        reply
    }
}

fn settings() -> Settings {
    Settings {
        transaction_time: std::time::Duration::from_secs(60),
        request_body: 8 << 20,
        response_body: 8 << 20,
        errors: ErrorFormat::Default,
        unavailable: Unavailable::Refuse,
        coded_requests: CodedRequests::Decode,
        json_types: vec![JsonType::Exact("application/json".to_owned())],
        via: false,
        room: Room::new(1 << 30, |_| {}),
    }
}

/// An upstream that answers every request with this body, at once.
struct InMemory(Bytes);

#[async_trait::async_trait]
impl Upstream for InMemory {
    async fn exchange<'a>(
        &self,
        _: OnBehalfOf<'_>,
        _: &Request,
        _: Sending<'a>,
        _: &mut dyn Interim,
    ) -> Result<Exchange<'a>, UpstreamError> {
        let mut head = Response::new(StatusCode::OK);
        let json = HeaderValue::from_static("application/json");
        head.fields.insert(header::CONTENT_TYPE, json);
        head.fields
            .insert(header::CONTENT_LENGTH, self.0.len().into());
        head.body = Body::Streamed;
        let body = Box::new(Once(Some(self.0.clone())));
        Ok(Exchange { head, body })
    }
}

#[async_trait::async_trait]
impl Hosts for InMemory {
    async fn exchange(
        &self,
        _: &url::Url,
        _: &Request,
        _: Bytes,
    ) -> Result<Exchange<'static>, UpstreamError> {
        unreachable!("no handler here calls another host")
    }
}

/// A body that arrives in one piece, or none.
struct Once(Option<Bytes>);

impl BodySource for Once {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        Poll::Ready(Ok(self.0.take()))
    }
}
