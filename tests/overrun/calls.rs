//! More host calls at once than there may be.

use std::sync::PoisonError;

use super::beside::ALONE;
use super::support::client::{connect, request};
use super::support::eventually::eventually;
use super::support::gate::Gate;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

/// How many may be under way.
const AT_ONCE: usize = 256;

#[test]
fn one_host_call_too_many_is_refused_at_once_and_the_others_are_answered() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let gate = Gate::default();
    let its_gate = gate.clone();
    let upstream = Upstream::answering(move |_| {
        its_gate.pass();
        json("[]")
    });
    let scripts = ScriptDir::with(&[(
        "10-ask.request.js",
        "try { return getResource('slow') }\n\
         catch (error) { throw { status: error.statusCode, message: error.message } }\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();

    let callers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let mut caller = connect(sidecar.proxy);
            caller.send(&request("GET", "/", "")).unwrap();
            caller
        })
        .collect();
    eventually("a call of each", || {
        (upstream.requests().len() == AT_ONCE).then_some(())
    });
    let refused = sidecar.get("/");
    gate.open();

    assert_eq!(refused.status(), 503);
    assert_eq!(
        refused.json()["errorMessage"],
        "too many host calls are under way, or too many bodies in memory"
    );
    for mut caller in callers {
        assert_eq!(caller.response("GET").unwrap().text(), "[]");
    }
    assert_eq!(sidecar.get("/").text(), "[]");
}
