//! What a handler's text says about itself, found without running it.
//!
//! Knows JavaScript's grammar and the names of the scope; knows no engine. The text is
//! parsed as the body of one function whose parameter is `json`, which is how it will
//! run. Here is what is told of it; `reading` has the parsed text, and its
//! questions stand with what they are about: `names`, `members`, `reach`, `misuse`, `moves`.

mod members;
mod misuse;
mod moves;
mod names;
mod nesting;
mod parse;
mod reach;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::{Argument, Expression};
use oxc_semantic::{AstNode, Semantic};

use crate::handler::Phase;

use parse::{is_strict, parse, resolve, wrapper};
use reading::Reading;

#[cfg(test)]
pub(super) use members::MEMBERS;
pub(super) use moves::{Member, Move, Source};

/// What is known of a handler's code.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Analysis {
    /// `await` stands in it outside nested functions.
    pub is_async: bool,
    /// It begins with `'use strict'`.
    pub is_strict: bool,
    /// It can see a body.
    pub sees_body: bool,
    /// It can see the request's body, whichever phase it runs in.
    pub sees_request_body: bool,
    /// It names the variable `json`.
    pub names_json: bool,
    /// It may give the variable `json` a new value.
    pub writes_json: bool,
    /// It names `module`, which nothing in it declares.
    pub names_module: bool,
    /// It names `exports`, which nothing in it declares.
    pub names_exports: bool,
    /// Names it assigns without declaring them: variables of one run.
    pub undeclared: Vec<String>,
    /// The literal names it requires.
    pub requires: Vec<Note>,
    /// What it does, where that is nothing but moving members of views.
    pub moves: Option<Vec<Move>>,
    /// The literal texts in it that may name a header field with a dash, in lower case.
    pub fields: BTreeSet<String>,
    /// What its author should know.
    pub warnings: Vec<Note>,
}

/// What is known of a module's code.
#[derive(Debug, Default)]
pub(super) struct ModuleAnalysis {
    /// The literal names it requires.
    pub requires: Vec<Note>,
    /// As of a handler.
    pub fields: BTreeSet<String>,
}

/// A remark on a place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// In bytes, from the text's beginning.
    pub offset: usize,
    /// What there is to say.
    pub message: String,
}

/// Analyses the text of a handler of `phase`.
///
/// # Errors
///
/// What keeps it from being compiled, each problem with its place.
pub(super) fn analyse(text: &str, phase: Phase) -> Result<Analysis, Vec<Note>> {
    check_nesting(text)?;
    // `await` is a name in a plain function and a word of the language in an async one:
    // which of the two the text is shows only when it is read as one.
    if text.contains("await") {
        let analysis = analyse_as("(async function(json){", text, phase);
        match analysis {
            Ok(Analysis { is_async: true, .. }) => return analysis,
            Ok(_) => {}
            Err(problems) => {
                return analyse_as("(function(json){", text, phase).map_err(|_| problems);
            }
        }
    }
    analyse_as("(function(json){", text, phase)
}

/// Analyses the text of a library module: what it requires, and whether it parses.
pub(super) fn analyse_module(text: &str) -> Result<ModuleAnalysis, Vec<Note>> {
    check_nesting(text)?;
    let head = "(function(module,exports,require){";
    let wrapped = format!("{head}{text}\n}})");
    let allocator = Allocator::default();
    let parsed = parse(&allocator, &wrapped, head)?;
    let semantic = resolve(&parsed, head)?;
    Ok(ModuleAnalysis {
        requires: requires(&semantic, head.len()),
        fields: names::fields(semantic.nodes().iter().map(AstNode::kind)),
    })
}

/// Nothing below has a bound of its own for how deep it goes.
fn check_nesting(text: &str) -> Result<(), Vec<Note>> {
    nesting::check(text).map_err(|refused| {
        vec![Note {
            offset: refused.offset(),
            message: refused.to_string(),
        }]
    })
}

fn analyse_as(head: &str, text: &str, phase: Phase) -> Result<Analysis, Vec<Note>> {
    let wrapped = format!("{head}{text}\n}})");
    let allocator = Allocator::default();
    let parsed = parse(&allocator, &wrapped, head)?;
    let semantic = resolve(&parsed, head)?;
    let reading = Reading {
        nodes: semantic.nodes(),
        scoping: semantic.scoping(),
        shift: head.len(),
    };

    reading.refuse_old_names()?;
    let json = reading.json_references();
    let mut warnings = reading.body_warnings(phase);
    warnings.extend(reading.member_warnings());
    warnings.extend(reading.locale_warnings());
    let is_strict = is_strict(&parsed);
    let undeclared = if is_strict {
        Vec::new()
    } else {
        reading.undeclared()
    };
    warnings.extend(undeclared.iter().map(|note| Note {
        offset: note.offset,
        message: format!(
            "`{}` is assigned but never declared; it lasts for one run only",
            note.message
        ),
    }));
    Ok(Analysis {
        is_async: head.contains("async") && reading.awaits(),
        is_strict,
        sees_body: json.is_named || reading.reaches_a_body(),
        sees_request_body: match phase {
            Phase::Request => json.is_named || reading.reaches_a_body(),
            Phase::Response => reading.reaches_the_request_body(),
        },
        names_json: json.is_named,
        writes_json: json.is_written,
        names_module: reading.names("module"),
        names_exports: reading.names("exports"),
        undeclared: undeclared.into_iter().map(|note| note.message).collect(),
        requires: requires(&semantic, head.len()),
        fields: names::fields(semantic.nodes().iter().map(AstNode::kind)),
        moves: wrapper(&parsed)
            .and_then(|function| moves::moves(function.body.as_ref()?, head.len())),
        warnings,
    })
}

/// The literal names in `require("…")`.
fn requires(semantic: &Semantic<'_>, shift: usize) -> Vec<Note> {
    let literal = |kind: AstKind<'_>| {
        let AstKind::CallExpression(call) = kind else {
            return None;
        };
        match (&call.callee, call.arguments.first()?) {
            (Expression::Identifier(callee), Argument::StringLiteral(name))
                if callee.name == "require" =>
            {
                let offset = (name.span.start as usize).saturating_sub(shift);
                Some(Note {
                    offset,
                    message: name.value.to_string(),
                })
            }
            _ => None,
        }
    };
    semantic
        .nodes()
        .iter()
        .filter_map(|node| literal(node.kind()))
        .collect()
}
