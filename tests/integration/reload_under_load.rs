//! Reloads while clients go on asking: nobody sees half a set, and no request fails.
//!
//! The handlers of a set say its name, those of the request phase and those of the response
//! phase alike; a response in which two names stand was made by a mixture.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::support::client::{connect, get, request};
use super::support::eventually::eventually;
use super::support::gate::Gate;
use super::support::load::Load;
use super::support::script_dir::{LinkedDir, ScriptDir};
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};
use super::support::wire::Message;

const CLIENTS: usize = 3;

/// What a finished change may take beyond the quiet time.
/// A development build compiles each set twice, and slowly.
const ALLOWANCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });

/// A handler for each phase; the response is `[name, name]`.
fn pair(name: &str) -> [(&'static str, String); 2] {
    [
        (
            "10-name.request.js",
            format!("req.setUserProperty('set', '{name}');\n"),
        ),
        (
            "10-name.response.js",
            format!("json = [req.userProperties.set, '{name}'];\n"),
        ),
    ]
}

/// A set of this name whose files are written one by one.
fn write_pair(scripts: &ScriptDir, name: &str) {
    for (path, text) in pair(name) {
        scripts.write(path, &text);
    }
}

/// The name that both phases gave; the test fails where they differ.
#[track_caller]
fn name_in(response: &Message) -> String {
    assert_eq!(response.status(), 200, "{}", response.text());
    let names = response.json();
    assert_eq!(names[0], names[1], "a mixture answered");
    names[0].as_str().expect("a name is text").to_owned()
}

fn settling_for(settle: Duration) -> String {
    format!("[scripts]\nsettle = \"{}ms\"\n", settle.as_millis())
}

/// Writes a file that doesn't belong to the set, over and over, until its value is dropped.
struct Scribbler {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scribbler {
    fn in_directory(directory: &Path) -> Self {
        let over = Arc::<AtomicBool>::default();
        let (until, file) = (Arc::clone(&over), directory.join("notes.txt"));
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                fs::write(&file, "not a handler").expect("the directory is there");
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Scribbler {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is dropped once");
        assert!(thread.join().is_ok() || thread::panicking());
    }
}

#[test]
fn a_symlink_that_is_flipped_again_and_again_never_shows_a_mixture() {
    fn flip(linked: &mut LinkedDir, number: usize) {
        let files = pair(&number.to_string());
        linked.flip(&files.each_ref().map(|(path, text)| (*path, text.as_str())));
    }
    let upstream = Upstream::answering(|_| json("{}"));
    let mut linked = LinkedDir::to(&[]);
    flip(&mut linked, 0);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(linked.path())
        .config(&settling_for(Duration::from_millis(100)))
        .start();

    let load = Load::of(CLIENTS, sidecar.proxy);
    for round in 1..=10 {
        // Those in between come too fast to be waited for, at any moment of a reload.
        for number in [round * 10, round * 10 + 1, round * 10 + 2] {
            flip(&mut linked, number);
            load.wait_for_more(4);
        }
        let last = (round * 10 + 2).to_string();
        eventually("the last set of a round", || {
            (name_in(&sidecar.get("/")) == last).then_some(())
        });
    }
    let responses = load.end();

    assert!(responses.len() > 300, "{}", responses.len());
    let mut names: Vec<_> = responses.iter().map(name_in).collect();
    names.dedup();
    assert!(names.len() > CLIENTS * 5, "few sets were seen: {names:?}");
}

/// Two hundred handlers that each add `letter` to what the last one tells.
fn write_two_hundred(directory: &Path, letter: char) {
    for number in 0..200 {
        let kind = ["request", "response"][number / 100];
        let mut text =
            format!("req.userProperties.names = (req.userProperties.names ?? '') + '{letter}';\n");
        if number == 199 {
            writeln!(text, "json = {{ names: req.userProperties.names }};").unwrap();
        }
        fs::write(directory.join(format!("{number:03}-name.{kind}.js")), text).unwrap();
    }
}

fn sorted_files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Copies as `cp` does, with pauses of up to `pause`. Gives the longest time that no file
/// was written, which depends on the machine too.
fn copy_slowly(from: &Path, to: &Path, pause: Duration) -> Duration {
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for (number, file) in sorted_files(from).iter().enumerate() {
        match number % 40 {
            0 => thread::sleep(pause),
            8 | 16 | 24 => thread::sleep(pause / 4),
            _ => {}
        }
        let name = file.file_name().expect("a file has a name");
        fs::copy(file, to.join(name)).unwrap();
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    longest
}

#[test]
fn a_slow_copy_of_two_hundred_files_goes_live_whole_and_in_time() {
    let settle = Duration::from_millis(500);
    let upstream = Upstream::answering(|_| json("{}"));
    let (scripts, next) = (ScriptDir::with(&[]), ScriptDir::with(&[]));
    write_two_hundred(scripts.path(), 'a');
    write_two_hundred(next.path(), 'b');
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        // The limit is not what this is about, and the machine may be busy.
        .config(&format!(
            "{}[limits]\nhandler_time = \"2s\"\n",
            settling_for(settle)
        ))
        .start();
    let old = sidecar.live_generation();

    let load = Load::of(CLIENTS, sidecar.proxy);
    let scribbler = Scribbler::in_directory(scripts.path());
    load.wait_for_more(20);
    let longest = copy_slowly(next.path(), scripts.path(), settle / 2);
    let copied = Instant::now();
    sidecar.generation_after(&old);
    let took = copied.elapsed();
    load.wait_for_more(20);
    drop(scribbler);
    let responses = load.end();

    assert!(
        longest < settle,
        "the machine held the copy up for {longest:?}: it can't be told from a finished one"
    );
    assert!(took < settle + ALLOWANCE, "live only after {took:?}");
    let whole = ["a", "b"].map(|letter| letter.repeat(200));
    for response in &responses {
        assert_eq!(response.status(), 200, "{}", response.text());
        let names = response.json()["names"].take();
        assert!(whole.iter().any(|set| names == set.as_str()), "{names}");
    }
    assert!(responses.len() >= 40);
    let last = responses.last().expect("there are some").json();
    assert_eq!(last["names"], whole[1].as_str());
}

#[test]
fn a_broken_handler_harms_no_request_and_is_told_until_it_is_mended() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[]);
    write_pair(&scripts, "good");
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let good = sidecar.live_generation();

    let load = Load::of(CLIENTS, sidecar.proxy);
    load.wait_for_more(50);
    scripts.write("10-name.response.js", "// Broken.\nvar total = = 1;\n");
    sidecar.next_load_failure();
    load.wait_for_more(50);

    let shown = sidecar.generations();
    assert_eq!(shown["live"]["id"], good.as_str());
    let error = &shown["rejected"]["errors"][0];
    assert_eq!(error["file"], "10-name.response.js");
    assert_eq!((&error["line"], &error["column"]), (&2.into(), &13.into()));
    sidecar.logs(|line| {
        line.contains("10-name.response.js:2:13: ") && line.contains("var total = = 1;")
    });
    assert_eq!(get(sidecar.status, "/readyz").status(), 200);

    write_pair(&scripts, "mended");
    sidecar.generation_after(&good);
    load.wait_for_more(50);
    assert!(sidecar.generations()["rejected"].is_null());
    let responses = load.end();

    let mut names: Vec<_> = responses.iter().map(name_in).collect();
    names.dedup();
    // By client: first this set, then that one.
    assert_eq!(names, ["good", "mended"].repeat(CLIENTS));
}

#[test]
fn a_transaction_ends_on_the_set_it_began_on() {
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |request| {
        if request.target() == "/held" {
            its_gate.pass();
        }
        json("{}")
    });
    let scripts = ScriptDir::with(&[]);
    write_pair(&scripts, "old");
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let old = sidecar.live_generation();

    let mut held = connect(sidecar.proxy);
    held.send(&request("GET", "/held", "")).unwrap();
    eventually("the held request", || upstream.requests().pop());
    write_pair(&scripts, "new");
    sidecar.generation_after(&old);
    let other = name_in(&sidecar.get("/"));
    gate.open();

    assert_eq!(other, "new");
    assert_eq!(name_in(&held.response("GET").unwrap()), "old");
    held.send(&request("GET", "/", "")).unwrap();
    assert_eq!(name_in(&held.response("GET").unwrap()), "new");
}
