//! From a text to its syntax tree and scopes, or to what is wrong with it.

use oxc_allocator::Allocator;
use oxc_ast::ast::{Expression, Function, Statement};
use oxc_parser::{ParseOptions, Parser, ParserReturn};
use oxc_semantic::{Semantic, SemanticBuilder};
use oxc_span::{GetSpan, SourceType};

use crate::handler::MAX_TOLD;

use super::super::old_spellings;
use super::Note;

/// Parses `head`, the text and the wrapper's end; the whole must be one function.
pub(super) fn parse<'a>(
    allocator: &'a Allocator,
    wrapped: &'a str,
    head: &str,
) -> Result<ParserReturn<'a>, Vec<Note>> {
    let options = ParseOptions {
        preserve_parens: false,
        ..ParseOptions::default()
    };
    let parsed = Parser::new(allocator, wrapped, SourceType::script())
        .with_options(options)
        .parse();
    let shift = head.len();
    let end = wrapped.len() - shift - "\n})".len();
    if !parsed.diagnostics.is_empty() {
        let text = &wrapped[shift..shift + end];
        return Err(parsed
            .diagnostics
            .iter()
            .take(MAX_TOLD)
            .map(|problem| explain(problem, shift, text))
            .collect());
    }
    // `} ) ; (function(){` closes the wrapper and opens another: it parses and is not a body.
    let is_one_function = parsed.program.body.len() == 1
        && wrapper(&parsed)
            .is_some_and(|function| function.span().size() as usize == wrapped.len() - "()".len());
    if is_one_function {
        Ok(parsed)
    } else {
        Err(vec![Note {
            offset: 0,
            message: "a `}` closes more than was opened".to_owned(),
        }])
    }
}

pub(super) fn resolve<'a>(
    parsed: &'a ParserReturn<'a>,
    head: &str,
) -> Result<Semantic<'a>, Vec<Note>> {
    let built = SemanticBuilder::new()
        .with_check_syntax_error(true)
        .with_build_nodes(true)
        .build(&parsed.program);
    if built.diagnostics.is_empty() {
        return Ok(built.semantic);
    }
    Err(built
        .diagnostics
        .iter()
        .take(MAX_TOLD)
        .map(|problem| explain(problem, head.len(), ""))
        .collect())
}

/// Turns the parser's diagnostic into ours, with the place in the handler's own text.
fn explain(problem: &oxc_diagnostics::OxcDiagnostic, shift: usize, text: &str) -> Note {
    // A redeclaration is told at the later of its two places.
    let offset = problem
        .labels
        .iter()
        .map(|label| label.offset() as usize)
        .max()
        .unwrap_or(shift);
    let offset = offset.saturating_sub(shift);
    let message = problem.message.as_ref();
    let end = text.trim_end().len();
    if !text.is_empty() && offset >= end {
        let message = "unexpected end of the text".to_owned();
        return Note {
            offset: end,
            message,
        };
    }
    if message.contains("`json` has already been declared") {
        let message = "`json` is the body's variable and can't be declared with let, const or class; \
                       write `json = …` or `var json = …`";
        return Note {
            offset,
            message: message.to_owned(),
        };
    }
    if let Some(modern) = old_spellings::explain(text, offset) {
        return modern;
    }
    Note {
        offset,
        message: in_lower_case(message.trim_end_matches('.')),
    }
}

/// Diagnostics begin in lower case.
fn in_lower_case(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

pub(super) fn is_strict(parsed: &ParserReturn<'_>) -> bool {
    wrapper(parsed)
        .and_then(|function| function.body.as_ref())
        .is_some_and(|body| {
            body.directives
                .iter()
                .any(|directive| directive.directive.as_str() == "use strict")
        })
}

/// The function that the text is the body of.
pub(super) fn wrapper<'p, 'a>(parsed: &'p ParserReturn<'a>) -> Option<&'p Function<'a>> {
    let Some(Statement::ExpressionStatement(only)) = parsed.program.body.first() else {
        return None;
    };
    let Expression::FunctionExpression(function) = &only.expression else {
        return None;
    };
    Some(function)
}
