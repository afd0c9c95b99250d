//! A set is compiled in a child first, so that one that ends its compiler ends no worker.
//!
//! ```text
//! publisher ──set, region──▶ child: `compiler`, this program again ──exit code 0──▶ load it here
//!                │             ├─ died, panicked, or took too long ──▶ a load error of the file it was at
//!                │             └─ failed by itself ──▶ a load error, whose text says that it is our fault
//!                └─ no child can be started ──▶ a warning; load it here
//! ```
//!
//! What the child finds wrong is found here again and reported from here. A set whose trial began and
//! has not ended well is never live. Where no child can be started nothing is known of the set, and
//! a machine that allows no child would else serve nothing: the set is compiled without a trial.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::crash::{self, End, Region};
use crate::engine::{Engine, HostSettings, Limits, THREAD_STACK};
use crate::handler::{Diagnostic, Secrets, Service, Services};
use crate::scripts::Snapshot;
use crate::store::{Bounds, MemoryStore};

use super::load::load;

/// This program, even where its file was replaced since it was started.
const PROGRAM: &str = "/proc/self/exe";

/// The verb of the child on its command line.
const VERB: &str = "compiler";

/// How long the child may take, and how much longer for each mebibyte of the set.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_A_MEBIBYTE: Duration = Duration::from_secs(2);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How much memory the child may take beyond what it begins with, in bytes: sixteen times the
/// largest set.
const MEMORY: u64 = 1024 * 1024 * 1024;

/// How much less stack the child has than we do: what passes there passes here.
const STACK_MARGIN: usize = 64 * 1024;

/// What a set means depends on these besides its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    services: Vec<Named>,
    handler_memory: usize,
    text: usize,
    allow_eval: bool,
}

/// One service.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Named {
    name: String,
    prefix: String,
    api_version: Option<String>,
}

/// Exit code of a child whose compiler panicked: `EX_SOFTWARE` of `sysexits.h`.
const PANICKED: u8 = 70;

/// How a child ended.
enum Ended {
    Itself(ExitStatus),
    /// It was killed after so long.
    TooLate(Duration),
}

impl Trial {
    /// As the configuration says.
    pub fn of(config: &Config) -> Self {
        let services = config.services.iter().map(|service| Named {
            name: service.name.clone(),
            prefix: service.prefix.clone(),
            api_version: service.api_version.clone(),
        });
        Self {
            services: services.collect(),
            handler_memory: config.limits.handler_memory,
            text: super::engine::text_limit(config),
            allow_eval: config.scripts.allow_eval,
        }
    }

    /// Compiles the set in a child.
    ///
    /// # Errors
    ///
    /// The child died of it, or could not come to an end.
    pub fn run(&self, snapshot: &Snapshot) -> Result<(), Diagnostic> {
        // Killed from elsewhere it may be for want of memory, or for no reason: once more.
        for is_last in [false, true] {
            let (region, child, limit) = match self.child(snapshot) {
                Ok(started) => started,
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "no child can be started that tries the set first; it is compiled without: \
                         should its compiler die, this process does"
                    );
                    return Ok(());
                }
            };
            let ended = wait(child, limit).map_err(|error| failed(&error.to_string()))?;
            let (file, how) = match ended {
                Ended::TooLate(limit) => (
                    region.compiles(),
                    format!("it did not come to an end within {} s", limit.as_secs()),
                ),
                Ended::Itself(status) => {
                    let Some(signal) = status.signal() else {
                        return by_itself(status, region.compiles());
                    };
                    let death = region.death(&End::Signal(signal));
                    if !death.is_fault && !is_last {
                        continue;
                    }
                    let file = death.compiled.or_else(|| region.compiles());
                    (file, death.signal.unwrap_or_default())
                }
            };
            return Err(died(file, &how));
        }
        Ok(())
    }

    /// Starts a child, and says how long it may take.
    fn child(&self, snapshot: &Snapshot) -> io::Result<(Region, Child, Duration)> {
        let region = Region::new()?;
        let set = snapshot.to_bytes();
        let mebibytes = u32::try_from(set.len() >> 20).unwrap_or(u32::MAX);
        let limit = PATIENCE + PATIENCE_A_MEBIBYTE * mebibytes;
        let mut input = File::from(memfd_create("set", MemfdFlags::CLOEXEC)?);
        let settings = serde_json::to_vec(self)?;
        input.write_all(
            &u64::try_from(settings.len())
                .map_err(io::Error::other)?
                .to_be_bytes(),
        )?;
        input.write_all(&settings)?;
        input.write_all(&set)?;
        input.rewind()?;
        let child = Command::new(PROGRAM)
            .arg(VERB)
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(region.descriptor()?))
            .stderr(Stdio::null())
            .spawn()?;
        Ok((region, child, limit))
    }
}

