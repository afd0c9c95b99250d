//! How a sidecar is started: on free ports, with what a test gives it.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{Ended, Process, interpose_within};
use super::sidecar::Sidecar;

const FREE: &str = "127.0.0.1:0";

/// How a sidecar is started.
pub(crate) struct Launch {
    upstream: String,
    scripts: Option<PathBuf>,
    config: Option<String>,
    args: Vec<OsString>,
    within: Vec<String>,
    env: Vec<(String, String)>,
    log_format: &'static str,
    status: &'static str,
    admin: &'static str,
    ready: bool,
}

impl Launch {
    pub(super) fn before(upstream: String) -> Self {
        Self {
            upstream,
            scripts: None,
            config: None,
            args: Vec::new(),
            within: Vec::new(),
            env: Vec::new(),
            log_format: "json",
            status: FREE,
            admin: FREE,
            ready: true,
        }
    }

    /// Runs the handlers of this directory; without one there are none, and that is allowed.
    pub(crate) fn scripts(mut self, directory: impl AsRef<Path>) -> Self {
        self.scripts = Some(directory.as_ref().to_owned());
        self
    }

    /// Reads this text as configuration file; flags go before it.
    pub(crate) fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Starts it by this command, which becomes what its last words say, such as `sh -c 'ulimit
    /// -n 64; exec "$0" "$@"'`.
    pub(crate) fn within(mut self, words: &[&str]) -> Self {
        self.within = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(OsString::from));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes its log as text; otherwise it is JSON.
    pub(crate) fn text_log(mut self) -> Self {
        self.log_format = "text";
        self
    }

    /// Has no status listener.
    pub(crate) fn status_off(mut self) -> Self {
        self.status = "off";
        self
    }

    /// Has no admin listener.
    pub(crate) fn admin_off(mut self) -> Self {
        self.admin = "off";
        self
    }

    /// Does not wait for `/readyz`: the test is about a start without a usable set.
    pub(crate) fn unready(mut self) -> Self {
        self.ready = false;
        self
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Sidecar {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`start`](Self::start); the error holds what the sidecar logged.
    pub(crate) fn try_start(self) -> Result<Sidecar, String> {
        let (mut process, directory) = self.spawn()?;
        let proxy = process.address_of("proxy")?;
        let status = process.address_of("status")?;
        let admin = process.address_of("admin")?;
        if self.ready {
            process.wait_until_ready(status)?;
        }
        Ok(Sidecar::new(proxy, status, admin, process, directory))
    }

    /// Runs it to its end, for a start that must fail.
    #[track_caller]
    pub(crate) fn run(self) -> Ended {
        let (process, _directory) = self.spawn().unwrap_or_else(|error| panic!("{error}"));
        process.run()
    }

    /// Runs it until it listens and `look` had a look at the proxy, then terminates it: for
    /// one that lacks the listeners of a [`Sidecar`].
    #[track_caller]
    pub(crate) fn run_while(self, look: impl FnOnce(SocketAddr)) -> Ended {
        let (mut process, _directory) = self.spawn().unwrap_or_else(|error| panic!("{error}"));
        let proxy = process.address_of("proxy");
        look(proxy.unwrap_or_else(|error| panic!("{error}")));
        process.signal(Signal::TERM);
        process.run()
    }

    /// The process, and the directory that must stay as long as it runs.
    fn spawn(&self) -> Result<(Process, TempDir), String> {
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let process = self
            .command(directory.path())
            .and_then(Process::spawn)
            .map_err(|error| format!("the sidecar did not start: {error}"))?;
        Ok((process, directory))
    }

    fn command(&self, directory: &Path) -> io::Result<Command> {
        let mut command = interpose_within(&self.within);
        command
            .args(["run", "--upstream", &self.upstream, "--listen", FREE])
            .args(["--status", self.status, "--admin", self.admin])
            .args(["--log-format", self.log_format]);
        if let Some(scripts) = &self.scripts {
            command.arg("--scripts").arg(scripts);
        } else {
            command.arg("--scripts").arg(directory);
            command.env("INTERPOSE_SCRIPTS__ALLOW_EMPTY", "true");
        }
        if let Some(text) = &self.config {
            let file = directory.join("interpose.toml");
            std::fs::write(&file, text)?;
            command.arg("--config").arg(file);
        }
        command.args(&self.args).envs(self.env.iter().cloned());
        Ok(command)
    }
}
