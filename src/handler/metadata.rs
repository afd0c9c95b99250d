//! `NAME.json`: what a file beside a handler says about it.
//!
//! Live API Creator exports a handler as `NAME.js` and `NAME.json`; of what the
//! latter holds, the keys below count and all others are ignored.

use serde_json::{Map, Value};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::directive::{Directive, DirectiveError, Word};
use super::kind::Kind;
use super::nesting::{self, Notation, TooDeep};

/// What a `NAME.json` says.
#[derive(Debug, Default)]
pub struct Metadata {
    /// `eventType`
    pub kind: Option<Kind>,
    /// `allow_event_modification`, a key of DF's scripts.
    pub allows_edits: Option<bool>,
    /// Each with its place: bytes from the beginning of the text.
    pub directives: Vec<(usize, Directive)>,
    /// No JSON object, or values that can't be used.
    pub diagnostics: Diagnostics,
}

/// Why a key's value can't be used.
#[derive(Debug, thiserror::Error)]
enum ValueError {
    #[error("`eventType` takes a kind, such as `request` or `response`, not `{0}`")]
    Kind(Value),
    #[error("`{key}` takes {wanted}, not `{found}`")]
    Type {
        key: &'static str,
        wanted: &'static str,
        found: Value,
    },
    #[error("`isActive` and `active` are one key; leave one out")]
    ActiveTwice,
    #[error(transparent)]
    Directive(#[from] DirectiveError),
}

impl Metadata {
    /// Reads `text`; `file` is for the diagnostics.
    pub fn read(file: &str, text: &str) -> Self {
        if let Err(too_deep) = nesting::check(text, Notation::Json) {
            let mut metadata = Self::default();
            let error = Diagnostic::at(file, text, too_deep.offset, too_deep);
            metadata.diagnostics.errors.push(error);
            return metadata;
        }
        let object: Map<String, Value> = match serde_json::from_str(text) {
            Ok(object) => object,
            Err(error) => {
                let mut metadata = Self::default();
                metadata
                    .diagnostics
                    .errors
                    .push(not_an_object(file, text, &error));
                return metadata;
            }
        };

        let mut metadata = Self::default();
        for (key, value) in object.iter().filter(|(key, _)| is_ours(key)) {
            let at = offset_of_key(text, key);
            if let Err(error) = metadata.take(&object, at, key, value) {
                let error = Diagnostic::at(file, text, at, error);
                metadata.diagnostics.errors.push(error);
            }
        }
        metadata
    }

