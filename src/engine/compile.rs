//! Compiles a script set: every file or none.
//!
//! On a thread of its own, whose stack has room for whatever nests no deeper than it may. A panic
//! in there is a fault of ours and refuses the file.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use rquickjs::{Context, Ctx, Runtime};

use crate::crash::{Compiling, Description, Registered};
use crate::generation::{Compile, Compiled, Facts, Module};
use crate::handler::nesting::{self, Notation, TooDeep};
use crate::handler::{BodyPlan, Declared, Diagnostic, MAX_TOLD};

use super::analysis::{Analysis, Note, analyse, analyse_module};
use super::habit::Habit;
use super::imports::{self, Imported};
use super::isolate;
use super::library::{self, Library, MODULE_HEAD};
use super::limits::{LOAD_STACK, STACK};
use super::pool::Pool;
use super::remarks::Remarks;
use super::scope::Moves;
use super::script::{Places, Script};
use super::{Code, Engine, Entry};

/// What an author should know of a handler that reads bodies and says not of which requests.
const READS_EVERY_BODY: &str = "it reads the body of every request and has no `@match`: \
     bodies that it can't read, such as uploads, pass without it; add `@match` to name its requests";

impl Compile for Engine {
    fn compile(
        &self,
        handlers: &[Declared],
        modules: &[Module],
    ) -> Result<Compiled, Vec<Diagnostic>> {
        let compiled = thread::scope(|scope| {
            let builder = thread::Builder::new()
                .name("interpose-load".to_owned())
                .stack_size(LOAD_STACK);
            let loading = builder.spawn_scoped(scope, || self.compile_here(handlers, modules))?;
            Ok(loading.join())
        });
        compiled
            .map_err(|error: std::io::Error| no_engine(&error))?
            .unwrap_or_else(|_panic| Err(vec![fault_of_ours("")]))
    }
}

impl Engine {
    /// Compiles on this thread, which has [`LOAD_STACK`].
    fn compile_here(
        &self,
        handlers: &[Declared],
        modules: &[Module],
    ) -> Result<Compiled, Vec<Diagnostic>> {
        let library = Library::new(
            modules
                .iter()
                .map(|module| (module.path.to_string(), Arc::clone(&module.text))),
        );
        let scratch = Runtime::new()
            .and_then(|runtime| Context::full(&runtime))
            .map_err(|error| no_engine(&error))?;
        scratch.runtime().set_max_stack_size(STACK);
        let mut compilation = Compilation {
            library: &library,
            errors: Vec::new(),
            warnings: Vec::new(),
            fields: BTreeSet::new(),
        };

        scratch.with(|ctx| {
            for module in modules {
                compilation.fenced(&module.file, |it| it.module(&ctx, module));
            }
        });
        let compiled: Vec<Option<(Analysis, Script)>> = scratch.with(|ctx| {
            handlers
                .iter()
                .map(|handler| {
                    let file = &handler.path;
                    compilation.fenced(file, |it| it.handler(&ctx, handler))?
                })
                .collect()
        });

        let Compilation {
            errors,
            warnings,
            fields: of_modules,
            ..
        } = compilation;
        if !errors.is_empty() {
            return Err(errors);
        }
        let compiled: Vec<(Analysis, Script)> = compiled.into_iter().flatten().collect();
        let known = handlers
            .iter()
            .zip(&compiled)
            .map(|(handler, (analysis, _))| facts(handler, analysis))
            .collect();
        let fields = compiled
            .iter()
            .map(|(analysis, _)| Arc::new(&analysis.fields | &of_modules))
            .collect();
        let places = Places::new(
            compiled
                .iter()
                .map(|(_, script)| (Arc::clone(&script.file), script.shift))
                .chain(
                    modules
                        .iter()
                        .map(|module| (Arc::clone(&module.file), MODULE_HEAD.len())),
                ),
        );
        let scripts = handlers
            .iter()
            .zip(compiled)
            .map(|(handler, (analysis, script))| entry(handler, script, analysis))
            .collect();
        let code = Code {
            scripts,
            library,
            places,
            limits: self.limits,
            host: Arc::clone(&self.host),
            permits: Arc::clone(&self.permits),
            store: Arc::clone(&self.store),
            aside: Arc::clone(&self.aside),
            memory: self.memory.clone(),
            #[cfg(test)]
            fail_at: Arc::clone(&self.fail_at),
        };
        Ok(Compiled {
            program: Box::new(Pool::new(Arc::new(code)).warmed()),
            facts: known,
            fields,
            warnings,
        })
    }
}

/// One reading of a script set.
struct Compilation<'a> {
    library: &'a Library,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    /// The fields that modules name. Any handler may call any of them.
    fields: BTreeSet<String>,
}

