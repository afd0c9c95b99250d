//! What the process says when it starts, and how it ends.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::support::client::{connect, get, request};
use super::support::eventually::eventually;
use super::support::gate::Gate;
use super::support::process::run_to_end;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};
use super::support::wire::Wire;

/// What an end that waits for nothing may take.
const SOON: Duration = Duration::from_secs(3);

fn api() -> Upstream {
    Upstream::answering(|_| json("{}"))
}

mod at_the_start {
    use super::*;

    #[test]
    fn a_usage_error_exits_with_64_in_every_verb() {
        for words in [
            &[][..],
            &["fly"],
            &["run", "--lisen", "127.0.0.1:0"],
            &["run", "--listen"],
            &["run", "extra"],
            &["check", "--format", "xml"],
            &["check", "--fromat", "json"],
            &["demo", "extra"],
            &["version", "extra"],
        ] {
            let ended = run_to_end(words);

            assert_eq!(ended.code, Some(64), "{words:?}: {}", ended.said);
            assert!(
                !ended.stderr.is_empty() && ended.stdout.is_empty(),
                "{words:?}"
            );
        }
    }

    #[test]
    fn a_problem_in_the_configuration_exits_with_64_in_every_verb_that_reads_one() {
        let directory = ScriptDir::with(&[(
            "interpose.toml",
            "[scripts]\ndirectroy = \"s\"\nsettle = \"fast\"\n",
        )]);
        let file = directory.path().join("interpose.toml");
        let file = file.to_str().unwrap();
        let missing = directory.path().join("none.toml");
        let missing = missing.to_str().unwrap();

        for verb in ["run", "check"] {
            let ended = run_to_end(&[verb, "--config", file]);
            assert_eq!(ended.code, Some(64), "{verb}: {}", ended.said);
            // All problems at once, each with its key and what to do.
            assert!(ended.stderr.contains("directroy"), "{}", ended.stderr);
            assert!(ended.stderr.contains("\"directory\""), "{}", ended.stderr);
            assert!(ended.stderr.contains("scripts.settle"), "{}", ended.stderr);

            let ended = run_to_end(&[verb, "--config", missing]);
            assert_eq!(ended.code, Some(64), "{verb}: {}", ended.said);
            assert!(ended.stderr.contains("none.toml"), "{}", ended.stderr);
        }
    }

    #[test]
    fn an_address_that_is_taken_is_no_usage_error() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let scripts = ScriptDir::with(&[("10-a.request.js", "")]);

        let ended = run_to_end(&[
            "run",
            "--listen",
            &address,
            "--upstream",
            "http://127.0.0.1:9",
            "--scripts",
            scripts.path().to_str().unwrap(),
            "--status",
            "off",
            "--admin",
            "off",
        ]);

        assert_eq!(ended.code, Some(1), "{}", ended.said);
        assert!(ended.stderr.contains(&address), "{}", ended.stderr);
    }

    #[test]
    fn bound_addresses_are_told_on_stderr_at_every_level_in_json() {
        let ended = Sidecar::before(api().url())
            .args(&["--log-level", "error"])
            .run_while(|_| ());

        let told: Vec<Value> = ended
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        let listeners: Vec<_> = told.iter().map(|line| line["listener"].clone()).collect();
        assert_eq!(listeners, ["proxy", "status", "admin"]);
        for line in &told {
            assert_eq!(line["message"], "listening");
            let address = line["address"].as_str().unwrap();
            let port = address.strip_prefix("127.0.0.1:").expect(address);
            assert_ne!(port.parse::<u16>().unwrap(), 0);
        }
    }

    #[test]
    fn bound_addresses_are_told_on_stderr_at_every_level_in_text() {
        let ended = Sidecar::before(api().url())
            .text_log()
            .args(&["--log-level", "error"])
            .run_while(|_| ());

        let lines: Vec<_> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 3, "{}", ended.stderr);
        for (line, listener) in lines.iter().zip(["proxy", "status", "admin"]) {
            let words: Vec<_> = line.split_whitespace().collect();
            let listener = format!("listener={listener}");
            assert!(words.contains(&"msg=listening"), "{line}");
            assert!(words.contains(&listener.as_str()), "{line}");
            assert!(
                words
                    .iter()
                    .any(|word| word.starts_with("address=127.0.0.1:")),
                "{line}"
            );
        }
    }

    #[test]
    fn listeners_that_are_off_are_not_there_and_the_proxy_is() {
        let upstream = api();
        for (launch, others) in [
            (Sidecar::before(upstream.url()).status_off(), &["admin"][..]),
            (Sidecar::before(upstream.url()).admin_off(), &["status"]),
            (
                Sidecar::before(upstream.url()).status_off().admin_off(),
                &[],
            ),
        ] {
            let ended = launch.run_while(|proxy| {
                eventually("an answer", || {
                    (get(proxy, "/").status() == 200).then_some(())
                });
            });

            let lines = ended
                .stderr
                .lines()
                .filter(|line| line.contains("listening"));
            let told: Vec<_> = lines
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["listener"].clone())
                .collect();
            assert_eq!(told, [&["proxy"], others].concat());
            assert_eq!(ended.code, Some(0), "{}", ended.said);
        }
    }
}

mod at_the_end {
    use super::*;

    /// Goes on accepting for longer than any test waits.
    const SLOW_DRAIN: &str = "[drain]\ndelay = \"10m\"\n";

    /// A client whose request the upstream has, and doesn't answer before its gate opens.
    fn held_request(sidecar: &Sidecar, upstream: &Upstream) -> Wire {
        let mut held = connect(sidecar.proxy);
        held.send(&request("GET", "/held", "")).unwrap();
        eventually("the held request", || upstream.requests().pop());
        held
    }

