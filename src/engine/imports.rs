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
        declarations: found.into_iter().flat_map(|(_, it)| it).collect(),
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
fn import(text: &str) -> Option<(usize, Vec<String>)> {
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
    Some((text.len() - behind.len(), declaration(clause)?))
}

/// `* as types` is all of `T`, `{ A, B as C }` are members of it; types alone are no declaration.
/// `None` where it is something else, which the parser refuses.
fn declaration(clause: &str) -> Option<Vec<String>> {
    if clause.starts_with("type ") {
        return Some(Vec::new());
    }
    if let Some(all) = clause.strip_prefix('*') {
        let name = name(all.trim().strip_prefix("as ")?)?;
        let is_there = name == "T";
        return Some(if is_there {
            Vec::new()
        } else {
            vec![format!("{name}=T")]
        });
    }
    let Some(list) = clause.strip_prefix('{') else {
        return Some(Vec::new());
    };
    let list = without_comments(list.strip_suffix('}')?);
    let mut members = Vec::new();
    for member in list.split(',') {
        let words: Vec<&str> = member.split_whitespace().collect();
        match words[..] {
            [] | ["type", _] | ["type", _, "as", _] => {}
            [one] => members.push(name(one)?.to_owned()),
            [member, "as", local] => members.push(format!("{}:{}", name(member)?, name(local)?)),
            _ => return None,
        }
    }
    Some(vec![format!("{{{}}}=T", members.join(","))])
}

/// A name and nothing besides: what is in the list is not looked at for how deep it nests.
fn name(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = |it: char| it.is_alphanumeric() || matches!(it, '_' | '$');
    (!text.is_empty() && text.chars().all(fits)).then_some(text)
}

fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once('/') {
        kept.push_str(before);
        rest = if let Some(comment) = comment.strip_prefix('/') {
            comment.find('\n').map_or("", |end| &comment[end..])
        } else if let Some(comment) = comment.strip_prefix('*') {
            comment.find("*/").map_or("", |end| &comment[end + 2..])
        } else {
            kept.push('/');
            comment
        };
    }
    kept.push_str(rest);
    kept
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
        assert_eq!(imported.declarations, ["{EStatusCode:S}=T", "db=T"]);
    }

    #[test]
    fn a_list_becomes_one_line_of_names() {
        for (list, expected) in [
            ("{A}", "{A}=T"),
            ("{ A, B as C, }", "{A,B:C}=T"),
            ("{\n  A, // one\n  B /* two */,\n}", "{A,B}=T"),
            ("{ type D, A, type E as F }", "{A}=T"),
        ] {
            let imported = take(&format!("import {list} from 'types';")).expect(list);
            assert_eq!(imported.declarations, [expected], "{list}");
        }
    }

    #[test]
    fn what_is_no_such_import_stays() {
        for text in [
            "var a = 1;\nimport * as T from 'types';",
            "import fs from 'fs';",
            "important()",
            "import('types')",
            "import {a:{b}} from 'types';",
            "import {a = [[1]]} from 'types';",
            "import {a} = T, {b} from 'types';",
            "import * as a=T,b from 'types';",
            "import {a b} from 'types';",
            "'import * as T from \"types\"'",
            "",
        ] {
            assert_eq!(take(text), None, "{text}");
        }
    }
}