    fn take(
        &mut self,
        object: &Map<String, Value>,
        at: usize,
        key: &str,
        value: &Value,
    ) -> Result<(), ValueError> {
        let word = match key {
            "eventType" => {
                self.kind = Some(kind(value)?);
                return Ok(());
            }
            "allow_event_modification" => {
                self.allows_edits = Some(value.as_bool().ok_or_else(|| ValueError::Type {
                    key: "allow_event_modification",
                    wanted: "`true` or `false`",
                    found: value.clone(),
                })?);
                return Ok(());
            }
            "isActive" if object.contains_key("active") => return Err(ValueError::ActiveTwice),
            "isActive" => Word::Active,
            _ => match Word::parse(key) {
                Some(word) => word,
                None => return Ok(()),
            },
        };
        for text in texts(word, value)? {
            let directive = Directive::parse(word, &text)?;
            self.directives.push((at, directive));
        }
        Ok(())
    }
}

/// Exports have many other keys, of which nothing is reported.
fn is_ours(key: &str) -> bool {
    matches!(key, "eventType" | "allow_event_modification" | "isActive")
        || Word::parse(key).is_some()
}

/// The kind that `eventType` names. Its case is not ours: exports differ.
fn kind(value: &Value) -> Result<Kind, ValueError> {
    value
        .as_str()
        .and_then(|name| Kind::parse(&name.to_ascii_lowercase()))
        .ok_or_else(|| ValueError::Kind(value.clone()))
}

/// The texts that stand for `value` in a header, one a line.
fn texts(word: Word, value: &Value) -> Result<Vec<String>, ValueError> {
    let wanted = match (word, value) {
        (Word::Active, Value::Bool(active)) => return Ok(vec![active.to_string()]),
        (Word::Active, _) => "`true` or `false`",
        (Word::Match, Value::Array(lines)) if lines.iter().all(Value::is_string) => {
            return Ok(lines
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect());
        }
        (_, Value::String(text)) => return Ok(vec![text.trim().to_owned()]),
        (Word::Match, _) => "a text or a list of texts",
        (Word::Event | Word::Timeout | Word::OnError | Word::Body, _) => "a text",
    };
    Err(ValueError::Type {
        key: word.as_str(),
        wanted,
        found: value.clone(),
    })
}

fn not_an_object(file: &str, text: &str, error: &serde_json::Error) -> Diagnostic {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = line_start + error.column().saturating_sub(1);
    let position = format!(" at line {} column {}", error.line(), error.column());
    let reason = error.to_string();
    let reason = reason.strip_suffix(&position).unwrap_or(&reason);
    if reason == "recursion limit exceeded" {
        return Diagnostic::at(file, text, at, TooDeep { offset: at });
    }
    Diagnostic::at(file, text, at, format_args!("no JSON object: {reason}"))
}

/// Where `key` first stands. A nested key of the same name may stand before it;
/// the diagnostic then shows that line.
fn offset_of_key(text: &str, key: &str) -> usize {
    text.find(&format!("\"{key}\"")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::handler::{BodyPlan, OnError};

    fn read(text: &str) -> Metadata {
        let metadata = Metadata::read("10-x.json", text);
        assert_eq!(metadata.diagnostics, Diagnostics::default(), "{text}");
        metadata
    }

    fn errors(text: &str) -> Vec<String> {
        let diagnostics = Metadata::read("10-x.json", text).diagnostics;
        diagnostics
            .errors
            .iter()
            .map(Diagnostic::to_string)
            .collect()
    }

    #[test]
    fn an_export_of_live_api_creator_gives_kind_and_activity() {
        let metadata = read(
            r#"{"name": "10-x", "eventType": "Request", "isActive": false, "comments": null, "ident": 7}"#,
        );

        assert_eq!(metadata.kind, Some(Kind::Request));
        assert_eq!(metadata.directives, [(41, Directive::Active(false))]);
    }

    #[test]
    fn the_words_of_the_header_are_keys() {
        let metadata = read(
            r#"{"match": ["GET /a", "/b"], "event": "db.get", "active": true, "timeout": "20ms",
                "onError": "skip", "body": "full"}"#,
        );

        let directives: Vec<_> = metadata
            .directives
            .into_iter()
            .map(|(_, one)| one)
            .collect();
        let parsed = |word, value| Directive::parse(word, value).unwrap();
        assert_eq!(
            directives,
            [
                parsed(Word::Match, "GET /a"),
                parsed(Word::Match, "/b"),
                parsed(Word::Event, "db.get"),
                Directive::Active(true),
                Directive::Timeout(Duration::from_millis(20)),
                Directive::OnError(OnError::Skip),
                Directive::Body(BodyPlan::Full),
            ]
        );
        assert_eq!(read(r#"{"match": "/a"}"#).directives.len(), 1);
        assert_eq!(read("{}").directives, []);
    }

    #[test]
    fn a_bad_value_is_an_error_at_its_key() {
        for (text, error) in [
            (
                "{\n  \"eventType\": \"sometimes\"}",
                "10-x.json:2:3: `eventType` takes a kind, such as `request` or `response`, not `\"sometimes\"`",
            ),
            (
                r#"{"active": "no"}"#,
                "10-x.json:1:2: `active` takes `true` or `false`, not `\"no\"`",
            ),
            (
                r#"{"match": ["/a", 1]}"#,
                "10-x.json:1:2: `match` takes a text or a list of texts, not `[\"/a\",1]`",
            ),
            (
                r#"{"timeout": 20}"#,
                "10-x.json:1:2: `timeout` takes a text, not `20`",
            ),
            (
                r#"{"body": "some"}"#,
                "10-x.json:1:2: @body takes `none` or `full`, not `some`",
            ),
            (
                r#"{"active": true, "isActive": true}"#,
                "10-x.json:1:18: `isActive` and `active` are one key; leave one out",
            ),
        ] {
            assert_eq!(errors(text), [error]);
        }
    }

    #[test]
    fn what_nests_too_deeply_is_an_error_where_it_does() {
        for levels in [128, 129, 3_000, 1_000_000] {
            let text = format!("{{\n\"a\": {}", "[".repeat(levels - 1));
            let [error] = &errors(&text)[..] else {
                panic!("{levels} levels are one error");
            };
            assert!(
                error.starts_with("10-x.json:2:") && error.contains("nests deeper than 128 levels"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_object_is_an_error_where_it_fails() {
        for (text, error) in [
            (
                "{\n  \"active\" true\n}",
                "10-x.json:2:12: no JSON object: expected `:`",
            ),
            (
                "[]",
                "10-x.json:1:1: no JSON object: invalid type: sequence, expected a map",
            ),
            (
                "",
                "10-x.json:1:1: no JSON object: EOF while parsing a value",
            ),
        ] {
            assert_eq!(errors(text), [error]);
        }
    }
}