    /// An upstream that holds `/held` back until the gate opens.
    fn holding(gate: &Gate) -> Upstream {
        let gate = gate.clone();
        Upstream::answering(move |request| {
            if request.target() == "/held" {
                gate.pass();
            }
            json("{}")
        })
    }

    #[track_caller]
    fn until_draining(sidecar: &Sidecar) {
        eventually("draining", || {
            let answer = get(sidecar.status, "/readyz");
            (answer.status() == 503 && answer.text().contains("draining")).then_some(())
        });
    }

    #[test]
    fn sigterm_and_sigint_end_an_idle_sidecar_at_once_with_0() {
        for signal in [Signal::TERM, Signal::INT] {
            let upstream = api();
            let mut sidecar = Sidecar::before(upstream.url()).config(SLOW_DRAIN).start();

            let began = Instant::now();
            sidecar.signal(signal);
            let status = sidecar.ended();

            assert_eq!(status.code(), Some(0), "{signal:?}");
            assert!(began.elapsed() < SOON, "{signal:?}: {:?}", began.elapsed());
        }
    }

    #[test]
    fn sigterm_lets_a_request_in_flight_finish_and_exits_with_0() {
        let gate = Gate::default();
        let upstream = holding(&gate);
        let mut sidecar = Sidecar::before(upstream.url())
            .config("[drain]\ndelay = \"0s\"\n")
            .start();
        let mut held = held_request(&sidecar, &upstream);

        sidecar.signal(Signal::TERM);
        until_draining(&sidecar);
        assert_eq!(get(sidecar.status, "/livez").status(), 200);
        gate.open();

        assert_eq!(held.response("GET").unwrap().text(), "{}");
        assert_eq!(held.rest().unwrap(), b"");
        assert_eq!(sidecar.ended().code(), Some(0));
    }

    #[test]
    fn sigterm_lets_handlers_in_flight_finish_too() {
        let gate = Gate::default();
        let upstream = holding(&gate);
        let scripts =
            ScriptDir::with(&[("10-mark.response.js", "json.mark = getResource('more');\n")]);
        let mut sidecar = Sidecar::before(upstream.url())
            .scripts(scripts.path())
            .config("[drain]\ndelay = \"0s\"\n")
            .start();
        let mut held = held_request(&sidecar, &upstream);

        sidecar.signal(Signal::TERM);
        until_draining(&sidecar);
        gate.open();

        assert_eq!(held.response("GET").unwrap().text(), "{\"mark\":{}}");
        assert_eq!(sidecar.ended().code(), Some(0));
    }

    #[test]
    fn while_it_drains_new_requests_are_still_taken_for_a_time() {
        let gate = Gate::default();
        let upstream = holding(&gate);
        let mut sidecar = Sidecar::before(upstream.url()).config(SLOW_DRAIN).start();
        let mut held = held_request(&sidecar, &upstream);

        sidecar.signal(Signal::TERM);
        until_draining(&sidecar);
        let taken = sidecar.get("/");
        gate.open();

        assert_eq!(taken.status(), 200);
        assert_eq!(held.response("GET").unwrap().status(), 200);
        sidecar.signal(Signal::TERM);
        sidecar.ended();
    }

    #[test]
    fn a_client_that_is_sent_away_may_come_back_while_it_drains() {
        let gate = Gate::default();
        let upstream = holding(&gate);
        let mut sidecar = Sidecar::before(upstream.url()).config(SLOW_DRAIN).start();
        let mut held = held_request(&sidecar, &upstream);

        sidecar.signal(Signal::TERM);
        until_draining(&sidecar);
        gate.open();
        assert_eq!(held.response("GET").unwrap().status(), 200);
        assert_eq!(held.rest().unwrap(), b"");
        // Nobody is connected now, but only for a moment.
        for _ in 0..3 {
            assert_eq!(sidecar.get("/").status(), 200);
        }

        sidecar.signal(Signal::TERM);
        sidecar.ended();
    }

    #[test]
    fn once_the_last_client_has_gone_the_drain_waits_for_nobody() {
        let upstream = api();
        let mut sidecar = Sidecar::before(upstream.url()).config(SLOW_DRAIN).start();
        let mut client = connect(sidecar.proxy);
        client.send(&request("GET", "/", "")).unwrap();
        assert_eq!(client.response("GET").unwrap().status(), 200);

        sidecar.signal(Signal::TERM);
        until_draining(&sidecar);
        drop(client);
        let began = Instant::now();
        let status = sidecar.ended();

        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert_eq!(status.code(), Some(0));
    }

    #[test]
    fn a_second_signal_ends_it_at_once() {
        for second in [Signal::TERM, Signal::INT] {
            let gate = Gate::default();
            let upstream = holding(&gate);
            let mut sidecar = Sidecar::before(upstream.url()).config(SLOW_DRAIN).start();
            let _held = held_request(&sidecar, &upstream);
            sidecar.signal(Signal::TERM);
            until_draining(&sidecar);

            let began = Instant::now();
            sidecar.signal(second);
            let status = sidecar.ended();
            gate.open();

            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
            assert_eq!(status.code(), Some(0), "{second:?}");
        }
    }

    #[test]
    fn connections_that_are_still_busy_after_the_time_out_are_cut() {
        let gate = Gate::default();
        let upstream = holding(&gate);
        let mut sidecar = Sidecar::before(upstream.url())
            .config("[drain]\ndelay = \"0s\"\ntimeout = \"200ms\"\n")
            .start();
        let mut held = held_request(&sidecar, &upstream);

        let began = Instant::now();
        sidecar.signal(Signal::TERM);
        let status = sidecar.ended();
        gate.open();

        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert_eq!(status.code(), Some(0));
        assert!(held.response("GET").is_err());
    }
}
