//! What fits into a heap, and bodies that make more of themselves than it has before the handlers that would see them.

use http::StatusCode;

use super::super::heap;
use super::{Set, answered, call, rejection};
use crate::generation::Ran;
use crate::handler::{Fault, Kind};

/// What a heap has here, in bytes, and a body of which no heap of that size can have the index.
const HEAP: usize = 2 << 20;

fn body() -> String {
    format!("[{}1]", "1,".repeat(HEAP / 2))
}

fn set(kind: Kind, source: &str) -> Set {
    let mut set = Set::of(kind, &[source]);
    set.limits.memory = HEAP;
    set
}

fn end(ran: Ran) -> (StatusCode, Fault) {
    let rejection = rejection(ran);
    (rejection.status, rejection.fault)
}

#[test]
fn a_realm_and_a_small_handler_fit_into_what_a_heap_has_from_the_start() {
    let mut set = Set::of(Kind::Request, &["req.headers.path = req.path"]);
    set.limits.total_memory = heap::LEAST;

    let ran = set.run_all(vec![call("GET", "/1", ""), call("GET", "/2", "")]);

    let paths = ran.iter().map(|it| it.call.request.fields.get_str("path"));
    assert_eq!(paths.collect::<Vec<_>>(), [Some("/1"), Some("/2")]);
}

#[test]
fn a_response_whose_index_does_not_fit_is_no_broken_body_but_a_failure() {
    let response = set(Kind::Response, "json.a = 1");

    let ran = response.run(answered(200, "application/json", &body()));

    assert_eq!(end(ran), (StatusCode::INTERNAL_SERVER_ERROR, Fault::Script));
}

#[test]
fn a_request_whose_index_does_not_fit_is_not_taken_for_none() {
    let request = set(
        Kind::Request,
        "event.request.payload ?? (() => { throw 'none' })()",
    );

    let ran = request.run(call("POST", "/", &body()));

    assert_eq!(end(ran), (StatusCode::INTERNAL_SERVER_ERROR, Fault::Script));
}

#[test]
fn a_large_body_leaves_nothing_behind_in_its_heap() {
    let request = set(
        Kind::Request,
        "const rows = JSON.parse(json); for (const row of rows) row.a = 2; json = JSON.stringify(rows)",
    );
    let rows = format!("[{}]", vec!["{\"a\":1.50}"; 300].join(","));

    let calls = (0..50).map(|_| call("POST", "/", &rows)).collect();

    for ran in request.run_all(calls) {
        let body = super::request_body(&ran);
        assert_eq!(body.matches("{\"a\":2}").count(), 300);
    }
}
