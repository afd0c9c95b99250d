//! A listing: which files the set has and what state each is in, without opening one.
//!
//! Two equal listings some time apart say that nothing changed between them:
//! they hold each file's inode, size, times and where its symlinks led. Files
//! that don't belong to the set are not in it, so they can't make a difference.

use std::collections::BTreeSet;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::layout::{self, Directory, HandlerFile};
use crate::handler::Diagnostic;

/// A file that is longer is no script but a mistake.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
const MAX_SET_BYTES: u64 = 64 * 1024 * 1024;
const MAX_SET_FILES: usize = 10_000;
/// Of directories in `lib/`.
const MAX_DEPTH: usize = 8;

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
            problem: directory_problem(directory, format_args!("cannot be read: {}", error.kind())),
        };
        let root = fs::canonicalize(directory).map_err(|error| unlistable(&error))?;
        // The walk takes a directory that can't be read for one problem among others.
        fs::read_dir(&root).map_err(|error| unlistable(&error))?;

        let mut walk = Walk {
            root: &root,
            listing: Self {
                files: Vec::new(),
                problems: Vec::new(),
                directories: Vec::new(),
            },
        };
        walk.top();
        let mut listing = walk.listing;
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
    Diagnostic::of_file(directory.display().to_string(), message)
}

/// One walk through the set. Paths that it shows are relative to the root.
struct Walk<'a> {
    /// Symlinks resolved.
    root: &'a Path,
    listing: Listing,
}

/// Something in the set, symlinks resolved.
struct Found {
    target: PathBuf,
    metadata: Metadata,
}

impl Walk<'_> {
    fn top(&mut self) {
        let root = self.root.to_owned();
        let names = self.names(&root, "");
        for name in names
            .iter()
            .filter(|name| layout::flat_module(name).is_some())
        {
            self.file(&root, "", name);
        }
        let handlers = names
            .iter()
            .filter(|name| layout::flat_module(name).is_none());
        self.handlers(&root, "", &handlers.cloned().collect());

        for name in &names {
            let Some(directory) = Directory::named(name) else {
                continue;
            };
            let Some(found) = self.directory(&root, "", name) else {
                continue;
            };
            match directory {
                Directory::Handlers(_) => {
                    let names = self.names(&found.target, name);
                    self.handlers(&found.target, name, &names);
                }
                Directory::Modules => self.modules(&found.target, name, &mut vec![root.clone()]),
            }
        }
    }

    /// Handler files and the `NAME.json` that belongs to each.
    fn handlers(&mut self, directory: &Path, shown: &str, names: &BTreeSet<String>) {
        let mut metadata = BTreeSet::new();
        for name in names {
            if let Some(file) = HandlerFile::named(name) {
                self.file(directory, shown, name);
                metadata.extend(file.metadata_names());
            }
        }
        for name in metadata.intersection(names) {
            self.file(directory, shown, name);
        }
    }

    /// Modules and the directories below; `above` are those it lies in.
    fn modules(&mut self, directory: &Path, shown: &str, above: &mut Vec<PathBuf>) {
        if above.len() > MAX_DEPTH + 1 || above.iter().any(|one| one == directory) {
            return self.problem(
                shown,
                "lies too deep, or is a symlink to a directory it lies in",
            );
        }
        above.push(directory.to_owned());
        for name in self.names(directory, shown) {
            if layout::is_module(&name) {
                self.file(directory, shown, &name);
            } else if !layout::is_ignored(&name)
                && let Some(found) = self.directory(directory, shown, &name)
            {
                self.modules(&found.target, &below(shown, &name), above);
            }
        }
        above.pop();
    }

    /// The names in a directory, which from now on counts as listed.
    fn names(&mut self, directory: &Path, shown: &str) -> BTreeSet<String> {
        let names = self.read_names(directory, shown);
        names.unwrap_or_else(|error| {
            self.problem(shown, format_args!("cannot be read: {}", error.kind()));
            BTreeSet::new()
        })
    }

    fn read_names(&mut self, directory: &Path, shown: &str) -> io::Result<BTreeSet<String>> {
        self.listing
            .directories
            .push(ListedDirectory::at(directory)?);
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(directory)? {
            match entry?.file_name().into_string() {
                Ok(name) => {
                    names.insert(name);
                }
                Err(name) => {
                    let name = name.to_string_lossy();
                    if layout::is_module(&name) || HandlerFile::named(&name).is_some() {
                        self.problem(&below(shown, &name), "has a name that is not UTF-8");
                    }
                }
            }
        }
        Ok(names)
    }

    fn file(&mut self, directory: &Path, shown: &str, name: &str) {
        let path = below(shown, name);
        let Some(Found { target, metadata }) = self.find(directory, shown, name) else {
            return;
        };
        if !metadata.is_file() {
            let is = type_name(metadata.file_type());
            return self.problem(&path, format_args!("is {is}, not a file"));
        }
        if metadata.len() > MAX_FILE_BYTES {
            let message = format!("has {} bytes, more than {MAX_FILE_BYTES}", metadata.len());
            return self.problem(&path, message);
        }
        let stamp = Stamp::of(&metadata);
        self.listing.files.push(ListedFile {
            path,
            target,
            stamp,
        });
    }

    fn directory(&mut self, directory: &Path, shown: &str, name: &str) -> Option<Found> {
        let found = self.find(directory, shown, name)?;
        found.metadata.is_dir().then_some(found)
    }

    /// Follows symlinks, but not out of the root: what lies there is not the set's.
    fn find(&mut self, directory: &Path, shown: &str, name: &str) -> Option<Found> {
        let path = directory.join(name);
        match follow(&path) {
            Ok(found) if found.target.starts_with(self.root) => Some(found),
            Ok(_) => {
                let message = "is a symlink that leads out of the script directory";
                self.problem(&below(shown, name), message);
                None
            }
            // Gone since its directory was read, and no symlink to nowhere.
            Err(_) if fs::symlink_metadata(&path).is_err() => None,
            Err(error) => {
                let message = format_args!("cannot be read: {}", error.kind());
                self.problem(&below(shown, name), message);
                None
            }
        }
    }

    fn problem(&mut self, shown: &str, message: impl std::fmt::Display) {
        self.listing
            .problems
            .push(Diagnostic::of_file(shown, message));
    }
}

