//! A listing: which files the set has and what state each is in, without opening one.
//!
//! Two equal listings some time apart say that nothing changed between them:
//! they hold each file's inode, size, times and where its symlinks led. Files
//! that don't belong to the set are not in it, so they can't make a difference.

#[cfg(test)]
mod tests;
mod walk;

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;

use crate::handler::Diagnostic;

use walk::Walk;

const MAX_SET_BYTES: u64 = 64 * 1024 * 1024;
const MAX_SET_FILES: usize = 10_000;

/// The files of a set at one moment.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    /// In bytewise order of their paths.
    pub(super) files: Vec<ListedFile>,
    /// What stands in a place of the set and can't belong to it.
    pub(super) problems: Vec<Diagnostic>,
    /// The directories that were listed: the root first. For watching.
    pub(super) directories: Vec<ListedDirectory>,
}

/// Why there is no listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub(super) struct Unlistable {
    /// Nothing is there at all.
    pub(super) is_missing: bool,
    pub(super) problem: Diagnostic,
}

/// One file of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedFile {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    /// Where it is, symlinks resolved.
    pub(super) target: PathBuf,
    pub(super) stamp: Stamp,
}

/// A directory, as long as it is the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedDirectory {
    /// Symlinks resolved.
    pub(super) path: PathBuf,
    pub(super) inode: (u64, u64),
}

impl ListedDirectory {
    /// The directory that `path` is now.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let inode = inode(&fs::metadata(path)?);
        Ok(Self {
            path: path.to_owned(),
            inode,
        })
    }
}

/// A file's state: its identity, size and times. The change time can't be set by
/// programs, so it betrays a file that was given its old modification time again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: (u64, u64),
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            inode: inode(metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Directories are left out: a file that doesn't belong to the set changes them too.
impl PartialEq for Listing {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files && self.problems == other.problems
    }
}

impl Listing {
    /// Lists the set below `directory`, which may be a symlink.
    pub(super) fn of(directory: &Path) -> Result<Self, Unlistable> {
        let unlistable = |error: &io::Error| Unlistable {
            is_missing: error.kind() == io::ErrorKind::NotFound,
            problem: directory_problem(directory, NoDirectory(error)),
        };
        let root = fs::canonicalize(directory).map_err(|error| unlistable(&error))?;
        // The walk takes a directory that can't be read for one problem among others.
        fs::read_dir(&root).map_err(|error| unlistable(&error))?;

        let mut listing = Walk::through(&root);
        listing
            .files
            .sort_by(|left, right| left.path.cmp(&right.path));
        listing.check_size(directory);
        Ok(listing)
    }

    /// How long ago the youngest file was changed; zero where the clock went back since.
    pub(super) fn age(&self, now: SystemTime) -> Option<Duration> {
        let (seconds, nanos) = self.files.iter().map(|file| file.stamp.changed).max()?;
        let since_epoch = Duration::new(
            u64::try_from(seconds).unwrap_or_default(),
            u32::try_from(nanos).unwrap_or_default(),
        );
        let age = now.duration_since(SystemTime::UNIX_EPOCH + since_epoch);
        Some(age.unwrap_or_default())
    }

    /// A set beyond all measure is refused before any of it is read.
    fn check_size(&mut self, directory: &Path) {
        let bytes: u64 = self.files.iter().map(|file| file.stamp.size).sum();
        let files = self.files.len();
        if bytes > MAX_SET_BYTES || files > MAX_SET_FILES {
            let message = format_args!(
                "holds {files} files of {bytes} bytes, more than {MAX_SET_FILES} or {MAX_SET_BYTES}"
            );
            self.problems.push(directory_problem(directory, message));
            self.files.clear();
        }
    }
}

/// A problem with the script directory as a whole.
pub(super) fn directory_problem(directory: &Path, message: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::of_set(directory.display().to_string(), message)
}

/// Why a script directory can't be read, and what to do.
struct NoDirectory<'a>(&'a io::Error);

impl fmt::Display for NoDirectory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.0.kind() {
            io::ErrorKind::NotFound => {
                "there is no such directory; create it, or name another one with --scripts or scripts.directory"
            }
            io::ErrorKind::NotADirectory => {
                "not a directory; name one with --scripts or scripts.directory"
            }
            _ => return Unreadable(self.0).fmt(f),
        };
        write!(f, "cannot be read: {why}")
    }
}

/// Why something in the set can't be read, and what to do where that is known.
pub(super) struct Unreadable<'a>(pub(super) &'a io::Error);

impl fmt::Display for Unreadable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot be read: ")?;
        match self.0.kind() {
            io::ErrorKind::NotFound => f.write_str("a symlink to something that is not there"),
            io::ErrorKind::PermissionDenied => {
                f.write_str("permission denied; let the user that interpose runs as read it")
            }
            _ if self.0.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                f.write_str("a symlink that leads to itself")
            }
            _ => self.0.fmt(f),
        }
    }
}
