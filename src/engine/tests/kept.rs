//! What handlers keep, for their transaction or in a module, and who sees it.

use super::*;

#[test]
fn user_properties_reach_the_later_phase() {
    let first = Set::of(
        Kind::Request,
        &[
            "req.setUserProperty('who', {n: 1})",
            "req.userProperties.more = [2]",
        ],
    )
    .run(call("GET", "/", ""));

    let mut later = answered(200, "application/json", "{}");
    later.kept = first.call.kept;
    let ran = Set::of(
        Kind::Response,
        &["json.who = req.getUserProperties().get('who'); json.more = req.userProperties.more"],
    )
    .run(later);

    assert_eq!(response_body(&ran), r#"{"who":{"n":1},"more":[2]}"#);
}

#[test]
fn what_a_handler_kept_that_rejects_stays_with_its_transaction() {
    let set = Set::of(
        Kind::Request,
        &["
        if (req.path === '/look') throw JSON.stringify([req.userProperties, g.shared, platform.config]);
        req.setUserProperty('who', 'me'); g.shared.who = 'me'; platform.config.who = 'me';
        throw 'no';
    "],
    );

    let ran = set.run_all(vec![call("GET", "/keep", ""), call("GET", "/look", "")]);

    let [kept, looks] = <[Ran; 2]>::try_from(ran).expect("two");
    let who = Some(r#"{"who":"me"}"#);
    assert_eq!(kept.call.kept.user_properties.as_deref(), who);
    assert_eq!(kept.call.kept.shared.as_deref(), who);
    assert_eq!(message(&rejection(looks)), r#"[{},{},{"region":"eu"}]"#);
}

#[test]
fn what_cannot_be_kept_is_seen_by_nobody_else() {
    let set = Set::of(
        Kind::Request,
        &["
        if (req.path === '/look') throw JSON.stringify(g.shared);
        g.shared.who = { toJSON() { throw new Error('no text') } };
        if (req.path === '/answer') return 'an answer';
        if (req.path === '/reject') throw 'no';
    "],
    );

    for path in ["/go-on", "/answer", "/reject"] {
        let ran = set.run_all(vec![call("GET", path, ""), call("GET", "/look", "")]);

        let [_, looks] = <[Ran; 2]>::try_from(ran).expect("two");
        assert_eq!(message(&rejection(looks)), "{}", "{path}");
    }
}

#[test]
fn what_a_module_keeps_of_a_body_outlives_its_transaction() {
    let set = Set::of(
        Kind::Response,
        &["const kept = require('keep'); json.before = kept.last(); kept.keep(json.rows[0])"],
    )
    .with_module(
        "lib/keep.js",
        "let row = null; exports.last = () => row; exports.keep = (next) => { row = next };",
    );
    let body = |id: &str| format!(r#"{{"rows":[{{"id": {id}, "price":1.10 ,"s":"\u00e9"}}]}}"#);
    let calls = ["9007199254740993", "9007199254740995", "7"]
        .map(|id| answered(200, "application/json", &body(id)));

    let ran = set.run_all(calls.into());

    assert!(response_body(&ran[0]).ends_with(r#","before":null}"#));
    for (ran, id) in ran[1..]
        .iter()
        .zip(["9007199254740993", "9007199254740995"])
    {
        let row = format!(r#""before":{{"id": {id}, "price":1.10 ,"s":"\u00e9"}}"#);
        assert!(response_body(ran).contains(&row), "{}", response_body(ran));
    }
}
