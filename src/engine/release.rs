//! Memory that nobody has any longer, back to the system.
//!
//! Allocators keep what is freed, mimalloc for a second and libc for ever where something small is
//! behind it. Whoever counts memory lets go of it before others may have it: they may want it
//! through the other allocator, or another thread's part of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::allocator;

/// Lets go of what allocators keep, now and then. Clones count together.
#[derive(Debug, Clone)]
pub struct Release {
    freed: Arc<AtomicUsize>,
    most: usize,
}

impl Release {
    /// Each time that `most` bytes were freed, so that no more is kept: it is a walk over all that
    /// the allocators have, and what is wanted again has to come from the system.
    pub fn each(most: usize) -> Self {
        Self {
            freed: Arc::default(),
            most,
        }
    }

    /// So many bytes were freed.
    #[allow(unsafe_code)] // two calls into the allocators
    pub fn freed(&self, bytes: usize) {
        let freed = self.freed.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if freed < self.most {
            return;
        }
        self.freed.store(0, Ordering::Relaxed);
        if self.most < allocator::KEPT {
            allocator::let_go();
        }
        // SAFETY: neither touches what anybody has.
        unsafe {
            libmimalloc_sys::mi_collect(true);
            #[cfg(target_env = "gnu")]
            libc::malloc_trim(0);
        }
    }
}
