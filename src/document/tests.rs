use std::rc::Rc;

use bytes::Bytes;

use super::{
    Document, Fault, Form, Kind, Layout, MAX_DEPTH, Node, ParseError, Source, Spelled, Text, Writer,
};

fn document(text: &str) -> Rc<Document> {
    Rc::new(
        Document::parse(Bytes::copy_from_slice(text.as_bytes()))
            .unwrap_or_else(|error| panic!("{text}: {error}")),
    )
}

fn refused(text: impl AsRef<[u8]>) -> ParseError {
    match Document::parse(Bytes::copy_from_slice(text.as_ref())) {
        Ok(_) => panic!("{:?} is accepted", String::from_utf8_lossy(text.as_ref())),
        Err(error) => error,
    }
}

/// The document's values with all they hold, each as its kind and spelling.
fn listed(document: &Document, node: Node) -> String {
    match document.kind(node) {
        Kind::Object => {
            let member = |key: Node| {
                format!(
                    "{}={}",
                    spelled(document, key),
                    listed(document, key.value())
                )
            };
            format!(
                "{{{}}}",
                document
                    .children(node)
                    .map(member)
                    .collect::<Vec<_>>()
                    .join(" ")
            )
        }
        Kind::Array => format!(
            "[{}]",
            document
                .children(node)
                .map(|element| listed(document, element))
                .collect::<Vec<_>>()
                .join(" ")
        ),
        Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
            spelled(document, node)
        }
    }
}

fn spelled(document: &Document, node: Node) -> String {
    String::from_utf8(document.spelling(node).to_vec()).expect("a document is UTF-8")
}

mod reading {
    use super::*;

