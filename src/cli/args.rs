//! What can be typed behind `interpose`.
//!
//! Only the grammar: a flag's value stays the text it is, and is read by `config` with
//! that of the variable and the key it goes before.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Flag, Inputs, flag};

/// A reverse proxy that runs JavaScript handlers on the requests and responses of a REST API.
#[derive(Debug, Parser)]
#[command(
    name = "interpose",
    bin_name = "interpose",
    version,
    after_help = "Every flag of `run` is also a variable (INTERPOSE_LISTEN) and a key of the \
                  configuration file; a flag goes before a variable, a variable before the file."
)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// A verb.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the proxy
    Run(Run),
    /// What `run` starts
    #[command(hide = true)]
    Worker(Run),
    /// What compiles a set first
    #[command(hide = true)]
    Compiler,
    /// Compile a script directory and print what would run when
    Check(Check),
    /// Start a small legacy API with the proxy before it
    Demo,
    /// Print the version
    Version,
}

/// The flags of `run`.
#[derive(Debug, Default, Args)]
pub struct Run {
    /// Where the proxy listens; port 0 for any free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,

    /// Address of the REST API behind the proxy: http:// or https://, host and port
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,

    /// Directory of handler files
    #[arg(long, value_name = "DIR")]
    pub scripts: Option<String>,

    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where /livez, /readyz, /startupz and /version are [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR|off")]
    pub status: Option<String>,

    /// Where generations are shown and reloads asked for [default: 127.0.0.1:9465]
    #[arg(long, value_name = "ADDR|off")]
    pub admin: Option<String>,

    /// Threads that serve requests [default: one a CPU]
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,

    /// Exit with 1 instead of waiting where there is no usable set of handlers
    #[arg(long)]
    pub require_handlers: bool,

    /// Serve in this one process, without a supervisor that replaces it when it dies
    #[arg(long)]
    pub no_supervisor: bool,

    /// How log lines are written [default: text]
    #[arg(long, value_name = "text|json")]
    pub log_format: Option<String>,

    /// Least level that is written: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Whether each transaction gets a log line [default: on]
    #[arg(long, value_name = "on|off")]
    pub access_log: Option<String>,
}

/// The flags of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Directory of handler files
    #[arg(long, value_name = "DIR")]
    pub scripts: Option<String>,

    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// How the result is printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// How `check` prints its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Reads a command line, the program's own name first.
///
/// # Errors
///
/// What to print instead: help, the version, or what is wrong with it
/// ([`exit_status`](super::exit_status) tells them apart).
pub fn parse(
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Verb, clap::Error> {
    CommandLine::try_parse_from(line).map(|line| line.verb)
}

impl Run {
    /// These flags and the environment, for [`config::for_run`](crate::config::for_run).
    pub fn inputs(self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Inputs {
        let flags = [
            (flag::LISTEN, self.listen),
            (flag::UPSTREAM, self.upstream),
            (flag::SCRIPTS, self.scripts),
            (flag::STATUS, self.status),
            (flag::ADMIN, self.admin),
            (flag::WORKERS, self.workers),
            (
                flag::REQUIRE_HANDLERS,
                self.require_handlers.then(|| "true".to_owned()),
            ),
            (
                flag::NO_SUPERVISOR,
                self.no_supervisor.then(|| "true".to_owned()),
            ),
            (flag::LOG_FORMAT, self.log_format),
            (flag::LOG_LEVEL, self.log_level),
            (flag::ACCESS_LOG, self.access_log),
        ];
        inputs(flags, self.config, variables)
    }
}

impl Check {
    /// These flags and the environment, for [`config::for_check`](crate::config::for_check).
    pub fn inputs(self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Inputs {
        inputs([(flag::SCRIPTS, self.scripts)], self.config, variables)
    }
}

fn inputs<const N: usize>(
    flags: [(Flag, Option<String>); N],
    file: Option<PathBuf>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Inputs {
    Inputs {
        flags: flags
            .into_iter()
            .filter_map(|(flag, text)| Some((flag, text?)))
            .collect(),
        file,
        file_text: None,
        variables: variables.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::{USAGE, exit_status};
    use super::*;

    /// The inputs of a `run` with these words behind it.
    fn run(words: &[&str]) -> Inputs {
        let line = ["interpose", "run"].iter().chain(words);
        match parse(line).expect("a valid line") {
            Verb::Run(run) => run.inputs([]),
            other @ (Verb::Worker(_)
            | Verb::Compiler
            | Verb::Check(_)
            | Verb::Demo
            | Verb::Version) => {
                panic!("{other:?}")
            }
        }
    }

    fn status(words: &[&str]) -> u8 {
        let line = ["interpose"].iter().chain(words);
        exit_status(&parse(line).expect_err("no verb is started"))
    }

    #[test]
    fn the_grammar_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_flag_that_sets_a_key_can_be_typed() {
        for flag in flag::FLAGS {
            let takes_none = [flag::REQUIRE_HANDLERS, flag::NO_SUPERVISOR].contains(&flag);
            let value = (!takes_none).then_some("a");
            let words: Vec<&str> = [flag.name].into_iter().chain(value).collect();

            assert_eq!(
                run(&words).flags,
                [(flag, value.unwrap_or("true").to_owned())]
            );
        }
    }

    #[test]
    fn a_value_is_not_judged_by_the_grammar() {
        assert_eq!(
            run(&["--workers", "many"]).flags,
            [(flag::WORKERS, "many".to_owned())]
        );
    }

    #[test]
    fn check_takes_scripts_a_configuration_and_a_format() {
        let line = "interpose check --scripts s --config c.toml --format json";
        let Ok(Verb::Check(check)) = parse(line.split(' ')) else {
            panic!("a valid line");
        };

        assert_eq!(check.format, ReportFormat::Json);
        let inputs = check.inputs([]);
        assert_eq!(inputs.flags, [(flag::SCRIPTS, "s".to_owned())]);
        assert_eq!(inputs.file, Some("c.toml".into()));
    }

    #[test]
    fn a_usage_error_exits_with_64_in_every_verb() {
        for words in [
            &[][..],
            &["fly"],
            &["run", "--lisen", "127.0.0.1:0"],
            &["run", "--listen"],
            &["run", "--listen", "a", "--listen", "b"],
            &["run", "extra"],
            &["check", "--format", "xml"],
            &["demo", "extra"],
            &["version", "extra"],
        ] {
            assert_eq!(status(words), USAGE, "{words:?}");
        }
    }

    #[test]
    fn help_and_version_exit_with_0() {
        for words in [
            &["--help"][..],
            &["--version"],
            &["help"],
            &["run", "--help"],
            &["check", "--help"],
        ] {
            assert_eq!(status(words), 0, "{words:?}");
        }
    }
}
