//! `interpose check`: compiles a script set and prints what would run when.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::app::{self, Loaded};
use crate::cli::args::{Check, ReportFormat};
use crate::config::{self, Inputs};
use crate::handler::{Chains, Declared, Diagnostic, OnError, Order, Secrets};
use crate::scripts::{Snapshot, SnapshotError};

/// Exit status where the set has errors; [`USAGE`](super::USAGE) where the configuration has.
const ERRORS: u8 = 1;

/// Exit status where the directory can't be read.
const UNREADABLE: u8 = 2;

/// What `check` found.
#[derive(Serialize)]
struct Report {
    ok: bool,
    order: Order,
    handlers: Vec<Listed>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// One handler of the set.
#[derive(Serialize)]
struct Listed {
    name: String,
    kind: &'static str,
    file: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matches: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u128>,
    on_error: &'static str,
    /// Whether it makes the sidecar read bodies; unknown where the set doesn't compile.
    #[serde(skip_serializing_if = "Option::is_none")]
    sees_body: Option<bool>,
}

/// Runs the verb.
pub fn check(
    args: Check,
    variables: impl IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> ExitCode {
    let format = args.format;
    let inputs: Inputs = args.inputs(variables);
    let config = match config::for_check(&inputs) {
        Ok(config) => config,
        Err(problems) => {
            let errors = problems
                .each()
                .map(|(place, problem)| Diagnostic::of_set(place, problem));
            return match format {
                ReportFormat::Json => print(&failed(errors.collect()), format, super::USAGE),
                ReportFormat::Text => {
                    eprintln!("{problems}");
                    super::USAGE.into()
                }
            };
        }
    };
    let snapshot = match Snapshot::take(&config.scripts.directory) {
        Ok(snapshot) => snapshot,
        Err(SnapshotError::Files(errors)) => return print(&failed(errors), format, ERRORS),
        Err(
            error @ (SnapshotError::Missing(_)
            | SnapshotError::Directory(_)
            | SnapshotError::Torn(_)),
        ) => {
            return match format {
                ReportFormat::Json => print(&failed(error.into_diagnostics()), format, UNREADABLE),
                ReportFormat::Text => {
                    eprintln!("interpose: {error}");
                    UNREADABLE.into()
                }
            };
        }
    };
    if let Err(problem) = app::Trial::of(&config).run(&snapshot) {
        return print(&failed(vec![problem]), format, ERRORS);
    }
    let loaded = app::load(
        &snapshot,
        &app::services(&config),
        &app::engine(&config, Secrets::default(), config.limits.handler_memory),
    );
    print(&report(loaded), format, ERRORS)
}

/// Of what could not be compiled at all.
fn failed(errors: Vec<Diagnostic>) -> Report {
    Report {
        ok: false,
        order: Order::default(),
        handlers: Vec::new(),
        errors,
        warnings: Vec::new(),
    }
}

fn report(loaded: Loaded) -> Report {
    let Loaded {
        set,
        generation,
        diagnostics,
    } = loaded;
    let order = Chains::new(set.handlers.clone()).order();
    let sees_body = |at: usize| {
        generation
            .as_ref()
            .map(|generation| generation.handlers[at].facts.sees_body)
    };
    let handlers = set
        .handlers
        .iter()
        .enumerate()
        .map(|(at, handler)| listed(handler, sees_body(at)))
        .collect();
    Report {
        ok: diagnostics.errors.is_empty(),
        order,
        handlers,
        errors: diagnostics.errors,
        warnings: diagnostics.warnings,
    }
}

fn listed(handler: &Declared, sees_body: Option<bool>) -> Listed {
    Listed {
        name: handler.name.to_string(),
        kind: handler.kind.first_name(),
        file: handler.path.to_string(),
        active: handler.active,
        event: handler.event.as_ref().map(ToString::to_string),
        matches: handler.matches.iter().map(ToString::to_string).collect(),
        timeout_ms: handler.timeout.map(|timeout| timeout.as_millis()),
        on_error: match handler.on_error {
            OnError::Fail => "fail",
            OnError::Skip => "skip",
        },
        sees_body,
    }
}

/// Prints it; gives `otherwise` where not all is well.
fn print(report: &Report, format: ReportFormat, otherwise: u8) -> ExitCode {
    match format {
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(report)
                .expect("a report has nothing that JSON hasn't");
            println!("{text}");
        }
        ReportFormat::Text => print!("{}", text(report)),
    }
    if report.ok {
        ExitCode::SUCCESS
    } else {
        otherwise.into()
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let Order {
        request,
        response,
        error,
        post_process,
        queued,
        options,
    } = &report.order;
    let kinds = [
        ("request", request),
        ("response", response),
        ("error", error),
        ("post_process", post_process),
        ("queued", queued),
        ("options", options),
    ];
    for (kind, names) in kinds.iter().filter(|(_, names)| !names.is_empty()) {
        line(&mut text, format_args!("{kind}"));
        for name in *names {
            line(
                &mut text,
                format_args!("  {name}{}", details(report, kind, name)),
            );
        }
    }
    for handler in report.handlers.iter().filter(|handler| !handler.active) {
        line(&mut text, format_args!("off: {}", handler.file));
    }
    for handler in report
        .handlers
        .iter()
        .filter(|handler| handler.active && handler.on_error == "skip")
    {
        line(&mut text, format_args!("fails open: {}", handler.file));
    }
    for (label, found) in [("warning", &report.warnings), ("error", &report.errors)] {
        for diagnostic in found {
            line(&mut text, format_args!("{label}: {diagnostic}"));
            if let Some(excerpt) = &diagnostic.excerpt {
                line(&mut text, format_args!("    {excerpt}"));
            }
        }
    }
    let (errors, warnings) = (report.errors.len(), report.warnings.len());
    line(
        &mut text,
        format_args!(
            "{} handlers, {errors} errors, {warnings} warnings",
            report.handlers.len()
        ),
    );
    text
}

/// What an operator wants to know of a handler besides its name.
fn details(report: &Report, kind: &str, name: &str) -> String {
    let Some(handler) = report
        .handlers
        .iter()
        .find(|it| it.active && it.kind == kind && it.name == name)
    else {
        return String::new();
    };
    let mut details = vec![handler.file.clone()];
    details.extend(handler.matches.iter().map(|it| format!("@match {it}")));
    details.extend(handler.event.iter().map(|it| format!("@event {it}")));
    details.extend(
        handler
            .sees_body
            .filter(|sees| *sees)
            .map(|_| "sees bodies".to_owned()),
    );
    format!("  ({})", details.join(", "))
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("a String takes every text");
}
