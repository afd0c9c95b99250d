//! A set is compiled in a child first, so that one that ends its compiler ends no worker.
//!
//! ```text
//! publisher ──set, region──▶ child: `compiler`, this program again ──exit code 0──▶ load it here
//!                              └─ died, or took too long ──▶ a load error of the file it was at
//! ```
//!
//! What the child finds wrong is found here again and told from here. Where no child can be
//! started the set is compiled without one.

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
    /// The child died of it.
    pub fn run(&self, snapshot: &Snapshot) -> Result<(), Diagnostic> {
        // Killed from elsewhere it may be for want of memory, or for no reason: once more.
        for is_last in [false, true] {
            let (region, ended) = match self.child(snapshot) {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::warn!(%error, "a set is compiled without being tried in a child first");
                    return Ok(());
                }
            };
            let (file, how) = match ended {
                Ended::TooLate(limit) => (
                    region.compiles(),
                    format!("it did not come to an end within {} s", limit.as_secs()),
                ),
                Ended::Itself(status) => {
                    let Some(signal) = status.signal() else {
                        return Ok(());
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

    /// Runs a child to its end, or to the end of its time.
    fn child(&self, snapshot: &Snapshot) -> io::Result<(Region, Ended)> {
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
        Ok((region, wait(child, limit)?))
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

fn died(file: Option<String>, how: &str) -> Diagnostic {
    match file {
        Some(file) => {
            let message = format!("the compiler died on {file}: {how}");
            Diagnostic::of_file(file, message)
        }
        None => Diagnostic::of_file(".", format!("the compiler died: {how}")),
    }
}

/// The child: compiles the set that its standard input is, and says in the region that its
/// standard output is which file it is at. Gives whether it could.
pub fn compile_only() -> bool {
    try_to_compile().is_ok()
}

fn try_to_compile() -> io::Result<()> {
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
    compiling.join().map_err(|_| io::ErrorKind::Other.into())
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
