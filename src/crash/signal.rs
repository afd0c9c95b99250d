//! The signals that end a process over its own fault, and what is written of them.
//!
//! Everything that runs in a signal handler here allocates nothing, locks nothing and reads only
//! this thread's own memory and the region.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::layout::{BEGUN, Layout, NONE, WRITTEN};
use super::region;
use super::thread;

/// The signals that a process gets over what it did itself.
const FATAL: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// How large a signal stack of ours is, in bytes. Frames of processors with wide registers take
/// some 3 KiB.
const STACK: usize = 32 * 1024;

/// Who handled each of [`FATAL`] before, as an address; 0 where that was the default.
static BEFORE: [AtomicUsize; FATAL.len()] = [const { AtomicUsize::new(0) }; FATAL.len()];

/// This process, as it was when the handlers were installed.
static PROCESS: AtomicU32 = AtomicU32::new(0);

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// Has the fatal signals written down from now on.
pub(super) fn install() -> io::Result<()> {
    PROCESS.store(std::process::id(), Ordering::Relaxed);
    for (signal, before) in FATAL.into_iter().zip(&BEFORE) {
        let handler: Handler = on_signal;
        // SAFETY: all zeros are a `sigaction`.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        // Std gives each thread a stack for signals, and `Stack` those it left without.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let mut old = MaybeUninit::uninit();
        // SAFETY: the handler has the signature that `SA_SIGINFO` asks for and does nothing that
        // a signal handler may not; both structures are ours and outlive the call.
        let failed = unsafe { libc::sigaction(signal, &raw const action, old.as_mut_ptr()) };
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has filled it.
        let old = unsafe { old.assume_init() };
        let has_handler = old.sa_flags & libc::SA_SIGINFO != 0
            && old.sa_sigaction != libc::SIG_DFL
            && old.sa_sigaction != libc::SIG_IGN;
        if has_handler && old.sa_sigaction != action.sa_sigaction {
            before.store(old.sa_sigaction, Ordering::Relaxed);
        }
    }
    Ok(())
}

extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel gives a valid one for as long as the handler runs.
    let code = unsafe { (*info).si_code };
    // Kernel faults have positive codes; `kill`, `tgkill` and `sigqueue` come from somebody.
    let is_fault = code > 0;
    // SAFETY: the sender is there where the signal came from one, and a number in any case.
    let sender = unsafe { (*info).si_pid() }.unsigned_abs();
    let is_foreign = !is_fault && sender != PROCESS.load(Ordering::Relaxed);
    if let Some(layout) = region::recorded() {
        note(layout, signal, code, is_foreign);
    }

    let at = FATAL.iter().position(|fatal| *fatal == signal);
    let before = at.map_or(0, |at| BEFORE[at].load(Ordering::Relaxed));
    if is_fault && before != 0 {
        // Std's says which thread has overflowed its stack, and aborts; of other faults it makes
        // the default. Its abort needs no second frame on this stack.
        restore(libc::SIGABRT);
        // SAFETY: it is what `sigaction` gave for `SA_SIGINFO`, and gets what we got.
        let before: Handler = unsafe { std::mem::transmute(before) };
        before(signal, info, context);
        return;
    }
    restore(signal);
    if !is_fault {
        // Nothing is tried again when we return, so the signal has to come again. It is blocked
        // until then.
        // SAFETY: these calls take numbers only.
        unsafe {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal);
        }
    }
}

/// Gives a signal its default again, which ends the process and leaves a core.
fn restore(signal: libc::c_int) {
    // SAFETY: `SIG_DFL` is valid for every signal of ours, and the call is allowed in handlers.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Writes down who raised a signal. The first one counts: others come of it.
fn note(layout: &Layout, signal: libc::c_int, code: libc::c_int, is_foreign: bool) {
    let crash = &layout.crash;
    let first = crash
        .progress
        .compare_exchange(NONE, BEGUN, Ordering::AcqRel, Ordering::Relaxed);
    if first.is_err() {
        return;
    }
    crash.signal.store(signal, Ordering::Relaxed);
    crash.code.store(code, Ordering::Relaxed);
    crash.is_foreign.store(is_foreign.into(), Ordering::Relaxed);
    crash.thread.store(thread::this_thread(), Ordering::Relaxed);
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes at most 16 bytes, the last of them a zero.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(16);
    crash.thread_name.set(&name[..length]);
    if let Some(slot) = thread::raised_by() {
        let at = (ptr::from_ref(slot) as usize - layout.slots.as_ptr() as usize)
            / size_of_val(&layout.slots[0]);
        #[expect(clippy::cast_possible_truncation, reason = "there are 1,024 slots")]
        crash.slot.store(at as u32 + 1, Ordering::Relaxed);
        // SAFETY: it is this thread's slot, and the thread is here.
        if let Some(connection) = unsafe { thread::polled(slot) } {
            crash.peer.set(&Address::of(&connection.peer).0);
            crash.request.copy(&connection.request);
        }
    }
    crash.progress.store(WRITTEN, Ordering::Release);
}

/// An address as bytes: its family, its port, and itself.
pub(super) struct Address([u8; 20]);

impl Address {
    fn of(address: &SocketAddr) -> Self {
        let mut bytes = [0; 20];
        let (family, octets) = match address {
            SocketAddr::V4(address) => (4, address.ip().to_ipv6_mapped().octets()),
            SocketAddr::V6(address) => (6, address.ip().octets()),
        };
        bytes[0] = family;
        bytes[1..3].copy_from_slice(&address.port().to_be_bytes());
        bytes[3..19].copy_from_slice(&octets);
        Self(bytes)
    }
}

/// The stack on which this thread handles signals.
pub(super) struct Stack(Option<*mut libc::c_void>);

impl Stack {
    /// A stack where the thread has none yet.
    pub(super) fn for_this_thread() -> Self {
        let mut there_is = MaybeUninit::<libc::stack_t>::uninit();
        // SAFETY: it only writes to the structure, which is ours.
        let failed = unsafe { libc::sigaltstack(ptr::null(), there_is.as_mut_ptr()) };
        // SAFETY: the call has filled it where it didn't fail.
        if failed != 0 || unsafe { there_is.assume_init() }.ss_flags & libc::SS_DISABLE == 0 {
            return Self(None);
        }
        // SAFETY: a new mapping touches nobody's memory.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Self(None);
        }
        let stack = libc::stack_t {
            ss_sp: memory,
            ss_flags: 0,
            ss_size: STACK,
        };
        // SAFETY: the memory is ours until `drop`, which takes it out of use before.
        unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
        Self(Some(memory))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Some(memory) = self.0 else {
            return;
        };
        let none = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: STACK,
        };
        // SAFETY: dropped by the thread that made it, outside of signal handlers; after the first
        // call nothing uses the memory.
        unsafe {
            libc::sigaltstack(&raw const none, ptr::null_mut());
            libc::munmap(memory, STACK);
        }
    }
}
