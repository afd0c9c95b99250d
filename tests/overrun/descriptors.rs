//! A process that has no more file descriptors: it accepts nobody until it has some, and burns
//! nothing meanwhile.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use serde_json::Value;

use super::api::Api;
use super::beside::ALONE;
use super::support::client::{connect, exchange, get, request};
use super::support::eventually::{PATIENCE, eventually};
use super::support::sidecar::Sidecar;
use super::support::wire::Wire;

/// How long is looked at what the process computes, and how much that may be.
const WINDOW: Duration = Duration::from_secs(2);
const LITTLE: Duration = Duration::from_millis(200);

/// How many descriptors a process may have.
const LIMITS: [u64; 3] = [256, 1024, 20_000];

/// How many clients come when all places are taken, and how many operators who ask for nothing.
const MORE: usize = 20;
const IDLE_OPERATORS: usize = 80;

/// Clients of a process that loses its descriptors: more than it may happen to have connections
/// to the upstream.
const CLIENTS: usize = 8;

/// What the log says of those who wait.
const NOT_ACCEPTED: &str = "no connection accepted";

#[track_caller]
fn assert_is_served(wire: &mut Wire) {
    assert_eq!(status(wire), 200);
}

fn status(wire: &mut Wire) -> u16 {
    wire.send(&request("GET", "/", "")).unwrap();
    wire.response("GET").unwrap().status()
}

fn connections(proxy: SocketAddr, count: usize) -> Vec<Wire> {
    (0..count).map(|_| connect(proxy)).collect()
}

/// For how long the threads of a process have had a processor, to the hundredth of a second.
#[track_caller]
fn computed(sidecar: &Sidecar) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", sidecar.process_id()));
    let stat = stat.expect("it runs");
    // proc_pid_stat(5): `utime` and `stime` are the 12th and 13th behind the name, in
    // hundredths of a second.
    let (_, behind_name) = stat.rsplit_once(')').expect("a name in brackets");
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks = fields[11..13]
        .iter()
        .map(|it| it.parse::<u64>().expect("a number"));
    Duration::from_millis(10 * ticks.sum::<u64>())
}

#[track_caller]
fn assert_computes_little(sidecar: &Sidecar) {
    let before = computed(sidecar);
    thread::sleep(WINDOW);
    let computed = computed(sidecar).saturating_sub(before);
    assert!(computed < LITTLE, "{computed:?} in {WINDOW:?}");
}

/// Lets a process have no more descriptors than it has, and `more`.
fn allow_more(sidecar: &Sidecar, more: usize) {
    let pid = i32::try_from(sidecar.process_id()).unwrap();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count();
    let limit = Rlimit {
        current: Some((open + more) as u64),
        maximum: Some(4096),
    };
    prlimit(Pid::from_raw(pid), Resource::Nofile, limit).expect("a process of ours");
}

/// An upstream that takes every connection, answers nothing, and counts those that ask.
struct Silent {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<TcpStream>>>,
}

impl Silent {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<TcpStream>>>::default();
        let taken = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                taken.lock().unwrap().push(stream);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Waits until so many have come.
    #[track_caller]
    fn wait_for(&self, count: usize) {
        eventually(
            "as many connections to the upstream as there are clients",
            || (self.asked() >= count).then_some(()),
        );
    }
}

/// Allows this process as many descriptors as the system does; gives how many.
fn allow_many_here() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).expect("up to the maximum it is allowed");
    limit.maximum.unwrap_or(u64::MAX)
}

/// How many clients a sidecar has places for, as its log says.
fn places(sidecar: &Sidecar) -> usize {
    let line = eventually("how many clients there may be", || {
        let mut lines = sidecar.log().lines().into_iter();
        lines.find(|line| line.contains("limit of open files allows more"))
    });
    let line: Value = serde_json::from_str(&line).expect("the log is JSON");
    let count = [&line["connections"], &line["fields"]["connections"]];
    let count = count.into_iter().find_map(Value::as_u64);
    usize::try_from(count.expect("a number")).unwrap()
}

