//! The configuration file as typed: TOML flattened to dotted keys and their text.
//!
//! A dot in a quoted key counts as a nested table, so `"user.id"` below `[session]`
//! and `id` below `[session.user]` are one key. Tables of an array are numbered
//! from nought: `service[0].name`.

use toml::{Table, Value};

use super::error::Problem;
use super::layers::Typed;
use super::origin::Place;
use super::refusal::Refusal;
use crate::handler::nesting::{self, Notation};

/// The settings of a TOML text, flattened, in the order of their keys.
///
/// # Errors
///
/// The place where the text stops being TOML; nothing of it is used then.
pub(super) fn parse(text: &str) -> Result<Vec<(String, Typed)>, Problem> {
    nesting::check(text, Notation::Toml)
        .map_err(|too_deep| problem(text, too_deep.offset, too_deep.to_string()))?;
    let table = text
        .parse::<Table>()
        .map_err(|error| syntax_problem(text, &error))?;
    let mut leaves = Vec::new();
    for (key, value) in table {
        flatten(key, value, &mut leaves);
    }
    Ok(leaves)
}

fn flatten(key: String, value: Value, leaves: &mut Vec<(String, Typed)>) {
    match value {
        Value::Table(table) if table.is_empty() => leaves.push((key, Typed::EmptyTable)),
        Value::Table(table) => {
            for (name, value) in table {
                flatten(format!("{key}.{name}"), value, leaves);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (index, item) in items.into_iter().enumerate() {
                flatten(format!("{key}[{index}]"), item, leaves);
            }
        }
        Value::Array(items) => {
            leaves.push((key, Typed::Many(items.into_iter().map(text_of).collect())));
        }
        scalar @ (Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)) => leaves.push((key, Typed::One(text_of(scalar)))),
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other @ (Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_)) => other.to_string(),
    }
}

fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let offset = error.span().map_or(0, |span| span.start);
    let message = match error.message().trim_end() {
        // Its own limit is a lower one.
        "cannot recurse further; max recursion depth met" | "recursion limit" => {
            "nests deeper than a configuration may; write it flatter".to_owned()
        }
        message => message.replace('\n', ", "),
    };
    problem(text, offset, message)
}

fn problem(text: &str, offset: usize, message: String) -> Problem {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.rsplit('\n').next().unwrap_or(before);
    Problem {
        place: Place::File,
        subject: format!(
            "line {}, column {}",
            before.matches('\n').count() + 1,
            line.chars().count() + 1
        ),
        refusal: Refusal::Syntax { message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Typed {
        Typed::One(text.to_owned())
    }

    #[test]
    fn tables_and_quoted_dots_flatten_to_the_same_keys() {
        let quoted = parse("[session]\n\"user.id\" = \"x-id\"").expect("valid TOML");
        let nested = parse("[session.user]\nid = \"x-id\"").expect("valid TOML");

        assert_eq!(quoted, [("session.user.id".to_owned(), one("x-id"))]);
        assert_eq!(nested, quoted);
    }

    #[test]
    fn tables_of_an_array_are_numbered_even_when_empty() {
        let leaves = parse("[[service]]\nname = \"crm\"\n[[service]]").expect("valid TOML");

        assert_eq!(
            leaves,
            [
                ("service[0].name".to_owned(), one("crm")),
                ("service[1]".to_owned(), Typed::EmptyTable),
            ]
        );
    }

    #[test]
    fn scalars_keep_the_text_they_have_in_toml() {
        let leaves = parse("a = 4\nb = true\nc = \"50ms\"\nd = [\"x\", 2]").expect("valid TOML");

        assert_eq!(
            leaves,
            [
                ("a".to_owned(), one("4")),
                ("b".to_owned(), one("true")),
                ("c".to_owned(), one("50ms")),
                (
                    "d".to_owned(),
                    Typed::Many(vec!["x".to_owned(), "2".to_owned()])
                ),
            ]
        );
    }

    #[test]
    fn a_text_that_nests_too_deeply_is_refused_with_line_and_column() {
        for (before, open) in [
            ("\na = ", "["),
            ("\na = ", "{a="),
            ("\n", "a."),
            ("\n[", "a."),
            ("\n[[", "a."),
            ("\na = [\n", "{a.a.a.a.a=["),
        ] {
            for times in [90, 130, 3_000, 300_000] {
                let text = format!("{before}{}", open.repeat(times));
                let problem = parse(&text).expect_err("nests too deeply");
                let said = problem.refusal.to_string();
                assert!(problem.subject.starts_with("line "), "{}", problem.subject);
                // Below our limit the parser has one of its own, where it comes to it.
                assert!(
                    times < 128 || said.contains("nests deeper than"),
                    "{open}: {said}"
                );
            }
        }
    }

    #[test]
    fn a_text_that_is_no_toml_is_refused_with_line_and_column() {
        let problem = parse("listen = \"a\"\n\nupstream = oops\n").expect_err("no TOML");

        assert_eq!(problem.subject, "line 3, column 12");
    }
}
