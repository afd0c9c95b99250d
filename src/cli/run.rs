//! `interpose run`: the proxy.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::app::{self, AppError};
use crate::config;

use super::args::Run;

/// Runs the verb until the process is asked to end.
pub fn run(args: Run, variables: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    let (serving, config) = match config::for_run(&args.inputs(variables)) {
        Ok(read) => read,
        Err(problems) => {
            eprintln!("{problems}");
            return super::USAGE.into();
        }
    };
    match app::run(serving, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
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
    }
}
