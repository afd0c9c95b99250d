//! The header of a handler file: the comments before its code.
//!
//! One directive a line. Text that is no directive is prose and left alone; a
//! word that is nearly one gets a warning, for `@onerror skip` would otherwise
//! be silently without effect.

use super::diagnostic::{Diagnostic, Diagnostics, MAX_TOLD};
use super::directive::{Directive, Word};

/// What a file's leading comments say.
#[derive(Debug, Default)]
pub struct Header {
    /// Each with its place: bytes from the beginning of the text.
    pub directives: Vec<(usize, Directive)>,
    /// Errors are values that can't be used, warnings words that are one slip
    /// away from a directive.
    pub diagnostics: Diagnostics,
}

impl Header {
    /// Reads the comments that `text` begins with; `file` is for the diagnostics.
    pub fn read(file: &str, text: &str) -> Self {
        let mut header = Self::default();
        for (offset, line) in leading_comment_lines(text) {
            let Some((word, value)) = statement(line) else {
                continue;
            };
            match Word::parse(word).map(|word| Directive::parse(word, value)) {
                Some(Ok(directive)) => header.directives.push((offset, directive)),
                Some(Err(error)) if header.diagnostics.errors.len() < MAX_TOLD => {
                    let error = Diagnostic::at(file, text, offset, error);
                    header.diagnostics.errors.push(error);
                }
                None if header.diagnostics.warnings.len() < MAX_TOLD => {
                    let warning = slip_warning(word)
                        .map(|message| Diagnostic::at(file, text, offset, message));
                    header.diagnostics.warnings.extend(warning);
                }
                Some(Err(_)) | None => {}
            }
        }
        header
    }
}

/// The word behind a line's `@`, and what follows it.
fn statement(line: &str) -> Option<(&str, &str)> {
    let statement = line.strip_prefix('@')?;
    let end = statement
        .find(|c: char| !is_word_character(c))
        .unwrap_or(statement.len());
    let (word, value) = statement.split_at(end);
    Some((word, value.trim()))
}

fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn slip_warning(word: &str) -> Option<String> {
    let meant = Word::one_slip_from(word)?.as_str();
    Some(format!("`@{word}` is ignored; did you mean `@{meant}`?"))
}

/// The lines of the comments before the first code, without comment marks and
/// outer blanks, each with where it begins.
fn leading_comment_lines(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut rest = text;
    if rest.starts_with("#!") {
        rest = behind_first_line(rest);
    }
    loop {
        rest = rest.trim_start();
        let offset = text.len() - rest.len();
        if rest.starts_with("//") {
            let line = rest.lines().next().unwrap_or_default();
            lines.push(unmarked(offset, line, '/'));
            rest = behind_first_line(rest);
        } else if let Some((comment, behind)) = block_comment(rest) {
            let mut line_offset = offset + "/*".len();
            for line in comment.split_inclusive('\n') {
                lines.push(unmarked(line_offset, line, '*'));
                line_offset += line.len();
            }
            rest = behind;
        } else {
            return lines;
        }
    }
}

fn behind_first_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, behind)| behind)
}

/// What stands between `/*` and `*/`, and what follows.
fn block_comment(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("/*")?.split_once("*/")
}

/// A comment's line without the marks and blanks around what it says.
fn unmarked(offset: usize, line: &str, mark: char) -> (usize, &str) {
    let said = line.trim_start().trim_start_matches(mark).trim_start();
    (offset + line.len() - said.len(), said.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&'static str> {
        let header = Header::read("a.js", text);
        assert_eq!(header.diagnostics, Diagnostics::default(), "{text}");
        let directives = header.directives.iter();
        directives
            .map(|(_, directive)| directive.word().as_str())
            .collect()
    }

    #[test]
    fn directives_stand_one_a_line_in_any_comment_before_the_code() {
        for (text, expected) in [
            (
                "// @match /x\n// @body full\nlet a;",
                &["match", "body"][..],
            ),
            ("//@match /x\r\n\r\n//\t@body full\r\n", &["match", "body"]),
            ("/* @match /x */ let a;", &["match"]),
            ("/* @match /x/** */ let a;", &["match"]),
            (
                "/**\n * @match /x\n * @onError skip\n */\nlet a;",
                &["match", "onError"],
            ),
            ("/*\n@match /x\n*/ // @body none", &["match", "body"]),
            ("/* a */ /* @match /x */", &["match"]),
            ("#!/usr/bin/env node\n// @match /x", &["match"]),
            ("\n\n  // @match /x", &["match"]),
            ("// @match /x", &["match"]),
            ("// @match /x\n// @match /y", &["match", "match"]),
            ("'use strict';\n// @match /x", &[]),
            ("let a; // @match /x", &[]),
            ("// runs where @match says", &[]),
            ("/* @match /x", &[]),
            ("// @param {string} a\n// @ts-check\n// @ match /x", &[]),
            ("", &[]),
            ("//", &[]),
            ("/**/", &[]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn a_bad_value_is_an_error_where_it_stands() {
        let header = Header::read("request/a.js", "/**\n * Strips.\n * @timeout fast\n */\n");

        assert!(header.directives.is_empty());
        assert_eq!(
            header.diagnostics.errors[0].to_string(),
            "request/a.js:3:4: @timeout takes a whole number above 0 and `ms` or `s`, \
             such as `20ms`, not `fast`"
        );
        assert_eq!(
            header.diagnostics.errors[0].excerpt.as_deref(),
            Some(" * @timeout fast")
        );
    }

    #[test]
    fn a_word_that_is_nearly_a_directive_is_ignored_with_a_warning() {
        let header = Header::read("a.js", "// One.\n// @onerror skip\n");

        assert!(header.directives.is_empty() && header.diagnostics.errors.is_empty());
        assert_eq!(
            header.diagnostics.warnings[0].to_string(),
            "a.js:2:4: `@onerror` is ignored; did you mean `@onError`?"
        );
    }
}
