//! What nobody may notice while requests are under way: reloads, and the end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;

use super::support::client::{connect, request, try_connect};
use super::support::eventually::eventually;
use super::support::gate::Gate;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

const CLIENTS: usize = 8;

fn marking(number: usize) -> String {
    format!("json.by = {number};\nres.headers['X-Mark'] = '{number}';\n")
}

/// Asks on one connection until it is told to stop; gives how often it was answered. Every
/// answer is whole, by one generation, and by none that is older than the last one.
fn ask_until(stop: &AtomicBool, sidecar: &Sidecar) -> usize {
    let mut wire = connect(sidecar.proxy);
    let (mut count, mut last) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        wire.send(&request("GET", "/", "")).unwrap();
        let answer = wire.response("GET").expect("no request fails");
        assert_eq!(answer.status(), 200);
        let mark = answer.head.value("X-Mark").expect("a handler ran");
        let mark: usize = mark.parse().expect("a number");
        assert_eq!(
            answer.json()["by"],
            mark,
            "both edits are of one generation"
        );
        assert!(mark >= last, "{mark} after {last}");
        (count, last) = (count + 1, mark);
    }
    count
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request() {
    let upstream = Upstream::answering(|_| json("{\"id\": 1}"));
    let scripts = ScriptDir::with(&[("10-mark.response.js", &marking(0))]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let stop = AtomicBool::new(false);

    thread::scope(|scope| {
        let ask = || ask_until(&stop, &sidecar);
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        for number in 1..=100 {
            scripts.write("10-mark.response.js", &marking(number));
            let reload = request("POST", "/reload", "");
            let reloaded = super::support::client::exchange(sidecar.admin, &reload);
            assert_eq!(reloaded.status(), 200, "{}", reloaded.text());
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().expect("no request fails") > 0);
        }
    });

    assert_eq!(sidecar.get("/").head.value("X-Mark"), Some("100"));
}

#[test]
fn sigterm_fails_no_request_that_is_under_way() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |_| {
        its_gate.pass();
        json("{\"id\": 1}")
    });
    let scripts = ScriptDir::with(&[("10-mark.response.js", &marking(1))]);
    let mut sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[drain]\ndelay = \"0s\"\n")
        .start();
    let mut clients: Vec<_> = (0..32).map(|_| connect(sidecar.proxy)).collect();
    for client in &mut clients {
        client.send(&request("GET", "/", "")).unwrap();
    }
    eventually("every request upstream", || {
        (upstream.requests().len() == clients.len()).then_some(())
    });

    sidecar.signal(Signal::TERM);
    eventually("no more connections", || {
        std::net::TcpStream::connect(sidecar.proxy).err()
    });
    gate.open();

    for client in &mut clients {
        let answer = client.response("GET").expect("it is answered");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json()["by"], 1);
        assert_eq!(answer.head.value("Connection"), Some("close"));
    }
    assert_eq!(sidecar.ended().code(), Some(0));
}

/// Asks on connections that are kept until a response ends them, until none can be opened.
/// Whatever has been sent is answered.
fn ask_until_nobody_listens(sidecar: &Sidecar, answered: &AtomicUsize) {
    while let Ok(mut wire) = try_connect(sidecar.proxy) {
        loop {
            wire.send(&request("GET", "/", "")).expect("it is taken");
            let answer = wire.response("GET").expect("no request fails");
            assert_eq!(answer.status(), 200);
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.head.value("Connection") == Some("close") {
                break;
            }
        }
    }
}

#[test]
fn sigterm_fails_no_request_of_clients_that_keep_their_connections() {
    for delay in ["0s", "300ms"] {
        let upstream = Upstream::answering(|_| json("{\"id\": 1}"));
        let scripts = ScriptDir::with(&[("10-mark.response.js", &marking(1))]);
        let mut sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config(&format!("[drain]\ndelay = \"{delay}\"\n"))
            .start();
        let answered = AtomicUsize::new(0);

        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| ask_until_nobody_listens(&sidecar, &answered));
            }
            eventually("load", || {
                (answered.load(Ordering::Relaxed) > 20 * CLIENTS).then_some(())
            });
            sidecar.signal(Signal::TERM);
        });

        assert_eq!(sidecar.ended().code(), Some(0), "{delay}");
    }
}
