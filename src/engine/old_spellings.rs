//! Spellings of Nashorn and Rhino that a modern engine refuses, and what to write now.

use super::analysis::Note;

/// Quotes that word processors put in the place of straight ones.
const CURLY: [char; 6] = ['“', '”', '„', '‘', '’', '‚'];

/// Explains a syntax error near `offset` where an old spelling causes it.
pub(super) fn explain(text: &str, offset: usize) -> Option<Note> {
    let offset = offset.min(text.len());
    let start = text[..floor(text, offset)]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let line = text[start..].lines().next()?;
    if let Some(at) = line.find("for each") {
        let message =
            "`for each (x in y)` is an old spelling; write `for (const x of Object.values(y))`";
        return Some(Note {
            offset: start + at,
            message: message.to_owned(),
        });
    }
    if let Some(at) = line.find(CURLY) {
        let message = "a curly quote; write a straight one: \" or '";
        return Some(Note {
            offset: start + at,
            message: message.to_owned(),
        });
    }
    None
}

/// Explains a free name that belongs to Java.
pub(super) fn explain_name(name: &str) -> Option<String> {
    let modern = match name {
        "Java" | "JavaImporter" | "Packages" | "importPackage" | "importClass" => {
            "there is no Java here; use JavaScript's own types, such as `[]` for `new java.util.ArrayList()`"
        }
        _ => return None,
    };
    Some(format!("`{name}` is of an old engine: {modern}"))
}

/// The next place at or before `offset` where a character begins.
fn floor(text: &str, offset: usize) -> usize {
    (0..=offset)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::analysis::analyse;
    use crate::handler::Phase;

    #[test]
    fn old_spellings_are_refused_with_the_modern_one() {
        for (text, offset, modern) in [
            ("var a;\nfor each (var x in y) { }", 7, "Object.values"),
            ("if (“a” == b) return;", 4, "straight"),
            ("var List = Java.type('java.util.List')", 11, "no Java here"),
        ] {
            let problem = analyse(text, Phase::Request)
                .expect_err("it is refused")
                .remove(0);
            assert!(
                problem.message.contains(modern),
                "{text}: {}",
                problem.message
            );
            assert_eq!(problem.offset, offset, "{text}");
        }
    }
}