fn follow(path: &Path) -> io::Result<Found> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_symlink() {
        return Ok(Found {
            target: path.to_owned(),
            metadata,
        });
    }
    let target = fs::canonicalize(path)?;
    let metadata = fs::metadata(&target)?;
    Ok(Found { target, metadata })
}

fn below(shown: &str, name: &str) -> String {
    if shown.is_empty() {
        name.to_owned()
    } else {
        format!("{shown}/{name}")
    }
}

fn type_name(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a directory"
    } else if file_type.is_fifo() {
        "a fifo"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    fn directory(files: &[&str]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "// text").unwrap();
        }
        directory
    }

    fn paths(directory: &TempDir) -> Vec<String> {
        let listing = Listing::of(directory.path()).unwrap();
        assert_eq!(listing.problems, []);
        listing.files.into_iter().map(|file| file.path).collect()
    }

    fn problems(directory: &TempDir) -> Vec<String> {
        let listing = Listing::of(directory.path()).unwrap();
        listing.problems.iter().map(Diagnostic::to_string).collect()
    }

    #[test]
    fn only_the_files_of_a_set_are_listed_in_bytewise_order() {
        let directory = directory(&[
            "10-a.request.js",
            "10-a.request.json",
            "B.error.js.off",
            "a.lib.js",
            "request/10-b.js",
            "request/10-b.json",
            "request/nested/x.js",
            "response_events/c.js",
            "response_events/c.json",
            "lib/money.js",
            "lib/tax/rates.json",
            "lib/README.md",
            "lib/.hidden.js",
            "README.md",
            "package.json",
            "types.d.ts",
            ".x.request.js",
            "x.request.js~",
            "tests/10-b.request.js",
            "node_modules/a/index.js",
        ]);

        assert_eq!(
            paths(&directory),
            [
                "10-a.request.js",
                "10-a.request.json",
                "B.error.js.off",
                "a.lib.js",
                "lib/money.js",
                "lib/tax/rates.json",
                "request/10-b.js",
                "request/10-b.json",
                "response_events/c.js",
                "response_events/c.json",
            ]
        );
    }

    #[test]
    fn a_config_map_is_listed_through_its_symlinks() {
        let directory = directory(&["..2024/10-a.request.js", "..2024/request/10-b.js"]);
        let path = |name: &str| directory.path().join(name);
        symlink("..2024", path("..data")).unwrap();
        symlink("..data/10-a.request.js", path("10-a.request.js")).unwrap();
        symlink("..data/request", path("request")).unwrap();

        assert_eq!(paths(&directory), ["10-a.request.js", "request/10-b.js"]);
    }

    #[test]
    fn what_is_no_file_of_the_set_is_refused_by_name() {
        let outside = directory(&["x.js"]);
        let directory = directory(&["lib/a.js"]);
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("a.request.js")).unwrap();
        symlink(outside.path().join("x.js"), path("b.request.js")).unwrap();
        symlink("nowhere", path("c.request.js")).unwrap();
        symlink("d.request.js", path("d.request.js")).unwrap();
        let _socket = UnixListener::bind(path("e.request.js")).unwrap();
        let huge = fs::File::create(path("f.request.js")).unwrap();
        huge.set_len(1 << 30).unwrap();
        symlink("/dev/null", path("g.request.js")).unwrap();
        let made = Command::new("mkfifo").arg(path("h.request.js")).status();
        assert!(made.unwrap().success());
        symlink("..", path("lib/up")).unwrap();
        symlink("../lib", path("lib/again")).unwrap();
        symlink(outside.path(), path("request")).unwrap();

        assert_eq!(
            problems(&directory),
            [
                "a.request.js:1:1: is a directory, not a file",
                "b.request.js:1:1: is a symlink that leads out of the script directory",
                "c.request.js:1:1: cannot be read: entity not found",
                "d.request.js:1:1: cannot be read: \
                 filesystem loop or indirection limit (e.g. symlink loop)",
                "e.request.js:1:1: is a socket, not a file",
                "f.request.js:1:1: has 1073741824 bytes, more than 1048576",
                "g.request.js:1:1: is a symlink that leads out of the script directory",
                "h.request.js:1:1: is a fifo, not a file",
                "lib/again:1:1: lies too deep, or is a symlink to a directory it lies in",
                "lib/up:1:1: lies too deep, or is a symlink to a directory it lies in",
                "request:1:1: is a symlink that leads out of the script directory",
            ]
        );
    }

    #[test]
    fn directories_of_modules_have_a_greatest_depth() {
        let deep = "lib/".to_owned() + &"d/".repeat(MAX_DEPTH);
        assert_eq!(paths(&directory(&[&format!("{deep}x.js")])).len(), 1);

        let problems = problems(&directory(&[&format!("{deep}d/x.js")]));

        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("too deep"), "{problems:?}");
    }

    #[test]
    fn a_set_beyond_all_measure_is_refused_unread() {
        let directory = directory(&[]);
        for number in 0..=MAX_SET_BYTES / MAX_FILE_BYTES {
            let file = fs::File::create(directory.path().join(format!("{number}.error.js")));
            file.unwrap().set_len(MAX_FILE_BYTES).unwrap();
        }

        let listing = Listing::of(directory.path()).unwrap();

        assert_eq!(listing.files, []);
        let message = "holds 65 files of 68157440 bytes, more than 10000 or 67108864";
        assert_eq!(listing.problems[0].message, message);
    }

    #[test]
    fn a_missing_directory_is_told_from_one_that_cannot_be_read() {
        let directory = directory(&["file"]);
        let listing = |name: &str| Listing::of(&directory.path().join(name)).unwrap_err();

        assert!(listing("missing").is_missing);
        assert!(!listing("file").is_missing);
    }

    #[test]
    fn a_listing_differs_when_a_file_of_the_set_does_and_only_then() {
        let directory = directory(&["a.request.js", "lib/x.js"]);
        let path = |name: &str| directory.path().join(name);
        let list = || Listing::of(directory.path()).unwrap();
        let first = list();

        fs::write(path("notes.txt"), "x").unwrap();
        fs::write(path("package.json"), "{}").unwrap();
        fs::write(path("a.request.js.swp"), "x").unwrap();
        assert!(list() == first, "other files do not count");

        fs::write(path("a.request.json"), "{}").unwrap();
        let second = list();
        assert!(second != first, "a metadata file appeared");

        fs::rename(path("lib/x.js"), path("lib/y.js")).unwrap();
        let third = list();
        assert!(third != second, "a module was renamed");

        let text = fs::read(path("a.request.js")).unwrap();
        fs::write(path("a.new"), text).unwrap();
        fs::rename(path("a.new"), path("a.request.js")).unwrap();
        assert!(
            list() != third,
            "a file was replaced by one with the same text"
        );
    }

    #[test]
    fn the_age_is_that_of_the_youngest_file() {
        let directory = directory(&["a.request.js"]);
        let listing = Listing::of(directory.path()).unwrap();
        let hour = Duration::from_hours(1);

        assert!(listing.age(SystemTime::now() + 2 * hour).unwrap() > hour);
        assert_eq!(listing.age(SystemTime::UNIX_EPOCH), Some(Duration::ZERO));
    }
}
