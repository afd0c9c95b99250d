//! Which requests fire an event, which texts name one, and how names order.

use http::Method;

use super::super::path::NormalPath;
use super::super::service::Service;
use super::*;

fn event(text: &str) -> EventName {
    EventName::parse(text).expect(text)
}

fn services() -> Services {
    Services::new([
        Service::new("db", "/api/v2/db"),
        Service::new("files", "/api/v2/files"),
        Service::new("system", "/api/v2/system"),
    ])
}

fn captures(name: &str, method: &str, path: &str, case: Case) -> Option<Vec<(String, String)>> {
    let path = NormalPath::new(path.as_bytes()).expect("few readings");
    let services = services();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let target = Target::new(&method, &path, &services, case);
    let event = event(name);
    event.matches(&target).then(|| {
        let captures = event.captures(&target).into_iter();
        captures
            .map(|Capture { name, value }| (name, value))
            .collect()
    })
}

fn fires(name: &str, method: &str, path: &str) -> bool {
    captures(name, method, path, Case::Counts).is_some()
}

#[test]
fn an_event_is_fired_by_its_service_resource_and_verb() {
    for (name, request, expected) in [
        ("db.get", "GET /api/v2/db", true),
        ("db.get", "GET /api/v2/db/_table", false),
        ("db._table.get", "GET /api/v2/db/_table", true),
        ("db._table.get", "HEAD /api/v2/db/_table", true),
        ("db._table.get", "POST /api/v2/db/_table", false),
        ("db._table.get", "GET /api/v2/files/_table", false),
        ("db._table.{t}.get", "GET /api/v2/db/_table/orders", true),
        ("db._table.{t}.get", "GET /api/v2/db/_table", false),
        ("db._table.{t}.get", "GET /api/v2/db/_table/orders/1", false),
        ("db._table.orders.get", "GET /api/v2/db/_table/orders", true),
        (
            "db._table.orders.get",
            "GET /api/v2/db/_table/Orders",
            false,
        ),
        (
            "db._table.orders.get",
            "GET /api/v2/db/_table/x/../orders/",
            true,
        ),
        ("files.{file_path}.get", "GET /api/v2/files/a/b/c.txt", true),
        ("files.{file_path}.get", "GET /api/v2/files", false),
        ("files.a%2Fb.get", "GET /api/v2/files/a%252Fb", true),
        ("nowhere.x.get", "GET /api/v2/db/x", false),
    ] {
        let (method, path) = request.split_once(' ').unwrap();
        assert_eq!(fires(name, method, path), expected, "{name} {request}");
    }
}

#[test]
fn a_name_without_verb_stands_for_every_verb_on_its_resource_and_below() {
    for (request, expected) in [
        ("GET /api/v2/system/admin", true),
        ("OPTIONS /api/v2/system/admin", true),
        ("DELETE /api/v2/system/admin/session/1", true),
        ("GET /api/v2/system", false),
        ("GET /api/v2/system/administrator", false),
    ] {
        let (method, path) = request.split_once(' ').unwrap();
        assert_eq!(fires("system.admin", method, path), expected, "{request}");
    }
}

#[test]
fn a_segment_with_dots_is_several_parts_of_a_name() {
    for (name, path, expected) in [
        ("files.report.pdf.get", "/api/v2/files/report.pdf", true),
        ("files.report.pdf.get", "/api/v2/files/report/pdf", true),
        ("files.a.b.c.get", "/api/v2/files/a/b.c", true),
        ("files.report.get", "/api/v2/files/report.pdf", false),
        ("files.report", "/api/v2/files/report.pdf", false),
        ("files.report.{x}.get", "/api/v2/files/report.pdf", false),
        ("files.{x}.get", "/api/v2/files/report.pdf", true),
    ] {
        assert_eq!(fires(name, "GET", path), expected, "{name} {path}");
    }
}

#[test]
fn parts_in_braces_capture_what_they_stand_for() {
    let pairs = |name, path| captures(name, "GET", path, Case::Counts).expect(path);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());

    assert_eq!(
        pairs(
            "db._table.{table_name}.{id}.get",
            "/api/v2/db/_table/my%20orders/42"
        ),
        [pair("{table_name}", "my orders"), pair("{id}", "42")]
    );
    assert_eq!(
        pairs("files.{file_path}.get", "/api/v2/files/a/b.txt"),
        [pair("{file_path}", "a/b.txt")]
    );
    assert_eq!(
        pairs("db.a.b.{id}.get", "/api/v2/db/a%2Fb/7"),
        [pair("{id}", "7")],
        "only the second reading of %2F matches"
    );
    assert_eq!(pairs("db._table.get", "/api/v2/db/_table"), []);
}

#[test]
fn case_is_ignored_where_the_configuration_says_so() {
    let path = "/API/v2/db/_table/ORDERS";

    assert!(captures("db._table.orders.get", "GET", path, Case::Ignored).is_some());
    assert!(captures("db._table.orders.get", "GET", path, Case::Counts).is_none());
}

#[test]
fn a_handler_name_is_an_event_name_by_its_service_its_verb_or_its_braces() {
    for (name, expected) in [
        ("db.orders", true),
        ("unknown.orders.get", true),
        ("unknown.{id}", true),
        ("{x}.y", true),
        ("db", false),
        ("get", false),
        ("10-strip.v2", false),
        ("unknown.orders", false),
        ("orders.head", false),
        ("a.x{id}", false),
    ] {
        assert_eq!(EventName::is_one(name, &services()), expected, "{name}");
    }
}

#[test]
fn what_can_name_no_event_is_refused() {
    let text = |text: &str| text.to_owned();
    for (name, error) in [
        ("", EventError::EmptyPart),
        ("db..get", EventError::EmptyPart),
        ("db.x.", EventError::EmptyPart),
        ("db.x y.get", EventError::Characters),
        ("/db/x", EventError::Characters),
        ("db.x\0y.get", EventError::Characters),
        ("db.{x\u{1}}.get", EventError::Characters),
        ("db.x\u{7f}.get", EventError::Characters),
        ("db.x\u{85}.get", EventError::Characters),
        ("db.x{id}.get", EventError::Braces(text("x{id}"))),
        ("db.{}.get", EventError::Braces(text("{}"))),
        (
            "db.{a_path}.x.get",
            EventError::RestNotLast(text("{a_path}")),
        ),
        (
            "db.x.get.post_process",
            EventError::Kind(text("post_process")),
        ),
    ] {
        assert_eq!(EventName::parse(name), Err(error), "{name}");
    }
    assert_eq!(
        event("db.options").verb,
        None,
        "a resource may be called like a kind"
    );
}

#[test]
fn names_order_from_generic_to_literal() {
    let expected = [
        "db",
        "db.get",
        "db.{x_path}",
        "db.{x_path}.get",
        "db.{x}",
        "db.{x}.get",
        "db.{x}.{y_path}.get",
        "db.{x}.{y}.get",
        "db.{x}.lines.get",
        "db.orders",
        "db.orders.get",
        "db.orders.{id}",
        "db.orders.{id}.get",
        "db.orders.total",
    ];

    for (at, left) in expected.iter().enumerate() {
        for (other, right) in expected.iter().enumerate() {
            let order = event(left).generic_first(&event(right));
            assert_eq!(order, at.cmp(&other), "{left} {right}");
        }
    }
    assert_eq!(
        event("db.a.get").generic_first(&event("db.b.put")),
        Ordering::Equal
    );
}
