//! Upstreams, the main one and those of services, and TLS to them.

use super::*;

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
