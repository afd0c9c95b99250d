//! How long threads have had a processor, as the kernel counts it, and who gets one first.
//!
//! To ask the kernel takes longer than all else that begins a handler. [`computed_at`] asks only
//! where the last answer in its thread is too old.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// By how much a thread comes behind others that wants what is left over, as `nice` counts.
const NICENESS: libc::c_int = 10;

thread_local! {
    static COMES_LAST: Cell<bool> = const { Cell::new(false) };
    static THREAD: Cell<Option<libc::pid_t>> = const { Cell::new(None) };
    static LAST: Cell<Option<Sample>> = const { Cell::new(None) };
}

/// What a thread had computed at a time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    computed: Duration,
}

/// The kernel's number of this thread.
pub(super) fn this_thread() -> libc::pid_t {
    THREAD.get().unwrap_or_else(|| {
        // SAFETY: it takes nothing and can't fail.
        let thread = unsafe { libc::gettid() };
        THREAD.set(Some(thread));
        thread
    })
}

/// What this thread has computed so far; `None` where the kernel does not say.
pub(super) fn computed_here() -> Option<Duration> {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// What another thread of this process has computed so far.
pub(super) fn computed_by(thread: libc::pid_t) -> Option<Duration> {
    // The kernel's clock of a thread, as `pthread_getcpuclockid` makes it from the same number.
    read((!thread << 3) | 6)
}

/// What this thread had computed at `now`, a moment ago; up to `error` more where it did nothing
/// since the kernel was asked for the last time.
pub(super) fn computed_at(now: Instant, error: Duration) -> Option<Duration> {
    if let Some(last) = LAST.get()
        && let Some(since) = now.checked_duration_since(last.at)
        && since <= error
    {
        return Some(last.computed + since);
    }
    let computed = computed_here()?;
    LAST.set(Some(Sample { at: now, computed }));
    Some(computed)
}

/// Lets others go before this thread from now on: no thread can be given more than it had.
pub(super) fn come_last() {
    if !COMES_LAST.replace(true) {
        have_come_last(this_thread());
    }
}

/// Lets others go before another thread of this process from now on.
pub(super) fn have_come_last(thread: libc::pid_t) {
    // SAFETY: it takes numbers only. On Linux a thread has a niceness of its own.
    let failed = unsafe { libc::setpriority(libc::PRIO_PROCESS, thread.unsigned_abs(), NICENESS) };
    if failed != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!(%error, "a thread for slow handlers keeps its priority");
    }
}

/// Whether this thread lets others go first.
pub(super) fn comes_last() -> bool {
    COMES_LAST.get()
}

fn read(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes to `time`, which is ours; a clock that isn't there is an error.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanoseconds = u32::try_from(time.tv_nsec).ok()?;
    Some(Duration::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes until the kernel has counted so much more.
    fn compute(time: Duration) {
        let until = computed_here().expect("the kernel counts") + time;
        while computed_here().expect("the kernel counts") < until {}
    }

    #[test]
    fn what_a_thread_computes_is_seen_from_another() {
        let (tell, hear) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            compute(Duration::from_millis(2));
            tell.send(this_thread()).expect("the test listens");
            ended.recv().expect_err("the test only hangs up");
        });

        let computed = computed_by(hear.recv().expect("it computes"));

        assert!(computed >= Some(Duration::from_millis(2)), "{computed:?}");
        drop(end);
        thread.join().expect("it ends");
    }

    #[test]
    fn an_old_answer_is_never_less_than_what_was_computed_since() {
        let error = Duration::from_secs(60);
        computed_at(Instant::now(), error);
        for _ in 0..20 {
            compute(Duration::from_micros(50));
            let exact = computed_here();

            assert!(computed_at(Instant::now(), error) >= exact);
        }
    }
}
