//! What nests, and what only looks so.

use super::*;

/// What nests for each time it is repeated: before, again and again, in the middle, and again
/// behind.
pub(in crate::engine::analysis) const NESTING: [(&str, &str, &str, &str); 56] = [
    ("x = ", "[", "1", "]"),
    ("x = ", "{a:", "1", "}"),
    ("x = ", "(", "1", ")"),
    ("", "{", "", "}"),
    ("", "(function(){", "", "})()"),
    ("", "function f(){", "", "}"),
    ("x = ", "class { m(){ return ", "1", "}}"),
    ("x = ", "class extends ", "A", " {}"),
    ("x = ", "f(", "1", ")"),
    ("x = ", "`${", "1", "}`"),
    ("x = ", "a[", "1", "]"),
    ("x = ", "a?.[", "1", "]"),
    ("x = ", "a ? b : ", "1", ""),
    ("x = ", "a ? ", "1", " : b"),
    ("x = ", "a => ", "1", ""),
    ("x = ", "async a => ", "1", ""),
    ("x = ", "(a, b) => ", "1", ""),
    ("x = ", "a => {", "", "}"),
    ("x = ", "({a}) => ({a:", "1", "})"),
    ("", "if (a) ", "b", ""),
    ("", "if (a) b; else ", "c", ""),
    ("", "if (a) {} else ", "c", ""),
    ("", "if (a) {b;} else if (c) {d} else ", "c", ""),
    ("", "if (a) do {} while (b); else ", "c", ""),
    ("", "if (a) do b; while (c); else ", "c", ""),
    ("", "if (a) try {} catch (e) {} else ", "c", ""),
    ("", "for (;;) ", "b", ""),
    ("", "for (a of b) ", "b", ""),
    ("", "while (a) ", "b", ""),
    ("", "with (a) ", "b", ""),
    ("", "do ", "a", "; while (b)"),
    ("", "do {", "", "} while (b)"),
    ("", "try {", "", "} finally {}"),
    ("", "switch (a) { case 1: ", "", "}"),
    ("x = ", "!", "1", ""),
    ("x = ", "- ", "1", ""),
    ("x = ", "+ ", "1", ""),
    ("x = ", "~", "1", ""),
    ("x = ", "typeof ", "1", ""),
    ("x = ", "void ", "1", ""),
    ("x = ", "delete ", "1", ""),
    ("x = ", "new ", "A", ""),
    ("async () => ", "await ", "1", ""),
    ("async () => ", "await - ", "1", ""),
    ("function* g() { ", "yield ", "1 }", ""),
    ("", "a = ", "1", ""),
    ("", "a += ", "1", ""),
    ("", "a ??= ", "1", ""),
    ("x = ", "2 ** ", "1", ""),
    ("x = 1", " + 1", "", ""),
    ("x = 1", " && a", "", ""),
    ("x = 1", " instanceof A", "", ""),
    ("x = a", ".b", "", ""),
    ("x = a", "?.b", "", ""),
    ("x = f", "()", "", ""),
    ("x = f", "`a`", "", ""),
];

/// What stands beside itself, however often.
const BESIDE: [&str; 44] = [
    "a = b + c * d;\n",
    "a = b\n",
    "a.b.c(d, e)\n",
    "f()\n",
    "x = [1, 2]\n",
    "x = {a: 1, b: {c: 2}}\n",
    "x = {}\n",
    "let q = 1\n",
    "var a = 1, b = function () {}, c\n",
    "const f = (a) => { return a }\n",
    "const f = async (a) => await a\n",
    "const f = async function () { await a }\n",
    "if (a) b\n",
    "if (a) { b } else if (c) { d } else { e }\n",
    "if (a) b; else c;\n",
    "for (const a of b) { c(a) }\n",
    "for (var i = 0; i < 3; i++) d[i] = i;\n",
    "while (a) b();\n",
    "do { a } while (b);\n",
    "try { a() } catch (e) { b() } finally { c() }\n",
    "try { a() } catch { b() }\n",
    "switch (a) { case 1: case 2: b(); break; default: c() }\n",
    "function f(a, b = {}) { return a }\n",
    "class A { a = 1; #b = 2; m() { return /[/]/ } static s = () => 1; get g() { return 1 } }\n",
    "class B extends A {}\n",
    "a: for (;;) { break a }\n",
    "{ a = 1 }\n",
    "x = `a ${b} c ${`d ${e}`}`\n",
    "x = a ? b : c\n",
    "x = !a && -b || typeof c\n",
    "a++\n",
    "++a\n",
    "x = a / b / c\n",
    "x = /[\"'`{(\\/]/g.test(a)\n",
    "f()[0].b = 1\n",
    "(function () { a() })();\n",
    "// it's ((((((\n",
    "/* it's [[[[[ */\n",
    "x = 'it\\'s ((((' + \"{{{{\\\"{{\"\n",
    "x = 1..toString() + .5 + 0x1f + 1e5 + 1_000n\n",
    "if (a) /'/.test(b)\n",
    "}{",
    "delete a.b\n",
    "throw { status: 1 }\n",
];

