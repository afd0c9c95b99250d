//! The whole way from sources to values or problems. Here are the sources that all of these tests begin with.

mod documented;
mod listeners;
mod problems;
mod secrets;
mod sources;
mod upstreams;
mod values;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// Sources under construction; a directory of its own stands for the file's.
struct Sources {
    inputs: Inputs,
    directory: TempDir,
}

impl Sources {
    fn none() -> Self {
        Self {
            inputs: Inputs::default(),
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// The three keys that have no default, as flags.
    fn sufficient() -> Self {
        Self::none()
            .flag(flag::LISTEN, "127.0.0.1:0")
            .flag(flag::UPSTREAM, "http://127.0.0.1:9000")
            .flag(flag::SCRIPTS, "scripts")
    }

    fn flag(mut self, flag: Flag, text: &str) -> Self {
        self.inputs.flags.push((flag, text.to_owned()));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs.variables.push((name.into(), value.into()));
        self
    }

    fn file(mut self, text: &str) -> Self {
        self = self.sibling("interpose.toml", text);
        self.inputs.file = Some(self.path("interpose.toml"));
        self
    }

    /// Another file in the directory of the configuration file.
    fn sibling(self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).expect("the directory is writable");
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self) -> (Serving, Config) {
        for_run(&self.inputs).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// What a person reads, with the file's directory left out.
    fn problems(&self) -> String {
        let directory = format!("{}/", self.directory.path().display());
        for_run(&self.inputs)
            .expect_err("there are problems")
            .to_string()
            .replace(&directory, "")
    }
}
