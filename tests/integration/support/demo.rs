//! `interpose demo`, started in a directory of a test.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::eventually::eventually;
use super::log::{Log, Output};
use super::process::{Process, interpose_within};

/// The demo while it runs; it is stopped with its value.
pub(crate) struct Demo {
    process: Process,
    /// Where its parts are, as it prints them.
    pub(crate) proxy: String,
    pub(crate) admin: String,
    pub(crate) scripts: PathBuf,
}

impl Demo {
    /// Starts it in `directory`, by a command that becomes what its last words say.
    #[track_caller]
    pub(crate) fn start_in(directory: &Path, within: &[&str]) -> Self {
        let within: Vec<String> = within.iter().map(|word| (*word).to_owned()).collect();
        let mut command = interpose_within(&within);
        command.arg("demo").current_dir(directory);
        let process = Process::spawn(command).expect("the binary was built");
        let printed = |what: &str| {
            eventually(what, || {
                let lines = process.log.lines_of(Output::Stdout);
                let mut lines = lines.iter().map(|line| line.trim());
                let value = lines.find_map(|line| line.strip_prefix(what))?;
                Some(value.trim().to_owned())
            })
        };
        let proxy = printed("the API with its handlers");
        let scripts = directory.join(printed("handlers   "));
        let admin = printed("admin").replace("/generations", "");
        printed("End with Ctrl-C.");
        Self {
            process,
            proxy,
            admin,
            scripts,
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.process.log
    }

    /// Ends it as Ctrl-C does, and waits until it has ended.
    #[track_caller]
    pub(crate) fn interrupt(&mut self) {
        self.process.signal(Signal::INT);
        eventually("the end of the demo", || self.process.exit());
    }
}
