//! Handlers that only move fields: carried out without the engine they leave what they leave with it.
//!
//! `MOVES_ROUNDS` and `MOVES_FIRST` set how many programs there are and the first one's seed.

use super::aliases::{Dice, setting};
use super::*;
use crate::engine::analysis::analyse;
use crate::engine::scope::{INHERITED, Moves};

const VIEWS: [&str; 5] = [
    "res.headers",
    "res['headers']",
    "req.headers",
    "req.httpHeaders",
    "res.headers",
];

const NAMES: [&str; 12] = [
    "['x-one']",
    "['X-One']",
    ".cookie",
    "['Set-Cookie']",
    "['x-twice']",
    "['x-odd']",
    "['x-empty']",
    ".authorization",
    "['X-New']",
    "['x-never']",
    "['x-long']",
    "['42']",
];

const TEXTS: [&str; 5] = ["'plain'", "''", "'ö \\u00e9'", "\" two words \"", "'a, b'"];

fn member(dice: &mut Dice) -> String {
    format!("{}{}", dice.pick(&VIEWS), dice.pick(&NAMES))
}

fn program(dice: &mut Dice) -> String {
    let statement = |dice: &mut Dice| match dice.below(6) {
        0 => format!("delete {}", member(dice)),
        1 | 2 => format!("{} = {}", member(dice), dice.pick(&TEXTS)),
        _ => format!("{} = {}", member(dice), member(dice)),
    };
    let statements: Vec<_> = (0..=dice.below(6)).map(|_| statement(dice)).collect();
    format!("// moves\n{};", statements.join(";\n"))
}

fn fill(fields: &mut Fields) {
    let long = "l".repeat(300 * 1024);
    for (name, value) in [
        ("x-One", &b"1"[..]),
        ("Set-Cookie", b"a=1"),
        ("x-twice", b"2"),
        ("X-Twice", b"zwei"),
        ("x-odd", b"caf\xe9"),
        ("x-empty", b""),
        ("x-long", long.as_bytes()),
        ("42", b"a number"),
    ] {
        let parsed = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = HeaderValue::from_bytes(value).expect("a value");
        fields.receive(parsed, name.as_bytes(), value);
    }
}

/// Everything these handlers leave.
fn left_by(kind: Kind, sources: &[String]) -> String {
    let mut call = match kind.phase() {
        crate::handler::Phase::Request => call("POST", "/orders", "{}"),
        crate::handler::Phase::Response => answered(200, "application/json", "{}"),
    };
    fill(&mut call.request.fields);
    fill(&mut call.response.fields);
    let sources: Vec<_> = sources.iter().map(String::as_str).collect();
    let Ran { call, verdict, .. } = Set::of(kind, &sources).run(call);
    format!(
        "{verdict:?}\n{:?}\n{:?}",
        call.request.fields, call.response.fields
    )
}

fn is_moves(source: &str) -> bool {
    let analysis = analyse(source, crate::handler::Phase::Response).expect("it parses");
    analysis.moves.and_then(Moves::of).is_some()
}

#[test]
fn moving_fields_leaves_what_the_engine_leaves() {
    let first = setting("MOVES_FIRST", 0);
    for seed in first..first + setting("MOVES_ROUNDS", 60) {
        let mut dice = Dice(seed);
        let moves: Vec<_> = (0..=dice.below(2)).map(|_| program(&mut dice)).collect();
        let through_engine: Vec<_> = moves.iter().map(|it| format!("{it}\n0;")).collect();
        assert!(moves.iter().all(|it| is_moves(it)), "{moves:?}");
        assert!(!through_engine.iter().any(|it| is_moves(it)));
        for kind in [Kind::Request, Kind::Response] {
            assert_eq!(
                left_by(kind, &moves),
                left_by(kind, &through_engine),
                "seed {seed}: {}",
                moves.join("\n---\n")
            );
        }
    }
}

#[test]
fn what_is_more_than_moving_fields_is_left_to_the_engine() {
    for source in [
        "res.headers.a = 1",
        "res.headers.a = res.status",
        "res.headers.a += 'b'",
        "res.headers[a] = 'b'",
        "res.headers.a = 'b' + 'c'",
        "res.headers.a = req.query.b",
        "res.headers.a = res.headers?.b",
        "res.headers = { a: 'b' }",
        "event.response.headers.a = 'b'",
        "var res = { headers: {} }; res.headers.a = 'b'",
        "if (true) res.headers.a = 'b'",
        "return 'b'",
        // Not a field, or not the script's to write.
        "res.headers['a b'] = 'c'",
        "res.headers.a = 'b\\n'",
        "res.headers.a = '\\ud800'",
        "res.headers['content-length'] = '1'",
        "res.headers.a = res.headers.constructor",
    ] {
        assert!(!is_moves(source), "{source}");
    }
}

#[test]
fn nothing_that_a_view_inherits_is_taken_for_a_field() {
    let source =
        "res.headers['x-inherited'] = Object.getOwnPropertyNames(Object.prototype).sort().join()";

    let ran = Set::of(Kind::Response, &[source]).run(answered(200, "text/plain", ""));

    let inherited = ran.call.response.fields.get_str("x-inherited");
    assert_eq!(inherited, Some(INHERITED.join(",").as_str()));
}

#[test]
fn a_move_that_fails_rejects_as_a_script_that_throws() {
    let long = "x".repeat(300 * 1024);
    let source = format!(
        "// a comment\nreq.headers.a = '{long}';\nreq.headers.b = req.headers.a;\nreq.headers.c = req.headers.a;\n  req.headers.d = req.headers.c;"
    );
    assert!(is_moves(&source));

    let rejected = |source: &str| {
        let set = Set::of(Kind::Request, &[source]);
        rejection(set.run(call("GET", "/orders", "")))
    };

    let moved = rejected(&source);
    assert_eq!(moved.status, 500);
    assert_eq!(moved.fault, Fault::Script);
    let thrown = rejected(&format!("{source}\n0;"));
    assert_eq!(format!("{moved:?}"), format!("{thrown:?}"));
}
