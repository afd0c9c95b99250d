//! What a handler that never ends does to everybody else: nothing they would notice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::support::client::{connect, get, request};
use super::support::eventually::eventually;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

/// Loops, in which QuickJS asks for the time.
const SPIN: &str = "// @match /spin\nwhile (true) {}\n";

/// Some ten seconds in a native, where it doesn't.
const STICK: &str = "// @match /stick\nconst n = 2n ** 1000000n;\n`${[n, n, n, n]}`;\n";

/// Quick, and on the worker once that is known.
const MARK: &str = "// @match /marked\nres.headers['x-mark'] = '1';\n";

/// What somebody else's request may take more: twice what it took, and so much.
const MORE: Duration = Duration::from_millis(10);

const TRIES: usize = 12;

/// For tests that want the processors for themselves, as far as ours go.
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

struct Beside {
    sidecar: Sidecar,
    _scripts: ScriptDir,
    _upstream: Upstream,
}

impl Beside {
    fn with_workers(workers: &str) -> Self {
        let upstream = Upstream::answering(|_| json("{}"));
        let scripts = ScriptDir::with(&[
            ("10-spin.request.js", SPIN),
            ("20-stick.request.js", STICK),
            ("30-mark.response.js", MARK),
        ]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .args(&["--workers", workers])
            .start();
        Self {
            sidecar,
            _scripts: scripts,
            _upstream: upstream,
        }
    }

    /// What the slowest but one in a hundred took, of plain and of scripted requests.
    fn p99(&self) -> [Duration; 2] {
        ["/plain", "/marked"].map(|target| {
            let mut wire = connect(self.sidecar.proxy);
            let mut times: Vec<Duration> = (0..300)
                .map(|_| {
                    let began = Instant::now();
                    wire.send(&request("GET", target, "")).unwrap();
                    assert_eq!(wire.response("GET").unwrap().status(), 200);
                    began.elapsed()
                })
                .collect();
            times.sort();
            times[times.len() * 99 / 100]
        })
    }

    /// Whether others have their answers about as soon as if nobody did `harm`.
    fn is_unharmed(&self, harm: impl Fn(SocketAddr, &AtomicBool) + Sync) -> Result<(), String> {
        let quiet = self.p99();
        let is_over = AtomicBool::new(false);
        let harmed = thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| harm(self.sidecar.proxy, &is_over));
            }
            eventually("a handler that is stopped", || {
                let failed = |line: &str| line.contains("handler failed");
                self.sidecar.log().has(failed).then_some(())
            });
            let harmed = self.p99();
            is_over.store(true, Ordering::Relaxed);
            harmed
        });
        let is_well = |(quiet, harmed): (&Duration, &Duration)| *harmed < *quiet * 2 + MORE;
        if quiet.iter().zip(&harmed).all(is_well) {
            Ok(())
        } else {
            Err(format!("quiet {quiet:?}, beside the others {harmed:?}"))
        }
    }
}

/// The machine does other things too: one try of several has to hold.
#[track_caller]
fn assert_unharmed(harm: impl Fn(SocketAddr, &AtomicBool) + Sync) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for workers in ["1", "2"] {
        let mut failures = Vec::new();
        for _ in 0..TRIES {
            match Beside::with_workers(workers).is_unharmed(&harm) {
                Ok(()) => break,
                Err(failure) => failures.push(failure),
            }
        }
        assert!(
            failures.len() < TRIES,
            "{workers} workers:\n{}",
            failures.join("\n")
        );
    }
}

#[test]
fn four_requests_that_spin_all_the_time_slow_nobody_down() {
    assert_unharmed(|proxy, is_over| {
        let mut wire = connect(proxy);
        while !is_over.load(Ordering::Relaxed) {
            wire.send(&request("GET", "/spin", "")).unwrap();
            assert_eq!(wire.response("GET").unwrap().status(), 500);
        }
    });
}

#[test]
fn four_threads_that_nothing_can_stop_slow_nobody_down() {
    assert_unharmed(|proxy, _| {
        assert_eq!(get(proxy, "/stick").status(), 500);
    });
}

#[test]
fn once_too_many_threads_are_stuck_their_handler_is_refused_and_a_supervisor_is_told() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let beside = Beside::with_workers("2");
    let sidecar = &beside.sidecar;
    assert_eq!(get(sidecar.status, "/livez").status(), 200);

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(sidecar.get("/stick").status(), 500));
        }
    });
    let unsound = eventually("a process that isn't sound", || {
        Some(get(sidecar.status, "/livez")).filter(|answer| answer.status() != 200)
    });
    let began = Instant::now();
    let refused = sidecar.get("/stick");
    let took = began.elapsed();

    assert_eq!(unsound.status(), 503);
    assert!(unsound.text().contains("4 threads"), "{}", unsound.text());
    assert_eq!(refused.status(), 503);
    assert!(refused.head.value("Retry-After").is_some());
    assert!(took < Duration::from_millis(50), "{took:?}");
    // Everything else goes on, handlers that have to be stopped too.
    for (target, status) in [("/plain", 200), ("/marked", 200), ("/spin", 500)] {
        assert_eq!(sidecar.get(target).status(), status, "{target}");
    }
    sidecar.logs(|line| line.contains("can't be stopped") && line.contains("20-stick"));
}
