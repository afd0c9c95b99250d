//! Bytes in memory that nobody can change any more, to be handed from process to process.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

/// A memory file with every seal that keeps it as it is.
#[derive(Debug)]
pub struct Sealed(File);

impl Sealed {
    /// A copy of `bytes`; the name is shown in `/proc/PID/fd`.
    ///
    /// # Errors
    ///
    /// No memory or no descriptor.
    pub fn new(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create(name, flags)?);
        file.write_all(bytes)?;
        fcntl_add_seals(&file, all_seals())?;
        Ok(Self(file))
    }

    /// A memory file that somebody else has sealed.
    ///
    /// # Errors
    ///
    /// It isn't sealed.
    pub(super) fn received(file: OwnedFd) -> io::Result<Self> {
        if fcntl_get_seals(&file)?.contains(all_seals()) {
            Ok(Self(file.into()))
        } else {
            Err(io::Error::other("a memory file without seals"))
        }
    }

    /// What it holds.
    ///
    /// # Errors
    ///
    /// The system can't read it.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.0.metadata()?.len()).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        // Its position is shared with all who hold it.
        self.0.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Another descriptor of the same file.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }
}

fn all_seals() -> SealFlags {
    SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_reads_as_it_was_written_and_nobody_can_change_it() {
        let sealed = Sealed::new("set", b"one").unwrap();
        let mut other = Sealed::received(sealed.descriptor().unwrap()).unwrap();

        assert!(other.0.write_all(b"two").is_err());
        assert!(other.0.set_len(0).is_err());
        assert_eq!(sealed.read().unwrap(), b"one");
        assert_eq!(other.read().unwrap(), b"one", "wherever the position is");
    }

    #[test]
    fn what_can_still_be_changed_is_not_taken() {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let open = memfd_create("set", flags).unwrap();

        assert!(Sealed::received(open).is_err());
    }
}
