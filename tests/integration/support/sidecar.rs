//! The real binary while it runs; it is stopped with its value.

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::Mutex;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::client;
use super::eventually::{PATIENCE, eventually, within};
use super::launch::Launch;
use super::log::Log;
use super::process::{self, Process};
use super::wire::Message;

/// A running sidecar.
pub(crate) struct Sidecar {
    pub(crate) proxy: SocketAddr,
    pub(crate) status: SocketAddr,
    pub(crate) admin: SocketAddr,
    process: Process,
    /// The last rejected set that a test was told of.
    known_failure: Mutex<Value>,
    _directory: TempDir,
}

impl Sidecar {
    /// A sidecar before this upstream, to be started.
    pub(crate) fn before(upstream: impl Into<String>) -> Launch {
        Launch::before(upstream.into())
    }

    pub(super) fn new(
        proxy: SocketAddr,
        status: SocketAddr,
        admin: SocketAddr,
        process: Process,
        directory: TempDir,
    ) -> Self {
        Self {
            proxy,
            status,
            admin,
            process,
            known_failure: Mutex::new(Value::Null),
            _directory: directory,
        }
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Message {
        client::get(self.proxy, target)
    }

    #[track_caller]
    pub(crate) fn exchange(&self, request: &[u8]) -> Message {
        client::exchange(self.proxy, request)
    }

    #[track_caller]
    pub(crate) fn send_json(&self, method: &str, target: &str, body: &str) -> Message {
        client::send_json(self.proxy, method, target, body)
    }

    /// What `GET /generations` says now.
    #[track_caller]
    pub(crate) fn generations(&self) -> Value {
        client::get(self.admin, "/generations").json()
    }

    #[track_caller]
    pub(crate) fn live_generation(&self) -> String {
        let id = self.generations()["live"]["id"].clone();
        id.as_str()
            .expect("a ready sidecar has a live set")
            .to_owned()
    }

    /// Waits until another generation than `old` is live.
    #[track_caller]
    pub(crate) fn generation_after(&self, old: &str) -> String {
        eventually("a new generation", || {
            Some(self.live_generation()).filter(|live| live != old)
        })
    }

    /// Waits for a rejected set that this method has not told of before.
    #[track_caller]
    pub(crate) fn next_load_failure(&self) -> LoadFailure {
        let mut known = self.known_failure.lock().unwrap();
        *known = eventually("a rejected set", || {
            Some(self.generations()["rejected"].take())
                .filter(|rejected| !rejected.is_null() && *rejected != *known)
        });
        LoadFailure(known["errors"][0].clone())
    }

    pub(crate) fn log(&self) -> &Log {
        &self.process.log
    }

    /// Waits until there is a log line of this kind.
    #[track_caller]
    pub(crate) fn logs(&self, wanted: impl Fn(&str) -> bool) {
        let found = within(PATIENCE, || self.log().has(&wanted).then_some(()));
        assert!(
            found.is_some(),
            "no such line in:\n{}",
            self.log().lines().join("\n")
        );
    }

    /// What `/proc/PID/status` says of its memory, such as `VmRSS`, in bytes.
    #[track_caller]
    pub(crate) fn memory(&self, what: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process_id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(what));
        let kibibytes =
            line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
        kibibytes.expect(what).parse::<usize>().expect("a number") * 1024
    }

    /// The number of the process that serves.
    #[track_caller]
    pub(crate) fn process_id(&self) -> u32 {
        self.process.serving_id()
    }

    /// The number of the process that waits to serve, where there is one.
    pub(crate) fn spare_id(&self) -> Option<u32> {
        self.process.spare_id()
    }

    /// The number of the process that was started.
    pub(crate) fn supervisor_id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal to a process of it.
    #[expect(clippy::unused_self, reason = "it is this one's")]
    pub(crate) fn signal_process(&self, process: u32, signal: Signal) {
        process::kill(process, signal);
    }

    /// Sends a signal to the process that serves.
    #[track_caller]
    pub(crate) fn signal_worker(&self, signal: Signal) {
        process::kill(self.process_id(), signal);
    }

    /// Ends the process that serves, and waits until it accepts nobody any more: its threads go on
    /// for a moment after a signal.
    #[track_caller]
    pub(crate) fn kill_worker(&self, signal: Signal) {
        let worker = self.process_id();
        process::kill(worker, signal);
        eventually("the end of the worker", || {
            process::has_ended(worker).then_some(())
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until the process has ended of itself.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually("the end of the sidecar", || self.process.exit())
    }
}

/// Why a set was rejected; reads `file:line:column: message`.
#[derive(Debug)]
pub(crate) struct LoadFailure(Value);

impl fmt::Display for LoadFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |key| self.0[key].as_str().unwrap_or("?");
        let (line, column) = (&self.0["line"], &self.0["column"]);
        if *line == 0 {
            return write!(formatter, "{}: {}", text("file"), text("message"));
        }
        write!(
            formatter,
            "{}:{line}:{column}: {}",
            text("file"),
            text("message")
        )
    }
}
