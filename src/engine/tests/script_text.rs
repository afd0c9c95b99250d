//! What has to hold for any text that is loaded as a script.
//!
//! The way of a text is that of a file: its directives, the scan for nesting, the analysis, the
//! compiler of QuickJS, on a thread with the stack of the one that loads. The package that fuzzes
//! compiles this in as well.

use std::iter;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;
use rquickjs::context::EvalOptions;
use rquickjs::{Context, Function, Runtime};

use crate::engine::analysis::{Note, analyse, analyse_module};
use crate::engine::imports::{self, Imported};
use crate::engine::limits::{LOAD_STACK, PARSER_STACK, STACK};
use crate::engine::script::Script;
use crate::handler::nesting::MAX_NESTING;
use crate::handler::{Diagnostic, Header, Phase};

const FILE: &str = "request/10-fuzz.js";

/// How many texts one context compiles, so that what one of them leaves is seen.
const TEXTS: usize = 500;

/// The longest text that is made of pieces.
const LONGEST: usize = 32 * 1024;

/// What texts are made of: all that opens, closes, or goes on with something.
const PIECES: [&str; 104] = [
    "[",
    "]",
    "{a:",
    "{",
    "}",
    "(",
    ")",
    "1",
    "x",
    "x = ",
    ";",
    ",",
    "\n",
    " ",
    "f(",
    "a[",
    "a?.[",
    "a?.(",
    ".b",
    "function(){",
    "function f(){",
    "(function(){",
    "})()",
    "function* g() { ",
    "async function(){",
    "async ",
    "await ",
    "yield ",
    "yield* ",
    "a => ",
    "(a, b) => ",
    "a => {",
    "async a => ",
    "({a}) => ",
    "() => ({a:",
    "class { m(){ return ",
    "class A { ",
    "class extends ",
    "static { ",
    "static a = ",
    "#p = ",
    "get a() {",
    "set a(v) {",
    "[a]: ",
    "...",
    "`",
    "${",
    "`${",
    "}`",
    "a`",
    "\\",
    "\"",
    "'",
    "'['",
    "\"{(\"",
    "/",
    "/[/",
    "/[(]/g",
    "/a\\/(/",
    "/ (",
    "/* [ */",
    "/*",
    "*/",
    "// {[(",
    "<!-- [",
    "-->",
    "a ? b : ",
    "a ? ",
    " : b",
    "if (a) ",
    "else ",
    "else if (c) ",
    "for (;;) ",
    "for (a of b) ",
    "for await (a of b) ",
    "while (a) ",
    "do ",
    " while (b)",
    "with (a) ",
    "try {",
    "} catch (e) {",
    "} finally {",
    "switch (a) { case 1: ",
    "default: ",
    "l: ",
    "return ",
    "throw ",
    "new ",
    "!",
    "- ",
    "typeof ",
    "delete ",
    "++",
    "a = ",
    "a ??= ",
    " + 1",
    " ** ",
    " && a",
    " in ",
    " instanceof A",
    "let ",
    "var {a = ",
    "import { A as B } from 'types';\n",
    "'use strict';",
];

/// How often pieces are repeated.
const TIMES: [usize; 16] = [
    1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 480, 513, 1000, 4000,
];

/// The text that bytes stand for: themselves, or behind 0xFF pieces, one for each byte, and behind
/// 0x80 and above the last one to eight of them again and again.
fn text_of(data: &[u8]) -> Option<String> {
    let Some((0xff, bytes)) = data.split_first() else {
        return String::from_utf8(data.to_vec()).ok();
    };
    let mut text = String::new();
    let mut pieces: Vec<&str> = Vec::new();
    for &byte in bytes {
        if byte < 0x80 {
            let piece = PIECES[usize::from(byte) % PIECES.len()];
            text.push_str(piece);
            pieces.push(piece);
        } else {
            let count = usize::from(byte >> 4 & 7) + 1;
            let repeated = pieces[pieces.len().saturating_sub(count)..].concat();
            let times = TIMES[usize::from(byte & 15)];
            let room = LONGEST.saturating_sub(text.len()) / repeated.len().max(1);
            text.push_str(&repeated.repeat(times.min(room)));
        }
        if text.len() > LONGEST {
            break;
        }
    }
    Some(text)
}

/// A thread that loads texts.
pub(in crate::engine) struct Loader {
    texts: SyncSender<Vec<u8>>,
    loaded: Receiver<()>,
}

impl Loader {
    pub(in crate::engine) fn start() -> Self {
        let (texts, incoming) = mpsc::sync_channel(0);
        let (done, loaded) = mpsc::sync_channel(0);
        thread::Builder::new()
            .stack_size(LOAD_STACK)
            .spawn(move || run(&incoming, &done))
            .expect("memory for a stack");
        Self { texts, loaded }
    }

    /// Whether what has to hold for the text that `data` stands for does.
    pub(in crate::engine) fn holds(&self, data: &[u8]) -> bool {
        self.texts.send(data.to_vec()).is_ok() && self.loaded.recv().is_ok()
    }
}

