//! How deep a text may nest, found by a scan before any parser that calls itself sees it.
//!
//! A parser that calls itself for each bracket needs a stack as deep as its text, and a process
//! whose stack is used up ends. So whatever comes from a file is looked at first, in one pass
//! that keeps no more than a list of what is open. Scripts have a scan of their own beside
//! their grammar, with the same limit and the same words.

use crate::document::MAX_DEPTH;

/// How many levels of brackets a text may have, whatever it is: a script, data, a configuration.
/// JSON that handlers see has the same limit.
pub const MAX_NESTING: usize = MAX_DEPTH;

/// A text nests deeper than [`MAX_NESTING`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nests deeper than {MAX_NESTING} levels; write it flatter, or in parts")]
pub struct TooDeep {
    /// What opens the first level too many, in bytes from the text's beginning.
    pub offset: usize,
}

/// What a text of data is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// JSON: brackets, and strings that have none.
    Json,
    /// TOML: a dotted key is as many tables in each other as it has dots, and comments and
    /// strings have no brackets.
    Toml,
}

/// Looks at how deep a text of data nests. What is no text of its notation passes: its parser
/// says so.
///
/// # Errors
///
/// [`TooDeep`], with the place.
pub fn check(text: &str, notation: Notation) -> Result<(), TooDeep> {
    let bytes = text.as_bytes();
    let (mut at, mut open, mut dots) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let offset = at;
        at += 1;
        match byte {
            b'[' | b'{' => {
                open += 1;
                dots = 0;
            }
            b']' | b'}' => {
                open = open.saturating_sub(1);
                dots = 0;
            }
            b'"' => at = behind_string(bytes, offset, notation),
            b'\'' if notation == Notation::Toml => at = behind_string(bytes, offset, notation),
            b'#' if notation == Notation::Toml => at = behind_line(bytes, at),
            b'.' if notation == Notation::Toml => dots += 1,
            b'\n' | b',' | b'=' => dots = 0,
            _ => {}
        }
        if open + dots > MAX_NESTING {
            return Err(TooDeep { offset });
        }
    }
    Ok(())
}

/// The end of the string that begins at `start`, or of what there is of it.
fn behind_string(bytes: &[u8], start: usize, notation: Notation) -> usize {
    let quote = bytes[start];
    let is_long = notation == Notation::Toml && bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if is_long { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 2,
            // It goes on where it isn't closed on its line, for its parser refuses it there.
            b'\n' if !is_long && notation == Notation::Toml => return at,
            byte if byte == quote && !is_long => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => {
                // Up to two quotes more belong to what it says.
                let more = bytes[at..].iter().take_while(|it| **it == quote).count();
                return at + more.min(5);
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn behind_line(bytes: &[u8], from: usize) -> usize {
    let left = bytes[from..].iter().position(|byte| *byte == b'\n');
    left.map_or(bytes.len(), |left| from + left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(open: &str, close: &str, levels: usize) -> String {
        format!("{}1{}", open.repeat(levels), close.repeat(levels))
    }

    #[test]
    fn a_text_nests_as_deep_as_the_limit_and_no_deeper() {
        for (notation, before, open, close) in [
            (Notation::Json, "", "[", "]"),
            (Notation::Json, "", "{\"a\":", "}"),
            (Notation::Json, "\"[\\\"[\"", "[", "]"),
            (Notation::Toml, "a = ", "[", "]"),
            (Notation::Toml, "a = ", "{a=", "}"),
            (
                Notation::Toml,
                "# [[[\nb = '[['\nc = \"\"\"[\"[\"\"\"\na = ",
                "[",
                "]",
            ),
        ] {
            let fits = format!("{before}{}", nested(open, close, MAX_NESTING));
            assert_eq!(check(&fits, notation), Ok(()), "{fits}");

            let deeper = format!("{before}{}", nested(open, close, MAX_NESTING + 1));
            let offset = before.len() + open.len() * MAX_NESTING;
            assert_eq!(
                check(&deeper, notation),
                Err(TooDeep { offset }),
                "{deeper}"
            );
        }
    }

    #[test]
    fn a_dotted_key_nests_and_a_list_of_them_does_not() {
        let key = |dots: usize| format!("a{} = 1\n", ".a".repeat(dots));

        assert_eq!(check(&key(MAX_NESTING).repeat(3), Notation::Toml), Ok(()));
        assert!(check(&key(MAX_NESTING + 1), Notation::Toml).is_err());
        assert!(check(&format!("[{}]", key(MAX_NESTING + 1)), Notation::Toml).is_err());
    }

    #[test]
    fn what_stands_in_strings_and_comments_nests_nothing() {
        let brackets = "[".repeat(MAX_NESTING + 1);
        for (notation, text) in [
            (Notation::Json, format!("\"{brackets}\"")),
            (Notation::Json, format!("\"\\\"{brackets}\"")),
            (Notation::Json, format!("\"{brackets}")),
            (Notation::Toml, format!("a = \"{brackets}\"")),
            (Notation::Toml, format!("a = '{brackets}'")),
            (Notation::Toml, format!("a = '''\n'{brackets}'''")),
            (
                Notation::Toml,
                format!("a = \"\"\"\n\"\\\"{brackets}\"\"\"\"\""),
            ),
            (Notation::Toml, format!("# {brackets}\na = 1")),
        ] {
            assert_eq!(check(&text, notation), Ok(()), "{text}");
        }
    }
}
