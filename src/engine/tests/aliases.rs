//! One thing under several names, a body, parameters or fields: a random program that goes through any of them must leave what
//! the same program leaves that goes through one only.
//!
//! `ALIASES_ROUNDS` and `ALIASES_FIRST` set how many programs there are and the first one's seed.

use super::*;

/// Names of one value.
struct Names {
    kind: Kind,
    all: &'static [&'static str],
    /// What stands around a program that goes by the name `data` alone.
    alone: (&'static str, &'static str),
}

const RESPONSE: Names = Names {
    kind: Kind::Response,
    all: &["json", "event.response.content", "g.res.output", "res.body"],
    alone: ("var data = json;", ""),
};

const REQUEST: Names = Names {
    kind: Kind::Request,
    all: &[
        "event.request.payload",
        "g.req.body",
        "_event['request'].payload",
    ],
    alone: (
        "var data = JSON.parse(json);",
        "json = JSON.stringify(data);",
    ),
};

const PARAMETERS: Names = Names {
    kind: Kind::Request,
    all: &[
        "req.query",
        "req.urlParameters",
        "event.request.parameters",
        "g.req.query",
    ],
    alone: ("var data = req.query;", ""),
};

const FIELDS: Names = Names {
    kind: Kind::Request,
    all: &[
        "req.headers",
        "req.httpHeaders",
        "event.request.headers",
        "g.req.headers",
    ],
    alone: ("var data = req.headers;", ""),
};

const RESPONSE_FIELDS: Names = Names {
    kind: Kind::Response,
    all: &["res.headers", "event.response.headers", "g.res.headers"],
    alone: ("var data = res.headers;", ""),
};

/// Numbers that look random and are the same for a seed (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bound = u64::try_from(bound).expect("bounds are small");
        usize::try_from((mixed ^ (mixed >> 31)) % bound).expect("it is below a small bound")
    }

    pub(super) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const BODY: &str = r#"{ "a": {"b": [1, 2.50, {"c": null}], "d": "x\u0041"}, "e": [], "f": 9007199254740993, "g": 1e400 }"#;

/// Statements of which each begins with the body, `$` for its name. None may throw.
const STATEMENTS: [&str; 14] = [
    "$.f",
    "$.h = { i: [1] }",
    "delete $.f",
    "if ($.a) $.a.j = 2",
    "if ($.a && $.a.b) $.a.b.push($.e)",
    "if ($.a && $.a.b) $.a.b.reverse()",
    "$.e = [$.g, $.f]",
    "if (Array.isArray($.e)) $.e.unshift('k')",
    "Object.assign($, { l: 1.5 })",
    "for (const key of Object.keys($)) if (key === 'g') delete $[key]",
    "$.a = $.a && { ...$.a }",
    "if ($.h) $.h.self = JSON.stringify($.h)",
    "Object.defineProperty($, 'm', { value: 3, enumerable: true, writable: true, configurable: true })",
    "$.f = $.f",
];

/// The same for parameters.
const WRITES: [&str; 6] = [
    "$.limit = 7",
    "delete $.tag",
    "$.new = ['x', 'y & z']",
    "$.limit = $.tag",
    "if ($.new) $.new = null",
    "Object.keys($).length",
];

/// The same for fields, none of which was sent twice: DF joins those.
const FIELD_WRITES: [&str; 7] = [
    "$['x-a'] = 'changed'",
    "$['X-New'] = 'n' + $['x-b']",
    "delete $['x-b']",
    "$['x-a'] = null",
    "if ($['X-A'] && 'x-a' in $) $['x-c'] = $['x-a'] + Object.keys($).includes('x-other')",
    "$['content-length'] = '1'",
    "Object.assign($, { 'X-C': '7', 'x-d': 'e' })",
];

fn programs(names: &Names, statements: &[&str], dice: &mut Dice) -> (String, String) {
    let chosen: Vec<_> = (0..=dice.below(8)).map(|_| dice.pick(statements)).collect();
    let through_any: Vec<_> = chosen
        .iter()
        .map(|it| {
            let pieces: Vec<_> = it.split('$').collect();
            let mut whole = pieces[0].to_owned();
            for piece in &pieces[1..] {
                whole.push_str(dice.pick(names.all));
                whole.push_str(piece);
            }
            whole
        })
        .collect();
    let through_one = chosen.join(";\n").replace('$', "data");
    let (before, behind) = names.alone;
    (
        through_any.join(";\n"),
        format!("{before}\n{through_one};\n{behind}"),
    )
}

/// The body, the target and the fields that a program leaves.
fn left_by(names: &Names, source: &str) -> (String, String, Vec<String>) {
    let is_response = names.kind == Kind::Response;
    let mut call = if is_response {
        answered(200, "application/json", BODY)
    } else {
        // `JSON.stringify` leaves no blanks.
        let body = BODY.replace(' ', "");
        call("POST", "/orders?limit=1&tag=a&tag=%62&keep=%7e", &body)
    };
    let fields = if is_response {
        &mut call.response.fields
    } else {
        &mut call.request.fields
    };
    for (name, value) in [("x-a", "1"), ("x-b", "2, 3"), ("x-other", "kept")] {
        fields.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let ran = Set::of(names.kind, &[source]).run(call);
    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{source}\n{:?}",
        ran.verdict
    );
    let body = if is_response {
        response_body(&ran)
    } else {
        request_body(&ran)
    };
    let fields = if is_response {
        &ran.call.response.fields
    } else {
        &ran.call.request.fields
    };
    let fields = fields.iter().map(|field| format!("{field:?}")).collect();
    (body.to_owned(), ran.call.request.target(), fields)
}

pub(super) fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

#[test]
fn what_goes_by_several_names_becomes_what_it_becomes_under_one() {
    let first = setting("ALIASES_FIRST", 0);
    for seed in first..first + setting("ALIASES_ROUNDS", 15) {
        let mut dice = Dice(seed);
        for (names, statements) in [
            (&RESPONSE, &STATEMENTS[..]),
            (&REQUEST, &STATEMENTS[..]),
            (&PARAMETERS, &WRITES[..]),
            (&FIELDS, &FIELD_WRITES[..]),
            (&RESPONSE_FIELDS, &FIELD_WRITES[..]),
        ] {
            let (through_any, through_one) = programs(names, statements, &mut dice);
            assert_eq!(
                left_by(names, &through_any),
                left_by(names, &through_one),
                "seed {seed}:\n{through_any}"
            );
        }
    }
}