#[test]
fn however_few_descriptors_there_are_every_client_has_one_for_the_upstream_and_operators_theirs() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let here = allow_many_here();
    for limit in LIMITS {
        if limit > here {
            println!("not shown here: {limit} descriptors, since this process may have {here}");
            continue;
        }
        let upstream = Silent::start();
        let sidecar = Sidecar::before(format!("http://{}", upstream.address))
            .within(&[
                "sh",
                "-c",
                &format!("ulimit -n {limit}; exec \"$0\" \"$@\""),
            ])
            .start();
        let places = places(&sidecar);
        assert!(places as u64 > limit / 5, "{places} of {limit}");

        // Every place is that of a request which waits for its upstream.
        let ask = request("GET", "/", "");
        let mut served = connections(sidecar.proxy, places);
        for wire in &mut served {
            wire.send(&ask).unwrap();
        }
        upstream.wait_for(places);
        let mut waiting = connections(sidecar.proxy, MORE);
        for wire in &mut waiting {
            wire.send(&ask).unwrap();
        }
        let _idle = [sidecar.status, sidecar.admin].map(|it| connections(it, IDLE_OPERATORS));

        for _ in 0..3 {
            assert_eq!(get(sidecar.status, "/livez").status(), 200, "{limit}");
            assert_eq!(get(sidecar.admin, "/generations").status(), 200, "{limit}");
            let reload = exchange(sidecar.admin, &request("POST", "/reload", ""));
            assert_eq!(reload.status(), 200, "{limit}: {}", reload.text());
        }
        assert_eq!(upstream.asked(), places, "{limit}");
        assert_computes_little(&sidecar);
        let failed = |line: &str| line.contains("upstream failed") || line.contains(NOT_ACCEPTED);
        assert!(!sidecar.log().has(failed), "{limit}");

        // Who waited has its turn once others are gone.
        drop(std::mem::take(&mut *upstream.asked.lock().unwrap()));
        upstream.wait_for(1);
    }
}

#[test]
fn a_process_that_runs_out_of_descriptors_refuses_what_it_must_and_recovers_by_itself() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let api = Api::start();
    // By default each client would have a connection to the upstream already.
    let sidecar = Sidecar::before(api.url())
        .config("[upstream_pool]\nreuse = \"shared\"\n")
        .start();
    let mut clients = connections(sidecar.proxy, CLIENTS);
    clients.iter_mut().for_each(assert_is_served);

    allow_more(&sidecar, 0);
    let mut waiting = connections(sidecar.proxy, 20);
    for wire in &mut waiting {
        wire.send(&request("GET", "/", "")).unwrap();
    }
    sidecar.logs(|line| line.contains(NOT_ACCEPTED));
    // Who has a connection goes on, by what connections to the upstream there are: another try
    // where one who was accepted last has just that.
    for wire in &mut clients {
        eventually("a free connection to the upstream", || {
            (status(wire) == 200).then_some(())
        });
    }
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for wire in &mut clients {
            let tell = tell.clone();
            scope.spawn(move || {
                wire.send(&request("GET", "/held", "")).unwrap();
                tell.send(wire.response("GET").unwrap()).unwrap();
            });
        }
        // The others hold every connection to the upstream.
        let refused = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(refused.status(), 503, "{}", refused.text());
        assert!(refused.head.value("Retry-After").is_some());
        assert_computes_little(&sidecar);
        let lines = sidecar.log().lines();
        let said = lines.iter().filter(|line| line.contains(NOT_ACCEPTED));
        assert!(said.count() <= 2);

        allow_more(&sidecar, 1000);
        for wire in &mut waiting {
            // Some may have been given the very last descriptors.
            assert!([200, 503].contains(&wire.response("GET").unwrap().status()));
            assert_is_served(wire);
        }
        api.let_go();
    });
    clients.iter_mut().for_each(assert_is_served);
    assert_eq!(get(sidecar.status, "/livez").status(), 200);
}
