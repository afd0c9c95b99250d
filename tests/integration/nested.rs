//! Files that nest too deeply for any parser: refused with their place, by `check`, at a start and at
//! a reload, and the process lives.

use super::support::process::run_to_end;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

const GOOD: (&str, &str) = ("10-mark.response.js", "res.headers['X-Mark'] = 'a';\n");

/// What is repeated, in a handler, a module, or a text of data.
const SCRIPTS: [&str; 14] = [
    "[",
    "{a:",
    "(",
    "{",
    "function(){",
    "f(",
    "`${",
    "a ? b : ",
    "if (a) b; else ",
    "x => ",
    "!",
    "a = ",
    "1 + ",
    "new ",
];
const DATA: [&str; 3] = ["[", "{\"a\":", "[{\"a\":"];

/// Nearly as many bytes as a file of a set may have.
const LARGEST: usize = 1_000_000;

/// Each file that nests, by its path.
fn nested() -> Vec<(&'static str, String)> {
    let mut files = Vec::new();
    for (path, before, repeated) in [
        ("20-x.request.js", "\nx = ", &SCRIPTS[..]),
        ("20-x.error.js", "\nx = ", &SCRIPTS[..]),
        ("lib/x.js", "\nx = ", &SCRIPTS[..]),
        ("lib/x.json", "\n", &DATA[..]),
        ("10-mark.json", "\n", &DATA[..]),
    ] {
        for (at, again) in repeated.iter().enumerate() {
            // Some are short, some as large as a file may be.
            let times = [3_000, LARGEST / again.len()][at % 2];
            files.push((path, format!("{before}{}", again.repeat(times))));
        }
    }
    files
}

#[track_caller]
fn assert_names_the_place(said: &str, path: &str) {
    assert!(said.contains(&format!("{path}:2:")), "{said}");
    assert!(said.contains("nests deeper than 128 levels"), "{said}");
}

#[test]
fn check_refuses_what_nests_too_deeply_with_its_place() {
    for (path, text) in nested() {
        let scripts = ScriptDir::with(&[GOOD, (path, &text)]);

        let ended = run_to_end(&["check", "--scripts", scripts.path().to_str().expect("text")]);

        assert_eq!(ended.code, Some(1), "{path}: {}", ended.stderr);
        assert_names_the_place(&format!("{}{}", ended.stdout, ended.stderr), path);
    }
}

#[test]
fn a_reload_refuses_what_nests_too_deeply_and_what_was_live_goes_on() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[GOOD]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[scripts]\nsettle = \"10ms\"\n")
        .start();
    let live = sidecar.live_generation();

    for (path, text) in nested() {
        scripts.write(path, &text);
        let failure = sidecar.next_load_failure().to_string();
        scripts.remove(path);

        assert_names_the_place(&failure, path);
        assert_eq!(sidecar.live_generation(), live);
        assert_eq!(sidecar.get("/").head.value("X-Mark"), Some("a"));
    }
}

#[test]
fn a_start_with_what_nests_too_deeply_is_not_ready_and_lives() {
    let upstream = Upstream::answering(|_| json("{}"));
    let text = format!("\nx = {}", "[".repeat(200_000));
    let scripts = ScriptDir::with(&[("20-x.request.js", &text)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .unready()
        .start();

    let failure = sidecar.next_load_failure().to_string();

    assert_names_the_place(&failure, "20-x.request.js");
    assert_eq!(sidecar.get("/").status(), 503);
}
