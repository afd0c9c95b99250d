//! What makes the sidecar read its script directory again, and what does not.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::support::client::{get, send_json};
use super::support::eventually::{eventually, within};
use super::support::script_dir::{ConfigMap, ScriptDir};
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};
use super::support::wire::Message;

const MARK_A: &str = "res.headers['X-Mark'] = 'a';\n";
const MARK_B: &str = "res.headers['X-Mark'] = 'b';\n";

/// A quiet time that no test waits for.
const LONG_SETTLE: &str = "[scripts]\nsettle = \"1h\"\n";

/// So that what isn't to happen has many opportunities in a short time.
const EAGER: &str = "settle = \"20ms\"\nrescan = \"20ms\"\n";

/// How long something must not happen.
const A_WHILE: Duration = Duration::from_millis(500);

fn api() -> Upstream {
    Upstream::answering(|_| json("{}"))
}

fn mark(sidecar: &Sidecar) -> Option<String> {
    let response = sidecar.get("/");
    assert_eq!(response.status(), 200);
    response.head.value("X-Mark").map(str::to_owned)
}

fn reload(sidecar: &Sidecar) -> Message {
    send_json(sidecar.admin, "POST", "/reload", "")
}

/// A set went live so many times: the log, which is written behind, tells of no more.
#[track_caller]
fn assert_published(sidecar: &Sidecar, times: usize) {
    eventually("the publications in the log", || {
        (publications(sidecar) >= times).then_some(())
    });
    assert_eq!(publications(sidecar), times);
}

/// How often a set went live.
fn publications(sidecar: &Sidecar) -> usize {
    let lines = sidecar.log().lines();
    lines
        .iter()
        .filter(|line| line.contains("generation is live"))
        .count()
}

/// Waits until the last rejected set is forgotten.
#[track_caller]
fn until_nothing_is_rejected(sidecar: &Sidecar) {
    eventually("no rejected set", || {
        sidecar.generations()["rejected"].is_null().then_some(())
    });
}

mod without_waiting_for_quiet {
    use super::*;

    /// A sidecar that would load this set in an hour.
    fn patient(scripts: &ScriptDir, upstream: &Upstream) -> Sidecar {
        Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config(LONG_SETTLE)
            .unready()
            .start()
    }

