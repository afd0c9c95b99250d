//! DreamFactory's words for a reload and for what can be scripted.
//!
//! The cache calls read the script directory again, whichever part they name: a set is
//! taken whole. GitHub's webhooks can only POST, so the method may stand in the query or in
//! one of the fields that DreamFactory reads.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};

use crate::handler::{EventName, Verb};

use super::{View, generations};

/// The fields that may hold the method a POST stands for.
const TUNNELS: [&str; 3] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// The kinds an event can be scripted with, as DreamFactory calls them.
const KINDS: [&str; 3] = ["pre_process", "post_process", "queued"];

/// The query of a cache call.
#[derive(Deserialize)]
pub(super) struct Tunnelled {
    method: Option<String>,
}

/// The query of `GET /system/event`.
#[derive(Deserialize)]
pub(super) struct Wanted {
    /// One service only.
    service: Option<String>,
    /// Names alone, in one list.
    #[serde(default)]
    as_list: bool,
}

/// One resource, as DreamFactory lists it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: &'static str,
    /// What the parts in braces can stand for; nobody knows.
    parameter: Option<()>,
    /// The names that a handler can be called by.
    endpoints: Vec<String>,
}

/// The resources of each service.
type Listed = BTreeMap<String, BTreeMap<String, Resource>>;

/// `DELETE /system/cache…`, or a POST that says it is one.
pub(super) async fn clear_cache(
    State(view): State<View>,
    method: Method,
    Query(query): Query<Tunnelled>,
    headers: HeaderMap,
) -> Response {
    if is_delete(&method, query.method.as_deref(), &headers) {
        return generations::reload(State(view)).await;
    }
    let allow = [(header::ALLOW, "DELETE, POST")];
    let reason = "DELETE it; a POST has to say method=DELETE\n";
    (StatusCode::METHOD_NOT_ALLOWED, allow, reason).into_response()
}

fn is_delete(method: &Method, asked: Option<&str>, headers: &HeaderMap) -> bool {
    let is_meant = |text: &str| text.trim().eq_ignore_ascii_case("DELETE");
    match *method {
        Method::DELETE => true,
        Method::POST => {
            let mut fields = TUNNELS.iter().filter_map(|name| headers.get(*name));
            asked.is_some_and(is_meant) || fields.any(|value| value.to_str().is_ok_and(is_meant))
        }
        _ => false,
    }
}

/// `GET /system/event?scriptable=true`: what can be scripted.
pub(super) async fn events(State(view): State<View>, Query(wanted): Query<Wanted>) -> Response {
    let generation = view.generations.current();
    let handlers = generation
        .iter()
        .flat_map(|generation| &generation.handlers);
    let events = handlers.filter_map(|handler| handler.declared.event.as_ref());
    let mut listed = list(view.services.names(), events);
    if let Some(service) = &wanted.service {
        listed.retain(|name, _| name.eq_ignore_ascii_case(service));
    }
    if wanted.as_list {
        let names: Vec<String> = listed
            .into_values()
            .flat_map(BTreeMap::into_values)
            .flat_map(|resource| resource.endpoints)
            .collect();
        return Json(serde_json::json!({ "resource": names })).into_response();
    }
    Json(listed).into_response()
}

/// Every service with its root, whatever lies below it, and the resources that handlers
/// name. Without a document of the service nobody knows of others.
fn list<'a>(
    services: impl Iterator<Item = &'a str>,
    events: impl Iterator<Item = &'a EventName>,
) -> Listed {
    let mut names: BTreeMap<&str, BTreeSet<String>> = services
        .map(|name| {
            let known = [name.to_owned(), format!("{name}.{{resource_path}}")];
            (name, known.into())
        })
        .collect();
    for event in events {
        if let Some(known) = names.get_mut(event.service()) {
            known.insert(event.without_verb().to_owned());
        }
    }
    names
        .into_iter()
        .map(|(service, resources)| {
            let resources = resources.into_iter().map(|name| {
                let resource = resource(&name);
                (name, resource)
            });
            (service.to_owned(), resources.collect())
        })
        .collect()
}

fn resource(name: &str) -> Resource {
    let endpoints = Verb::ALL
        .iter()
        .flat_map(|verb| KINDS.map(|kind| format!("{name}.{}.{kind}", verb.as_str())))
        .collect();
    Resource {
        kind: "api",
        parameter: None,
        endpoints,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_post_may_say_in_four_ways_that_it_is_a_delete() {
        let none = HeaderMap::new();
        assert!(is_delete(&Method::DELETE, None, &none));
        assert!(is_delete(&Method::POST, Some("DELETE"), &none));
        assert!(is_delete(&Method::POST, Some("delete"), &none));
        for name in TUNNELS {
            let mut headers = HeaderMap::new();
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static("DELETE"),
            );
            assert!(is_delete(&Method::POST, None, &headers), "{name}");
            assert!(!is_delete(&Method::PUT, None, &headers), "{name}");
        }
        assert!(!is_delete(&Method::POST, None, &none));
        assert!(!is_delete(&Method::POST, Some("PATCH"), &none));
        assert!(!is_delete(&Method::GET, Some("DELETE"), &none));
    }

    #[test]
    fn a_service_is_listed_with_its_root_and_what_handlers_name() {
        let events = ["crm.orders.{id}.get", "crm.orders.{id}", "other.x.get"];
        let events = events.map(|name| EventName::parse(name).expect(name));

        let listed = list(["crm", "hr"].into_iter(), events.iter());

        let names = |service: &str| listed[service].keys().cloned().collect::<Vec<_>>();
        assert_eq!(
            names("crm"),
            ["crm", "crm.orders.{id}", "crm.{resource_path}"]
        );
        assert_eq!(names("hr"), ["hr", "hr.{resource_path}"]);
        assert!(!listed.contains_key("other"));
        let orders = &listed["crm"]["crm.orders.{id}"];
        assert_eq!(orders.endpoints.len(), 15);
        assert_eq!(
            orders.endpoints[..3],
            [
                "crm.orders.{id}.get.pre_process",
                "crm.orders.{id}.get.post_process",
                "crm.orders.{id}.get.queued",
            ]
        );
    }
}
