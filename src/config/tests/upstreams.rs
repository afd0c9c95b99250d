//! Upstreams, the main one and those of services, and TLS to them.

use std::num::NonZeroUsize;
use std::time::Duration;

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
fn certificate_files_must_be_there() {
    let sources = Sources::none()
        .flag(flag::LISTEN, "127.0.0.1:0")
        .flag(flag::SCRIPTS, "scripts")
        .flag(flag::UPSTREAM, "https://10.0.0.1")
        .file("upstream_tls.ca_file = 'ca.pem'\nhosts.ca_file = 'hosts.pem'");
    for file in ["ca.pem", "hosts.pem"] {
        let problem = format!("{file} could not be read");
        assert!(sources.problems().contains(&problem), "{file}");
    }

    let there = sources.sibling("ca.pem", "").sibling("hosts.pem", "");
    let (serving, _) = there.run();
    assert_eq!(serving.ca_file, Some(there.path("ca.pem")));
    assert_eq!(serving.hosts_ca_file, Some(there.path("hosts.pem")));
}

#[test]
fn connections_to_upstreams_are_the_clients_own_unless_they_are_to_be_shared() {
    let (_, config) = Sources::sufficient().run();
    let pool = config.upstream_pool;
    assert_eq!((pool.reuse, pool.max_connections), (Reuse::Client, None));
    assert_eq!(pool.idle, Duration::from_secs(4));

    let (_, config) = Sources::sufficient()
        .file("[upstream_pool]\nreuse = 'shared'\nmax_connections = 2\nidle = '30s'")
        .run();
    let pool = config.upstream_pool;
    assert_eq!(pool.reuse, Reuse::Shared);
    assert_eq!(pool.max_connections.map(NonZeroUsize::get), Some(2));
    assert_eq!(pool.idle, Duration::from_secs(30));

    for wrong in ["reuse = 'all'", "max_connections = 0", "idle = '0s'"] {
        let problems = Sources::sufficient()
            .file(&format!("[upstream_pool]\n{wrong}"))
            .problems();
        assert!(problems.contains("upstream_pool."), "{problems}");
    }
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
