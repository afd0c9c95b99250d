//! What a handler costs: a document in the engine, against the engine's own `JSON.parse` and `JSON.stringify`.
//!
//! Both get a body as bytes and give one back. The zero of the first is [`without_a_body`]: a call, an isolate that
//! is warm, a handler that does nothing.

use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use http::{HeaderValue, header};
use interpose::generation::{Generation, Step};
use interpose::handler::host::{Caller, Host, HostError, HostRequest, HostResponse};
use interpose::handler::{Kind, Verdict};
use interpose::message::{Body, Pieces};
use rquickjs::{Context, Function, Persistent, Runtime};

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

/// Rows in a body: 1 KB, 12 KB, 1.3 MB.
const ROWS: [usize; 3] = [5, 50, 5_000];

const NOTHING: &str = "return;";
const TOUCH_ONE_ROW: &str = "json[json.length - 1].price = 2.25;";
const READ_EVERY_ROW: &str =
    "let sum = 0; for (const row of json) sum += row.price; if (sum < 1) throw 'too little';";
const EDIT_EVERY_ROW: &str =
    "for (const row of json) { delete row['@metadata']; row.TheVerb = 'GET'; }";

fn main() {
    both_do_the_same();
    divan::main();
}

#[divan::bench]
fn without_a_body(bencher: Bencher) {
    let sidecar = Interpose::new(NOTHING);
    bencher.bench_local(|| sidecar.run(Bytes::new()));
}

#[divan::bench(types = [Interpose, ParseAndStringify], args = ROWS)]
fn touch_one_row<H: Handler>(bencher: Bencher, count: usize) {
    measure::<H>(bencher, count, TOUCH_ONE_ROW);
}

#[divan::bench(types = [Interpose, ParseAndStringify], args = ROWS)]
fn read_every_row<H: Handler>(bencher: Bencher, count: usize) {
    measure::<H>(bencher, count, READ_EVERY_ROW);
}

#[divan::bench(types = [Interpose, ParseAndStringify], args = ROWS)]
fn edit_every_row<H: Handler>(bencher: Bencher, count: usize) {
    measure::<H>(bencher, count, EDIT_EVERY_ROW);
}

fn measure<H: Handler>(bencher: Bencher, count: usize, code: &str) {
    let handler = H::new(code);
    let body = Bytes::from(rows(count));
    bencher
        .counter(BytesCount::of_slice(&*body))
        .bench_local(|| handler.run(body.clone()));
}

/// One response handler, compiled and warm.
trait Handler {
    /// Compiles a handler's code.
    fn new(code: &str) -> Self;

    /// Runs it on a body and returns what it made of it.
    fn run(&self, body: Bytes) -> Pieces;
}

struct Interpose {
    /// Handlers that aren't known to be quick, or whose body is large, run aside: their end
    /// is waited for.
    waiting: tokio::runtime::Runtime,
    generation: Generation,
    host: Arc<dyn Host>,
}

impl Handler for Interpose {
    fn new(code: &str) -> Self {
        let directory = script_dir([("response/10-bench.js", code)]);
        Self {
            waiting: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("the system gives what a runtime needs"),
            generation: load(directory.path()),
            host: Arc::new(Nobody),
        }
    }

    fn run(&self, body: Bytes) -> Pieces {
        let mut call = call();
        let json = HeaderValue::from_static("application/json");
        call.response.fields.insert(header::CONTENT_TYPE, json);
        call.response.body = Body::Whole(body.into());
        let steps = vec![Step {
            handler: 0,
            kind: Kind::Response,
        }];

        let ran = self
            .generation
            .program
            .run(Box::new(call), steps, &self.host);
        let ran = self.waiting.block_on(ran);

        assert!(matches!(ran.verdict, Verdict::Continue), "{ran:?}");
        match ran.call.response.body {
            Body::Whole(pieces) | Body::Edited(pieces) => pieces,
            Body::Empty | Body::Streamed => Pieces::default(),
        }
    }
}

/// The host of handlers that call nobody.
struct Nobody;

#[async_trait::async_trait]
impl Host for Nobody {
    async fn call(&self, _: &Caller, _: HostRequest) -> Result<HostResponse, HostError> {
        unreachable!("no handler here calls its host")
    }
}

/// The engine without the sidecar, and `JSON` as it comes with it. Writes every body: it can't know which were changed.
struct ParseAndStringify {
    function: Persistent<Function<'static>>,
    context: Context,
}

impl Handler for ParseAndStringify {
    fn new(code: &str) -> Self {
        let source = format!(
            "(function (text) {{ const json = JSON.parse(text); {code} return JSON.stringify(json); }})"
        );
        let runtime = Runtime::new().expect("there is memory for a heap");
        let context = Context::full(&runtime).expect("there is memory for a context");
        let function = context.with(|ctx| {
            let function: Function<'_> = ctx.eval(source).expect("the code compiles");
            Persistent::save(&ctx, function)
        });
        Self { function, context }
    }

    fn run(&self, body: Bytes) -> Pieces {
        self.context.with(|ctx| {
            let function = self.function.clone().restore(&ctx).expect("it is ours");
            let text = std::str::from_utf8(&body).expect("rows are text");
            let text: String = function.call((text,)).expect("the code throws nothing");
            text.into()
        })
    }
}

/// Whoever does less work than the other has no business in a comparison.
fn both_do_the_same() {
    for code in [TOUCH_ONE_ROW, READ_EVERY_ROW, EDIT_EVERY_ROW] {
        let body = Bytes::from(rows(5));
        // As JavaScript sees it: ids beyond 2^53 are lost on `JSON.stringify`.
        let seen = |text: Bytes| ParseAndStringify::new("").run(text);

        let ours = seen(Interpose::new(code).run(body.clone()).joined());

        assert_eq!(ours, ParseAndStringify::new(code).run(body), "{code}");
    }
}