impl Compilation<'_> {
    /// Looks at a file. A panic refuses it, and the others are looked at all the same.
    fn fenced<R>(&mut self, file: &str, look: impl FnOnce(&mut Self) -> R) -> Option<R> {
        let looked = catch_unwind(AssertUnwindSafe(|| look(self))).ok();
        if looked.is_none() {
            self.errors.push(fault_of_ours(file));
        }
        looked
    }

    /// Checks a handler and wraps it; `None` where it has an error.
    fn handler(&mut self, ctx: &Ctx<'_>, handler: &Declared) -> Option<(Analysis, Script)> {
        let file = &*handler.path;
        let _compiling = Compiling::file(file);
        let imported = imports::take(&handler.source);
        let (text, declarations) = match &imported {
            Some(Imported { text, declarations }) => (text.as_str(), declarations.as_slice()),
            None => (&*handler.source, &[][..]),
        };
        let mut analysis = match analyse(text, handler.kind.phase()) {
            Ok(analysis) => analysis,
            Err(notes) => {
                self.errors.extend(diagnostics(file, text, notes));
                return None;
            }
        };
        let warnings = analysis.warnings.iter().cloned();
        self.warnings.extend(diagnostics(file, text, warnings));
        if facts(handler, &analysis).sees_body && !handler.names_requests() {
            self.warnings
                .push(Diagnostic::of_file(file, READS_EVERY_BODY));
        }
        self.check_requires(file, text, &analysis.requires, None);
        if !declarations.is_empty() {
            // Its names may be the imported ones.
            analysis.moves = None;
        }
        let script = Script::new(file, text, declarations, &analysis);
        if isolate::compile(ctx, file, &script.text).is_err() {
            self.errors.push(refused_by_engine(ctx, file));
            return None;
        }
        Some((analysis, script))
    }

    fn module(&mut self, ctx: &Ctx<'_>, module: &Module) {
        let (file, text) = (&*module.file, &*module.text);
        let _compiling = Compiling::file(file);
        if library::is_json(&module.path) {
            if let Err(TooDeep { offset }) = nesting::check(text, Notation::Json) {
                let message = TooDeep { offset }.to_string();
                self.errors
                    .push(diagnostic(file, text, Note { offset, message }));
                return;
            }
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
                let offset = offset_of(text, error.line(), error.column());
                let message = error.to_string();
                let message = message
                    .split(" at line")
                    .next()
                    .unwrap_or(&message)
                    .to_owned();
                self.errors
                    .push(diagnostic(file, text, Note { offset, message }));
            }
            return;
        }
        match analyse_module(text) {
            Ok(analysis) => {
                self.check_requires(file, text, &analysis.requires, Some(&module.path));
                self.fields.extend(analysis.fields);
            }
            Err(notes) => {
                self.errors.extend(diagnostics(file, text, notes));
                return;
            }
        }
        if library::compile(ctx, file, text).is_err() {
            self.errors.push(refused_by_engine(ctx, file));
        }
    }

    /// A literal name that isn't there is a load error; any other is found out at run time.
    fn check_requires(&mut self, file: &str, text: &str, requires: &[Note], from: Option<&str>) {
        let missing = requires
            .iter()
            .filter(|name| self.library.resolve(&name.message, from).is_none())
            .map(|name| Note {
                offset: name.offset,
                message: format!("there is no module `{}` in lib/", name.message),
            });
        self.errors.extend(diagnostics(file, text, missing));
    }
}

fn facts(handler: &Declared, analysis: &Analysis) -> Facts {
    match handler.body {
        Some(BodyPlan::Full) => Facts {
            sees_body: true,
            sees_request_body: true,
        },
        Some(BodyPlan::None) => Facts {
            sees_body: false,
            sees_request_body: false,
        },
        None => Facts {
            sees_body: analysis.sees_body,
            sees_request_body: analysis.sees_request_body,
        },
    }
}

fn entry(handler: &Declared, script: Script, analysis: Analysis) -> Entry {
    let sees_body = facts(handler, &analysis).sees_body;
    Entry {
        name: handler.name.clone(),
        event: handler.event.clone(),
        matches: handler.matches.clone(),
        allows_edits: handler.allows_edits,
        script,
        moves: analysis.moves.and_then(Moves::of),
        timeout: handler.timeout,
        on_error: handler.on_error,
        sees_body,
        habit: Habit::new(),
        recorded: Registered::new(&Description {
            name: handler.name.as_str(),
            kind: handler.kind.first_name(),
            file: &handler.path,
        }),
        remarks: Remarks::default(),
    }
}

fn diagnostic(file: &str, text: &str, note: Note) -> Diagnostic {
    Diagnostic::at(file, text, note.offset, note.message)
}

/// The first ones of a file.
fn diagnostics(
    file: &str,
    text: &str,
    notes: impl IntoIterator<Item = Note>,
) -> impl Iterator<Item = Diagnostic> {
    let notes = notes.into_iter().take(MAX_TOLD);
    notes.map(move |note| diagnostic(file, text, note))
}

/// What the parser let pass and the engine doesn't: told in the engine's words.
fn refused_by_engine(ctx: &Ctx<'_>, file: &str) -> Diagnostic {
    let thrown = ctx.catch();
    let message = thrown.as_exception().and_then(rquickjs::Exception::message);
    Diagnostic::of_file(
        file,
        message.unwrap_or_else(|| "the engine refuses it".to_owned()),
    )
}

/// What a panic is to the author of a file.
fn fault_of_ours(file: &str) -> Diagnostic {
    Diagnostic::of_file(
        file,
        "a fault of interpose, not of the file: compiling it panicked; please report it",
    )
}

fn no_engine(error: &dyn std::error::Error) -> Vec<Diagnostic> {
    vec![Diagnostic::of_set(
        "scripts",
        format!("no engine could be started: {error}"),
    )]
}

/// The byte at a line and column, both from 1, as `serde_json` counts them.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (start + column.saturating_sub(1)).min(text.len())
}
