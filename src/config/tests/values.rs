//! Values that limit or exclude one another, and those that are read as more than a text.

use url::Host;

use crate::transaction::AllowedHost;

use super::*;

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
fn a_prefix_is_a_path_that_a_request_can_have() {
    for prefix in [
        "crm",
        "/crm?a",
        "/c rm",
        "/crm%00",
        "/crm%2500",
        "/c\\u007frm",
    ] {
        let problems = Sources::sufficient()
            .file(&format!("[[service]]\nname = 'crm'\nprefix = \"{prefix}\""))
            .problems();
        assert!(
            problems.contains("service[0].prefix"),
            "{prefix}: {problems}"
        );
        assert!(problems.contains("is no path"), "{prefix}: {problems}");
    }
}

#[test]
fn the_usual_number_of_clients_is_the_default() {
    let (_, config) = Sources::sufficient().run();

    assert_eq!(config.limits.max_connections, DEFAULT_MAX_CONNECTIONS);
}
