//! What an edit of the script directory does to a running sidecar.

use std::process::Command;

use super::support::eventually::eventually;
use super::support::script_dir::{LinkedDir, ScriptDir};
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

const MARK_A: &str = "res.headers['X-Mark'] = 'a';\n";
const MARK_B: &str = "res.headers['X-Mark'] = 'b';\n";

fn mark(sidecar: &Sidecar) -> Option<String> {
    sidecar.get("/").head.value("X-Mark").map(str::to_owned)
}

#[test]
fn an_edit_goes_live() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("response/10-mark.js", MARK_A)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let old = sidecar.live_generation();
    assert_eq!(mark(&sidecar).as_deref(), Some("a"));

    scripts.write("response/10-mark.js", MARK_B);
    sidecar.generation_after(&old);

    assert_eq!(mark(&sidecar).as_deref(), Some("b"));
}

#[test]
fn a_broken_file_leaves_the_old_generation_in_use() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("response/10-mark.js", MARK_A)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let live = sidecar.live_generation();

    scripts.write("response/10-mark.js", "throw (");
    let failure = sidecar.next_load_failure().to_string();

    assert!(failure.starts_with("response/10-mark.js:1:"), "{failure}");
    assert_eq!(sidecar.live_generation(), live);
    assert_eq!(mark(&sidecar).as_deref(), Some("a"));
}

#[test]
fn a_mended_file_goes_live_and_the_failure_is_forgotten() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("response/10-mark.js", MARK_A)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let old = sidecar.live_generation();
    scripts.write("response/10-mark.js", "throw (");
    sidecar.next_load_failure();

    scripts.write("response/10-mark.js", MARK_B);
    sidecar.generation_after(&old);

    eventually("no rejected set", || {
        sidecar.generations()["rejected"].is_null().then_some(())
    });
    assert_eq!(mark(&sidecar).as_deref(), Some("b"));
}

/// The swap falls at any moment of a reload; whichever it is, the next one goes on.
#[test]
fn a_file_that_is_swapped_for_a_fifo_again_and_again_stops_no_reload() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("response/10-mark.js", MARK_A)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .env("INTERPOSE_SCRIPTS__SETTLE", "1ms")
        .start();
    let old = sidecar.live_generation();
    let fifo = scripts.path().join("response/.fifo");
    for _ in 0..100 {
        let made = Command::new("mkfifo").arg(&fifo).status();
        assert!(made.is_ok_and(|made| made.success()), "mkfifo is there");
        std::fs::rename(&fifo, scripts.path().join("response/10-mark.js")).unwrap();
        scripts.write("response/10-mark.js", MARK_A);
    }

    scripts.write("response/10-mark.js", MARK_B);
    sidecar.generation_after(&old);

    let watchdog = sidecar.generations()["watchdog"].take();
    assert_eq!(
        (&watchdog["status"], &watchdog["hung_threads"]),
        (&"ok".into(), &0.into())
    );
    assert_eq!(mark(&sidecar).as_deref(), Some("b"));
}

#[test]
fn a_removed_handler_runs_no_more() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[
        ("response/10-mark.js", MARK_A),
        ("response/20-other.js", "log.debug('still here');\n"),
    ]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let old = sidecar.live_generation();

    scripts.remove("response/10-mark.js");
    sidecar.generation_after(&old);

    assert_eq!(mark(&sidecar), None);
}

#[test]
fn a_symlink_that_points_elsewhere_is_one_change() {
    let upstream = Upstream::answering(|_| json("{}"));
    let mut scripts = LinkedDir::to(&[("10-mark.response.js", MARK_A)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let old = sidecar.live_generation();

    scripts.flip(&[("10-mark.response.js", MARK_B)]);
    sidecar.generation_after(&old);

    assert_eq!(mark(&sidecar).as_deref(), Some("b"));
}
