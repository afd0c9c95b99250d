//! What a handler's text says about itself, found without running it.
//!
//! Knows JavaScript's grammar and the names of the scope; knows no engine. The text is
//! parsed as the body of one function whose parameter is `json`, which is how it will
//! run (CONTRACT §3).

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::{Argument, Expression, Function, PropertyKey, Statement};
use oxc_parser::{ParseOptions, Parser, ParserReturn};
use oxc_semantic::{AstNodes, NodeId, Scoping, Semantic, SemanticBuilder};
use oxc_span::{GetSpan, SourceType};

use crate::handler::Phase;

use super::old_spellings;

mod moves;

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
    /// What its author should know.
    pub warnings: Vec<Note>,
}

/// A remark on a place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// In bytes, from the text's beginning.
    pub offset: usize,
    /// What there is to say.
    pub message: String,
}

/// Members that hold a body in one vocabulary or another.
const BODY_MEMBERS: [&str; 5] = ["json", "payload", "content", "body", "output"];

/// Objects from which a body can be reached, unless only a member of them is named.
const BODY_OWNERS: [&str; 5] = ["req", "res", "event", "_event", "g"];

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

/// Names that every handler that says them gets a variable for, see [`Script`](super::script::Script).
const OURS: [&str; 2] = ["module", "exports"];

/// Analyses the text of a handler of `phase`.
///
/// # Errors
///
/// What keeps it from being compiled, each problem with its place.
pub(super) fn analyse(text: &str, phase: Phase) -> Result<Analysis, Vec<Note>> {
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
pub(super) fn analyse_module(text: &str) -> Result<Vec<Note>, Vec<Note>> {
    let head = "(function(module,exports,require){";
    let wrapped = format!("{head}{text}\n}})");
    let allocator = Allocator::default();
    let parsed = parse(&allocator, &wrapped, head)?;
    let semantic = resolve(&parsed, head)?;
    Ok(requires(&semantic, head.len()))
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
        moves: wrapper(&parsed)
            .and_then(|function| moves::moves(function.body.as_ref()?, head.len())),
        warnings,
    })
}

/// Parses `head`, the text and the wrapper's end; the whole must be one function.
fn parse<'a>(
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

