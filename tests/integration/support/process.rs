//! The process of the real binary: its log, its signals, its end.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::client;
use super::eventually::{PATIENCE, eventually, within};
use super::log::{Log, Output};

/// What `ps` calls a worker that serves, and one that waits.
const SERVING: &str = "interpose-serve";
const SPARE: &str = "interpose-spare";

/// How long a sidecar that no test looks at any more may take to end.
const GRACE: Duration = Duration::from_millis(250);

/// The real binary, with both outputs as pipes and nothing of our environment that it obeys.
pub(super) fn interpose() -> Command {
    bare(Command::new(env!("CARGO_BIN_EXE_interpose")))
}

/// The same, started by a command that ends with becoming what its last words say.
pub(super) fn interpose_within(words: &[String]) -> Command {
    let Some((program, rest)) = words.split_first() else {
        return interpose();
    };
    let mut command = Command::new(program);
    command.args(rest).arg(env!("CARGO_BIN_EXE_interpose"));
    bare(command)
}

fn bare(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INTERPOSE_") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a verb that ends of itself.
#[track_caller]
pub(crate) fn run_to_end(args: &[impl AsRef<OsStr>]) -> Ended {
    let mut command = interpose();
    command.args(args);
    Process::spawn(command).expect("the binary was built").run()
}

/// The same, started by a command that becomes it.
#[track_caller]
pub(crate) fn run_within(words: &[&str], args: &[impl AsRef<OsStr>]) -> Ended {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let mut command = interpose_within(&words);
    command.args(args);
    Process::spawn(command).expect("the binary was built").run()
}

/// A process that has ended.
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to both outputs.
    pub(crate) said: String,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

/// A process that is ours to end, and what it wrote.
pub(super) struct Process {
    child: Child,
    pub(super) log: Log,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Both outputs of the command must be pipes.
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let log = Log::default();
        let readers = vec![
            log.follow(
                Output::Stderr,
                child.stderr.take().expect("stderr is a pipe"),
            ),
            log.follow(
                Output::Stdout,
                child.stdout.take().expect("stdout is a pipe"),
            ),
        ];
        Ok(Self {
            child,
            log,
            readers,
        })
    }

    /// Waits until it has ended of itself.
    #[track_caller]
    pub(super) fn run(mut self) -> Ended {
        let status = eventually("the end of the sidecar", || self.exit());
        self.join_readers();
        Ended {
            code: status.code(),
            said: self.log.lines().join("\n"),
            stdout: self.log.lines_of(Output::Stdout).join("\n"),
            stderr: self.log.lines_of(Output::Stderr).join("\n"),
        }
    }

    pub(super) fn address_of(&mut self, listener: &str) -> Result<SocketAddr, String> {
        self.wait_for(&format!("the address of {listener}"), |log| {
            log.address_of(listener)
        })
    }

    pub(super) fn wait_until_ready(&mut self, status: SocketAddr) -> Result<(), String> {
        let probe = client::request("GET", "/readyz", "");
        self.wait_for("ready", |_| {
            let answer = client::try_exchange(status, &probe).ok()?;
            (answer.status() == 200).then_some(())
        })
    }

    /// Waits for something that will not come any more once the process has ended.
    fn wait_for<T>(&mut self, what: &str, look: impl Fn(&Log) -> Option<T>) -> Result<T, String> {
        let found = within(PATIENCE, || {
            let ended = self.exit().is_some();
            if ended {
                self.join_readers();
            }
            match look(&self.log) {
                Some(found) => Some(Some(found)),
                None => ended.then_some(None),
            }
        });
        found.flatten().ok_or_else(|| {
            let lines = self.log.lines().join("\n");
            format!("the sidecar never got {what}; it logged:\n{lines}")
        })
    }

    /// Waits until everything that an ended process wrote is in the log.
    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().expect("reading lines does not panic");
        }
    }

    pub(super) fn exit(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("the child is ours to wait for")
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process that serves: the worker where there is a supervisor, else this one.
    #[track_caller]
    pub(super) fn serving_id(&self) -> u32 {
        let supervisor = self.child.id();
        eventually("a process that serves", || {
            let children = children(supervisor);
            // A supervisor has hardly a thread of its own, and no child between two workers.
            if children.is_empty() && threads(supervisor) > 3 {
                return Some(supervisor);
            }
            children.into_iter().find(|child| name(*child) == SERVING)
        })
    }

    /// The process that waits to serve, where there is one.
    pub(super) fn spare_id(&self) -> Option<u32> {
        let mut children = children(self.child.id()).into_iter();
        children.find(|child| name(*child) == SPARE)
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let sent = kill_process(pid.expect("a child has a process id"), signal);
        sent.expect("a child that was not waited for can be signalled");
    }
}

/// How many threads a process has.
fn threads(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count)
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit().is_some() {
            return;
        }
        self.signal(Signal::TERM);
        if within(GRACE, || self.exit()).is_none() {
            // Those would go on until they are drained.
            let children = children(self.child.id());
            self.child
                .kill()
                .expect("a child that was not waited for can be killed");
            self.child.wait().expect("the child is ours to wait for");
            for child in children {
                kill(child, Signal::KILL);
            }
        }
    }
}

/// The children of a process, in the order in which they were started.
fn children(of: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
    let text = text.unwrap_or_default();
    let numbers = text.split_whitespace();
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// What `ps` calls a process.
fn name(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm"));
    name.unwrap_or_default().trim_end().to_owned()
}

/// Whether a process is gone, waited for or not.
pub(super) fn has_ended(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // proc_pid_stat(5): the state is behind the name, which is in brackets.
    let state = stat.rsplit_once(") ").map(|(_, behind_name)| behind_name);
    state.is_none_or(|state| state.starts_with(['Z', 'X']))
}

/// Sends a signal to a process that may be gone.
pub(super) fn kill(process: u32, signal: Signal) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process has a number"), signal).ok();
}
