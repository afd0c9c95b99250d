//! From a snapshot of the script directory to a generation.

use std::sync::Arc;
use std::time::SystemTime;

use crate::generation::{Compile, Compiled, Generation, Handler, Module};
use crate::handler::{Chains, Diagnostic, Diagnostics, Services};
use crate::scripts::{ScriptSet, Snapshot};

/// What a script set declares, and what it compiles to.
pub struct Loaded {
    /// Every handler, those that are off too.
    pub set: ScriptSet,
    /// The generation, or `None` where there are errors.
    pub generation: Option<Generation>,
    /// Errors and warnings of declarations and code together.
    pub diagnostics: Diagnostics,
}

/// Declares and compiles a snapshot: every problem of every file at once.
pub fn load(snapshot: &Snapshot, services: &Services, engine: &dyn Compile) -> Loaded {
    let set = ScriptSet::of(snapshot, services);
    let mut diagnostics = set.diagnostics.clone();
    let modules: Vec<Module> = set.modules.iter().map(module).collect();
    let compiled = match engine.compile(&set.handlers, &modules) {
        Ok(compiled) => {
            diagnostics
                .warnings
                .extend(compiled.warnings.iter().cloned());
            Some(compiled)
        }
        Err(errors) => {
            diagnostics.errors.extend(errors);
            None
        }
    };
    diagnostics.errors.sort_by(by_place);
    diagnostics.warnings.sort_by(by_place);
    let generation = compiled
        .filter(|_| diagnostics.errors.is_empty())
        .map(|compiled| generation(snapshot, &set, compiled, &diagnostics));
    Loaded {
        set,
        generation,
        diagnostics,
    }
}

fn generation(
    snapshot: &Snapshot,
    set: &ScriptSet,
    compiled: Compiled,
    diagnostics: &Diagnostics,
) -> Generation {
    let Compiled {
        program,
        facts,
        fields,
        warnings: _,
    } = compiled;
    program.belongs_to(snapshot.id());
    let handlers: Vec<Handler> = set
        .handlers
        .iter()
        .zip(facts.into_iter().zip(fields))
        .enumerate()
        .map(|(number, (declared, (facts, fields)))| Handler {
            number,
            declared: Arc::new(declared.clone()),
            facts,
            fields,
        })
        .collect();
    Generation {
        id: snapshot.id(),
        since: SystemTime::now(),
        files: snapshot
            .files()
            .iter()
            .map(|file| file.path.to_string())
            .collect(),
        chains: Chains::new(handlers.iter().cloned()),
        handlers,
        warnings: diagnostics.warnings.clone(),
        program,
    }
}

fn module(module: &crate::scripts::Module) -> Module {
    Module {
        path: format!("lib/{}", module.name).into(),
        file: Arc::clone(&module.path),
        text: Arc::clone(&module.source),
    }
}

fn by_place(left: &Diagnostic, right: &Diagnostic) -> std::cmp::Ordering {
    (&left.file, left.line, left.column).cmp(&(&right.file, right.line, right.column))
}