    #[test]
    fn a_reload_that_is_asked_for_answers_with_the_new_generation_when_it_is_live() {
        let upstream = api();
        let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A)]);
        let sidecar = patient(&scripts, &upstream);

        let first = reload(&sidecar);
        let first_mark = mark(&sidecar);
        scripts.write("10-mark.response.js", MARK_B);
        let second = reload(&sidecar);

        assert_eq!((first.status(), second.status()), (200, 200));
        assert_eq!(first_mark.as_deref(), Some("a"));
        assert_eq!(mark(&sidecar).as_deref(), Some("b"));
        let live = sidecar.live_generation();
        assert_eq!(second.json(), json!({"success": true, "generation": live}));
        assert_ne!(first.json()["generation"], second.json()["generation"]);
        assert_eq!(live.len(), 12);
    }

    #[test]
    fn a_reload_of_a_broken_set_answers_422_with_every_error_and_changes_nothing() {
        let upstream = api();
        let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A)]);
        let sidecar = patient(&scripts, &upstream);
        assert_eq!(reload(&sidecar).status(), 200);
        let live = sidecar.live_generation();

        scripts.write("10-mark.response.js", "\n\nthrow (\n");
        scripts.write("20-other.request.js", "let json = 1;\n");
        let refused = reload(&sidecar);

        assert_eq!(refused.status(), 422);
        let told = refused.json();
        assert_eq!(told["success"], false);
        let errors = told["errors"].as_array().unwrap();
        let places: Vec<_> = errors
            .iter()
            .map(|error| json!([error["file"], error["line"], error["column"]]))
            .collect();
        assert_eq!(
            places,
            [
                json!(["10-mark.response.js", 3, 8]),
                json!(["20-other.request.js", 1, 5]),
            ]
        );
        assert!(errors.iter().all(|error| error["message"].is_string()));
        assert_eq!(sidecar.generations()["rejected"]["errors"], told["errors"]);
        assert_eq!(sidecar.live_generation(), live);
        assert_eq!(mark(&sidecar).as_deref(), Some("a"));
    }

    #[test]
    fn sighup_reads_the_directory_at_once() {
        let upstream = api();
        let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A)]);
        let sidecar = patient(&scripts, &upstream);

        sidecar.signal(Signal::HUP);
        let old = eventually("a first generation", || {
            let live = sidecar.generations()["live"]["id"].take();
            live.as_str().map(str::to_owned)
        });
        scripts.write("10-mark.response.js", MARK_B);
        sidecar.signal(Signal::HUP);
        sidecar.generation_after(&old);

        assert_eq!(mark(&sidecar).as_deref(), Some("b"));
    }

    /// The lines of the log that have any of these in them.
    fn lines(sidecar: &Sidecar, wanted: &[&str]) -> Vec<String> {
        let mut lines = sidecar.log().lines();
        lines.retain(|line| wanted.iter().any(|it| line.contains(it)));
        lines
    }

    #[test]
    fn every_sighup_has_one_line_whatever_comes_of_it() {
        for args in [&[][..], &["--no-supervisor"]] {
            let upstream = api();
            let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A)]);
            let sidecar = Sidecar::before(upstream.url())
                .scripts(scripts.path())
                .config(LONG_SETTLE)
                .args(args)
                .unready()
                .start();
            let outcomes = [
                "generation is live",
                "nothing has changed",
                "script set refused",
                "script set is still refused",
            ];
            let broken = "throw (";
            for (number, (text, outcome)) in [
                (MARK_A, outcomes[0]),
                (MARK_A, outcomes[1]),
                (MARK_A, outcomes[1]),
                (broken, outcomes[2]),
                (broken, outcomes[3]),
                (MARK_A, outcomes[1]),
                (MARK_B, outcomes[0]),
            ]
            .into_iter()
            .enumerate()
            {
                scripts.write("10-mark.response.js", text);
                sidecar.signal(Signal::HUP);
                let lines = eventually("a line", || {
                    let lines = lines(&sidecar, &outcomes);
                    (lines.len() > number).then_some(lines)
                });
                assert_eq!(lines.len(), number + 1, "{lines:#?}");
                assert!(lines[number].contains(outcome), "{number}: {lines:#?}");
            }
        }
    }

    #[test]
    fn signals_without_a_meaning_are_named_once() {
        for args in [&[][..], &["--no-supervisor"]] {
            let upstream = api();
            let sidecar = Sidecar::before(upstream.url()).args(args).start();
            for (signal, name) in [(Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")] {
                sidecar.signal(signal);
                sidecar.logs(|line| line.contains(name));
                assert_eq!(lines(&sidecar, &[name]).len(), 1);
            }
            sidecar.signal(Signal::INT);
            sidecar.logs(|line| line.contains("ending at once"));
        }
    }

    #[test]
    fn a_new_generation_has_one_line() {
        let upstream = api();
        let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A)]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .start();
        let old = sidecar.live_generation();
        scripts.write("10-mark.response.js", MARK_B);
        let new = sidecar.generation_after(&old);

        // What a later line says has been written behind it.
        assert_eq!(reload(&sidecar).status(), 200);
        sidecar.logs(|line| line.contains("nothing has changed"));

        for id in [old, new] {
            let mut about = lines(&sidecar, &[&*id]);
            about.retain(|line| !line.contains("nothing has changed"));
            assert_eq!(about.len(), 1, "{about:#?}");
        }
    }

    #[test]
    fn until_it_is_quiet_the_old_set_stays_and_the_change_is_shown_as_settling() {
        let upstream = api();
        let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A)]);
        let sidecar = patient(&scripts, &upstream);
        assert_eq!(reload(&sidecar).status(), 200);

        scripts.write("10-mark.response.js", MARK_B);

        eventually("settling", || {
            (sidecar.generations()["settling"] == true).then_some(())
        });
        assert_eq!(mark(&sidecar).as_deref(), Some("a"));
        assert_published(&sidecar, 1);
    }
}

#[test]
fn an_update_of_a_config_map_is_one_change() {
    let upstream = api();
    let mut map = ConfigMap::of(&[
        ("10-mark.response.js", MARK_A),
        ("20-name.lib.js", "module.exports = 'a';\n"),
        (
            "30-name.response.js",
            "res.headers['X-Name'] = require('20-name');\n",
        ),
    ]);
    let sidecar = Sidecar::before(upstream.url()).scripts(map.path()).start();
    let old = sidecar.live_generation();
    assert_eq!(sidecar.get("/").head.value("X-Name"), Some("a"));

    map.update(&[
        ("10-mark.response.js", MARK_B),
        ("20-name.lib.js", "module.exports = 'b';\n"),
        (
            "30-name.response.js",
            "res.headers['X-Name'] = require('20-name');\n",
        ),
    ]);
    sidecar.generation_after(&old);

    let response = sidecar.get("/");
    assert_eq!(response.head.value("X-Mark"), Some("b"));
    assert_eq!(response.head.value("X-Name"), Some("b"));
    assert_published(&sidecar, 2);
}

