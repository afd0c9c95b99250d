//! How numbers are spelled: those that stay where they are, those that move with what holds them, and those
//! that are copied or made.
//!
//! `NUMBERS_ROUNDS` and `NUMBERS_FIRST` set how many random bodies there are and the first one's number.

use bytes::Bytes;
use rquickjs::CatchResultExt;

use super::{call, edited, lazily, open, setting, write};

/// The text after a handler, or what it failed with.
fn outcome(text: &str, body: &str) -> Result<String, String> {
    lazily(|ctx| {
        let json = open(ctx, Bytes::copy_from_slice(text.as_bytes()))
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let returned = call(ctx, body, json.clone());
        let left = if returned.is_undefined() {
            json
        } else {
            returned
        };
        match write(ctx, &left).catch(ctx) {
            Ok(text) => {
                let text = text.expect("an object has a text");
                Ok(String::from_utf8(text.into()).expect("a text is UTF-8"))
            }
            Err(error) => Err(error.to_string()),
        }
    })
}

#[test]
fn a_number_keeps_its_spelling_in_its_place_and_with_what_holds_it() {
    for (text, body, expected) in [
        (
            r#"[{"n":1.10},{"n":1.1}]"#,
            "json.reverse()",
            r#"[{"n":1.1},{"n":1.10}]"#,
        ),
        (
            r#"{"a":[1.10,1.1]}"#,
            "json.b = json.a; delete json.a",
            r#"{"b":[1.10,1.1]}"#,
        ),
        (
            r#"{"a":1.10,"b":1.1}"#,
            "json.a = json.a; json.b = json.b",
            r#"{"a":1.10,"b":1.1}"#,
        ),
        (r#"{"a":1.0}"#, "json.a = Number(json.a)", r#"{"a":1.0}"#),
        ("[1.0,1E+2,7]", "json.push(8)", "[1.0,1E+2,7,8]"),
        ("[1.0,1E+2,7]", "json[2] = 1", "[1.0,1E+2,1]"),
        (
            "[9007199254740993,9007199254740992]",
            "json.sort(); json.push(1)",
            "[9007199254740993,9007199254740992,1]",
        ),
    ] {
        assert_eq!(edited(text, body), expected, "{body}");
    }
}

#[test]
fn a_safe_integer_that_is_written_is_written_as_javascript_writes_it() {
    for (text, body, expected) in [
        (r#"{"n":1.0}"#, "json.page = 1", r#"{"n":1.0,"page":1}"#),
        (r#"{"n":1.0}"#, "json.n = 1", r#"{"n":1}"#),
        (r#"{"n":1E+2}"#, "json.m = 100", r#"{"n":1E+2,"m":100}"#),
        (r#"{"n":1E+2}"#, "json.m = json.n", r#"{"n":1E+2,"m":100}"#),
        (r#"{"n":-0,"m":5}"#, "json.m = json.n", r#"{"n":-0,"m":0}"#),
        ("[1E+2,100]", "json.shift()", "[100]"),
        ("[1.0,2]", "json[0] = 1", "[1,2]"),
        ("[1.0]", "json.unshift(1)", "[1,1]"),
        (
            r#"{"n":[1.0]}"#,
            "json.m = json.n.map(n => n + 1)",
            r#"{"n":[1.0],"m":[2]}"#,
        ),
        (
            r#"{"n":9007199254740991.0}"#,
            "json.m = json.n",
            r#"{"n":9007199254740991.0,"m":9007199254740991}"#,
        ),
    ] {
        assert_eq!(edited(text, body), expected, "{body}");
    }
}

#[test]
fn another_number_that_is_copied_takes_the_one_spelling_that_reads_so() {
    for (text, body, expected) in [
        (
            "[2.50,9007199254740993,1e2]",
            "json.reverse()",
            "[100,9007199254740993,2.50]",
        ),
        (
            r#"{"a":1.10,"b":1.1}"#,
            "json.c = json.a",
            r#"{"a":1.10,"b":1.1,"c":1.1}"#,
        ),
        (
            r#"{"a":1e400}"#,
            "json.c = json.a",
            r#"{"a":1e400,"c":1e400}"#,
        ),
        (
            r#"{"a":1e400,"b":10e399}"#,
            "json.c = json.a",
            r#"{"a":1e400,"b":10e399,"c":null}"#,
        ),
        (
            r#"{"a":0.5e0}"#,
            "json.c = json.a",
            r#"{"a":0.5e0,"c":0.5e0}"#,
        ),
        (
            r#"{"rows":[{"id":12345678901234567890},{"id":12345678901234567999999}]}"#,
            "return json.rows.map(row => row.id)",
            "[12345678901234567890,12345678901234567999999]",
        ),
    ] {
        assert_eq!(outcome(text, body).as_deref(), Ok(expected), "{body}");
    }
}

#[test]
fn what_copies_a_whole_row_keeps_the_rows_spelling() {
    let rows = r#"[{"id":90071992547409930,"n":1.0,"p":1.10,"l":[1E+2,90071992547409931]},{"id":90071992547409931,"n":1.00,"p":1.1,"l":[]}]"#;
    let first = r#"{"id":90071992547409930,"n":1.0,"p":1.10,"l":[1E+2,90071992547409931]}"#;
    let second = r#"{"id":90071992547409931,"n":1.00,"p":1.1,"l":[]}"#;
    let both = format!("[{first},{second}]");
    let turned = format!("[{second},{first}]");

    for (body, expected) in [
        ("return json.map(row => row)", both.as_str()),
        ("return json.map(row => ({...row}))", &both),
        ("return json.map(row => Object.assign({}, row))", &both),
        ("return json.map(({none, ...rest}) => rest)", &both),
        (
            "return json.map(row => Object.fromEntries(Object.entries(row)))",
            &both,
        ),
        ("return json.slice()", &both),
        ("return [...json]", &both),
        ("return json.filter(row => row.n === 1)", &both),
        (
            "return json.toSorted((a, b) => a.l.length - b.l.length)",
            &turned,
        ),
        ("json.sort((a, b) => a.l.length - b.l.length)", &turned),
        (
            "return [json[1], {...json[0], l: json[0].l.slice()}]",
            &turned,
        ),
        ("return [json[1], {...json[0], l: [...json[0].l]}]", &turned),
    ] {
        assert_eq!(outcome(rows, body).as_deref(), Ok(expected), "{body}");
    }
    assert_eq!(
        outcome(
            rows,
            "return json.map(({n, l, ...rest}) => ({...rest, seen: 1}))"
        )
        .as_deref(),
        Ok(
            r#"[{"id":90071992547409930,"p":1.10,"seen":1},{"id":90071992547409931,"p":1.1,"seen":1}]"#
        )
    );
}

#[test]
fn a_copied_number_that_stands_for_several_fails_and_names_exact() {
    let rows = r#"{"rows":[{"id":90071992547409930,"a":1,"b":2},{"id":90071992547409931,"a":1,"b":2}],"l":[90071992547409930,90071992547409931,7],"f":0.1,"g":0.1000000000000000055,"x":1e400,"y":2e400,"p":90071992547409930,"q":90071992547409931}"#;

    for body in [
        "json.ids = json.rows.map(row => row.id)",
        "json.first = json.rows[0].id",
        "json.rows = json.rows.map(row => ({ident: row.id}))",
        "json.rows = json.rows.map(row => ({id: row.id}))",
        "json.rows[0].id = json.rows[1].id",
        "[json.p, json.q] = [json.q, json.p]",
        "json.l.reverse()",
        "json.l.shift()",
        "json.l.unshift(1)",
        "json.l.sort((a, b) => a - b)",
        "json.l.copyWithin(0, 1)",
        "json.m = json.l.filter((n, at) => at > 0)",
        "json.m = [json.l[0]]",
        "json.h = json.f",
        "json.z = json.x",
        "json.z = -(-json.x)",
        "json.id = Number('90071992547409930')",
        "json.text = JSON.stringify([json.p])",
    ] {
        let failed = match body {
            "json.text = JSON.stringify([json.p])" => lazily(|ctx| {
                let json = open(ctx, Bytes::copy_from_slice(rows.as_bytes())).expect("JSON");
                let body = format!("try {{ {body} }} catch (e) {{ return String(e) }}");
                let said = call(ctx, &body, json);
                said.as_string().and_then(|said| said.to_string().ok())
            }),
            _ => outcome(rows, body).err(),
        };
        let failed = failed.unwrap_or_else(|| panic!("{body}"));
        assert!(failed.contains("exact"), "{body}: {failed}");
    }
}

#[test]
fn where_digits_are_known_or_not_needed_nothing_fails() {
    let rows = r#"{"rows":[{"id":90071992547409930},{"id":90071992547409931}],"l":[90071992547409930,90071992547409931,7],"n":[1.0,1.00]}"#;
    for (body, expected) in [
        ("json.l.pop()", rows.replace(",7", "")),
        ("json.l[2] = 8", rows.replace(",7", ",8")),
        (
            "delete json.l[0]",
            rows.replace(r#""l":[90071992547409930,"#, r#""l":[null,"#),
        ),
        ("json.n.reverse()", rows.replace("1.0,1.00", "1,1")),
        (
            "json.n.push(json.rows.length)",
            rows.replace("1.00", "1.00,2"),
        ),
        (
            "json.half = json.rows[0].id / 2",
            rows.replace("1.00]", "1.00],\"half\":45035996273704970"),
        ),
        (
            "json.text = String(json.rows[0].id)",
            rows.replace("1.00]", "1.00],\"text\":\"90071992547409940\""),
        ),
    ] {
        let left = outcome(rows, body);
        assert_eq!(left.as_deref(), Ok(&*expected), "{body}");
    }
}

#[test]
fn digits_of_a_text_that_is_gone_are_no_guess() {
    let body = "
        const ids = [];
        for (let i = 0; i < 200; i++) ids.push(JSON.parse(`[{\"id\": ${90071992547409930n + BigInt(i % 8)}}]`)[0].id);
        json.ids = ids;
    ";

    let failed = outcome(r#"{"a":1}"#, body).expect_err("the texts are gone");

    assert!(failed.contains("exact"), "{failed}");
}

/// Numbers of which several read alike, and what JavaScript writes for them.
const POOL: [(&str, &str); 16] = [
    ("1", "1"),
    ("1.0", "1"),
    ("1.00", "1"),
    ("100", "100"),
    ("1E+2", "100"),
    ("-0", "0"),
    ("2.5", "2.5"),
    ("2.50", "2.5"),
    ("0.1", "0.1"),
    ("0.10000000000000000001", "0.1"),
    ("36028797018963968", "36028797018963970"),
    ("36028797018963969", "36028797018963970"),
    ("36028797018963968.0", "36028797018963970"),
    ("72057594037927937", "72057594037927940"),
    ("1e400", "null"),
    ("3e400", "null"),
];

/// The numbers of [`POOL`] that are the same one.
const SAME: [&[usize]; 11] = [
    &[0, 1, 2],
    &[3, 4],
    &[5],
    &[6, 7],
    &[8],
    &[9],
    &[10, 12],
    &[11],
    &[13],
    &[14],
    &[15],
];

/// How a copy of a number of the pool is written beside those that the body has; nothing where it can't be.
fn copied(number: usize, body: &[usize]) -> Option<&'static str> {
    let (spelling, usual) = POOL[number];
    let reads = |at: usize| POOL[at].0.parse::<f64>().expect("a number");
    let value = reads(number);
    if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_991.0 {
        return Some(usual);
    }
    let same = SAME.iter().find(|same| same.contains(&number))?;
    let alike: Vec<_> = body
        .iter()
        .filter(|&&at| reads(at).to_bits() == value.to_bits())
        .collect();
    if !alike.iter().all(|at| same.contains(at)) {
        return None;
    }
    let is_only = alike.iter().all(|at| **at == number);
    Some(if is_only { spelling } else { usual })
}

#[test]
fn random_bodies_are_written_as_the_rule_says() {
    let first = setting("NUMBERS_FIRST").unwrap_or(0);
    for round in first..first + setting("NUMBERS_ROUNDS").unwrap_or(300) {
        let mut state = round.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).expect("31 bits fit") % limit
        };
        let count = 1 + below(5);
        let numbers: Vec<usize> = (0..2 * count).map(|_| below(POOL.len())).collect();
        let row = |at: usize| {
            let (n, m) = (POOL[numbers[2 * at]].0, POOL[numbers[2 * at + 1]].0);
            format!(r#"{{"n":{n},"m":{m},"s":"{at}"}}"#)
        };
        let rows: Vec<_> = (0..count).map(row).collect();
        let text = format!("[{}]", rows.join(","));
        let keeps: [&str; 5] = [
            "return json.map(r => ({...r}))",
            "return json.map(({x, ...r}) => r)",
            "return json.filter(r => r.s)",
            "json.sort((a, b) => a.s - b.s)",
            "json.forEach(r => Object.assign(r, r))",
        ];
        let keep = keeps[below(keeps.len())];
        assert_eq!(
            outcome(&text, keep).as_deref(),
            Ok(&*text),
            "round {round}: {keep}"
        );

        let chosen = below(count);
        let expected = copied(numbers[2 * chosen], &numbers);
        for (body, wrap) in [
            (
                format!("return [json[{chosen}].n, 'x', 'y']"),
                ("[", r#","x","y"]"#),
            ),
            (format!("return {{k: json[{chosen}].n}}"), (r#"{"k":"#, "}")),
            (
                format!("return {{k: 0 + json[{chosen}].n}}"),
                (r#"{"k":"#, "}"),
            ),
        ] {
            let left = outcome(&text, &body);
            match expected {
                Some(expected) => assert_eq!(
                    left.as_deref(),
                    Ok(&*format!("{}{expected}{}", wrap.0, wrap.1)),
                    "round {round}: {text} {body}"
                ),
                None => assert!(
                    left.as_ref().is_err_and(|said| said.contains("exact")),
                    "round {round}: {text} {body} {left:?}"
                ),
            }
        }
    }
}