    #[test]
    fn what_rfc_8259_allows_is_read() {
        for (text, expected) in [
            ("{}", "{}"),
            ("[]", "[]"),
            (" [ ] ", "[]"),
            ("\t\r\n null\n", "null"),
            ("0", "0"),
            ("-0", "-0"),
            ("-0.0e-0", "-0.0e-0"),
            ("1E+2", "1E+2"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
            (r#""\"\\\/\b\f\n\r\t\u00aF""#, r#""\"\\\/\b\f\n\r\t\u00aF""#),
            (r#""\ud800""#, r#""\ud800""#),
            (
                "\"\u{7f}\u{2028}\u{10ffff}\"",
                "\"\u{7f}\u{2028}\u{10ffff}\"",
            ),
            (r#"{"":{"":[]}}"#, r#"{""={""=[]}}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a"=1 "a"=2}"#),
            (
                r#" [ {"a" : [ 1 , true ] , "b" : { } } , false ] "#,
                r#"[{"a"=[1 true] "b"={}} false]"#,
            ),
        ] {
            let document = document(text);

            assert_eq!(listed(&document, document.root()), expected, "{text}");
        }
    }

    #[test]
    fn what_rfc_8259_forbids_is_refused_where_it_stands() {
        for (text, offset, fault) in [
            ("", 0, Fault::End),
            (" ", 1, Fault::End),
            ("[", 1, Fault::End),
            ("[1", 2, Fault::End),
            ("[1,", 3, Fault::End),
            ("{\"a\"", 4, Fault::End),
            ("{\"a\":", 5, Fault::End),
            ("\"abc", 4, Fault::End),
            ("\"abcdefghi", 10, Fault::End),
            ("\"\\", 2, Fault::End),
            ("\"\\u00", 5, Fault::End),
            ("nul", 3, Fault::End),
            ("-", 1, Fault::End),
            ("1.", 2, Fault::End),
            ("1e", 2, Fault::End),
            ("[1,]", 3, Fault::Unexpected),
            ("{\"a\":1,}", 7, Fault::Unexpected),
            ("{a:1}", 1, Fault::Unexpected),
            ("{1:1}", 1, Fault::Unexpected),
            ("{\"a\" 1}", 5, Fault::Unexpected),
            ("[1 2]", 3, Fault::Unexpected),
            ("[1}", 2, Fault::Unexpected),
            ("{\"a\":1]", 6, Fault::Unexpected),
            ("'a'", 0, Fault::Unexpected),
            ("NaN", 0, Fault::Unexpected),
            ("+1", 0, Fault::Unexpected),
            (".5", 0, Fault::Unexpected),
            ("nulx", 3, Fault::Unexpected),
            ("\u{a0}1", 0, Fault::Unexpected),
            ("[//\n1]", 1, Fault::Unexpected),
            ("01", 1, Fault::Number),
            ("-01", 2, Fault::Number),
            ("[-]", 2, Fault::Number),
            ("[1.]", 3, Fault::Number),
            ("[1.e1]", 3, Fault::Number),
            ("[1e+]", 4, Fault::Number),
            ("\"a\u{1}\"", 2, Fault::Control),
            ("\"12345678\n\"", 9, Fault::Control),
            ("\"\u{0}\"", 1, Fault::Control),
            ("\"\\x\"", 2, Fault::Escape),
            ("\"\\u12g4\"", 5, Fault::Escape),
            ("1 1", 2, Fault::Trailing),
            ("[]]", 2, Fault::Trailing),
            ("1\u{0}", 1, Fault::Trailing),
        ] {
            let error = refused(text);

            assert_eq!((error.offset, error.fault), (offset, fault), "{text:?}");
        }
    }

    #[test]
    fn text_must_be_utf_8() {
        assert_eq!(
            refused(b"[\"\xC3\"]"),
            ParseError {
                offset: 2,
                line: 1,
                column: 3,
                fault: Fault::Encoding
            }
        );
        assert_eq!(refused(b"\"\xED\xA0\x80\"").fault, Fault::Encoding);
    }

    #[test]
    fn a_fault_is_found_by_line_and_column() {
        let error = refused("{\n  \"é\": é\n}");

        assert_eq!((error.offset, error.line, error.column), (10, 2, 8));
        assert_eq!(error.to_string(), "line 2, column 8: unexpected character");
    }

    #[test]
    fn a_byte_order_mark_may_stand_before_the_value_only() {
        let document = document("\u{FEFF}[1]");

        assert!(document.has_byte_order_mark());
        assert_eq!(spelled(&document, document.root()), "[1]");
        assert_eq!(refused("\u{FEFF}\u{FEFF}1").offset, 3);
        assert_eq!(refused("[\u{FEFF}1]").offset, 1);
    }

    #[test]
    fn containers_nest_as_deep_as_the_limit() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let objects = |depth| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));

        assert_eq!(document(&nested(MAX_DEPTH)).text().len(), 2 * MAX_DEPTH);
        assert_eq!(
            refused(nested(MAX_DEPTH + 1)),
            ParseError {
                offset: MAX_DEPTH,
                line: 1,
                column: MAX_DEPTH + 1,
                fault: Fault::Depth
            }
        );
        document(&objects(MAX_DEPTH));
        assert_eq!(refused(objects(MAX_DEPTH + 1)).fault, Fault::Depth);
        assert_eq!(refused("[".repeat(1_000_000)).fault, Fault::Depth);
    }

    #[test]
    fn strings_of_every_length_end_at_their_quote() {
        for length in 0..40 {
            for special in ["", "\\\"", "é", "\\u0041"] {
                let text = format!("[\"{}{special}\",1]", "x".repeat(length));
                let document = document(&text);

                assert_eq!(document.count(document.root()), 2, "{text}");
            }
        }
    }

    #[test]
    fn nodes_read_as_their_values() {
        let document = document(r#"[1.50, "a\n", "b", true, false, null]"#);
        let nodes: Vec<_> = document.children(document.root()).collect();

        assert!((document.number(nodes[0]) - 1.5).abs() < f64::EPSILON);
        assert_eq!(document.string(nodes[1]), Text::Decoded("a\n".to_owned()));
        assert_eq!(document.string(nodes[2]), Text::Plain(b"b"));
        assert_eq!(
            [3, 4, 5].map(|at| document.kind(nodes[at])),
            [Kind::True, Kind::False, Kind::Null]
        );
    }

    #[test]
    fn a_number_has_a_spelling_when_all_that_read_alike_are_spelled_alike() {
        let document = document(
            "[1.10, 1.10, 2.0, 2, 3.0, 3.00, 4.0, 40e-1, 5e0, 9007199254740993, 1e400, -0, 7, \
             18014398509481985, 18014398509481984, 0.1, 0.10, 0.1000000000000000055]",
        );
        let spelled = |number| document.spelled(number).expect("nobody counts");
        let alike = |text: &'static str| Spelled::Alike(text.as_bytes());

        assert_eq!(spelled(1.1), alike("1.10"));
        assert_eq!(spelled(2.0), Spelled::Variously(&b"2.0"[..]));
        assert_eq!(spelled(3.0), Spelled::Variously(&b"3.0"[..]));
        assert_eq!(spelled(4.0), Spelled::Variously(&b"4.0"[..]));
        assert_eq!(spelled(18_014_398_509_481_984.0), Spelled::Several);
        assert_eq!(spelled(0.1), Spelled::Several);
        assert_eq!(spelled(5.0), alike("5e0"));
        assert_eq!(spelled(9_007_199_254_740_992.0), alike("9007199254740993"));
        assert_eq!(spelled(f64::INFINITY), alike("1e400"));
        assert_eq!(spelled(-0.0), alike("-0"));
        assert_eq!(spelled(0.0), Spelled::AsUsual);
        assert_eq!(spelled(7.0), Spelled::AsUsual);
    }

    #[test]
    fn spellings_are_compared_to_the_end() {
        let document =
            document(r#"["abcdefgh1","abcdefgh2","abcdefgh1","ab","abcdefgh","b","a","b"]"#);
        let nodes: Vec<_> = document.children(document.root()).collect();
        let alike = |one: usize, other: usize| document.is_spelled_alike(nodes[one], nodes[other]);

        assert!(alike(0, 2) && alike(5, 7) && alike(7, 5));
        assert!(!alike(0, 1) && !alike(3, 4) && !alike(5, 6) && !alike(6, 7));
    }

    /// `JSONTestSuite`, if `JSON_TEST_SUITE` names its `test_parsing`: `n_` must be refused, `y_`
    /// accepted, `i_` may be either.
    #[test]
    fn the_json_test_suite_agrees() {
        let Some(directory) = std::env::var_os("JSON_TEST_SUITE") else {
            return;
        };
        let files = std::fs::read_dir(directory).expect("the directory can be read");
        let mut seen = 0;
        for file in files {
            let path = file.expect("the directory can be read").path();
            let name = path
                .file_name()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            let text = Bytes::from(std::fs::read(&path).expect("the file can be read"));
            let outcome = Document::parse(text);
            match name.as_bytes()[0] {
                b'y' => assert!(outcome.is_ok(), "{name}: {outcome:?}"),
                b'n' => assert!(outcome.is_err(), "{name}"),
                _ => {}
            }
            seen += 1;
        }
        assert!(seen > 300, "{seen} files");
    }
}

mod writing {
    use super::*;

    fn source(document: &Rc<Document>, node: Node) -> Source {
        Source {
            document: Rc::clone(document),
            node,
        }
    }

    /// Writes an object anew, and asks for each member, by its key's spelling, what to do.
    fn object(
        text: &str,
        layout: Layout,
        edit: impl Fn(&mut Writer, &Document, Node, &str),
        added: &[(&str, &str)],
    ) -> String {
        let document = document(text);
        let mut writer = Writer::new(layout, Form::Whole, 0);
        writer.before_root(&document);
        writer.open_object(Some(source(&document, document.root())));
        for key in document.children(document.root()) {
            edit(&mut writer, &document, key, &spelled(&document, key));
        }
        for (key, value) in added {
            writer.new_member(key.as_bytes());
            writer.spelled(value.as_bytes());
        }
        writer.close();
        writer.after_root(&document);
        String::from_utf8(writer.finish()).expect("a text is UTF-8")
    }

    fn keep(writer: &mut Writer, document: &Document, key: Node, _: &str) {
        writer.keep(document, key);
    }

    fn set_b(writer: &mut Writer, document: &Document, key: Node, name: &str) {
        if name == "\"b\"" {
            writer.source_child(document, key);
            writer.spelled(b"0");
        } else {
            writer.keep(document, key);
        }
    }

    fn drop_b(writer: &mut Writer, document: &Document, key: Node, name: &str) {
        if name != "\"b\"" {
            writer.keep(document, key);
        }
    }

    const ODD: &str = " {\t\"a\" : 1.0 ,\n \"b\"  :[ 1 ]\r\n, \"\\u0063\":\"\\/\" } \n";

    #[test]
    fn what_is_kept_is_copied() {
        assert_eq!(object(ODD, Layout::Source, keep, &[]), ODD);
    }

    #[test]
    fn a_changed_value_changes_nothing_around_it() {
        assert_eq!(
            object(ODD, Layout::Source, set_b, &[]),
            ODD.replace("[ 1 ]", "0")
        );
    }

    #[test]
    fn a_dropped_member_takes_its_comma_and_blanks() {
        assert_eq!(
            object(ODD, Layout::Source, drop_b, &[]),
            " {\t\"a\" : 1.0, \"\\u0063\":\"\\/\" } \n"
        );
    }

    #[test]
    fn a_new_member_is_spaced_like_the_others() {
        assert_eq!(
            object(ODD, Layout::Source, keep, &[("d", "2")]),
            " {\t\"a\" : 1.0 ,\n \"b\"  :[ 1 ]\r\n, \"\\u0063\":\"\\/\",\n \"d\" : 2 } \n"
        );
    }

    #[test]
    fn without_blanks_only_the_blanks_go() {
        assert_eq!(
            object(ODD, Layout::Compact, keep, &[("d", "2")]),
            r#"{"a":1.0,"b":[1],"\u0063":"\/","d":2}"#
        );
        assert_eq!(
            object(r#"{"a b" : " \" c "}"#, Layout::Compact, keep, &[]),
            r#"{"a b":" \" c "}"#
        );
    }

    #[test]
    fn indented_text_keeps_the_spelling_of_scalars() {
        let text = object(ODD, Layout::Indented(b"  ".to_vec()), keep, &[("d", "2")]);

        assert_eq!(
            text,
            "{\n  \"a\": 1.0,\n  \"b\": [\n    1\n  ],\n  \"\\u0063\": \"\\/\",\n  \"d\": 2\n}"
        );
    }

    #[test]
    fn indented_containers_that_are_empty_stay_on_their_line() {
        assert_eq!(
            object(
                r#"{"a":[ ],"b":{}}"#,
                Layout::Indented(b"\t".to_vec()),
                keep,
                &[]
            ),
            "{\n\t\"a\": [],\n\t\"b\": {}\n}"
        );
    }

    #[test]
    fn a_container_that_becomes_empty_has_no_blanks() {
        assert_eq!(object("{ \"b\": 1 }", Layout::Source, drop_b, &[]), "{}");
        assert_eq!(object("{ }", Layout::Source, keep, &[]), "{ }");
    }

    #[test]
    fn elements_in_another_order_are_spaced_like_the_others() {
        let document = document("[1, 2, 3 ]");
        let mut elements: Vec<_> = document.children(document.root()).collect();
        elements.reverse();
        let mut writer = Writer::new(Layout::Source, Form::Whole, 0);
        writer.open_array(Some(source(&document, document.root())));
        for element in elements {
            writer.keep(&document, element);
        }
        writer.close();

        assert_eq!(writer.finish(), b"[3, 2, 1 ]");
    }
}