pub(in crate::engine::analysis) fn repeated(
    (before, again, middle, behind): (&str, &str, &str, &str),
    times: usize,
) -> String {
    format!(
        "{before}{}{middle}{}",
        again.repeat(times),
        behind.repeat(times)
    )
}

#[test]
fn what_nests_is_refused_where_it_is_too_deep() {
    for (row, times) in NESTING
        .into_iter()
        .flat_map(|row| [(row, 3_000), (row, 100_000)])
    {
        let text = repeated(row, times);
        let refused = check(&text).expect_err(row.1);
        assert!(
            matches!(refused, Refused::TooDeep(_)),
            "{row:?}: {refused:?}"
        );
        assert!(
            refused.offset() < row.0.len() + row.1.len() * (MOST + 1),
            "{row:?}"
        );
    }
}

#[test]
fn what_people_write_passes() {
    for row in NESTING {
        assert_eq!(check(&repeated(row, 30)), Ok(()), "{row:?}");
    }
    for (row, times) in [
        (("x = ''", " + a.b", "", ""), 900),
        (("x = ", "a === b ? c : ", "d", ""), 500),
        (("", "if (a === 1) { b() } else ", "{ c() }", ""), 900),
        (("x = ", "[", "1", "]"), MAX_NESTING - 1),
    ] {
        assert_eq!(check(&repeated(row, times)), Ok(()), "{row:?}");
    }
}

#[test]
fn what_stands_beside_itself_does_not_nest() {
    for statement in BESIDE {
        assert_eq!(check(&statement.repeat(5_000)), Ok(()), "{statement}");
    }
    assert_eq!(check(&BESIDE.concat().repeat(500)), Ok(()));
    let list = format!(
        "x = [{}]",
        "{a: 1, 'b': [1, 2, f(x => x)], c() {}, get d() { return 1 }},".repeat(5_000)
    );
    assert_eq!(check(&list), Ok(()));
}

#[test]
fn brackets_behind_what_can_be_read_in_two_ways_are_seen() {
    let brackets = "[".repeat(3_000);
    for before in [
        "if (a) {} /'/.test(b); x = ",
        "x = {} /'/.test(b) / y; x = ",
        "x = {} / '/' + ",
        "x = y / '/' + ",
        "x = (y) / '/' + ",
        "x = y[0] / '/' + ",
        "x = `` / '/' + ",
        "x = y++ / '/' + ",
        "if (y) /'/; x = ",
        "x = {} / `a` + ",
        "async () => { await /'/.test(a); x = ",
        "await / 1; x = ",
        "for (a of /'/) x = ",
        "of = of /1; x = ",
        "x = a ? {b: 1} / '/' : ",
        "x = function () {} / '/' + ",
        "x = () => {}\n/'/.test(a); x = ",
        "a = b\n<!-- ` '\nx = ",
        "a = b\n--> ` '\nx = ",
        "/* \n */ --> `\nx = ",
        "// `\u{2028} x = ",
        "x = '\\\n`' + ",
        "x = a\u{a0}/ `/` + ",
        "x =\u{a0}/`/; x = ",
        "x = {if: /`/}; x = ",
        "x = a.if / '`' + ",
        "x = a.if(b) / '`' + ",
        "x = \\u{61} / '`' + ",
        "x = a?.5:b; x = ",
        "x = `${`${'`'}`}` + ",
        "label: /'/.test(a); x = ",
    ] {
        let text = format!("{before}{brackets}");
        assert!(check(&text).is_err(), "{before}");
    }
}

#[test]
fn a_text_takes_one_look_however_it_is_made() {
    for again in [
        "/[", "a = /[", "} /'", "{} /'[\n", "`${", "'", "\\", "/*", "<!--", "${", "\u{a0}/",
    ] {
        let text = again.repeat(200_000);
        let _ = check(&text);
    }
}
