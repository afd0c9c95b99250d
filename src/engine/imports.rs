//! `import … from 'types'` at the top of API Maker's hooks.
//!
//! Hooks are written as TypeScript modules that import types and constants. A handler is the body
//! of a function, where no import may stand, and has the constants as `T` anyway: the statement is
//! blanked out, so that places stay, and its names become variables.

/// A text without its imports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Imported {
    /// As long as the original, line by line.
    pub text: String,
    /// What stands for the imports, as declarations: `T`'s members, or all of it.
    pub declarations: Vec<String>,
}

/// The modules that there is something to import from: constants and types, and types alone.
const MODULES: [&str; 2] = ["types", "db-interfaces"];

/// Takes the imports away that stand before the first statement; `None` where there are none.
pub(super) fn take(text: &str) -> Option<Imported> {
    let mut at = 0;
    let mut found = Vec::new();
    loop {
        at += blank(&text[at..]);
        let Some((length, declaration)) = import(&text[at..]) else {
            break;
        };
        found.push((at..at + length, declaration));
        at += length;
    }
    if found.is_empty() {
        return None;
    }
    let mut bytes = text.to_owned().into_bytes();
    for byte in found.iter().flat_map(|(range, _)| range.clone()) {
        if bytes[byte] != b'\n' && bytes[byte] != b'\r' {
            bytes[byte] = b' ';
        }
    }
    Some(Imported {
        text: String::from_utf8(bytes).expect("whole statements were blanked out"),
        declarations: found.into_iter().filter_map(|(_, it)| it).collect(),
    })
}

/// How many bytes of white space, comments and directives such as `'use strict'` come first.
fn blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start_matches(|it: char| it.is_whitespace() || it == ';');
        rest = if let Some(comment) = trimmed.strip_prefix("//") {
            comment.find('\n').map_or("", |end| &comment[end..])
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            comment.find("*/").map_or("", |end| &comment[end + 2..])
        } else if let Some(behind) = use_strict(trimmed) {
            behind
        } else {
            return text.len() - trimmed.len();
        };
    }
}

fn use_strict(text: &str) -> Option<&str> {
    text.strip_prefix("'use strict'")
        .or_else(|| text.strip_prefix("\"use strict\""))
}

/// The length of the import that `text` begins with, and what stands for it.
fn import(text: &str) -> Option<(usize, Option<String>)> {
    let rest = text.strip_prefix("import")?;
    let end = rest.find(" from ")?;
    let (clause, behind) = (rest[..end].trim(), &rest[end + " from ".len()..]);
    if clause.contains(['\'', '"', ';', '(']) {
        return None;
    }
    let quoted = behind.trim_start();
    let quote = quoted
        .chars()
        .next()
        .filter(|it| matches!(it, '\'' | '"'))?;
    let (module, behind) = quoted[1..].split_once(quote)?;
    if !MODULES.contains(&module) {
        return None;
    }
    let behind = behind.strip_prefix(';').unwrap_or(behind);
    Some((text.len() - behind.len(), declaration(clause)))
}

/// `* as types` is all of `T`, `{ A, B as C }` are members of it; types alone are nothing.
fn declaration(clause: &str) -> Option<String> {
    if clause.starts_with("type ") {
        return None;
    }
    if let Some(name) = clause.strip_prefix('*') {
        let name = name.trim().strip_prefix("as ")?.trim();
        return (name != "T").then(|| format!("{name}=T"));
    }
    clause
        .starts_with('{')
        .then(|| format!("{}=T", clause.replace(" as ", ":")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_at_the_top_become_blanks_and_variables() {
        let text = "// A hook.\nimport * as T from 'types';\nimport { EStatusCode as S } from \"types\"\nimport * as db from 'db-interfaces';\nreturn";

        let imported = take(text).expect("there are some");

        assert_eq!(imported.text.len(), text.len());
        assert_eq!(imported.text.lines().count(), 5);
        assert!(!imported.text.contains("import"), "{}", imported.text);
        assert_eq!(imported.declarations, ["{ EStatusCode:S }=T", "db=T"]);
    }

    #[test]
    fn what_is_no_such_import_stays() {
        for text in [
            "var a = 1;\nimport * as T from 'types';",
            "import fs from 'fs';",
            "important()",
            "import('types')",
            "'import * as T from \"types\"'",
            "",
        ] {
            assert_eq!(take(text), None, "{text}");
        }
    }
}
