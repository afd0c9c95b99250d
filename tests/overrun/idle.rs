//! Ten thousand clients that want nothing at present.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::api::Api;
use super::beside::ALONE;
use super::support::client::{connect, request};
use super::support::sidecar::Sidecar;

const CLIENTS: usize = 10_000;

/// What the process may take with all of them, in bytes.
const MEMORY: usize = 100 << 20;

/// What somebody else's request may take on a machine that does other things too.
const SOON: Duration = Duration::from_millis(50);

/// Allows this process a descriptor for each client.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).expect("up to the maximum it is allowed");
    let enough = (CLIENTS * 3 / 2 + 100) as u64;
    assert!(
        limit.maximum.is_none_or(|most| most > enough),
        "{enough} open files have to be allowed (`ulimit -Hn`), {limit:?} are"
    );
}

/// A client that has asked for something once, or never where its number is even.
fn client(sidecar: &Sidecar, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(sidecar.proxy).unwrap();
    if number.is_multiple_of(2) {
        return stream;
    }
    stream.write_all(&request("GET", "/", "")).unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK"));
    stream
}

#[test]
fn ten_thousand_idle_clients_take_little_memory_and_delay_nobody() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    allow_descriptors();
    let api = Api::start();
    let sidecar = Sidecar::before(api.url())
        .config("[log]\naccess = false\n[limits]\nidle_timeout = \"10m\"\n")
        .start();
    let alone = sidecar.memory("VmRSS");

    let clients: Vec<TcpStream> = (1..=CLIENTS)
        .map(|number| client(&sidecar, number))
        .collect();
    let together = sidecar.memory("VmRSS");
    let mut wire = connect(sidecar.proxy);
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let began = Instant::now();
            wire.send(&request("GET", "/", "")).unwrap();
            assert_eq!(wire.response("GET").unwrap().status(), 200);
            began.elapsed()
        })
        .collect();

    println!(
        "{} KiB without them, {} KiB with",
        alone / 1024,
        together / 1024
    );
    assert!(
        together < MEMORY,
        "{together} bytes for {} clients",
        clients.len()
    );
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 < SOON, "{p99:?}");
}