fn resolve<'a>(parsed: &'a ParserReturn<'a>, head: &str) -> Result<Semantic<'a>, Vec<Note>> {
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

fn is_strict(parsed: &ParserReturn<'_>) -> bool {
    wrapper(parsed)
        .and_then(|function| function.body.as_ref())
        .is_some_and(|body| {
            body.directives
                .iter()
                .any(|directive| directive.directive.as_str() == "use strict")
        })
}

/// The function that the text is the body of.
fn wrapper<'p, 'a>(parsed: &'p ParserReturn<'a>) -> Option<&'p Function<'a>> {
    let Some(Statement::ExpressionStatement(only)) = parsed.program.body.first() else {
        return None;
    };
    let Expression::FunctionExpression(function) = &only.expression else {
        return None;
    };
    Some(function)
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

/// How the text uses the variable `json`.
struct JsonUse {
    is_named: bool,
    is_written: bool,
}

/// The parsed text, to be asked questions.
struct Reading<'r, 'a> {
    nodes: &'r AstNodes<'a>,
    scoping: &'r Scoping,
    shift: usize,
}

impl Reading<'_, '_> {
    fn offset(&self, start: u32) -> usize {
        (start as usize).saturating_sub(self.shift)
    }

    /// Names of Java that a modern engine hasn't.
    fn refuse_old_names(&self) -> Result<(), Vec<Note>> {
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

    fn names(&self, name: &str) -> bool {
        self.free_names().any(|(free, ..)| free == name)
    }

    fn undeclared(&self) -> Vec<Note> {
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

    fn json_references(&self) -> JsonUse {
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

    /// Whether `await` stands outside nested functions.
    fn awaits(&self) -> bool {
        self.nodes.iter().any(|node| {
            let is_await = match node.kind() {
                AstKind::AwaitExpression(_) => true,
                AstKind::ForOfStatement(statement) => statement.r#await,
                _ => false,
            };
            is_await && self.function_depth(node.id()) == 1
        })
    }

    fn function_depth(&self, id: NodeId) -> usize {
        self.nodes
            .ancestor_kinds(id)
            .filter(|kind| {
                matches!(
                    kind,
                    AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)
                )
            })
            .count()
    }

    /// Whether a body can be reached otherwise than by the name `json` (CONTRACT §2).
    fn reaches_a_body(&self) -> bool {
        self.nodes.iter().any(|node| match node.kind() {
            AstKind::WithStatement(_) => true,
            AstKind::IdentifierReference(name) => match name.name.as_str() {
                "arguments" | "eval" => true,
                owner if BODY_OWNERS.contains(&owner) => !self.is_before_a_member(node.id()),
                _ => false,
            },
            AstKind::StaticMemberExpression(member) => {
                BODY_MEMBERS.contains(&member.property.name.as_str())
                    || (is_inner_owner(&member.object, member.property.name.as_str())
                        && !self.is_before_a_member(node.id()))
            }
            AstKind::ComputedMemberExpression(member) => match &member.expression {
                Expression::StringLiteral(name) => {
                    BODY_MEMBERS.contains(&name.value.as_str())
                        || (is_inner_owner(&member.object, name.value.as_str())
                            && !self.is_before_a_member(node.id()))
                }
                _ => false,
            },
            AstKind::BindingProperty(property) => names_a_body(&property.key),
            AstKind::AssignmentTargetPropertyProperty(property) => names_a_body(&property.name),
            AstKind::AssignmentTargetPropertyIdentifier(property) => {
                BODY_MEMBERS.contains(&property.binding.name.as_str())
            }
            _ => false,
        })
    }

    /// Whether a handler of the response phase can reach the request's body.
    fn reaches_the_request_body(&self) -> bool {
        self.nodes.iter().any(|node| match node.kind() {
            AstKind::WithStatement(_) => true,
            AstKind::IdentifierReference(name) => {
                let is_owner = matches!(name.name.as_str(), "req" | "event" | "_event" | "g");
                matches!(name.name.as_str(), "arguments" | "eval")
                    || (is_owner && !self.is_before_a_member(node.id()))
            }
            AstKind::StaticMemberExpression(member) => {
                let name = member.property.name.as_str();
                (is_request(&member.object) && BODY_MEMBERS.contains(&name))
                    || (is_inner_owner(&member.object, name) && !self.is_before_a_member(node.id()))
            }
            AstKind::ComputedMemberExpression(member) => match &member.expression {
                Expression::StringLiteral(name) => {
                    let name = name.value.as_str();
                    (is_request(&member.object) && BODY_MEMBERS.contains(&name))
                        || (is_inner_owner(&member.object, name)
                            && !self.is_before_a_member(node.id()))
                }
                _ => false,
            },
            _ => false,
        })
    }

    /// Whether the node is what stands before `.name` or `['name']`.
    fn is_before_a_member(&self, id: NodeId) -> bool {
        let here = self.nodes.kind(id).span();
        match self.nodes.parent_kind(id) {
            AstKind::StaticMemberExpression(member) => member.object.span() == here,
            AstKind::ComputedMemberExpression(member) => {
                member.object.span() == here
                    && matches!(member.expression, Expression::StringLiteral(_))
            }
            _ => false,
        }
    }

    /// A body that is text used as an object, or the other way round (CONTRACT §8).
    fn body_warnings(&self, phase: Phase) -> Vec<Note> {
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

/// `event.request`, `event.response`, `g.req`, `g.res`.
fn is_inner_owner(object: &Expression<'_>, member: &str) -> bool {
    let Expression::Identifier(owner) = object else {
        return false;
    };
    match owner.name.as_str() {
        "event" | "_event" => matches!(member, "request" | "response"),
        "g" => matches!(member, "req" | "res"),
        _ => false,
    }
}

/// `req`, `event.request`, `g.req`: what the request's body is a member of.
fn is_request(object: &Expression<'_>) -> bool {
    match object {
        Expression::Identifier(name) => name.name == "req",
        Expression::StaticMemberExpression(inner) => {
            is_inner_request(&inner.object, inner.property.name.as_str())
        }
        Expression::ComputedMemberExpression(inner) => match &inner.expression {
            Expression::StringLiteral(name) => is_inner_request(&inner.object, name.value.as_str()),
            _ => false,
        },
        _ => false,
    }
}

fn is_inner_request(object: &Expression<'_>, member: &str) -> bool {
    matches!(member, "request" | "req") && is_inner_owner(object, member)
}

fn is_json(expression: &Expression<'_>) -> bool {
    matches!(expression, Expression::Identifier(name) if name.name == "json")
}

fn names_a_body(key: &PropertyKey<'_>) -> bool {
    key.static_name()
        .is_some_and(|name| BODY_MEMBERS.contains(&name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Analysis {
        analyse(text, Phase::Request).expect("it parses")
    }

    fn problem(text: &str) -> Note {
        analyse(text, Phase::Request)
            .expect_err("it has a problem")
            .remove(0)
    }

    #[test]
    fn what_reaches_a_body_is_seen_by_its_names() {
        for text in [
            "json = 'x'",
            "var json = 1",
            "log.info(json)",
            "req.json",
            "res['body']",
            "var {content} = x",
            "({payload: p} = x)",
            "f(req)",
            "var r = res",
            "g[x]",
            "f(event.request)",
            "eval('1')",
            "arguments[0]",
            "with (x) y",
            "({...event})",
            "g.res.output = 1",
            "({body} = x)",
            "return event",
            "const {req} = g",
            "_event.response[x]",
            "g['req'].body",
            "module.exports = async (g) => f(g)",
            "module.exports = async (hook) => { hook.res.output.a = 1 }",
        ] {
            assert!(request(text).sees_body, "{text}");
        }
        for text in [
            "throw {status: 400, body: 'x'}",
            "req.headers['content-type']",
            "res.status = 1",
            "event.request.headers.x = 1",
            "g.req.query['a']",
            "// json\n'json body'",
            "({json: 1})",
            "x.parameters",
            "event.setResponse('closed', 503)",
            "event.response.status_code = 202; event.stop_propagation = true",
            "module.exports = async function main(g) { g.req.query.a = 1; g.shared.b = g.res.statusCode }",
            "platform.store.set('a', event.resource); g.logger.log(T.EStatusCode.OK)",
            "if (!req.httpHeaders['x-api-key']) throw { status: 403, body: { error: 'x' } };",
            "res.headers['x-step-1'] = res.headers['content-type'];",
        ] {
            assert!(!request(text).sees_body, "{text}");
        }
    }

    #[test]
    fn a_response_handler_that_asks_for_the_clients_text_needs_the_requests_body() {
        let response = |text| {
            analyse(text, Phase::Response)
                .expect("it parses")
                .sees_request_body
        };

        for text in [
            "JSON.parse(req.json)",
            "x(req)",
            "event.request.payload.a",
            "var r = event.request",
            "g.req['body']",
            "g['req'].body",
            "f(g['req'])",
            "_event.request.content",
        ] {
            assert!(response(text), "{text}");
        }
        for text in [
            "json.a = 1",
            "res.body = req.method",
            "event.response.content = 1",
            "g.res.output = g.req.query.a",
        ] {
            assert!(!response(text), "{text}");
        }
    }

    #[test]
    fn await_makes_a_body_async_only_outside_nested_functions() {
        assert!(request("var x = await f();").is_async);
        assert!(request("for await (const x of y) { }").is_async);
        assert!(!request("async function f() { await g() }\nf();").is_async);
        assert!(!request("var await = 1; // as a name").is_async);
    }

    #[test]
    fn json_is_written_by_assignment_and_by_var() {
        assert!(request("json = JSON.stringify(x)").writes_json);
        assert!(request("var json = 'x';").writes_json);
        assert!(request("function f() { json = 'x' } f()").writes_json);
        let read = request("log.info(json.length)");
        assert!(read.names_json && !read.writes_json);
    }

    #[test]
    fn assigned_names_that_nobody_declared_are_found_unless_strict() {
        assert_eq!(
            request("for (i = 0; i < 3; i++) total = i; Math = 1").undeclared,
            ["i", "total"]
        );
        assert!(request("'use strict'; x = 1").undeclared.is_empty());
        assert!(
            request("var a; a = 1; function f(b) { b = 2 }")
                .undeclared
                .is_empty()
        );
    }

    #[test]
    fn declaring_json_anew_is_refused_with_a_way_out() {
        for text in ["let json = 1", "const json = 1", "class json {}"] {
            assert!(problem(text).message.contains("write `json = …`"), "{text}");
        }
        assert!(analyse("{ let json = 1 }", Phase::Request).is_ok());
        assert!(
            analyse(
                "const res = 1, req = 2; let event; var out = []",
                Phase::Request
            )
            .is_ok()
        );
    }

    #[test]
    fn a_syntax_error_has_its_place_in_the_handlers_own_text() {
        assert_eq!(problem("throw (").offset, 7);
        assert_eq!(problem("var a = 1;\nvar b = = 2;").offset, 19);
    }

    #[test]
    fn a_text_that_leaves_its_function_is_no_body() {
        assert!(problem("}); (function(){").message.contains("closes more"));
    }

    #[test]
    fn literal_requires_are_listed() {
        let names: Vec<_> = request("const m = require('./lib/m'); require(x)").requires;
        assert_eq!(
            names,
            [Note {
                offset: 18,
                message: "./lib/m".to_owned()
            }]
        );
    }

    #[test]
    fn a_body_taken_for_what_it_is_not_is_warned_of() {
        assert_eq!(request("json.name = 1").warnings.len(), 1);
        assert!(request("json.indexOf('x')").warnings.is_empty());
        let response = analyse("var x = JSON.parse(json)", Phase::Response).expect("it parses");
        assert_eq!(response.warnings.len(), 1);
    }
}
