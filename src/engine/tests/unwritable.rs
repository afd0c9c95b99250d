//! Edits that no JSON stands for: they fail the handler that made them, and are never lost in silence.

use super::log::logged;
use super::*;

const BODY: &str = "{ \"a\" : 1.0, \"rows\": [1,  2] }";

const EDITS: [&str; 7] = [
    "json.self = json",
    "json.rows[1] = json",
    "json.a = { toJSON() { null.x } }",
    "json.a = { get b() { null.x } }",
    "json = [json]; json.push(json)",
    "res.body = { toJSON() { null.x } }",
    "event.response.content = { toJSON() { null.x } }",
];

fn ran(sources: &[&str]) -> Ran {
    Set::of(Kind::Response, sources).run(answered(200, "application/json", BODY))
}

fn skipped(edit: &str) -> String {
    format!("// @onError skip\nres.status = 500; res.headers.x = 'y'; {edit};")
}

#[test]
fn a_handler_that_may_fail_is_left_out_with_its_edit_and_the_log_names_it() {
    for edit in EDITS {
        let mut alone = None;
        let lines = logged(|| alone = Some(ran(&[&skipped(edit)])));
        let alone = alone.expect("it ran");

        assert!(matches!(alone.verdict, Verdict::Continue), "{edit}");
        assert_eq!(response_body(&alone), BODY, "{edit}");
        assert!(matches!(alone.call.response.body, Body::Whole(_)), "{edit}");
        assert_eq!(alone.call.response.status, 200, "{edit}");
        assert!(!alone.call.response.fields.contains("x"), "{edit}");
        assert!(lines.contains(r#"file="00-x.js""#), "{edit}: {lines}");
    }
}

#[test]
fn handlers_around_one_that_is_left_out_do_what_they_do_without_it() {
    let before = "json.before = 1.50";
    let behind = "res.headers['x-seen'] = JSON.stringify(json); json.behind = json.before";
    let expected = ran(&[before, behind]);

    for edit in EDITS {
        let with = ran(&[before, &skipped(edit), behind]);

        assert!(matches!(with.verdict, Verdict::Continue), "{edit}");
        assert_eq!(response_body(&with), response_body(&expected), "{edit}");
        let seen = |ran: &Ran| ran.call.response.fields.get("x-seen").cloned();
        assert_eq!(seen(&with), seen(&expected), "{edit}");
        assert_eq!(with.begun, 3, "{edit}");
    }
}

#[test]
fn the_edit_of_a_handler_that_must_not_fail_fails_the_response_whoever_comes_behind() {
    for edit in EDITS {
        for behind in [
            &[][..],
            &["// @onError skip\nres.headers.x = 'y'"],
            &[
                "// @onError skip\nres.headers.x = 'y'",
                "// @onError skip\nnull.x",
            ],
            &["// @onError skip\nnull.x", "res.headers.x = 'y'"],
        ] {
            let ran = ran(&[&[edit], behind].concat());

            assert!(
                matches!(ran.verdict, Verdict::Reject(_)),
                "{edit} before {behind:?}"
            );
            let rejection = rejection(ran);
            let found = (rejection.status.as_u16(), rejection.fault);
            assert_eq!(found, (500, Fault::Script), "{edit} before {behind:?}");
        }
    }
}
