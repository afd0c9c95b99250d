//! The names that a text uses without declaring them, and the variable `json`.

use std::collections::BTreeSet;

use http::HeaderName;
use oxc_ast::AstKind;
use oxc_span::GetSpan;

use super::super::old_spellings;
use super::Note;
use super::reading::Reading;

/// Names of the language that stay what they are when a script assigns them.
const GLOBALS: [&str; 42] = [
    "Array",
    "ArrayBuffer",
    "BigInt",
    "Boolean",
    "DataView",
    "Date",
    "Error",
    "Function",
    "Infinity",
    "Int8Array",
    "Iterator",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Object",
    "Promise",
    "Proxy",
    "RangeError",
    "ReferenceError",
    "Reflect",
    "RegExp",
    "Set",
    "String",
    "Symbol",
    "SyntaxError",
    "TypeError",
    "URIError",
    "Uint8Array",
    "WeakMap",
    "WeakSet",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "globalThis",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "undefined",
];

/// Names that every handler that says them gets a variable for, see [`Script`](crate::engine::script::Script).
const OURS: [&str; 2] = ["module", "exports"];

/// The longest text that is taken for a field's name.
const LONGEST_FIELD: usize = 128;

/// The literal texts that may name a header field, in lower case: those with a dash. Only these
/// can be spelled with `_` by somebody else.
pub(super) fn fields<'a>(nodes: impl Iterator<Item = AstKind<'a>>) -> BTreeSet<String> {
    let texts = nodes.filter_map(|kind| match kind {
        AstKind::StringLiteral(literal) => Some(literal.value.as_str()),
        AstKind::TemplateElement(part) => Some(part.value.raw.as_str()),
        _ => None,
    });
    texts
        .filter(|text| text.len() <= LONGEST_FIELD && text.contains('-'))
        .filter_map(|text| HeaderName::from_bytes(text.as_bytes()).ok())
        .map(|name| name.as_str().to_owned())
        .collect()
}

/// How the text uses the variable `json`.
pub(super) struct JsonUse {
    pub(super) is_named: bool,
    pub(super) is_written: bool,
}

impl Reading<'_, '_> {
    /// Names of Java that a modern engine hasn't.
    pub(super) fn refuse_old_names(&self) -> Result<(), Vec<Note>> {
        let problems: Vec<Note> = self
            .free_names()
            .filter_map(|(name, start, _)| {
                let message = old_spellings::explain_name(name)?;
                Some(Note {
                    offset: self.offset(start),
                    message,
                })
            })
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// Names that no scope declares: name, first place, whether it is assigned anywhere.
    fn free_names(&self) -> impl Iterator<Item = (&str, u32, bool)> {
        self.scoping
            .root_unresolved_references()
            .iter()
            .filter_map(|(name, references)| {
                let references: Vec<_> = references
                    .iter()
                    .map(|id| self.scoping.get_reference(*id))
                    .collect();
                let first = references
                    .iter()
                    .map(|it| self.nodes.kind(it.node_id()).span().start)
                    .min()?;
                Some((
                    name.as_str(),
                    first,
                    references.iter().any(|it| it.is_write()),
                ))
            })
    }

    pub(super) fn names(&self, name: &str) -> bool {
        self.free_names().any(|(free, ..)| free == name)
    }

    pub(super) fn undeclared(&self) -> Vec<Note> {
        let mut names: Vec<Note> = self
            .free_names()
            .filter(|(name, _, written)| {
                *written && !GLOBALS.contains(name) && !OURS.contains(name)
            })
            .map(|(name, start, _)| Note {
                offset: self.offset(start),
                message: name.to_owned(),
            })
            .collect();
        names.sort_by_key(|note| note.offset);
        names
    }

    pub(super) fn json_references(&self) -> JsonUse {
        // The parameter is the first symbol called `json`; `var json` in the body is the same one.
        let Some(symbol) = self
            .scoping
            .symbol_ids()
            .find(|id| self.scoping.symbol_name(*id) == "json")
        else {
            return JsonUse {
                is_named: false,
                is_written: false,
            };
        };
        let mut json = JsonUse {
            is_named: false,
            is_written: false,
        };
        for reference in self.scoping.get_resolved_references(symbol) {
            json.is_named = true;
            json.is_written |= reference.is_write();
        }
        if !self.scoping.symbol_redeclarations(symbol).is_empty() {
            json = JsonUse {
                is_named: true,
                is_written: true,
            };
        }
        json
    }
}
