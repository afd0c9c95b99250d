//! A worker that is killed again and again under load: nobody is refused, only what is in flight
//! fails, and the spare serves at once.

use std::io;
use std::net::SocketAddr;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::api::Api;
use super::beside::ALONE;
use super::support::client::{request, try_connect};
use super::support::eventually::eventually;
use super::support::sidecar::Sidecar;
use super::support::wire::Wire;

/// Clients that keep their connection, and clients that make one for each request.
const KEEPING: usize = 4;
const COMING: usize = 4;

/// How soon the spare serves, in the median of all kills: in a release build, for which the
/// promise is, and in one for tests on a machine that does much else.
const SOON: Duration = if cfg!(debug_assertions) {
    Duration::from_millis(500)
} else {
    Duration::from_millis(20)
};

/// How much later a client may notice that its connection is gone.
const SLACK: Duration = Duration::from_secs(1);

/// Kills by each signal: `KILLS`, or a few.
fn kills_by_each() -> usize {
    let kills = std::env::var("KILLS").ok();
    kills.map_or(3, |kills| kills.parse().expect("a number"))
}

/// What became of the requests of one client.
#[derive(Default)]
struct Tally {
    answered: usize,
    refused: usize,
    /// When each request was sent that got no answer, and when that was clear.
    cut: Vec<(Instant, Instant)>,
}

/// Asks again and again, on one connection as long as it lasts where it `keeps` it.
fn ask(proxy: SocketAddr, keeps: bool, over: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut kept: Option<Wire> = None;
    while !over.load(Ordering::Relaxed) {
        let wire = match kept.take() {
            Some(wire) => Ok(wire),
            None => try_connect(proxy),
        };
        let Ok(mut wire) = wire else {
            tally.refused += 1;
            continue;
        };
        let began = Instant::now();
        match exchange(&mut wire) {
            Ok(200) => {
                tally.answered += 1;
                kept = keeps.then_some(wire);
            }
            Ok(status) => panic!("{status}"),
            Err(_) => tally.cut.push((began, Instant::now())),
        }
    }
    tally
}

fn exchange(wire: &mut Wire) -> io::Result<u16> {
    wire.send(&request("GET", "/", ""))?;
    Ok(wire.response("GET")?.status())
}

/// The time until somebody who comes right after a kill is answered. Who was accepted by the one
/// that was about to die comes again.
fn until_served(proxy: SocketAddr) -> Duration {
    let killed = Instant::now();
    loop {
        let mut wire = try_connect(proxy).expect("nobody is refused");
        if exchange(&mut wire).is_ok() {
            return killed.elapsed();
        }
    }
}

#[test]
fn kills_under_load_fail_requests_in_flight_and_no_others() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let api = Api::start();
    let sidecar = Sidecar::before(api.url())
        .within(&["sh", "-c", "ulimit -c 0; exec \"$0\" \"$@\""])
        .start();
    let over = AtomicBool::new(false);
    let signals = [Signal::SEGV, Signal::ABORT, Signal::KILL];
    let mut kills = signals.repeat(kills_by_each());
    kills.sort_by_key(|signal| signal.as_raw());

    let (tallies, served): (Vec<Tally>, Vec<(Instant, Duration)>) = thread::scope(|scope| {
        let (proxy, over) = (sidecar.proxy, &over);
        let clients: Vec<_> = (0..KEEPING + COMING)
            .map(|client| scope.spawn(move || ask(proxy, client < KEEPING, over)))
            .collect();
        let served = kills.iter().map(|signal| {
            eventually("a spare worker", || sidecar.spare_id());
            let killed = Instant::now();
            sidecar.signal_worker(*signal);
            (killed, until_served(proxy))
        });
        let served = served.collect();
        over.store(true, Ordering::Relaxed);
        let tallies = clients.into_iter().map(|it| it.join().unwrap()).collect();
        (tallies, served)
    });

    let mut times: Vec<Duration> = served.iter().map(|(_, took)| *took).collect();
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let answered: usize = tallies.iter().map(|it| it.answered).sum();
    let cut: usize = tallies.iter().map(|it| it.cut.len()).sum();
    println!(
        "{} kills: {answered} requests answered, {cut} in flight cut, none refused; \
         served again after {median:?}, at most {slowest:?}",
        kills.len()
    );
    assert_eq!(tallies.iter().map(|it| it.refused).sum::<usize>(), 0);
    assert!(answered > 0);
    for tally in &tallies {
        assert!(tally.cut.len() <= kills.len(), "one at a time is in flight");
        for (began, ended) in &tally.cut {
            let is_in_flight = served
                .iter()
                .any(|(killed, took)| *began <= *killed + *took + SLACK && killed <= ended);
            assert!(is_in_flight, "cut without a kill");
        }
    }
    assert!(median < SOON, "{median:?}");
}
