//! Memory that nobody has any longer, back to the system.
//!
//! Allocators keep what is freed, mimalloc for a second and libc for ever where something small is
//! behind it. Whoever counts memory and gives back much of it lets it go before: others may have it
//! from then on, through the other allocator or another thread's part of it.

/// What is worth the time it takes to let go of, in bytes: a walk over what the allocators have.
const MUCH: usize = 1024 * 1024;

/// Lets go of what allocators keep, where so many bytes were freed that it matters.
#[allow(unsafe_code)] // two calls into the allocators
pub fn release(freed: usize) {
    if freed < MUCH {
        return;
    }
    // SAFETY: neither touches what anybody has.
    unsafe {
        libmimalloc_sys::mi_collect(true);
        #[cfg(target_env = "gnu")]
        libc::malloc_trim(0);
    }
}
