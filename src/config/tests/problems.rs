//! What a person reads who got something wrong, whatever it is about.

use super::*;

#[test]
fn every_problem_of_every_source_is_told_where_it_was_written() {
    let sources = Sources::none()
        .file(
            r#"
                listen = 8080
                workers = 0
                trusted_proxies = ["10.0.0.1/8", "all"]
                colour = "blue"

                [scripts]
                settle = "fast"
                rescan = "0s"
                commit = "a/b"

                [limits]
                handler_tme = "20ms"
                handler_memory = "1KiB"
                request_body = "8MB"

                [log]
                level = "warm"
                format = ["text"]

                [admin]
                listen = "0.0.0.0:9465"

                [[service]]
                name = "crm"
                prefx = "/"

                [status]
                lisen = "off"
            "#,
        )
        .variable("INTERPOSE_LIMITS_HANDLER_TIME", "20ms")
        .variable("INTERPOSE_LOG__FORMAT", "xml")
        .variable("INTERPOSE_STATUS", "on")
        .variable("INTERPOSE_LOG", "debug")
        .flag(flag::ACCESS_LOG, "maybe")
        .flag(flag::LISTEN, "localhost");

    assert_eq!(
        sources.problems(),
        r#"interpose.toml: 16 problems
  listen: "8080" is no address; write an IP address and a port, such as "127.0.0.1:8080"
  workers: "0" is out of range; write a number from 1 to 1024
  trusted_proxies: "10.0.0.1/8" names a host in a network; did you mean "10.0.0.0/8"?
  trusted_proxies: "all" is no network; write an IP address and a prefix length, such as "10.0.0.0/8"
  scripts.settle: "fast" is no duration; write a number and a unit, such as "100ms"
  scripts.rescan: "0s" leaves no time at all; write more, such as "100ms"
  scripts.commit: "a/b" is no file name; write one without a directory
  limits.handler_memory: "1KiB" is out of range; write 1MiB to 4GiB
  limits.request_body: "8MB" is no size; write a number and a unit, such as "8MiB"
  service[0].prefix: missing; each of these tables needs it
  log.format: a list where one value belongs
  log.level: "warm" is not one of error, warn, info, debug, trace; did you mean "warn"?
  colour: no such key
  limits.handler_tme: no such key; did you mean "handler_time"?
  service[0].prefx: no such key; did you mean "prefix"?
  status.lisen: no such key; did you mean "listen"?
environment: 4 problems
  INTERPOSE_STATUS (status.listen): "on" is no address; write an IP address and a port, such as "127.0.0.1:8080", or "off"
  INTERPOSE_LOG__FORMAT: "xml" is not one of text, json
  INTERPOSE_LIMITS_HANDLER_TIME: no such variable; did you mean "INTERPOSE_LIMITS__HANDLER_TIME"?
  INTERPOSE_LOG: this is a table, not a value; its keys are access, format, level
command line: 2 problems
  --listen: "localhost" is no address; write an IP address and a port, such as "127.0.0.1:8080"
  --access-log (log.access): "maybe" is not one of on, off, true, false
configuration: 3 problems
  admin.token: missing; admin.listen is 0.0.0.0:9465, which others can reach: give a token, as "file:PATH" or "env:NAME"
  upstream: missing; give --upstream, INTERPOSE_UPSTREAM or upstream in the configuration file
  scripts.directory: missing; give --scripts, INTERPOSE_SCRIPTS or scripts.directory in the configuration file"#
    );
}

#[test]
fn what_is_missing_is_told_with_each_way_to_give_it() {
    assert_eq!(
        Sources::none().problems(),
        "configuration: 3 problems
  listen: missing; give --listen, INTERPOSE_LISTEN or listen in the configuration file
  upstream: missing; give --upstream, INTERPOSE_UPSTREAM or upstream in the configuration file
  scripts.directory: missing; give --scripts, INTERPOSE_SCRIPTS or scripts.directory in the configuration file"
    );
}

#[test]
fn a_file_that_is_not_there_is_the_only_problem_it_makes() {
    let mut sources = Sources::none();
    sources.inputs.file = Some(sources.path("gone.toml"));

    assert_eq!(
        sources.problems(),
        "command line: 1 problem
  --config: gone.toml could not be read: No such file or directory (os error 2)"
    );
}

#[test]
fn a_file_that_is_no_toml_is_told_with_line_and_column() {
    let sources = Sources::none().file("[scripts\nsettle = '1s'");

    assert_eq!(
        sources.problems(),
        "interpose.toml: 1 problem\n  line 1, column 9: unclosed table, expected `]`"
    );
}

#[test]
fn a_bad_value_is_told_even_where_a_stronger_source_hides_it() {
    let problems = Sources::sufficient()
        .file("log.level = 'loud'")
        .flag(flag::LOG_LEVEL, "info")
        .problems();

    assert!(
        problems.starts_with("interpose.toml: 1 problem\n  log.level:"),
        "{problems}"
    );
}

#[test]
fn each_bad_item_of_a_list_is_told_in_every_source() {
    let problems = Sources::sufficient()
        .file("hosts.allow = ['*', 'a/b', 'good']")
        .variable("INTERPOSE_HOSTS__ALLOW", "a:0")
        .problems();

    assert_eq!(
        problems,
        r#"interpose.toml: 2 problems
  hosts.allow: "*" is no host; write a name or an IP address, such as "api.example.com"
  hosts.allow: "a/b" is no host; write a name or an IP address, such as "api.example.com"
environment: 1 problem
  INTERPOSE_HOSTS__ALLOW: "a:0" is no host; write a name or an IP address, such as "api.example.com""#
    );
}

#[test]
fn a_key_with_a_quoted_dot_and_a_nested_one_are_the_same() {
    let problems = Sources::sufficient()
        .file("[session]\n'user.id' = 'x-a'\nuser.id = 'x-b'")
        .problems();

    assert!(
        problems.contains("session.user.id: written twice"),
        "{problems}"
    );
}

#[test]
fn a_value_cannot_hold_others() {
    let problems = Sources::sufficient()
        .file("[session]\nuser = 'x-a'\n'user.id' = 'x-b'")
        .problems();

    assert!(
        problems.contains("session.user.id: user is a value of its own"),
        "{problems}"
    );
}

#[test]
fn an_old_name_is_refused_with_the_present_one() {
    let problems = Sources::sufficient()
        .file("[limits]\nconnections = 5")
        .variable("INTERPOSE_LIMITS__CONNECTIONS", "5")
        .problems();

    assert_eq!(
        problems,
        "interpose.toml: 1 problem
  limits.connections: was renamed to limits.max_connections
environment: 1 problem
  INTERPOSE_LIMITS__CONNECTIONS: was renamed to INTERPOSE_LIMITS__MAX_CONNECTIONS"
    );
}
