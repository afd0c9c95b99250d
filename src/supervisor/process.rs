//! Processes: started, ended and waited for.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

/// This program, even where its file was replaced since it was started.
const PROGRAM: &str = "/proc/self/exe";

/// What only the supervisor says to systemd.
const SYSTEMD: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Starts a worker with one end of its control socket as standard input.
pub(super) fn start(words: &[OsString], control: OwnedFd) -> io::Result<Pid> {
    let mut command = Command::new(PROGRAM);
    if let Some((name, arguments)) = words.split_first() {
        command.arg0(name).args(arguments);
    }
    for variable in SYSTEMD {
        command.env_remove(variable);
    }
    let child = command
        .stdin(Stdio::from(control))
        .spawn()
        .map_err(|error| {
            let hint =
                format!("{PROGRAM} could not be started: {error}; --no-supervisor does without");
            io::Error::new(error.kind(), hint)
        })?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("a process without a number"))
}

/// The next child that has ended, an orphan that is ours as process 1 too. `None` where none has.
pub(super) fn reap() -> Option<(Pid, Death)> {
    match wait(WaitOptions::NOHANG) {
        Ok(Some((pid, status))) => Some((pid, Death(status))),
        // There is no child, or none of them has ended.
        Ok(None) | Err(_) => None,
    }
}

pub(super) fn abort(pid: Pid) {
    signal(pid, Signal::ABORT);
}

pub(super) fn kill(pid: Pid) {
    signal(pid, Signal::KILL);
}

fn signal(pid: Pid, signal: Signal) {
    // One that has ended is waited for soon.
    kill_process(pid, signal).ok();
}

/// Whether somebody has stopped a process or traces it.
pub(super) fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // proc_pid_stat(5): the state is behind the name, which is in brackets.
    let stat = stat.unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, behind_name)| behind_name);
    state.is_some_and(|state| state.starts_with(['T', 't']))
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death(WaitStatus);

impl Death {
    /// The signal that ended it; `None` where it ended by itself.
    pub(super) fn signal(self) -> Option<i32> {
        self.0.terminating_signal()
    }

    /// What it gave to its end; `None` where a signal ended it.
    pub(super) fn code(self) -> Option<u8> {
        let code = self.0.exit_status()?;
        Some(u8::try_from(code).unwrap_or(u8::MAX))
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.exit_status(), self.0.terminating_signal()) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => match name(signal) {
                Some(name) => f.write_str(name),
                None => write!(f, "signal {signal}"),
            },
            (None, None) => write!(f, "{:?}", self.0),
        }
    }
}

fn name(signal: i32) -> Option<&'static str> {
    let named = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::TERM, "SIGTERM"),
        (Signal::SYS, "SIGSYS"),
    ];
    let mut named = named.into_iter();
    named
        .find(|(known, _)| known.as_raw() == signal)
        .map(|(_, name)| name)
}
