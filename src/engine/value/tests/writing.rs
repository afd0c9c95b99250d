use super::edited;
use crate::document::MAX_DEPTH;

#[test]
fn what_nobody_touches_stays_byte_for_byte() {
    let text = "\u{FEFF} {\"id\": 9007199254740993, \"price\" :1.10 , \"big\": 1e400, \"a\": 1, \"a\": -0, \"s\":\"\\u00E9\\/\", \"half\":\"\\uD83D\", \"list\":[\"x\\uDE42\\u0041\"] }\r\n";

    assert_eq!(edited(text, ""), text);
    assert_eq!(
        edited(
            text,
            "json.id; json.price; json.big; json.a; json.s; json.half; json.list[0]; Object.keys(json)"
        ),
        text
    );
}

#[test]
fn changing_a_value_changes_no_other_byte() {
    let text = "{ \"a\" : 1.0 ,\n\"b\" : [ 1.0 , 2.0 ,{ } ] }\n";

    assert_eq!(
        edited(text, "json.a = 'x'"),
        "{ \"a\" : \"x\" ,\n\"b\" : [ 1.0 , 2.0 ,{ } ] }\n"
    );
    assert_eq!(
        edited(text, "json.b[1] = null"),
        "{ \"a\" : 1.0 ,\n\"b\" : [ 1.0 , null ,{ } ] }\n"
    );
    assert_eq!(
        edited(text, "json.b[2].c = 1"),
        "{ \"a\" : 1.0 ,\n\"b\" : [ 1.0 , 2.0 ,{\"c\" : 1} ] }\n"
    );
}

#[test]
fn deleting_a_member_takes_its_blanks_along() {
    assert_eq!(
        edited(r#"{"@metadata":{},"a":1}"#, "delete json['@metadata']"),
        r#"{"a":1}"#
    );
    assert_eq!(
        edited(r#"{"a":1, "b":2, "c":3}"#, "delete json.b"),
        r#"{"a":1, "c":3}"#
    );
    assert_eq!(edited(r#"{"a":1, "b":2}"#, "delete json.a"), r#"{"b":2}"#);
    assert_eq!(
        edited("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "delete json.b"),
        "{\n  \"a\": 1\n}\n"
    );
    assert_eq!(
        edited("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "delete json.a"),
        "{\n  \"b\": 2\n}\n"
    );
    assert_eq!(edited("{ \"a\": 1 }", "delete json.a"), "{}");
}

#[test]
fn an_added_member_follows_the_style_around_it() {
    assert_eq!(edited(r#"{"a":1}"#, "json.b = 2"), r#"{"a":1,"b":2}"#);
    assert_eq!(
        edited(r#"{"a": 1, "c": 3}"#, "json.b = {x: 1, y: [1, 2]}"),
        r#"{"a": 1, "c": 3, "b": {"x": 1, "y": [1, 2]}}"#
    );
    assert_eq!(
        edited("{\n  \"a\": 1\n}\n", "json.b = {x: [1]}"),
        "{\n  \"a\": 1,\n  \"b\": {\n    \"x\": [\n      1\n    ]\n  }\n}\n"
    );
    assert_eq!(edited("{}", "json.b = {x: 1}"), r#"{"b":{"x":1}}"#);
    assert_eq!(edited("[ 1, 2 ]", "json.push(3)"), "[ 1, 2, 3 ]");
    assert_eq!(edited("[1]", "json.push(3)"), "[1,3]");
}

#[test]
fn elements_keep_their_blanks_when_others_go_or_come() {
    assert_eq!(
        edited(r#"[ {"a":1},  {"b":2},   {"c":3} ]"#, "json.shift()"),
        r#"[ {"b":2},   {"c":3} ]"#
    );
    assert_eq!(
        edited(r#"[ {"a":1},  {"b":2},   {"c":3} ]"#, "json.pop()"),
        r#"[ {"a":1},  {"b":2} ]"#
    );
    assert_eq!(
        edited(r#"[{"a":1}, {"b":2}]"#, "json.unshift({z: 0})"),
        r#"[{"z":0}, {"a":1}, {"b":2}]"#
    );
    assert_eq!(
        edited(r#"[{"a":1}, {"b":2}]"#, "json.reverse()"),
        r#"[{"b":2}, {"a":1}]"#
    );
}

#[test]
fn duplicate_keys_stay_until_their_key_is_written_or_deleted() {
    let text = r#"{"a":1,"b":2,"a":3}"#;

    assert_eq!(edited(text, "json.b = 0"), r#"{"a":1,"b":0,"a":3}"#);
    assert_eq!(edited(text, "json.a = 0"), r#"{"b":2,"a":0}"#);
    assert_eq!(edited(text, "delete json.a"), r#"{"b":2}"#);
}

#[test]
fn members_stay_in_the_order_of_the_text() {
    assert_eq!(
        edited(
            r#"{"b":1,"10":2,"2":3}"#,
            "json[2] = 0; json.x = 1; json[1] = 1"
        ),
        r#"{"b":1,"10":2,"2":0,"x":1,"1":1}"#
    );
}

#[test]
fn what_json_has_no_text_for_is_left_out() {
    assert_eq!(
        edited(
            r#"{"a":1,"b":2}"#,
            "json.a = undefined; json.c = () => 1; json[Symbol()] = 1"
        ),
        r#"{"b":2}"#
    );
    assert_eq!(
        edited("[1,2,3]", "json[1] = undefined; json.length = 4"),
        "[1,null,3,null]"
    );
    assert_eq!(
        edited(
            r#"{"a":1,"b":2}"#,
            "Object.defineProperty(json, 'a', {enumerable: false})"
        ),
        r#"{"b":2}"#
    );
    assert_eq!(
        edited(r#"{"a":1}"#, "json.a = NaN; json.b = -Infinity"),
        r#"{"a":null,"b":null}"#
    );
}

#[test]
fn objects_that_stand_for_a_value_count_as_it() {
    let body = "json.d = new Date(0); json.n = new Number(1.5); json.s = new String('x'); json.b = new Boolean(false); json.r = JSON.rawJSON('1.50')";

    assert_eq!(
        edited("{}", body),
        r#"{"d":"1970-01-01T00:00:00.000Z","n":1.5,"s":"x","b":false,"r":1.50}"#
    );
}

#[test]
fn a_document_as_deep_as_is_taken_is_edited_at_its_bottom() {
    let levels = MAX_DEPTH / 2;
    let text = format!(
        "{}{{ }}{}",
        "[ {\"a\" :".repeat(levels - 1),
        "} ]".repeat(levels - 1)
    );
    let edit = format!("let o = json; for (let i = 1; i < {levels}; i++) o = o[0].a; o.b = null");

    let edited = edited(&text, &edit);

    assert_eq!(edited, text.replace("{ }", "{\"b\" :null}"));
}