mod while_the_directory_is_gone {
    use super::*;

    /// A sidecar on the directory `scripts` within `root`.
    fn on_a_directory_in(root: &ScriptDir, upstream: &Upstream) -> Sidecar {
        Sidecar::before(upstream.url())
            .scripts(root.path().join("scripts"))
            .start()
    }

    #[test]
    fn the_last_good_set_stays_and_a_directory_that_comes_back_unchanged_is_no_change() {
        let upstream = api();
        let root = ScriptDir::with(&[("scripts/10-mark.response.js", MARK_A)]);
        let sidecar = on_a_directory_in(&root, &upstream);
        let live = sidecar.live_generation();

        fs::rename(root.path().join("scripts"), root.path().join("away")).unwrap();
        let failure = sidecar.next_load_failure().to_string();
        let meanwhile = mark(&sidecar);
        fs::rename(root.path().join("away"), root.path().join("scripts")).unwrap();
        until_nothing_is_rejected(&sidecar);

        assert!(failure.contains("scripts"), "{failure}");
        assert_eq!(meanwhile.as_deref(), Some("a"));
        assert_eq!(sidecar.live_generation(), live);
        assert_published(&sidecar, 1);
    }

    #[test]
    fn what_was_edited_elsewhere_goes_live_when_the_directory_comes_back() {
        let upstream = api();
        let root = ScriptDir::with(&[("scripts/10-mark.response.js", MARK_A)]);
        let sidecar = on_a_directory_in(&root, &upstream);
        let old = sidecar.live_generation();

        fs::rename(root.path().join("scripts"), root.path().join("away")).unwrap();
        root.write("away/10-mark.response.js", MARK_B);
        fs::rename(root.path().join("away"), root.path().join("scripts")).unwrap();
        sidecar.generation_after(&old);

        assert_eq!(mark(&sidecar).as_deref(), Some("b"));
    }

    #[test]
    fn a_deleted_directory_leaves_the_last_good_set_and_everybody_can_see_why() {
        let upstream = api();
        let root = ScriptDir::with(&[("scripts/10-mark.response.js", MARK_A)]);
        let sidecar = on_a_directory_in(&root, &upstream);
        let live = sidecar.live_generation();

        fs::remove_dir_all(root.path().join("scripts")).unwrap();
        let failure = sidecar.next_load_failure().to_string();

        sidecar.logs(|line| line.contains("script set refused") && line.contains(&failure));
        assert_eq!(sidecar.live_generation(), live);
        assert_eq!(get(sidecar.status, "/readyz").status(), 200);
        assert_eq!(mark(&sidecar).as_deref(), Some("a"));

        root.write("scripts/10-mark.response.js", MARK_B);
        sidecar.generation_after(&live);
        assert_eq!(mark(&sidecar).as_deref(), Some("b"));
    }
}

#[test]
fn with_a_commit_file_only_its_change_is_a_reason_to_load() {
    let upstream = api();
    let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A), ("REVISION", "1")]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(&format!("[scripts]\ncommit = \"REVISION\"\n{EAGER}"))
        .start();
    let old = sidecar.live_generation();

    scripts.write("10-mark.response.js", MARK_B);
    let too_early = within(A_WHILE, || (sidecar.live_generation() != old).then_some(()));
    scripts.write("REVISION", "2");
    sidecar.generation_after(&old);

    assert_eq!(too_early, None);
    assert_eq!(mark(&sidecar).as_deref(), Some("b"));
}

#[test]
fn a_file_that_is_written_again_with_the_same_text_makes_no_new_generation() {
    let upstream = api();
    let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let before = sidecar.generations()["live"].take();

    scripts.write("10-mark.response.js", MARK_A);
    let answer = reload(&sidecar);
    scripts.write("20-last.response.js", "");
    sidecar.generation_after(before["id"].as_str().unwrap());

    assert_eq!(answer.json()["generation"], before["id"]);
    assert_published(&sidecar, 2);
}

