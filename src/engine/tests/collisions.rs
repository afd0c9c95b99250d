//! Keys and texts that QuickJS hashes alike. It hashes without a seed, so the writer of a body can choose them, and each
//! takes the longer the more there are: an honest handler is stopped for what a client sent. That is to cost the client's
//! request, and nobody else's.

use std::sync::Mutex;

use rustix::process::getpriority_process;

use super::*;
use crate::engine::aside::Stuck;
use crate::generation::Compiled;

/// How many texts hash alike.
const MANY: usize = 1 << 13;

/// As QuickJS hashes texts: its atoms and the keys of its `Map` and `Set`, but for what all of one length have in common.
fn hash(text: &str) -> u32 {
    let step = |hash: u32, unit: u16| hash.wrapping_mul(263).wrapping_add(unit.into());
    text.encode_utf16().fold(0, step)
}

/// `many` texts of one hash: each is made of as many pairs of two kinds, and both kinds count the same.
fn alike(many: usize) -> Vec<String> {
    let kinds = ["\u{120}\u{307}", "\u{121}\u{200}"];
    let pairs = many.next_power_of_two().trailing_zeros();
    (0..many)
        .map(|at| (0..pairs).map(|pair| kinds[at >> pair & 1]).collect())
        .collect()
}

fn object(keys: &[String]) -> String {
    let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":1")).collect();
    format!("{{{}}}", members.join(","))
}

fn rows(keys: &[String]) -> String {
    let rows: Vec<String> = keys
        .iter()
        .map(|key| format!("{{\"id\":\"{key}\"}}"))
        .collect();
    format!("[{}]", rows.join(","))
}

/// A host that takes note of the niceness of the thread that calls it.
#[derive(Default)]
struct Niceness(Mutex<Vec<i32>>);

#[async_trait::async_trait]
impl Host for Niceness {
    async fn call(&self, _: &Caller, _: HostRequest) -> Result<HostResponse, HostError> {
        let niceness = getpriority_process(None).expect("a thread has one");
        self.0.lock().expect("nobody panics with it").push(niceness);
        Ok(response(200, "{}"))
    }
}

/// A handler whose requests come one after the other.
struct Server {
    compiled: Compiled,
    host: Arc<Niceness>,
    stuck: Stuck,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    fn of(source: &str) -> Self {
        let mut set = Set::of(Kind::Response, &[source]);
        set.limits.memory = 256 << 20;
        let engine = engine(set.limits);
        let compiled = engine.compile(&set.handlers, &set.modules);
        Self {
            compiled: compiled.unwrap_or_else(|errors| panic!("{errors:?}")),
            host: Arc::default(),
            stuck: engine.stuck(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime"),
        }
    }

    fn ask(&self, body: &str) -> Verdict {
        let step = Step {
            handler: 0,
            kind: Kind::Response,
        };
        let host: Arc<dyn Host> = Arc::clone(&self.host) as Arc<dyn Host>;
        let call = Box::new(answered(200, "application/json", body));
        let run = self.compiled.program.run(call, vec![step], &host);
        self.runtime.block_on(run).verdict
    }

    /// How nice the threads of the calls were since the last time.
    fn niceness(&self) -> Vec<i32> {
        std::mem::take(&mut *self.host.0.lock().expect("nobody panics with it"))
    }
}

#[test]
fn the_texts_are_as_many_as_there_are_said_to_be_and_hash_alike() {
    let texts = alike(1000);

    let mut different = texts.clone();
    different.sort();
    different.dedup();

    assert_eq!(different.len(), 1000);
    assert!(texts.iter().all(|text| hash(text) == hash(&texts[0])));
}

/// Makes a body of texts.
type Made = fn(&[String]) -> String;

/// What honest handlers do with what a client sent.
const HONEST: [(&str, Made); 14] = [
    ("json.seen = 1", object),
    ("Object.keys(json)", object),
    ("for (const key in json);", object),
    ("({ ...json })", object),
    ("Object.assign({}, json)", object),
    ("structuredClone(json)", object),
    ("new Map(Object.entries(json))", object),
    (
        "const by = {}; for (const row of json) by[row.id] = row",
        rows,
    ),
    ("Object.fromEntries(json.map(row => [row.id, row]))", rows),
    ("Object.groupBy(json, row => row.id)", rows),
    ("Map.groupBy(json, row => row.id)", rows),
    ("new Set(json.map(row => row.id))", rows),
    ("new Map(json.map(row => [row.id, row]))", rows),
    (
        "const seen = new Set(); for (const row of json) seen.add(row.id)",
        rows,
    ),
];

#[test]
fn what_hashes_alike_is_stopped_in_time_and_gets_no_thread_stuck() {
    let keys = alike(MANY);
    for (source, body) in HONEST {
        let server = Server::of(source);

        let verdict = server.ask(&body(&keys));

        assert!(matches!(verdict, Verdict::Reject(_)), "{source}");
        // The thread may go on for a while after the answer. It has the host until its end.
        let began = Instant::now();
        while Arc::strong_count(&server.host) > 1 {
            assert_eq!(server.stuck.count(), 0, "{source}");
            assert!(began.elapsed() < Duration::from_secs(30), "{source}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_handler_that_was_stopped_for_what_a_client_sent_serves_others_as_ever() {
    let evil = object(&alike(MANY));
    let server = Server::of("getResource('/x'); JSON.stringify({ ...json })");
    for share in [1, 3, 9] {
        // So many of ten requests.
        for at in 0..60 {
            if at % 10 < share {
                assert!(matches!(server.ask(&evil), Verdict::Reject(_)));
            } else {
                server.niceness();
                assert!(matches!(server.ask(r#"{"a":1}"#), Verdict::Continue));
                assert_eq!(server.niceness(), [0], "{share} of ten, request {at}");
            }
        }
    }
}

#[test]
fn a_handler_that_had_to_be_stopped_every_time_comes_last_until_it_has_been_quick_once() {
    let server = Server::of("getResource('/x'); while (json.spins);");
    for _ in 0..16 {
        server.ask(r#"{"spins":true}"#);
    }
    server.niceness();
    server.ask(r#"{"spins":true}"#);
    assert_eq!(server.niceness(), [10]);

    let is_served = |_: &usize| {
        server.ask(r#"{"spins":false}"#);
        server.niceness() == [0]
    };
    let runs = (1..100).find(is_served).expect("it is served at last");

    assert_eq!(runs, 2);
}
