//! What is where in the memory file. Both processes are the same build of this program.
//!
//! Everything is atomic: another process may read it at any moment. A file of zeros is a valid
//! one in which nothing is recorded.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// How many threads are recorded at once; others run unrecorded.
pub(super) const MAX_SLOTS: usize = 1024;

/// How many handlers have a name at once, those of former generations that still run included;
/// others run unrecorded.
pub(super) const MAX_HANDLERS: usize = 16 * 1024;

/// The whole file.
#[repr(C)]
pub(super) struct Layout {
    pub(super) crash: Crash,
    pub(super) slots: [Slot; MAX_SLOTS],
    pub(super) handlers: [Entry; MAX_HANDLERS],
}

/// What one thread does.
#[repr(C, align(64))]
pub(super) struct Slot {
    /// The thread's number; 0 where the slot is free.
    pub(super) thread: AtomicU32,
    /// The handler that runs: its place in the table, counted from 1.
    pub(super) handler: AtomicU32,
    /// The handler that the watchdog gave up, counted alike.
    pub(super) abandoned: AtomicU32,
    /// 1 while a file is compiled; its path is `text` then.
    pub(super) compiles: AtomicU32,
    /// The address, in the worker, of what is known of the connection that is served.
    pub(super) connection: AtomicUsize,
    /// The id of the request whose handlers run, or the path of the file that is compiled.
    pub(super) text: Text<16>,
}

/// One handler of a generation.
#[repr(C)]
pub(super) struct Entry {
    /// 1 where the place is taken.
    pub(super) is_taken: AtomicU32,
    pub(super) kind: Text<2>,
    /// As long as names may be.
    pub(super) name: Text<32>,
    pub(super) file: Text<32>,
    pub(super) generation: Text<2>,
}

/// What the signal handler writes.
#[repr(C)]
pub(super) struct Crash {
    pub(super) progress: AtomicU32,
    pub(super) signal: AtomicI32,
    /// `si_code`.
    pub(super) code: AtomicI32,
    /// 1 where another process sent it.
    pub(super) is_foreign: AtomicU32,
    /// The number of the thread that raised it, and its name.
    pub(super) thread: AtomicU32,
    pub(super) thread_name: Text<2>,
    /// The place of its slot, counted from 1.
    pub(super) slot: AtomicU32,
    /// What it served.
    pub(super) peer: Text<3>,
    pub(super) request: Text<16>,
}

/// Nothing has been raised.
pub(super) const NONE: u32 = 0;
/// A signal handler is writing, or died over it.
pub(super) const BEGUN: u32 = 1;
/// All is there.
pub(super) const WRITTEN: u32 = 2;

/// A text of at most `WORDS` times 8 bytes; what is longer is cut.
#[repr(C)]
pub(super) struct Text<const WORDS: usize> {
    length: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Text<WORDS> {
    pub(super) const fn new() -> Self {
        Self {
            length: AtomicU32::new(0),
            words: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    pub(super) fn set(&self, text: &[u8]) {
        let text = text.get(..WORDS * 8).unwrap_or(text);
        let (whole, rest) = text.as_chunks::<8>();
        for (word, bytes) in self.words.iter().zip(whole) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        if let Some(word) = self.words.get(whole.len()).filter(|_| !rest.is_empty()) {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it was cut to a few hundred"
        )]
        self.length.store(text.len() as u32, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.length.store(0, Ordering::Relaxed);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length.load(Ordering::Relaxed) == 0
    }

    /// Takes over what another one has. Allocates nothing.
    pub(super) fn copy(&self, other: &Self) {
        for (word, source) in self.words.iter().zip(&other.words) {
            word.store(source.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let length = other.length.load(Ordering::Relaxed);
        self.length.store(length, Ordering::Relaxed);
    }

    /// The text, as far as it is one: whoever wrote it may have died over it.
    pub(super) fn get(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let words = self.words.iter();
        let mut bytes: Vec<u8> = words
            .flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes())
            .collect();
        bytes.truncate(self.length.load(Ordering::Relaxed) as usize);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_as_it_was_written_up_to_its_room() {
        let text = Text::<2>::new();
        for written in ["", "a", "12345678", "123456789", "0123456789abcdef", "é"] {
            text.set(written.as_bytes());
            assert_eq!(text.get(), written);
        }

        text.set(b"0123456789abcdefg");
        assert_eq!(text.get(), "0123456789abcdef");
        let copy = Text::<2>::new();
        copy.copy(&text);
        assert_eq!(copy.get(), text.get());

        text.set(b"0123456789abcde\xc3\xa9");
        assert_eq!(
            text.get(),
            "0123456789abcde\u{fffd}",
            "cut within a character"
        );
        text.clear();
        assert!(text.is_empty() && text.get().is_empty());
    }

    #[test]
    fn nonsense_is_read_without_harm() {
        let text = Text::<2>::new();
        text.length.store(u32::MAX, Ordering::Relaxed);
        text.words[0].store(u64::MAX, Ordering::Relaxed);

        assert_eq!(text.get().chars().next(), Some('\u{fffd}'));
    }
}
