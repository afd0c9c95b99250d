//! How the process starts, refuses to, and ends.

use rustix::process::Signal;

use super::support::client::get;
use super::support::process::run_to_end;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

#[test]
fn a_problem_in_the_configuration_ends_it_with_64_before_a_port_is_bound() {
    for launch in [
        Sidecar::before("http://127.0.0.1:9").config("[limits]\nhandler_tme = \"50ms\"\n"),
        Sidecar::before("http://127.0.0.1:9").env("INTERPOSE_LIMITS__HANDLER_TIME", "soon"),
        Sidecar::before("http://127.0.0.1:9").args(&["--workers", "many"]),
        Sidecar::before("no address"),
        // More than any machine has, which only the machine tells.
        Sidecar::before("http://127.0.0.1:9").config("[limits]\ntotal_memory = \"1024GiB\"\n"),
    ] {
        let ended = launch.run();

        assert_eq!(ended.code, Some(64), "{}", ended.said);
        assert!(!ended.said.is_empty());
        assert!(!ended.said.contains("listening"), "{}", ended.said);
    }
}

#[test]
fn certificates_that_cannot_be_used_end_it_with_64() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    for (upstream, table) in [
        ("https://127.0.0.1:9", "upstream_tls"),
        ("http://127.0.0.1:9", "hosts"),
    ] {
        let config = format!("[{table}]\nca_file = {:?}\n", file.display().to_string());

        let ended = Sidecar::before(upstream).config(&config).run();

        assert_eq!(ended.code, Some(64), "{}", ended.said);
        assert!(ended.said.contains("ca.pem"), "{}", ended.said);
        assert!(!ended.said.contains("listening"), "{}", ended.said);
    }
}

#[test]
fn a_system_without_certificates_serves_what_needs_none() {
    let upstream = Upstream::answering(|_| json("{}"));
    let without = |url: String| {
        Sidecar::before(url)
            .env("SSL_CERT_FILE", "/nowhere/certificates.pem")
            .env("SSL_CERT_DIR", "/nowhere")
            .start()
    };
    let plain = without(upstream.url());
    assert_eq!(plain.get("/").status(), 200);

    let encrypted = without(upstream.url().replace("http:", "https:"));
    assert_eq!(encrypted.get("/").status(), 502);
    encrypted.logs(|line| line.contains("upstream failed") && line.contains("ca_file"));
}

#[test]
fn without_handlers_that_are_required_it_ends_with_1() {
    let scripts = ScriptDir::with(&[]);

    let ended = Sidecar::before("http://127.0.0.1:9")
        .scripts(scripts.path())
        .args(&["--require-handlers"])
        .run();

    assert_eq!(ended.code, Some(1), "{}", ended.said);
}

#[test]
fn without_a_usable_set_nothing_reaches_the_upstream() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("request/10-broken.js", "throw (")]);
    let sidecar = (Sidecar::before(upstream.url()).scripts(scripts.path()))
        .unready()
        .start();

    let answer = sidecar.get("/customers");

    assert_eq!(answer.status(), 503);
    assert!(answer.head.value("Retry-After").is_some());
    assert_eq!(get(sidecar.status, "/readyz").status(), 503);
    assert_eq!(get(sidecar.status, "/livez").status(), 200);
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_address_that_is_taken_is_named_with_its_listener_and_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for args in [&[][..], &["--no-supervisor"]] {
        for (listener, flag) in [
            ("proxy", "listen"),
            ("status", "status"),
            ("admin", "admin"),
        ] {
            let mut command = vec!["run", "--upstream", "http://127.0.0.1:9", "--scripts", "/"];
            for one in ["--listen", "--status", "--admin"] {
                let is_taken = one.trim_start_matches('-') == flag;
                command.extend([one, if is_taken { &address } else { "127.0.0.1:0" }]);
            }
            command.extend(args);

            let ended = run_to_end(&command);

            assert_eq!(ended.code, Some(1), "{}", ended.said);
            for said in [&*address, &format!("({listener})"), &format!("--{flag}")] {
                assert!(ended.said.contains(said), "{said}: {}", ended.said);
            }
            assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.said);
        }
    }
}

#[test]
fn sigterm_ends_an_idle_sidecar_with_0() {
    let upstream = Upstream::answering(|_| json("{}"));
    let mut sidecar = Sidecar::before(upstream.url()).start();
    assert_eq!(sidecar.get("/").status(), 200);

    sidecar.signal(Signal::TERM);

    assert_eq!(sidecar.ended().code(), Some(0));
}
