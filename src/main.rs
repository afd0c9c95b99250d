//! The binary: reads the command line and starts a verb.

use std::process::ExitCode;

use interpose::cli;
use interpose::cli::args::Verb;
use interpose::engine::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    let variables = std::env::vars_os();
    match cli::args::parse(std::env::args_os()) {
        Ok(Verb::Run(args)) => cli::run(args, std::env::args_os(), variables),
        Ok(Verb::Worker(args)) => cli::worker(args, variables),
        Ok(Verb::Compiler) => cli::compiler(),
        Ok(Verb::Check(args)) => cli::check(args, variables),
        Ok(Verb::Demo) => cli::demo(),
        Ok(Verb::Version) => cli::version(),
        Err(error) => {
            // Where even this can't be written, there is nobody left to tell.
            let _ = error.print();
            cli::exit_status(&error).into()
        }
    }
}
