//! Diagnostics: what is wrong with a file, where, in words for its author.

use std::fmt;

use serde::Serialize;

use super::one_line::OneLine;

/// An excerpt is cut here; a minified file is one line of a megabyte.
const EXCERPT_CHARS: usize = 120;

/// How many errors, and how many warnings, of one file are reported. To find the place of each takes a
/// walk over its text.
pub const MAX_TOLD: usize = 100;

/// One error or warning about one file of the script set.
///
/// Displays as `file:line:column: message`; as `directory: message` where it is about the set as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, relative to the set's root with `/`; the directory itself where it is at fault.
    pub file: String,
    /// From 1; 0 where it is about the set as a whole.
    pub line: u32,
    /// From 1, in characters; 0 where it is about the set as a whole.
    pub column: u32,
    /// Lower case, no full stop, on one line.
    pub message: String,
    /// The line itself, cut after 120 characters; none where the file has no text to show.
    pub excerpt: Option<String>,
}

/// What was found in one or several files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    /// With one of these a set is not used.
    pub errors: Vec<Diagnostic>,
    /// For `check` and the log.
    pub warnings: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds those of `other` behind these.
    pub fn extend(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }
}

impl Diagnostic {
    /// About a whole file: it stands at 1:1 and shows no text.
    pub fn of_file(file: impl Into<String>, message: impl fmt::Display) -> Self {
        Self {
            file: file.into(),
            line: 1,
            column: 1,
            message: OneLine(&message.to_string()).to_string(),
            excerpt: None,
        }
    }

    /// About the set as a whole, which has no line: `directory` is where it is.
    pub fn of_set(directory: impl Into<String>, message: impl fmt::Display) -> Self {
        Self {
            line: 0,
            column: 0,
            ..Self::of_file(directory, message)
        }
    }

    /// About the place `offset` bytes into `text`, the file's text without its BOM.
    ///
    /// An offset past the end or inside a character stands for the character before it.
    pub fn at(
        file: impl Into<String>,
        text: &str,
        offset: usize,
        message: impl fmt::Display,
    ) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.into(),
            line: counted_from_one(before.matches('\n').count()),
            column: counted_from_one(before[line_start..].chars().count()),
            message: OneLine(&message.to_string()).to_string(),
            excerpt: text[line_start..].lines().next().map(excerpt),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            excerpt: _,
        } = self;
        if *line == 0 {
            return write!(f, "{}: {message}", OneLine(file));
        }
        write!(f, "{}:{line}:{column}: {message}", OneLine(file))
    }
}

fn counted_from_one(count: usize) -> u32 {
    u32::try_from(count + 1).unwrap_or(u32::MAX)
}

fn excerpt(line: &str) -> String {
    line.trim_end().chars().take(EXCERPT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_reads_as_file_line_column_message() {
        let text = "let a;\r\n  é throw (\r\nlet b;";
        let offset = text.find("throw").unwrap();

        let diagnostic = Diagnostic::at("request/10-mark.js", text, offset, "unexpected end");

        assert_eq!(
            diagnostic.to_string(),
            "request/10-mark.js:2:5: unexpected end"
        );
        assert_eq!(diagnostic.excerpt.as_deref(), Some("  é throw ("));
    }

    #[test]
    fn a_diagnostic_is_one_line_whatever_it_quotes() {
        let diagnostic = Diagnostic::of_file("a\n.json", "@timeout takes no `1\r\n2`");

        assert_eq!(
            diagnostic.to_string(),
            "a\\n.json:1:1: @timeout takes no `1\\r\\n2`"
        );
    }

    #[test]
    fn a_place_past_the_end_is_the_end() {
        let diagnostic = Diagnostic::at("a.js", "ab\ncd", 99, "m");

        assert_eq!((diagnostic.line, diagnostic.column), (2, 3));
    }

    #[test]
    fn a_long_line_is_cut() {
        let diagnostic = Diagnostic::at("a.js", &"é".repeat(5_000), 0, "m");

        assert_eq!(diagnostic.excerpt.unwrap().chars().count(), EXCERPT_CHARS);
    }

    #[test]
    fn a_whole_file_stands_at_its_beginning() {
        assert_eq!(
            Diagnostic::of_file("a.js", "is a fifo").to_string(),
            "a.js:1:1: is a fifo"
        );
        assert_eq!(
            Diagnostic::of_set("/srv/scripts", "holds no handlers").to_string(),
            "/srv/scripts: holds no handlers"
        );
    }
}