#[test]
fn files_that_belong_to_no_set_are_no_reason_to_load() {
    let upstream = api();
    let scripts = ScriptDir::with(&[("10-mark.response.js", MARK_A)]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config(&format!("[scripts]\n{EAGER}"))
        .start();
    eventually("quiet", || {
        (sidecar.generations()["settling"] == false).then_some(())
    });

    let settled = within(A_WHILE, || {
        for name in [
            "notes.txt",
            ".10-mark.response.js.swp",
            "4913",
            "10-mark.response.js~",
        ] {
            fs::write(scripts.path().join(name), "x").unwrap();
        }
        scripts.write("tests/10-mark.response.js", MARK_B);
        (sidecar.generations()["settling"] == true).then_some(())
    });

    assert_eq!(settled, None);
    assert_published(&sidecar, 1);
}

mod without_handlers {
    use super::*;

    #[test]
    fn an_empty_directory_is_a_set_where_that_is_allowed() {
        let upstream = api();
        let scripts = ScriptDir::with(&[]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config("[scripts]\nallow_empty = true\n")
            .start();
        let empty = sidecar.live_generation();
        assert_eq!(mark(&sidecar), None);

        scripts.write("10-mark.response.js", MARK_A);
        let live = sidecar.generation_after(&empty);
        assert_eq!(mark(&sidecar).as_deref(), Some("a"));

        // Allowed at the start; later it is more likely a mistake than a wish.
        scripts.remove("10-mark.response.js");
        let failure = sidecar.next_load_failure().to_string();
        assert!(failure.contains("no handlers"), "{failure}");
        assert_eq!(sidecar.live_generation(), live);
        assert_eq!(mark(&sidecar).as_deref(), Some("a"));
    }

    #[test]
    fn an_empty_directory_is_waited_on_where_that_is_not_allowed() {
        let upstream = api();
        let scripts = ScriptDir::with(&[]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .unready()
            .start();
        sidecar.next_load_failure();

        assert_eq!(sidecar.get("/").status(), 503);
        let reason = get(sidecar.status, "/readyz");
        assert_eq!(reason.status(), 503);
        assert!(reason.text().contains("no handlers"), "{}", reason.text());
        assert!(upstream.requests().is_empty());

        scripts.write("10-mark.response.js", MARK_A);
        eventually("ready", || {
            (get(sidecar.status, "/readyz").status() == 200).then_some(())
        });
        assert_eq!(mark(&sidecar).as_deref(), Some("a"));
    }

    #[test]
    fn a_start_on_a_broken_set_heals_once_it_is_mended() {
        let upstream = api();
        let scripts = ScriptDir::with(&[("10-mark.response.js", "throw (")]);
        let sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .unready()
            .start();
        sidecar.next_load_failure();

        for _ in 0..3 {
            let refused = sidecar.send_json("POST", "/orders", r#"{"total": 1.10}"#);
            assert_eq!(refused.status(), 503);
            assert!(refused.head.value("Retry-After").is_some());
        }
        let reason = get(sidecar.status, "/readyz");
        assert_eq!(reason.status(), 503);
        assert!(
            reason.text().contains("10-mark.response.js:1:8: "),
            "{}",
            reason.text()
        );
        assert_eq!(get(sidecar.status, "/startupz").status(), 503);
        assert!(upstream.requests().is_empty());

        scripts.write("10-mark.response.js", MARK_A);
        eventually("ready", || {
            (get(sidecar.status, "/readyz").status() == 200).then_some(())
        });
        assert_eq!(get(sidecar.status, "/startupz").status(), 200);
        assert_eq!(mark(&sidecar).as_deref(), Some("a"));
        until_nothing_is_rejected(&sidecar);
    }

    #[test]
    fn where_handlers_are_required_a_broken_set_ends_the_start_with_1_and_its_place() {
        let scripts = ScriptDir::with(&[("10-mark.response.js", "throw (")]);

        let ended = Sidecar::before("http://127.0.0.1:9")
            .scripts(scripts.path())
            .args(&["--require-handlers"])
            .run();

        assert_eq!(ended.code, Some(1), "{}", ended.said);
        assert!(
            ended.stderr.contains("10-mark.response.js:1:8: "),
            "{}",
            ended.stderr
        );
        assert!(!ended.said.contains("listening"), "{}", ended.said);
    }
}
