//! Remarks for authors who take a body for what it is not.

use oxc_ast::AstKind;
use oxc_ast::ast::{Argument, Expression};

use crate::handler::Phase;

use super::Note;
use super::reading::Reading;

/// What a script may call on the text that `json` is in a request handler.
const STRING_MEMBERS: [&str; 36] = [
    "length",
    "at",
    "charAt",
    "charCodeAt",
    "codePointAt",
    "concat",
    "contains",
    "endsWith",
    "includes",
    "indexOf",
    "isWellFormed",
    "lastIndexOf",
    "localeCompare",
    "match",
    "matchAll",
    "normalize",
    "padEnd",
    "padStart",
    "repeat",
    "replace",
    "replaceAll",
    "search",
    "slice",
    "split",
    "startsWith",
    "substr",
    "substring",
    "toLocaleLowerCase",
    "toLocaleUpperCase",
    "toLowerCase",
    "toString",
    "toUpperCase",
    "toWellFormed",
    "trim",
    "trimEnd",
    "trimStart",
];

impl Reading<'_, '_> {
    /// A body that is text used as an object, or the other way round.
    pub(super) fn body_warnings(&self, phase: Phase) -> Vec<Note> {
        let warn = |kind: AstKind<'_>| match (phase, kind) {
            (Phase::Request, AstKind::StaticMemberExpression(member)) => {
                let name = member.property.name.as_str();
                (is_json(&member.object) && !STRING_MEMBERS.contains(&name)).then(|| Note {
                    offset: self.offset(member.span.start),
                    message: format!(
                        "`json` is text in a request handler and has no `{name}`; parse it: `var data = JSON.parse(json)`"
                    ),
                })
            }
            (Phase::Response, AstKind::CallExpression(call)) => {
                let parses = call.callee.is_specific_member_access("JSON", "parse");
                let of_json = call
                    .arguments
                    .first()
                    .and_then(Argument::as_expression)
                    .is_some_and(is_json);
                (parses && of_json).then(|| Note {
                    offset: self.offset(call.span.start),
                    message: "`json` is parsed already in a response handler; use it as it is"
                        .to_owned(),
                })
            }
            _ => None,
        };
        self.nodes
            .iter()
            .filter_map(|node| warn(node.kind()))
            .collect()
    }
}

fn is_json(expression: &Expression<'_>) -> bool {
    matches!(expression, Expression::Identifier(name) if name.name == "json")
}
