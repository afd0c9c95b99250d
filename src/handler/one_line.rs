//! Texts of others on a line of ours.

use std::fmt::{self, Write};

/// A text that begins no other line and says nothing to a terminal: what would, is escaped.
#[derive(Debug, Clone, Copy)]
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for it in self.0.chars() {
            if it.is_control() || matches!(it, '\u{2028}' | '\u{2029}') {
                write!(f, "{}", it.escape_default())?;
            } else {
                f.write_char(it)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_line_or_speaks_to_a_terminal_is_escaped() {
        for (text, expected) in [
            ("a: “b” é", "a: “b” é"),
            ("a\r\nb", "a\\r\\nb"),
            ("\u{1b}[1m\u{2028}", "\\u{1b}[1m\\u{2028}"),
        ] {
            assert_eq!(OneLine(text).to_string(), expected);
        }
    }
}