fn wait(mut child: Child, limit: Duration) -> io::Result<Ended> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Itself(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(Ended::TooLate(limit));
        }
        thread::sleep(LOOK);
    }
}

/// What follows from the end of a child that no signal has ended.
fn by_itself(status: ExitStatus, file: Option<String>) -> Result<(), Diagnostic> {
    match status.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(PANICKED) => Err(died(
            file,
            "it panicked, which is a fault of interpose; please report it",
        )),
        _ => Err(failed(&status.to_string())),
    }
}

/// The child has not said whether the set is sound, and it isn't the set's fault.
fn failed(how: &str) -> Diagnostic {
    let message = format!(
        "the compiler could not try the set ({how}): a fault of interpose or of the machine, not \
         of the set; POST /reload tries again"
    );
    Diagnostic::of_set("scripts", message)
}

fn died(file: Option<String>, how: &str) -> Diagnostic {
    match file {
        Some(file) => {
            let message = format!("the compiler died on {file}: {how}");
            Diagnostic::of_file(file, message)
        }
        None => Diagnostic::of_set("scripts", format!("the compiler died: {how}")),
    }
}

/// The child: compiles the set that its standard input is, and says in the region that its
/// standard output is which file it is at. Gives its exit code: 0 where the compiler came to its
/// end, whatever it found.
pub fn compile_only() -> u8 {
    match try_to_compile() {
        Ok(true) => 0,
        Ok(false) => PANICKED,
        Err(_) => 1,
    }
}

/// Gives whether the compiler came to its end.
fn try_to_compile() -> io::Result<bool> {
    // Nobody waits for it where its parent is gone.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    crash::record(io::stdout())?;
    // Where memory is short it goes before anybody who serves.
    fs::write("/proc/self/oom_score_adj", "1000").ok();
    bound_memory()?;
    let mut input = io::stdin().lock();
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_be_bytes(length)).map_err(io::Error::other)?;
    let mut rest = Vec::new();
    input.read_to_end(&mut rest)?;
    let (settings, set) = rest
        .split_at_checked(length)
        .ok_or(io::ErrorKind::InvalidData)?;
    let trial: Trial = serde_json::from_slice(settings)?;
    let snapshot = Snapshot::from_bytes(set)?;
    let compiling = thread::Builder::new()
        .stack_size(THREAD_STACK - STACK_MARGIN)
        .spawn(move || drop(load(&snapshot, &trial.services(), &trial.engine())))?;
    Ok(compiling.join().is_ok())
}

/// What would take all memory ends this process only.
fn bound_memory() -> io::Result<()> {
    // proc_pid_status(5): the size of the address space, in kibibytes.
    let status = fs::read_to_string("/proc/self/status")?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kibibytes = size.and_then(|size| size.trim().strip_suffix(" kB")?.parse().ok());
    let most = kibibytes.unwrap_or(0_u64) * 1024 + MEMORY;
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(setrlimit(Resource::As, limit)?)
}

impl Trial {
    fn services(&self) -> Services {
        Services::new(self.services.iter().map(|named| {
            let service = Service::new(&*named.name, &named.prefix);
            match &named.api_version {
                Some(version) => service.with_api_version(version),
                None => service,
            }
        }))
    }

    fn engine(&self) -> Engine {
        let limits = Limits {
            handler_time: PATIENCE,
            memory: self.handler_memory,
            total_memory: usize::MAX,
            text: self.text,
            max_hung_threads: 1,
            code_from_text: self.allow_eval,
        };
        let host = HostSettings {
            resources: BTreeMap::new(),
            settings: BTreeMap::new(),
            secrets: Secrets::default(),
            config: String::new(),
        };
        let bounds = Bounds {
            keys: 1,
            bytes: 1,
            lasts: PATIENCE,
        };
        Engine::new(limits, host, Arc::new(MemoryStore::new(bounds)))
    }
}
