//! Where a value comes from: flags, variables, the file and defaults, and which goes first.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use http::HeaderName;
use tracing::Level;

use crate::transaction::SessionSource;

use super::*;

#[test]
fn the_keys_without_a_default_are_enough() {
    let (serving, config) = Sources::sufficient().run();

    assert_eq!(serving.listen.to_string(), "127.0.0.1:0");
    assert_eq!(serving.upstream.origin.to_string(), "127.0.0.1:9000");
    assert_eq!(serving.upstream.tls, None);
    assert_eq!(config.scripts.directory, Path::new("scripts"));
    assert_eq!(config.workers, None);
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
    let default = Sources::sufficient();
    assert_eq!(default.run().1.log.level, Level::INFO);

    let file = default.file("log.level = 'error'");
    assert_eq!(file.run().1.log.level, Level::ERROR);

    let variable = file.variable("INTERPOSE_LOG_LEVEL", "debug");
    assert_eq!(variable.run().1.log.level, Level::DEBUG);

    let flag = variable.flag(flag::LOG_LEVEL, "trace");
    assert_eq!(flag.run().1.log.level, Level::TRACE);
}

#[test]
fn a_nested_key_is_a_variable_with_two_underscores() {
    let (_, config) = Sources::sufficient()
        .variable("INTERPOSE_LIMITS__HANDLER_TIME", "20ms")
        .variable("INTERPOSE_SCRIPTS__ALLOW_EMPTY", "true")
        .variable("INTERPOSE_SESSION__USER__ID", "X-User-Id")
        .run();

    assert_eq!(config.limits.handler_time, Duration::from_millis(20));
    assert!(config.scripts.allow_empty);
    let field = HeaderName::from_static("x-user-id");
    assert_eq!(config.session["user.id"], SessionSource::Field(field));
}

#[test]
fn a_list_is_one_text_with_commas_in_a_variable() {
    let (_, config) = Sources::sufficient()
        .variable("INTERPOSE_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
        .run();

    let networks: Vec<_> = config
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn every_flag_has_a_variable_that_is_spelled_like_it() {
    for flag in flag::FLAGS {
        let problems = Sources::none()
            .variable(&flag.variable(), "\u{1}")
            .problems();

        assert!(!problems.contains("no such variable"), "{problems}");
    }
}

#[test]
fn a_path_is_relative_to_the_file_in_the_file_and_to_the_working_directory_elsewhere() {
    let file = Sources::none()
        .flag(flag::LISTEN, "127.0.0.1:0")
        .flag(flag::UPSTREAM, "http://127.0.0.1:9000")
        .file("scripts.directory = 'handlers'");
    assert_eq!(file.run().1.scripts.directory, file.path("handlers"));

    let variable = file.variable("INTERPOSE_SCRIPTS", "handlers");
    assert_eq!(variable.run().1.scripts.directory, Path::new("handlers"));
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let mut sources = Sources::sufficient().file("workers = 3");
    let path = sources.inputs.file.take().expect("a file was written");
    sources
        .inputs
        .variables
        .push(("INTERPOSE_CONFIG".into(), path.into()));

    assert_eq!(sources.run().1.workers.map(usize::from), Some(3));
}

#[test]
fn two_variables_for_one_key_are_refused() {
    let problems = Sources::sufficient()
        .variable("INTERPOSE_LOG_FORMAT", "text")
        .variable("INTERPOSE_LOG__FORMAT", "json")
        .problems();

    assert_eq!(
        problems,
        "environment: 1 problem
  INTERPOSE_LOG__FORMAT: INTERPOSE_LOG_FORMAT sets the same key; keep one"
    );
}

#[test]
fn a_check_needs_no_addresses() {
    let sources = Sources::none().flag(flag::SCRIPTS, "scripts");

    let config = for_check(&sources.inputs).expect("a directory is enough");

    assert_eq!(config.scripts.directory, Path::new("scripts"));
}

#[test]
fn a_check_refuses_a_bad_address_all_the_same() {
    let sources = Sources::none().file("listen = 'here'\nscripts.directory = 'scripts'");

    assert!(for_check(&sources.inputs).is_err());
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_of_our_name_are_no_settings() {
    Sources::sufficient()
        .variable("INTERPOSE_SERVICE_HOST", "10.0.0.1")
        .variable("INTERPOSE_PORT", "tcp://10.0.0.1:80")
        .variable("INTERPOSE_PORT_80_TCP_ADDR", "10.0.0.1")
        .run();
}

#[test]
fn a_variable_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    let mut sources = Sources::sufficient();
    let text = OsString::from_vec(vec![0xff]);
    sources
        .inputs
        .variables
        .push(("INTERPOSE_WORKERS".into(), text));

    assert_eq!(
        sources.problems(),
        "environment: 1 problem\n  INTERPOSE_WORKERS: not UTF-8"
    );
}
