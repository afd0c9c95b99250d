//! Real processes that die, and what is known of them afterwards. The process is this test binary
//! again, which runs the one test that does nothing unless it is asked to die.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// Which way a child is to die.
const WAY: &str = "CRASH_TEST_WAY";

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a process that dies in this way, and records into the region.
fn child(region: &Region, way: &str, fail_point: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::tests::dies_where_it_is_asked_to", "--exact"])
        .args(["--nocapture", "--test-threads=1"])
        .env(WAY, way)
        .env("FAIL_POINT", fail_point)
        .stdin(Stdio::from(region.descriptor().unwrap()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn death_of(way: &str, fail_point: &str) -> (Death, Output) {
    let region = Region::new().unwrap();
    let output = child(&region, way, fail_point).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let end = output
        .status
        .signal()
        .map_or_else(|| End::Exit(output.status.code().unwrap()), End::Signal);
    assert!(!said.contains("panicked"), "{way}: {said}");
    (region.death(&end), output)
}

fn running(name: &str, request: &str) -> Running {
    Running {
        name: name.to_owned(),
        kind: "request".to_owned(),
        file: format!("request/{name}.js"),
        generation: "0123456789ab".to_owned(),
        request: request.to_owned(),
    }
}

fn registered(name: &str) -> Registered {
    let file = format!("request/{name}.js");
    let registered = Registered::new(&Description {
        name,
        kind: "request",
        file: &file,
    });
    registered.belongs_to("0123456789ab");
    registered
}

/// A fault in this process.
fn segfault() {
    super::fail_point::Failure::Segfault.happen();
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// What a child does. Each way ends in a fail point, or waits to be killed.
#[test]
#[expect(clippy::too_many_lines, reason = "a list of ways, each a few lines")]
fn dies_where_it_is_asked_to() {
    let Ok(way) = std::env::var(WAY) else {
        return;
    };
    record(std::io::stdin()).unwrap();
    let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
    let (outer, inner) = (registered("10-outer"), registered("20-inner"));
    let dies = registered("dies");
    let wait = || loop {
        thread::park();
    };
    match &*way {
        "in a handler" => {
            let phase = Phase::begin("tx-1");
            phase.runs(&outer);
            phase.runs(&dies);
        }
        "in a handler while a connection is served" => {
            let connection = Connection::new(peer);
            connection.begin("GET", "/orders?secret=1");
            block_on(serving(
                &connection,
                pin!(async { Phase::begin("tx-1").runs(&dies) }),
            ));
        }
        "while a request is served" => {
            let connection = Connection::new(peer);
            connection.begin("GET", "/orders");
            block_on(serving(
                &connection,
                pin!(async {
                    segfault();
                }),
            ));
        }
        "behind a request" => {
            let connection = Connection::new("[2001:db8::1]:80".parse().unwrap());
            connection.begin("GET", "/orders");
            connection.end();
            block_on(serving(
                &connection,
                pin!(async {
                    segfault();
                }),
            ));
        }
        "behind a connection" => {
            let connection = Connection::new(peer);
            block_on(serving(&connection, pin!(async {})));
            segfault();
        }
        "behind a nested handler" => {
            let phase = Phase::begin("tx-outer");
            phase.runs(&outer);
            {
                let phase = Phase::begin("tx-inner");
                phase.runs(&inner);
            }
            segfault();
        }
        "behind a handler" => {
            Phase::begin("tx-1").runs(&outer);
            segfault();
        }
        "on another thread" => {
            let phase = Phase::begin("tx-1");
            phase.runs(&outer);
            let other = thread::Builder::new().name("other".to_owned());
            let other = other.spawn(segfault).unwrap();
            other.join().unwrap();
        }
        "behind many threads and sets" => {
            for _ in 0..super::layout::MAX_SLOTS + 10 {
                thread::spawn(|| drop(Phase::begin("tx"))).join().unwrap();
            }
            for _ in 0..super::layout::MAX_HANDLERS + 10 {
                drop(registered("x"));
            }
            Phase::begin("tx-1").runs(&registered("dies"));
        }
        "with more threads than are recorded" => {
            let all: Vec<_> = (0..super::layout::MAX_SLOTS)
                .map(|_| {
                    let (tell, told) = std::sync::mpsc::channel();
                    let spawned = thread::Builder::new().stack_size(64 * 1024).spawn(move || {
                        let _phase = Phase::begin("tx");
                        tell.send(()).unwrap();
                        loop {
                            thread::park();
                        }
                    });
                    told.recv().unwrap();
                    spawned
                })
                .collect();
            assert!(all.iter().all(Result::is_ok));
            Phase::begin("tx-1").runs(&dies);
        }
        "in a file" => drop(Compiling::file("dies.js")),
        "killed" => {
            let phase = Phase::begin("tx-1");
            phase.runs(&outer);
            wait();
        }
        "given up" => {
            let phase = Phase::begin("tx-1");
            phase.runs(&outer);
            abandon(super::thread::this_thread().cast_signed());
            phase.runs(&inner);
            wait();
        }
        other => panic!("no such way: {other}"),
    }
    unreachable!("{way} is to end the process");
}

#[test]
fn who_raised_the_signal_is_known_whatever_it_was() {
    let none: &[Running] = &[];
    let blamed = &[running("dies", "tx-1")];
    let served = |peer: &str, method: &str, path: &str| {
        Some(Served {
            peer: peer.parse().ok(),
            method: method.to_owned(),
            path: path.to_owned(),
        })
    };
    let here = "192.0.2.7:4711";
    for (way, handlers, expected) in [
        ("in a handler", &blamed[..], None),
        (
            "in a handler while a connection is served",
            blamed,
            served(here, "GET", "/orders?secret=1"),
        ),
        (
            "while a request is served",
            none,
            served(here, "GET", "/orders"),
        ),
        ("behind a request", none, served("[2001:db8::1]:80", "", "")),
        ("behind a connection", none, None),
        (
            "behind a nested handler",
            &[running("10-outer", "tx-outer")],
            None,
        ),
        ("behind a handler", none, None),
        ("on another thread", none, None),
        ("behind many threads and sets", blamed, None),
        ("with more threads than are recorded", none, None),
    ] {
        let (death, output) = death_of(way, "handler:dies=segfault");

        assert_eq!(
            output.status.signal(),
            Some(11),
            "{way}: the default action"
        );
        assert_eq!(death.signal.as_deref(), Some("SIGSEGV"), "{way}");
        assert!(death.is_fault, "{way}");
        assert_eq!(death.handlers, handlers, "{way}");
        assert_eq!(death.served, expected, "{way}");
    }
}

#[test]
fn each_way_to_die_of_oneself_is_a_fault() {
    for (failure, signal, first) in [
        ("segfault", 11, "SIGSEGV"),
        ("abort", 6, "SIGABRT"),
        ("overflow", 6, "SIGSEGV"),
    ] {
        let (death, output) = death_of("in a handler", &format!("handler:dies={failure}"));

        assert_eq!(output.status.signal(), Some(signal), "{failure}");
        assert_eq!(death.signal.as_deref(), Some(first), "{failure}");
        assert_eq!(death.handlers, [running("dies", "tx-1")], "{failure}");
        let says_so = String::from_utf8_lossy(&output.stderr).contains("overflowed its stack");
        assert_eq!(says_so, failure == "overflow", "std's own message stays");
    }
    let (death, _) = death_of("in a handler", "handler:dies=exit");
    assert_eq!((death.is_fault, death.code), (false, Some(3)));
    assert_eq!(death.handlers, []);
}

#[test]
fn the_file_that_is_compiled_is_known() {
    let (death, _) = death_of("in a file", "compile:dies.js=abort");

    assert_eq!(death.compiled.as_deref(), Some("dies.js"));
}

/// A child that waits in a handler, killed by this process.
fn killed(way: &str, signal: Signal) -> (Region, End) {
    let region = Region::new().unwrap();
    let mut child = child(&region, way, "");
    let until = Instant::now() + PATIENCE;
    let is_there = |region: &Region| region.running() != Hung::default();
    while !is_there(&region) && Instant::now() < until {
        thread::yield_now();
    }
    assert!(is_there(&region), "{way}");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
    let status = child.wait().unwrap();
    let end = End::Signal(status.signal().expect("a signal ended it"));
    (region, end)
}

#[test]
fn a_signal_from_another_process_is_nobodys_fault() {
    for signal in [Signal::SEGV, Signal::ABORT, Signal::BUS, Signal::KILL] {
        let (region, end) = killed("killed", signal);

        assert_eq!(end, End::Signal(signal.as_raw()));
        let death = region.death(&end);
        assert_eq!(
            (death.is_fault, death.handlers),
            (false, vec![]),
            "{signal:?}"
        );
        assert!(death.signal.is_some());
    }
}

#[test]
fn of_a_process_that_hung_those_are_to_blame_that_hung() {
    let (region, _) = killed("killed", Signal::ABORT);
    let hung = region.running();
    let death = region.death(&End::Watchdog(hung));
    assert!(death.is_fault);
    assert_eq!(death.handlers, [running("10-outer", "tx-1")]);
    let death = region.death(&End::Watchdog(Hung::default()));
    assert_eq!(death.handlers, [], "it ran on when the watchdog looked");

    let (region, _) = killed("given up", Signal::KILL);
    let death = region.death(&End::Watchdog(Hung::default()));
    assert_eq!(death.handlers, [running("10-outer", "tx-1")]);
}

#[test]
fn nothing_is_recorded_into_what_is_no_region() {
    let other = std::fs::File::open("/dev/zero").unwrap();

    assert!(record(other).is_err());
}

#[test]
fn a_process_that_nobody_looks_at_runs_all_the_same() {
    let handler = registered("10-a");
    let phase = Phase::begin("tx-1");
    phase.runs(&handler);
    drop(phase);
    abandon(1);
    let connection = Connection::new("192.0.2.7:4711".parse().unwrap());
    connection.begin("GET", "/");

    assert_eq!(block_on(serving(&connection, pin!(async { 7 }))), 7);
}
