//! What a message has otherwise than a case expects, said so that a reader sees it at once.

use serde_json::Value;

use super::super::support::wire::Message;
use super::text::{BodyRule, Field, HttpText};

/// How a response differs: its status, the fields that are named, its body.
pub(super) fn response_differences(expected: &HttpText, got: &Message) -> Vec<String> {
    let status = word(&expected.start_line, 1);
    let mut differences = Vec::new();
    if status != got.head.word(1) {
        differences.push(difference("status", status, got.head.word(1)));
    }
    differences.extend(message_differences(expected, got));
    differences
}

/// How the first request with the expected method and target differs, or that there is none.
pub(super) fn request_differences(expected: &HttpText, got: &[Message]) -> Vec<String> {
    let (method, target) = (word(&expected.start_line, 0), word(&expected.start_line, 1));
    let arrived = got
        .iter()
        .find(|request| request.method() == method && request.target() == target);
    let Some(request) = arrived else {
        let lines: Vec<_> = got
            .iter()
            .map(|request| request.head.start_line.as_str())
            .collect();
        return vec![difference(
            "upstream: request",
            &expected.start_line,
            &lines.join("\n"),
        )];
    };
    let differences = message_differences(expected, request);
    differences
        .into_iter()
        .map(|text| format!("upstream: {text}"))
        .collect()
}

fn message_differences(expected: &HttpText, got: &Message) -> Vec<String> {
    let fields = expected
        .fields
        .iter()
        .filter_map(|field| field_difference(field, expected, got));
    fields.chain(body_difference(expected, got)).collect()
}

fn field_difference(field: &Field, expected: &HttpText, got: &Message) -> Option<String> {
    match field {
        Field::Lacks(name) => {
            let values = got.head.values(name);
            (!values.is_empty()).then(|| difference(name, "no such field", &values.join("\n")))
        }
        Field::Has(name, _) => {
            let (wanted, values) = (values(expected, name), got.head.values(name));
            (wanted != values).then(|| difference(name, &wanted.join("\n"), &values.join("\n")))
        }
    }
}

/// All values that are expected of a field that stands in several lines.
fn values<'a>(expected: &'a HttpText, wanted: &str) -> Vec<&'a str> {
    let value = |field: &'a Field| match field {
        Field::Has(name, value) => name.eq_ignore_ascii_case(wanted).then_some(value.as_str()),
        Field::Lacks(_) => None,
    };
    expected.fields.iter().filter_map(value).collect()
}

fn body_difference(expected: &HttpText, got: &Message) -> Option<String> {
    let text = got.text();
    let same = match expected.body_rule {
        BodyRule::Any => true,
        BodyRule::Exact => expected.body.as_bytes() == got.body,
        BodyRule::Json => match (parsed(&expected.body), parsed(&text)) {
            (Some(wanted), Some(got)) => wanted == got,
            (None, _) | (_, None) => false,
        },
    };
    (!same).then(|| difference("body", &expected.body, &text))
}

fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Both texts line by line; lines that only one has are marked.
fn difference(what: &str, expected: &str, got: &str) -> String {
    let marked = |mark: char, lines: &str, others: &str| {
        // Not `lines`, which hides a line break at the end.
        let is_common = |line| others.split('\n').any(|other| other == line);
        let lines: Vec<_> = lines
            .split('\n')
            .map(|line| format!("    {} {line}", if is_common(line) { ' ' } else { mark }))
            .collect();
        lines.join("\n")
    };
    let (wanted, found) = (marked('-', expected, got), marked('+', got, expected));
    format!("{what}\n  expected\n{wanted}\n  got\n{found}")
}

fn word(line: &str, n: usize) -> &str {
    line.split(' ').nth(n).unwrap_or_default()
}

mod tests {
    use super::super::super::support::client::{exchange, get, request};
    use super::super::super::support::upstream::Upstream;
    use super::*;

    fn expecting(expected: &str, answer: &'static str) -> Vec<String> {
        let upstream = Upstream::answering(move |_| HttpText::parse(answer).unwrap().as_response());
        let expected = HttpText::parse(expected).unwrap();
        response_differences(&expected, &get(upstream.address, "/"))
    }

    const ANSWER: &str = "HTTP/1.1 200 OK\nX-A: 1\nX-A: 2\nX-B: 3\n\n{\"a\": 1.10}\n";

    #[test]
    fn a_response_as_expected_has_no_differences() {
        for expected in [
            "HTTP/1.1 200\nx-a: 1\nx-a: 2\n!X-C\n\n{\"a\": 1.10}\n",
            "# @body json\nHTTP/1.1 200\n\n{ \"a\": 1.1 }\n",
            "# @body any\nHTTP/1.1 200\n",
        ] {
            assert_eq!(expecting(expected, ANSWER), [""; 0], "{expected}");
        }
    }

    #[test]
    fn every_difference_is_told() {
        let expected = "HTTP/1.1 400\nX-A: 1\n!X-B\nX-C: 4\n\n{\"a\": 1.1}\n";

        let differences = expecting(expected, ANSWER);

        let told: Vec<_> = differences
            .iter()
            .map(|text| word(&text.replace('\n', " "), 0).to_owned())
            .collect();
        assert_eq!(told, ["status", "X-A", "X-B", "X-C", "body"]);
        assert_eq!(
            differences[4],
            "body\n  expected\n    - {\"a\": 1.1}\n  got\n    + {\"a\": 1.10}"
        );
    }

    #[test]
    fn a_line_break_at_the_end_is_a_difference() {
        let differences = expecting("HTTP/1.1 200\n\n{}\n", "HTTP/1.1 200 OK\n\n{}\n\n");

        assert_eq!(
            differences,
            ["body\n  expected\n      {}\n  got\n      {}\n    + "]
        );
    }

    #[test]
    fn a_request_that_never_arrived_is_told_with_those_that_did() {
        let upstream = Upstream::answering(|_| HttpText::parse(ANSWER).unwrap().as_response());
        exchange(upstream.address, &request("GET", "/orders", ""));
        let expected = HttpText::parse("# @body any\nPUT /orders HTTP/1.1\n").unwrap();

        let differences = request_differences(&expected, &upstream.requests());

        assert!(
            differences[0].contains("+ GET /orders HTTP/1.1"),
            "{}",
            differences[0]
        );
    }
}
