//! The memory file: who records into it, and what is read of it afterwards.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::layout::{Entry, Layout, NONE, Slot};
use super::signal;

/// What this process records into; null where nobody looks.
static RECORDED: AtomicPtr<Layout> = AtomicPtr::new(ptr::null_mut());

/// What this process records into.
pub(super) fn recorded() -> Option<&'static Layout> {
    // SAFETY: it is null, or a mapping that is never unmapped.
    unsafe { RECORDED.load(Ordering::Acquire).as_ref() }
}

/// Records into the region behind this descriptor from now on, and has fatal signals written
/// down. Once a process; a second region is refused.
///
/// # Errors
///
/// It is no region, or the system refuses the mapping or a signal handler.
pub fn record(region: impl AsFd) -> io::Result<()> {
    let mapping = Mapping::of(region)?;
    let layout = mapping.0.as_ptr();
    let first =
        RECORDED.compare_exchange(ptr::null_mut(), layout, Ordering::AcqRel, Ordering::Relaxed);
    if first.is_err() {
        return Err(io::Error::other("this process is recorded already"));
    }
    // It stays mapped as long as there are threads.
    std::mem::forget(mapping);
    signal::install()
}

/// A region that another process records into.
#[derive(Debug)]
pub struct Region {
    file: File,
    mapping: Mapping,
}

impl Region {
    /// A region in which nothing is recorded.
    ///
    /// # Errors
    ///
    /// No memory or no descriptor.
    pub fn new() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(memfd_create("crash", flags)?);
        file.set_len(LENGTH)?;
        fcntl_add_seals(&file, seals())?;
        let mapping = Mapping::of(&file)?;
        Ok(Self { file, mapping })
    }

    /// A descriptor for the process that will [`record`] into it.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.file.as_fd().try_clone_to_owned()
    }

    /// The file that a thread compiles at this moment.
    pub fn compiles(&self) -> Option<String> {
        let slots = self.mapping.slots.iter();
        let mut compiling = slots.filter(|slot| slot.compiles.load(Ordering::Acquire) != 0);
        compiling.next().map(|slot| slot.text.get())
    }

    /// What the process died of that has recorded here, once it has ended so.
    pub fn death(&self, end: &End) -> Death {
        let layout = &*self.mapping;
        let crash = &layout.crash;
        let has_raised = crash.progress.load(Ordering::Acquire) != NONE;
        let was_sent = crash.is_foreign.load(Ordering::Relaxed) != 0;
        let cause = match end {
            _ if has_raised && !was_sent => Cause::Fault,
            End::Watchdog(hung) => Cause::Hung(hung),
            End::Signal(_) => Cause::Sent,
            End::Exit(code) => Cause::Exit(*code),
        };
        let slot = has_raised
            .then(|| crash.slot.load(Ordering::Relaxed))
            .and_then(|at| layout.slots.get(place(at)?));
        let signal = match end {
            _ if has_raised => Some(crash.signal.load(Ordering::Relaxed)),
            End::Signal(signal) => Some(*signal),
            End::Watchdog(_) | End::Exit(_) => None,
        };
        let handlers = match &cause {
            Cause::Fault => slot
                .and_then(|slot| running(layout, slot, slot.handler.load(Ordering::Relaxed)))
                .into_iter()
                .collect(),
            Cause::Hung(Hung(hung)) => {
                let given_up = layout.slots.iter().filter_map(|slot| {
                    running(layout, slot, slot.abandoned.load(Ordering::Relaxed))
                });
                let mut all: Vec<Running> = given_up.collect();
                all.extend(self.running().0.into_iter().filter(|it| hung.contains(it)));
                all
            }
            Cause::Sent | Cause::Exit(_) => Vec::new(),
        };
        Death {
            is_fault: matches!(cause, Cause::Fault | Cause::Hung(_)),
            signal: signal.map(signal_name),
            code: match cause {
                Cause::Exit(code) => Some(code),
                Cause::Fault | Cause::Hung(_) | Cause::Sent => None,
            },
            thread: has_raised.then(|| crash.thread_name.get()),
            handlers,
            served: served(layout).filter(|_| has_raised && !was_sent),
            compiled: slot
                .filter(|slot| slot.compiles.load(Ordering::Relaxed) != 0)
                .map(|slot| slot.text.get()),
        }
    }

    /// The handlers that run at this moment.
    pub fn running(&self) -> Hung {
        let layout = &*self.mapping;
        let slots = layout.slots.iter();
        let running =
            slots.filter_map(|slot| running(layout, slot, slot.handler.load(Ordering::Acquire)));
        Hung(running.collect())
    }
}

