//! The whole way from sources to values or problems, and the files in `config/`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;
use tempfile::TempDir;
use tracing::Level;
use url::Host;

use crate::transaction::{AllowedHost, SessionSource};

use super::layers::Typed;
use super::reader::Reader;
use super::*;

/// Sources under construction; a directory of its own stands for the file's.
struct Sources {
    inputs: Inputs,
    directory: TempDir,
}

impl Sources {
    fn none() -> Self {
        Self {
            inputs: Inputs::default(),
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// The three keys that have no default, as flags.
    fn sufficient() -> Self {
        Self::none()
            .flag(flag::LISTEN, "127.0.0.1:0")
            .flag(flag::UPSTREAM, "http://127.0.0.1:9000")
            .flag(flag::SCRIPTS, "scripts")
    }

    fn flag(mut self, flag: Flag, text: &str) -> Self {
        self.inputs.flags.push((flag, text.to_owned()));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs.variables.push((name.into(), value.into()));
        self
    }

    fn file(mut self, text: &str) -> Self {
        self = self.sibling("interpose.toml", text);
        self.inputs.file = Some(self.path("interpose.toml"));
        self
    }

    /// Another file in the directory of the configuration file.
    fn sibling(self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).expect("the directory is writable");
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self) -> (Serving, Config) {
        for_run(&self.inputs).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// What a person reads, with the file's directory left out.
    fn problems(&self) -> String {
        let directory = format!("{}/", self.directory.path().display());
        for_run(&self.inputs)
            .expect_err("there are problems")
            .to_string()
            .replace(&directory, "")
    }
}

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
fn two_listeners_cannot_share_a_port() {
    for (listen, status, other) in [
        ("127.0.0.1:80", "127.0.0.1:80", "status.listen"),
        ("0.0.0.0:80", "127.0.0.1:80", "status.listen"),
        ("[::]:80", "127.0.0.1:80", "status.listen"),
        ("127.0.0.1:9465", "off", "admin.listen"),
    ] {
        let problems = Sources::none()
            .flag(flag::LISTEN, listen)
            .flag(flag::STATUS, status)
            .problems();

        let expected = format!("--listen: listen and {other} can't both have port");
        assert!(problems.contains(&expected), "{problems}");
    }
}

#[test]
fn listeners_on_different_addresses_can_share_a_port() {
    for (status, admin) in [
        ("127.0.0.1:80", "127.0.0.2:80"),
        ("0.0.0.0:80", "[::1]:80"),
        ("127.0.0.1:0", "127.0.0.1:0"),
    ] {
        Sources::sufficient()
            .flag(flag::STATUS, status)
            .flag(flag::ADMIN, admin)
            .run();
    }
}

#[test]
fn a_listener_can_be_off() {
    let (serving, _) = Sources::sufficient()
        .flag(flag::STATUS, "off")
        .variable("INTERPOSE_ADMIN", "off")
        .run();

    assert_eq!(serving.status, None);
    assert!(serving.admin.is_none());
}

#[test]
fn a_handler_cannot_outlast_its_transaction() {
    let problems = Sources::sufficient()
        .file("limits.transaction_time = '20ms'")
        .problems();

    assert_eq!(
        problems,
        "interpose.toml: 1 problem
  limits.transaction_time: a handler could run for 50ms (limits.handler_time) and its transaction only for 20ms (limits.transaction_time); lengthen the one or shorten the other"
    );
}

#[test]
fn one_handler_cannot_have_more_memory_than_all() {
    let problems = Sources::sufficient()
        .file("limits.total_memory = '32MiB'")
        .problems();

    assert_eq!(
        problems,
        "interpose.toml: 1 problem
  limits.total_memory: one handler could need 67108864 bytes (limits.handler_memory) and all together have 33554432 (limits.total_memory); raise the one or lower the other"
    );
}

#[test]
fn an_admin_listener_that_others_can_reach_needs_a_token() {
    let open = Sources::sufficient().flag(flag::ADMIN, "0.0.0.0:9465");
    assert!(
        open.problems().contains("admin.token: missing"),
        "{}",
        open.problems()
    );

    let guarded = open
        .sibling("token", "hunter2\n")
        .file("admin.token = 'file:token'");
    let admin = guarded.run().0.admin.expect("the admin listener is on");
    assert_eq!(admin.token.expect("a token is set").expose(), "hunter2");
}

#[test]
fn a_secret_may_come_from_any_variable() {
    let (serving, _) = Sources::sufficient()
        .file("admin.token = 'env:INTERPOSE_ADMIN_SECRET'")
        .variable("INTERPOSE_ADMIN_SECRET", "hunter2")
        .run();

    let token = serving.admin.expect("the admin listener is on").token;
    assert_eq!(token.expect("a token is set").expose(), "hunter2");
}

#[test]
fn handlers_may_have_secrets_by_name() {
    let (serving, _) = Sources::sufficient()
        .file("[secrets]\ncrm = 'env:INTERPOSE_CRM'\n'billing.key' = 'file:key'")
        .sibling("key", "b\n")
        .variable("INTERPOSE_CRM", "hunter2")
        .run();

    let texts: Vec<_> = serving
        .secrets
        .iter()
        .map(|(name, secret)| (name.as_str(), secret.expose()))
        .collect();
    assert_eq!(texts, [("billing.key", "b"), ("crm", "hunter2")]);
    assert!(!format!("{serving:?}").contains("hunter2"));

    let problems = Sources::sufficient()
        .file("[secrets]\na = 'hunter2'\nb = 'env:GONE'\nc = 'file:gone'")
        .problems();
    for expected in [
        "secrets.a: no reference",
        "secrets.b: the variable GONE is not set",
        "secrets.c: gone could not be read",
    ] {
        assert!(problems.contains(expected), "{problems}");
    }
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn values_of_a_session_come_from_headers_and_from_claims() {
    let (serving, config) = Sources::sufficient()
        .file(
            "[session]\nuser.id = 'claim:sub'\napp = 'X-App'\n\
             [token]\nalgorithm = 'HS256'\nkeys = ['env:INTERPOSE_KEY', 'file:old']",
        )
        .variable("INTERPOSE_KEY", "hunter2")
        .sibling("old", "hunter1\n")
        .run();

    let claim = SessionSource::Claim("sub".to_owned());
    assert_eq!(config.session["user.id"], claim);
    let token = serving.token.expect("there is a table");
    assert_eq!(token.header, "authorization");
    let keys: Vec<_> = token.keys.iter().map(Secret::expose).collect();
    assert_eq!(keys, ["hunter2", "hunter1"]);
    assert!(!format!("{token:?}").contains("hunter"));
}

#[test]
fn claims_that_nobody_verifies_are_a_problem() {
    for (text, missing) in [
        ("session.user = 'claim:sub'", &["algorithm", "keys"][..]),
        ("token.keys = ['env:KEY']", &["algorithm"]),
        ("token.algorithm = 'HS256'", &["keys"]),
        ("token.algorithm = 'HS256'\ntoken.keys = []", &[]),
    ] {
        let sources = Sources::sufficient().file(text).variable("KEY", "hunter2");
        let problems = sources.problems();

        for key in missing {
            assert!(
                problems.contains(&format!("token.{key}: missing")),
                "{problems}"
            );
        }
        assert!(for_check(&sources.inputs).is_err(), "{text}");
    }
}

#[test]
fn a_key_of_another_kind_than_the_algorithm_is_a_problem() {
    let with = |algorithm: &str, key: &str| {
        let table = format!("[token]\nalgorithm = '{algorithm}'\nkeys = ['file:key']");
        Sources::sufficient().file(&table).sibling("key", key)
    };
    let public = "-----BEGIN PUBLIC KEY-----\n";
    let (no_secret, no_key) = (with("HS256", public), with("RS256", "hunter2"));

    let problems = no_secret.problems();
    assert!(
        problems.contains("token.keys: a key in PEM is no secret"),
        "{problems}"
    );
    let problems = no_key.problems();
    assert!(problems.contains("token.keys: no public key"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
    assert!(for_check(&no_key.inputs).is_ok(), "a check opens nothing");
    let problems = with("none", public).problems();
    assert!(
        problems.contains("token.algorithm: \"none\" is not one of HS256"),
        "{problems}"
    );
}

#[test]
fn a_secret_that_is_not_there_is_a_problem_only_where_it_is_needed() {
    let sources = Sources::sufficient().file("admin.token = 'file:gone'");

    assert!(
        sources
            .problems()
            .contains("admin.token: gone could not be read")
    );
    assert!(for_check(&sources.inputs).is_ok());
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
fn an_upstream_over_tls_is_known_by_its_host_or_the_name_that_is_set() {
    let https = Sources::none()
        .flag(flag::LISTEN, "127.0.0.1:0")
        .flag(flag::SCRIPTS, "scripts")
        .flag(flag::UPSTREAM, "https://10.0.0.1");
    let (serving, _) = https.run();
    let tls = serving.upstream.tls.expect("https is over TLS");
    assert_eq!(tls.server_name.as_str(), "10.0.0.1");
    assert_eq!(serving.upstream.origin.port, 443);

    let named = https.file("upstream_tls.server_name = 'API.example.com'");
    let tls = named.run().0.upstream.tls.expect("https is over TLS");
    assert_eq!(tls.server_name.as_str(), "api.example.com");
}

#[test]
fn tls_settings_without_https_are_refused() {
    let problems = Sources::sufficient()
        .file("upstream_tls.server_name = 'a'")
        .problems();

    assert!(problems.contains("upstream_tls.server_name: set, but no such upstream is https://"));
}

#[test]
fn a_certificate_file_must_hold_one() {
    let sources = Sources::none()
        .flag(flag::LISTEN, "127.0.0.1:0")
        .flag(flag::SCRIPTS, "scripts")
        .flag(flag::UPSTREAM, "https://10.0.0.1")
        .file("upstream_tls.ca_file = 'ca.pem'");
    assert!(sources.problems().contains("ca.pem could not be read"));

    let empty = sources.sibling("ca.pem", "");
    assert!(empty.problems().contains("ca.pem holds no certificate"));

    let good = empty.sibling("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    assert_eq!(good.run().0.ca_file, Some(good.path("ca.pem")));
}

#[test]
fn a_template_takes_the_place_of_a_format() {
    let template = Sources::sufficient()
        .file("errors.template = 'rejection.json'")
        .sibling("rejection.json", "{}");
    assert_eq!(
        template.run().0.error_body,
        ErrorBody::Template("{}".to_owned())
    );

    let both = template.file("errors.template = 'rejection.json'\nerrors.format = 'problem'");
    assert!(
        both.problems()
            .contains("errors.template: errors.format is \"problem\"")
    );
}

#[test]
fn a_service_may_have_an_upstream_and_a_version_of_its_own() {
    let service = "[[service]]\nname = 'crm'\nprefix = '/crm'\n";
    let (_, config) = Sources::sufficient()
        .file(&format!(
            "{service}upstream = 'https://crm.test'\napi_version = 'v2'"
        ))
        .run();

    let [crm] = &config.services[..] else {
        panic!("{:?}", config.services);
    };
    let upstream = crm.upstream.as_ref().expect("it was set");
    assert!(upstream.is_tls);
    assert_eq!(upstream.origin.to_string(), "crm.test:443");
    assert_eq!(crm.api_version.as_deref(), Some("v2"));

    let problems = Sources::sufficient()
        .file(&format!("{service}upstream = 'http://crm.test/base'"))
        .problems();
    assert!(
        problems.contains("service[0].upstream: \"http://crm.test/base\" has a path"),
        "{problems}"
    );
}

#[test]
fn authorities_are_of_use_where_any_upstream_is_over_tls() {
    let authorities = Sources::sufficient().sibling("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    let needless = authorities.file("upstream_tls.ca_file = 'ca.pem'");
    assert!(
        needless
            .problems()
            .contains("upstream_tls.ca_file: set, but no such upstream is https://")
    );

    let needed = needless.file(
        "upstream_tls.ca_file = 'ca.pem'\n\
         [[service]]\nname = 'crm'\nprefix = '/crm'\nupstream = 'https://crm.test'",
    );
    assert!(needed.run().0.ca_file.is_some());
}

#[test]
fn two_services_cannot_share_a_name_or_a_prefix() {
    let problems = Sources::sufficient()
        .file("[[service]]\nname = 'crm'\nprefix = '/'\n[[service]]\nname = 'crm'\nprefix = '/'")
        .problems();

    assert_eq!(
        problems,
        "interpose.toml: 2 problems
  service[1].name: \"crm\" is that of service[0].name too
  service[1].prefix: \"/\" is that of service[0].prefix too"
    );
}

#[test]
fn resources_and_their_settings_are_kept_apart() {
    let (_, config) = Sources::sufficient()
        .file("[resources]\nEmployees = '/hr/employees'\nsettings.filter = 'where'")
        .run();

    assert_eq!(
        config.resources.paths.into_iter().collect::<Vec<_>>(),
        [("Employees".to_owned(), "/hr/employees".to_owned())]
    );
    assert_eq!(config.resources.settings["filter"], "where");
    assert_eq!(config.resources.settings["order"], "order");

    let problems = Sources::sufficient()
        .file("resources.settings.fliter = 'where'")
        .problems();
    assert!(problems.contains("did you mean \"filter\"?"), "{problems}");
}

#[test]
fn hosts_are_read_as_addresses_where_they_are_some() {
    let (_, config) = Sources::sufficient()
        .file("hosts.allow = ['127.0.0.1']")
        .run();

    let expected = Host::Ipv4([127, 0, 0, 1].into());
    assert_eq!(
        config.hosts.allow,
        [AllowedHost {
            host: expected,
            port: None
        }]
    );
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_of_our_name_are_no_settings() {
    Sources::sufficient()
        .variable("INTERPOSE_SERVICE_HOST", "10.0.0.1")
        .variable("INTERPOSE_PORT", "tcp://10.0.0.1:80")
        .variable("INTERPOSE_PORT_80_TCP_ADDR", "10.0.0.1")
        .run();
}

fn documented(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name);
    fs::read_to_string(path).expect("config/ is part of the repository")
}

/// The full file with the examples for keys without a default in force.
fn full_with_examples() -> String {
    documented("full.toml")
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if !example.starts_with(' ') => example,
            Some(_) | None => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A key with the operator's own part left out.
fn pattern(key: &str) -> String {
    match key.split_once('.') {
        Some((table @ ("session" | "platform" | "resources" | "secrets"), name))
            if !name.starts_with("settings.") =>
        {
            format!("{table}.NAME")
        }
        Some(_) | None => key.to_owned(),
    }
}

fn written(text: &str) -> Vec<(String, Typed)> {
    file::parse(text).expect("valid TOML")
}

/// A reader that was asked for every key, those of a service included.
fn reader_of_every_key() -> Reader {
    let sources = Sources::none().file("[[service]]");
    check::every_key(&sources.inputs)
}

#[test]
fn the_smallest_file_runs_and_none_of_it_can_be_left_out() {
    let minimal = documented("minimal.toml");
    let (serving, config) = Sources::none().file(&minimal).run();
    assert_eq!(serving.listen.to_string(), "127.0.0.1:8080");
    assert!(config.scripts.directory.ends_with("../scripts"));

    for setting in minimal.lines().filter(|line| line.contains(" = ")) {
        let less = minimal.replace(setting, "");
        assert!(
            Sources::none().file(&less).problems().contains("missing"),
            "{setting}"
        );
    }
}

#[test]
fn the_full_file_has_every_key_and_no_other() {
    let in_file: BTreeSet<String> = written(&full_with_examples())
        .iter()
        .map(|(key, _)| pattern(key))
        .collect();
    let in_code: BTreeSet<String> = reader_of_every_key()
        .known()
        .keys()
        .filter(|(key, _)| *key != "service")
        .map(|(key, _)| pattern(key))
        .collect();

    assert_eq!(in_file, in_code);
}

#[test]
fn the_full_file_has_the_defaults_of_the_code() {
    let reader = reader_of_every_key();
    let defaults: Vec<_> = reader
        .known()
        .keys()
        .filter_map(|(key, default)| Some((key.to_owned(), default?.clone())))
        .collect();

    let mut in_file: Vec<_> = written(&documented("full.toml"))
        .into_iter()
        .filter(|(_, typed)| *typed != Typed::EmptyTable)
        .collect();
    in_file.sort_by(|(a, _), (b, _)| a.cmp(b));

    assert_eq!(in_file, defaults);
}

#[test]
fn the_examples_of_the_full_file_are_valid() {
    Sources::none()
        .file(&full_with_examples())
        .variable("INTERPOSE_ADMIN_TOKEN", "hunter2")
        .variable("CRM_TOKEN", "hunter2")
        .variable("TOKEN_KEY", "hunter2")
        .sibling("ca.pem", "-----BEGIN CERTIFICATE-----\n")
        .sibling("rejection.json", "{}")
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
