//! What a generation needs of a script engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::GenerationId;
use crate::handler::host::Host;
use crate::handler::{Call, Declared, Diagnostic, Kind, Verdict};

/// Turns the code of a script set into a program, all of it or nothing.
pub trait Compile: Send + Sync {
    /// Compiles every handler (those that are off too) and every library module.
    ///
    /// # Errors
    ///
    /// Every problem found, with file, line and column.
    fn compile(
        &self,
        handlers: &[Declared],
        library: &[Module],
    ) -> Result<Compiled, Vec<Diagnostic>>;
}

/// A file of the library, below `lib/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// What `require` finds it by, such as `lib/money.js`.
    pub path: Arc<str>,
    /// The file it stands in: another one where a flat set spells it `money.lib.js`.
    pub file: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

/// A program and what was learned of its handlers.
pub struct Compiled {
    /// What runs them.
    pub program: Box<dyn Program>,
    /// One for each handler, in the order they were given.
    pub facts: Vec<Facts>,
    /// The header fields with a dash in their names that each of them may name, in lower case, in the
    /// same order.
    pub fields: Vec<Arc<BTreeSet<String>>>,
    /// What an author should know.
    pub warnings: Vec<Diagnostic>,
}

/// What the code of a handler needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it can see the body its phase is about, and so makes the sidecar read it.
    pub sees_body: bool,
    /// Whether it can see the request's body, whichever phase it runs in.
    pub sees_request_body: bool,
}

/// Runs handlers. Dropped with its generation.
pub trait Program: Send + Sync {
    /// Runs `steps` in order until one answers, rejects or the last has run.
    fn run<'a>(
        &'a self,
        call: Box<Call>,
        steps: Vec<Step>,
        host: &'a Arc<dyn Host>,
    ) -> BoxFuture<'a, Ran>;

    /// Says which generation it is the program of, for who writes down what runs.
    fn belongs_to(&self, _generation: GenerationId) {}
}

/// One handler of a chain, as it applies to one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The handler's number in the generation.
    pub handler: usize,
    /// As which kind it runs.
    pub kind: Kind,
}

/// How a phase went.
#[derive(Debug)]
pub struct Ran {
    /// The call, with what the handlers made of it.
    pub call: Box<Call>,
    /// What they decided.
    pub verdict: Verdict,
    /// How many of the steps were begun.
    pub begun: usize,
}
