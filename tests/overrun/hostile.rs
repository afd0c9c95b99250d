//! Runs every script under `tests/hostile` as a handler of the real binary: each is answered
//! within its limit and a little, with what its `expect` line says, and the next request is well.
//! The limit is of computing time, so on a busy machine what the process computed is what counts.
//!
//! `HOSTILE=native cargo test every_hostile_script` runs those whose name holds `native`.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::beside::ALONE;
use super::support::client::request;
use super::support::eventually::within;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};
use super::support::wire::Wire;

/// A handler's limit, the default, and what its answer may take beyond it, in milliseconds.
const BOUND: u64 = 50 + 100;

/// The bound, or `HOSTILE_BOUND` in its place: under a sanitizer everything is slower, and it is
/// not the time that matters.
fn bound() -> Duration {
    let milliseconds = std::env::var("HOSTILE_BOUND")
        .map_or(BOUND, |text| text.parse().expect("it is in milliseconds"));
    Duration::from_millis(milliseconds)
}

/// What the kernel counts a process's time in, in milliseconds.
const TICK: u64 = 10;

/// How often a script may try to stay within its bound on a machine that does other things too.
const TRIES: usize = 5;

/// How long the client waits for an answer that doesn't come in time.
const IMPATIENCE: Duration = Duration::from_secs(3);

/// A well-behaved handler that tells whether another one left its mark.
const WELL: &str = "// @match /well\nreturn { mark: 'mark' in {} || {}.toString() === 'mark' };\n";

#[test]
fn every_hostile_script_harms_nobody_but_its_own_request() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let scripts = scripts();
    assert!(!scripts.is_empty(), "no script has such a name");

    let mut arena = Arena::new(&scripts);
    let failures: Vec<String> = scripts
        .iter()
        .filter_map(|script| {
            let failure = arena.endure(script).err();
            // What it did to this sidecar is not to be held against the next one.
            if failure.is_some() || arena.has_stuck_threads() {
                arena = Arena::new(&scripts);
            }
            failure.map(|failure| format!("{}: {failure}", script.name))
        })
        .collect();

    assert!(
        failures.is_empty(),
        "{} of {} scripts did harm\n{}",
        failures.len(),
        scripts.len(),
        failures.join("\n")
    );
}

/// A file under `tests/hostile`.
struct Script {
    /// Its file's name without kind and ending; its path is `/NAME`.
    name: String,
    file: String,
    text: String,
    /// What may come of it: a status, and the cause the log names where it failed.
    expected: Vec<(u16, String)>,
}

impl Script {
    fn read(path: &Path) -> Self {
        let file = path.file_name().and_then(|name| name.to_str());
        let file = file.expect("scripts have plain names").to_owned();
        let name = file.split('.').next().unwrap_or_default().to_owned();
        let text = fs::read_to_string(path).expect("a script is text");
        assert!(
            text.starts_with(&format!("// @match /{name}\n")),
            "{file} begins with its @match"
        );
        let expected = text
            .lines()
            .find_map(|line| line.strip_prefix("// expect "))
            .unwrap_or_else(|| panic!("{file} has an `expect` line"));
        let expected = expected
            .split(" | ")
            .map(|way| way.split_once(' ').unwrap_or((way, "")))
            .map(|(status, cause)| (status.parse().expect("a status"), cause.to_owned()))
            .collect();
        Self {
            name,
            file,
            text,
            expected,
        }
    }
}

impl Script {
    /// Whether an answer of this status is one that the log has a cause for.
    fn fails_with(&self, status: u16) -> bool {
        let mut ways = self.expected.iter();
        ways.any(|(expected, cause)| *expected == status && !cause.is_empty())
    }
}

fn scripts() -> Vec<Script> {
    let wanted = std::env::var("HOSTILE").unwrap_or_default();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the directory of the scripts is there")
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "js"))
        .collect();
    files.sort();
    let scripts = files.iter().map(PathBuf::as_path).map(Script::read);
    scripts
        .filter(|script| script.name.contains(&wanted))
        .collect()
}

