//! File events that don't come: none can be had, or so many happen that some are lost. An edit
//! goes live all the same.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use super::support::eventually::eventually;
use super::support::namespace::{own_namespaces, write_within};
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

const FILE: &str = "10-mark.response.js";

fn mark(text: &str) -> String {
    format!("res.headers['X-Mark'] = '{text}';\n")
}

/// Edits the handler and waits until its answers say so.
#[track_caller]
fn assert_edit_goes_live(sidecar: &Sidecar, scripts: &ScriptDir, text: &str) {
    scripts.write(FILE, &mark(text));
    eventually("the edit", || {
        (sidecar.get("/").head.value("X-Mark") == Some(text)).then_some(())
    });
}

fn is_watching(sidecar: &Sidecar) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", sidecar.process_id())).unwrap();
    descriptors
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .any(|target| target == Path::new("anon_inode:inotify"))
}

#[test]
fn without_watches_the_rescan_finds_edits_until_there_are_some_again() {
    let upstream = Upstream::answering(|_| json("{}"));
    for limit in ["max_inotify_instances", "max_inotify_watches"] {
        let limit = Path::new("/proc/sys/user").join(limit);
        let Some(words) = own_namespaces(&format!("echo 0 > {}", limit.display())) else {
            return;
        };
        let scripts = ScriptDir::with(&[(FILE, &mark("a"))]);
        let sidecar = Sidecar::before(upstream.url())
            .within(&words.iter().map(String::as_str).collect::<Vec<_>>())
            .scripts(scripts.path())
            .config("[scripts]\nsettle = \"20ms\"\nrescan = \"100ms\"\n")
            .start();

        assert!(!is_watching(&sidecar), "{}", limit.display());
        assert_edit_goes_live(&sidecar, &scripts, "b");
        sidecar.logs(|line| line.contains("cannot be watched, only rescanned"));

        write_within(sidecar.process_id(), &limit, "100");
        eventually("watches", || is_watching(&sidecar).then_some(()));
        sidecar.logs(|line| line.contains("script directory is watched again"));
        assert_edit_goes_live(&sidecar, &scripts, "c");
    }
}

#[test]
fn an_edit_whose_event_is_lost_in_a_flood_goes_live_without_a_rescan() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[(FILE, &mark("a"))]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[scripts]\nsettle = \"20ms\"\nrescan = \"1h\"\n")
        .start();
    let longest_queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let longest_queue: usize = longest_queue.trim().parse().unwrap();

    // Nobody takes events out of the queue meanwhile. A file that is ignored, so that no event of
    // it is a reason to look, is made and removed.
    sidecar.signal(Signal::STOP);
    let flood = scripts.path().join(".flood");
    for _ in 0..=longest_queue / 2 {
        fs::write(&flood, "").unwrap();
        fs::remove_file(&flood).unwrap();
    }
    scripts.write(FILE, &mark("b"));
    sidecar.signal(Signal::CONT);

    eventually("the edit", || {
        (sidecar.get("/").head.value("X-Mark") == Some("b")).then_some(())
    });
    assert_edit_goes_live(&sidecar, &scripts, "c");
}