fn run(texts: &Receiver<Vec<u8>>, done: &SyncSender<()>) {
    let mut contexts = iter::repeat_with(|| iter::repeat_n(context(), TEXTS)).flatten();
    while let Ok(data) = texts.recv() {
        let context = contexts.next().expect("there is always another");
        if let Some(text) = text_of(&data) {
            check(&context, &text);
        }
        if done.send(()).is_err() {
            return;
        }
    }
}

fn context() -> Context {
    let runtime = Runtime::new().expect("memory for a runtime");
    // What the compiler of a set gives the parser.
    runtime.set_max_stack_size(STACK + PARSER_STACK);
    Context::full(&runtime).expect("memory for a context")
}

/// A text is loaded, or refused at a place of it; what is loaded nests no deeper than it may, and
/// QuickJS parses it with the stack that it has.
fn check(context: &Context, text: &str) {
    let _ = Header::read(FILE, text);
    let imported = imports::take(text);
    let (text, declarations) = match &imported {
        Some(Imported { text, declarations }) => (text.as_str(), declarations.as_slice()),
        None => (text, &[][..]),
    };
    for phase in [Phase::Request, Phase::Response] {
        match analyse(text, phase) {
            Ok(analysis) => {
                check_places(text, &analysis.warnings);
                check_places(text, &analysis.requires);
                let script = Script::new(FILE, text, declarations, &analysis);
                assert!(depth(&script.text) <= 1 + MAX_NESTING, "{text}");
                compile(context, &script.text);
            }
            Err(problems) => check_refusal(text, &problems),
        }
    }
    match analyse_module(text) {
        Ok(analysis) => {
            check_places(text, &analysis.requires);
            let wrapped = format!("(function(module,exports,require){{{text}\n}})");
            assert!(depth(&wrapped) <= 1 + MAX_NESTING, "{text}");
            compile(context, &wrapped);
        }
        Err(problems) => check_refusal(text, &problems),
    }
}

fn check_refusal(text: &str, problems: &[Note]) {
    assert!(!problems.is_empty(), "refused for nothing: {text}");
    check_places(text, problems);
}

fn check_places(text: &str, notes: &[Note]) {
    for note in notes {
        assert!(note.offset <= text.len(), "{note:?}: {text}");
        assert!(!note.message.is_empty(), "{note:?}");
        let told = Diagnostic::at(FILE, text, note.offset, &note.message);
        assert!(!told.to_string().contains('\n'), "{told}");
        let number = usize::try_from(told.line).expect("a number of lines");
        let line = text.split('\n').nth(number - 1).expect("there is the line");
        let column = usize::try_from(told.column).expect("a number of characters");
        assert!((1..=line.chars().count() + 1).contains(&column), "{told}");
    }
}

/// Compiles it as a set does; it may be refused, but not for want of a stack.
fn compile(context: &Context, wrapped: &str) {
    context.with(|ctx| {
        let mut options = EvalOptions::default();
        options.strict = false;
        let compiled = ctx.eval_with_options::<Function<'_>, _>(wrapped, options);
        if compiled.is_err() {
            let thrown = ctx.catch();
            let thrown = thrown.as_exception().map(ToString::to_string);
            let is_overflow = thrown.is_some_and(|it| it.contains("stack"));
            assert!(!is_overflow, "the parser's stack is used up: {wrapped}");
        }
    });
}

/// How many brackets are open at the deepest place, counted in the tree: less than there are, since
/// those of calls, parameters and heads are not counted.
fn depth(wrapped: &str) -> usize {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, wrapped, SourceType::script())
        .with_options(ParseOptions::default())
        .parse();
    let semantic = SemanticBuilder::new()
        .with_build_nodes(true)
        .build(&parsed.program)
        .semantic;
    let nodes = semantic.nodes();
    // A node stands behind its parent.
    let mut depths: Vec<usize> = Vec::with_capacity(nodes.len());
    for node in nodes.iter() {
        let parent = nodes.parent_id(node.id());
        let around = depths.get(parent.index()).copied().unwrap_or(0);
        depths.push(around + usize::from(opens_bracket(node.kind())));
    }
    // The wrapper is in parentheses.
    depths.into_iter().max().unwrap_or(0).saturating_sub(1)
}

fn opens_bracket(kind: AstKind<'_>) -> bool {
    match kind {
        AstKind::TemplateLiteral(template) => !template.expressions.is_empty(),
        AstKind::ArrayExpression(_)
        | AstKind::ArrayPattern(_)
        | AstKind::ArrayAssignmentTarget(_)
        | AstKind::ObjectExpression(_)
        | AstKind::ObjectPattern(_)
        | AstKind::ObjectAssignmentTarget(_)
        | AstKind::ParenthesizedExpression(_)
        | AstKind::BlockStatement(_)
        | AstKind::SwitchStatement(_)
        | AstKind::Function(_)
        | AstKind::ClassBody(_)
        | AstKind::StaticBlock(_) => true,
        _ => false,
    }
}