/// A sidecar that has all the scripts.
struct Arena {
    sidecar: Sidecar,
    _scripts: ScriptDir,
    _upstream: Upstream,
}

impl Arena {
    fn new(scripts: &[Script]) -> Self {
        let mut files: Vec<(&str, &str)> = scripts
            .iter()
            .map(|script| (script.file.as_str(), script.text.as_str()))
            .collect();
        files.push(("zz-well.request.js", WELL));
        let upstream = Upstream::answering(|_| json("{}"));
        let scripts = ScriptDir::with(&files);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .args(&["--workers", "2"])
            .start();
        Self {
            sidecar,
            _scripts: scripts,
            _upstream: upstream,
        }
    }

    /// Asks for a script until its answer was in time, and for a well-behaved one each time.
    fn endure(&self, script: &Script) -> Result<(), String> {
        let mut took = Vec::new();
        for _ in 0..TRIES {
            let before = self.causes(&script.name).len();
            let computed_before = self.computed();
            let (time, status) = self.ask(&format!("/{}", script.name))?;
            let computed = self.computed().saturating_sub(computed_before);
            // The log may be read later than the answer.
            let patience = if script.fails_with(status) {
                IMPATIENCE
            } else {
                Duration::ZERO
            };
            let cause = within(patience, || {
                self.causes(&script.name).into_iter().nth(before)
            });
            let cause = cause.unwrap_or_default();
            if !script.expected.contains(&(status, cause.clone())) {
                return Err(format!("status {status} and cause {cause:?}"));
            }
            let (_, well) = self.ask("/well")?;
            if well != 200 {
                return Err(format!("then /well is answered with {well}"));
            }
            if time.min(computed) <= bound() {
                return Ok(());
            }
            took.push((time, computed));
        }
        Err(format!("took and computed {took:?}"))
    }

    /// What the process has computed, user and system, by `proc_pid_stat(5)`.
    fn computed(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.sidecar.process_id());
        let stat = fs::read_to_string(path).expect("the process lives");
        // Its name may be anything; the state, the third, follows it.
        let (_, rest) = stat.rsplit_once(')').expect("it has a name");
        let ticks: u64 = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum();
        Duration::from_millis(ticks * TICK)
    }

    /// Whether a script's thread can't be stopped and may be at it still.
    fn has_stuck_threads(&self) -> bool {
        let log = self.sidecar.log();
        log.has(|line| line.contains("can't be stopped"))
    }

    fn ask(&self, target: &str) -> Result<(Duration, u16), String> {
        let stream = TcpStream::connect(self.sidecar.proxy).unwrap();
        let mut wire = Wire::new(stream.try_clone().unwrap()).unwrap();
        // Of the one socket that both are.
        stream.set_read_timeout(Some(IMPATIENCE)).unwrap();
        let began = Instant::now();
        let response = wire
            .send(&request("GET", target, ""))
            .and_then(|()| wire.response("GET"))
            .map_err(|error| format!("{target}: no answer: {error}"))?;
        let took = began.elapsed();
        let is_well = target != "/well" || response.json()["mark"] == Value::Bool(false);
        let is_bare = response.status() < 500 || !response.text().contains(".js");
        if is_well && is_bare {
            Ok((took, response.status()))
        } else {
            Err(format!("{target} is answered with {}", response.text()))
        }
    }

    /// The causes of this handler's failures, as the log names them.
    fn causes(&self, handler: &str) -> Vec<String> {
        let lines = self.sidecar.log().lines();
        let failures = lines.iter().filter_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let is_its = line["message"] == "handler failed" && line["handler"] == handler;
            is_its.then(|| line["cause"].as_str().unwrap_or_default().to_owned())
        });
        failures.collect()
    }
}

#[test]
fn every_hostile_script_is_named_once() {
    let scripts = scripts();

    let names: BTreeSet<&str> = scripts.iter().map(|script| script.name.as_str()).collect();

    assert_eq!(names.len(), scripts.len());
}