/// What ended a process.
enum Cause<'e> {
    /// Itself, by what one of its threads did.
    Fault,
    /// The watchdog, over these handlers and those that were given up before.
    Hung(&'e Hung),
    /// Somebody else.
    Sent,
    /// It came to its end.
    Exit(i32),
}

/// Handlers that ran when a process was found not to answer. Those of them that still run when
/// it is given up are to blame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hung(Vec<Running>);

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By this signal.
    Signal(i32),
    /// It was killed since it didn't answer.
    Watchdog(Hung),
    /// By itself, with this status.
    Exit(i32),
}

/// What a process died of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Something in the process did it: no signal from elsewhere, and no end that it chose.
    pub is_fault: bool,
    /// The name of the signal that came first.
    pub signal: Option<String>,
    /// Its exit status, where it ended by itself.
    pub code: Option<i32>,
    /// The name of the thread that got the signal.
    pub thread: Option<String>,
    /// The handlers that are to blame: the one that ran on this thread, or those that hung.
    pub handlers: Vec<Running>,
    /// The connection that the thread served.
    pub served: Option<Served>,
    /// The file that the thread compiled.
    pub compiled: Option<String>,
}

/// A handler that ran. Texts are cut where they were long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its file.
    pub file: String,
    /// The id of its generation.
    pub generation: String,
    /// The id of the request it ran for.
    pub request: String,
}

/// A connection that was served. Texts are cut where they were long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// The method of the request, where there was one.
    pub method: String,
    /// Its path.
    pub path: String,
}

fn place(counted_from_1: u32) -> Option<usize> {
    usize::try_from(counted_from_1.checked_sub(1)?).ok()
}

fn running(layout: &Layout, slot: &Slot, handler: u32) -> Option<Running> {
    let Entry {
        is_taken: _,
        kind,
        name,
        file,
        generation,
    } = layout.handlers.get(place(handler)?)?;
    Some(Running {
        name: name.get(),
        kind: kind.get(),
        file: file.get(),
        generation: generation.get(),
        request: slot.text.get(),
    })
}

fn served(layout: &Layout) -> Option<Served> {
    let crash = &layout.crash;
    if crash.peer.is_empty() {
        return None;
    }
    let request = crash.request.get();
    let (method, path) = request.split_once(' ').unwrap_or_default();
    Some(Served {
        peer: address(&crash.peer.bytes()),
        method: method.to_owned(),
        path: path.to_owned(),
    })
}

/// What `signal::Address` has made bytes.
fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let octets = Ipv6Addr::from(*rest.first_chunk::<16>()?);
    let ip = match family {
        4 => IpAddr::V4(octets.to_ipv4_mapped()?),
        _ => IpAddr::V6(octets),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Such as `SIGSEGV`.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGABRT => "SIGABRT",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGSYS => "SIGSYS",
        libc::SIGKILL => "SIGKILL",
        libc::SIGTERM => "SIGTERM",
        libc::SIGINT => "SIGINT",
        libc::SIGHUP => "SIGHUP",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGXCPU => "SIGXCPU",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

const LENGTH: u64 = size_of::<Layout>() as u64;

/// A file that shrinks would end who reads it.
fn seals() -> SealFlags {
    SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW
}

/// A region in this process's memory.
#[derive(Debug)]
struct Mapping(NonNull<Layout>);

// SAFETY: what it points to is shared memory of atomics, which any thread may read and write.
unsafe impl Send for Mapping {}
// SAFETY: the same.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn of(file: impl AsFd) -> io::Result<Self> {
        let file = file.as_fd();
        let is_whole = u64::try_from(rustix::fs::fstat(file)?.st_size) == Ok(LENGTH);
        if !is_whole || !fcntl_get_seals(file)?.contains(seals()) {
            return Err(io::Error::other("the descriptor is no region"));
        }
        let (access, length) = (ProtFlags::READ | ProtFlags::WRITE, size_of::<Layout>());
        // SAFETY: a new mapping touches nobody's memory. The file is as long as it and can't shrink.
        let memory = unsafe { mmap(ptr::null_mut(), length, access, MapFlags::SHARED, file, 0)? };
        let layout = NonNull::new(memory.cast::<Layout>());
        layout
            .map(Self)
            .ok_or_else(|| io::Error::other("a mapping at zero"))
    }
}

impl Deref for Mapping {
    type Target = Layout;

    fn deref(&self) -> &Layout {
        // SAFETY: it is mapped as long as this lives, pages are aligned for it, and any bytes are
        // a valid `Layout`, which is made of atomics only.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing that was borrowed from it outlives it.
        let unmapped = unsafe { munmap(self.0.as_ptr().cast(), size_of::<Layout>()) };
        debug_assert!(unmapped.is_ok(), "it was mapped so");
    }
}
