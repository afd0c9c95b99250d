//! `interpose run`: the proxy, and `interpose worker`, which it starts.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::app::{self, AppError};
use crate::config::{self, Problems};
use crate::supervisor::{self, Ended, LinkError};

use super::args::Run;

/// Runs the verb until the process is asked to end. `line` is the command line that it was read
/// from.
pub fn run(
    args: Run,
    line: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let mut inputs = args.inputs(variables);
    inputs.read_file();
    let (serving, config) = match config::for_run(&inputs) {
        Ok(read) => read,
        Err(problems) => return refused(&problems),
    };
    if !config.supervisor.enabled {
        return ended(app::run(serving, config));
    }
    let words = worker_line(line);
    match app::supervise(serving, config, words, inputs.file_text) {
        Ok(Ended::WithCode(code)) => code.into(),
        Ok(Ended::Badly) => ExitCode::FAILURE,
        Err(error) => ended(Err(error)),
    }
}

/// Runs what the supervisor has started until it asks for the end.
pub fn worker(args: Run, variables: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    let (begin, link) = match supervisor::begin() {
        Ok(begun) => begun,
        Err(error) => {
            eprintln!("interpose: {error}");
            return match error {
                LinkError::NoSupervisor => super::USAGE.into(),
                LinkError::Io(_) => ExitCode::FAILURE,
            };
        }
    };
    let mut inputs = args.inputs(variables);
    // As the supervisor has read it: the file may be another one by now.
    inputs.file_text = begin
        .config
        .as_ref()
        .and_then(|text| String::from_utf8(text.read().ok()?).ok());
    match config::for_run(&inputs) {
        Ok((serving, config)) => ended(app::work(serving, config, begin, link)),
        Err(problems) => refused(&problems),
    }
}

/// The command line of a worker: the same but for the verb, which is the first word.
fn worker_line(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut line = line.into_iter();
    let name = line.next().unwrap_or_else(|| "interpose".into());
    [name, supervisor::VERB.into()]
        .into_iter()
        .chain(line.skip(1))
        .collect()
}

fn refused(problems: &Problems) -> ExitCode {
    eprintln!("{problems}");
    super::USAGE.into()
}

fn ended(result: Result<(), AppError>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("interpose: {error}");
    match error {
        AppError::Memory(_) | AppError::Upstream(_) => super::USAGE.into(),
        AppError::Log(_)
        | AppError::System(_)
        | AppError::Listen { .. }
        | AppError::Token(_)
        | AppError::NoHandlers(_) => ExitCode::FAILURE,
    }
}
