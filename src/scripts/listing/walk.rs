//! The walk that makes a listing: which of what stands there is the set's, and which has no business there.

use std::collections::BTreeSet;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::super::layout::{self, Directory, HandlerFile};
use super::{ListedDirectory, ListedFile, Listing, Stamp, Unreadable, directory_problem};
use crate::handler::Diagnostic;

/// A file that is longer is no script but a mistake.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Of directories in `lib/`.
pub(super) const MAX_DEPTH: usize = 8;

/// Of names in one directory, whether they belong to the set or not.
pub(super) const MAX_NAMES: usize = 20_000;

/// One walk through the set. Paths that it shows are relative to the root.
pub(super) struct Walk<'a> {
    /// Symlinks resolved.
    root: &'a Path,
    listing: Listing,
}

/// Something in the set, symlinks resolved.
struct Found {
    target: PathBuf,
    metadata: Metadata,
}

impl<'a> Walk<'a> {
    /// What the set below `root` has, in the order in which it was found.
    pub(super) fn through(root: &'a Path) -> Listing {
        let mut walk = Self {
            root,
            listing: Listing {
                files: Vec::new(),
                problems: Vec::new(),
                directories: Vec::new(),
            },
        };
        walk.top();
        walk.listing
    }

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
            self.problem(shown, Unreadable(&error));
            BTreeSet::new()
        })
    }

    fn read_names(&mut self, directory: &Path, shown: &str) -> io::Result<BTreeSet<String>> {
        self.listing
            .directories
            .push(ListedDirectory::at(directory)?);
        let mut names = BTreeSet::new();
        for (count, entry) in fs::read_dir(directory)?.enumerate() {
            if count == MAX_NAMES {
                let message = format!("holds more than {MAX_NAMES} names");
                self.problem(shown, message);
                break;
            }
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
                self.problem(&below(shown, name), Unreadable(&error));
                None
            }
        }
    }

    /// `shown` is empty for the root.
    fn problem(&mut self, shown: &str, message: impl std::fmt::Display) {
        self.listing.problems.push(if shown.is_empty() {
            directory_problem(self.root, message)
        } else {
            Diagnostic::of_file(shown, message)
        });
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
