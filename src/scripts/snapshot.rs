//! A snapshot: the text of all files of a set, as they were at one moment.
//!
//! A copy or a symlink swap may be under way while files are read one by one. So
//! the set is listed before and after, and each file must be, once open, the one
//! that was listed; else what was read is thrown away.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::layout;
use super::listing::{ListedFile, Listing, Stamp, Unlistable, Unreadable, directory_problem};
use crate::generation::GenerationId;
use crate::handler::Diagnostic;

/// How often a set that keeps changing is read anew before that is an error.
const ATTEMPTS: usize = 10;

/// The files of a set at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    files: Vec<SnapshotFile>,
    id: GenerationId,
}

/// One file of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Relative to the set's root, with `/`.
    pub path: Arc<str>,
    /// As it is on disk, a BOM included.
    content: String,
}

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The directory is not there.
    #[error("{0}")]
    Missing(Diagnostic),
    /// The directory is there, but can't be read.
    #[error("{0}")]
    Directory(Diagnostic),
    /// Files can't be read, or are no text; each is named.
    #[error("{} files of the set cannot be used", .0.len())]
    Files(Vec<Diagnostic>),
    /// The set changed while it was read.
    #[error("{0}")]
    Torn(Diagnostic),
}

impl SnapshotError {
    /// What is wrong, file by file.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        match self {
            Self::Missing(one) | Self::Directory(one) | Self::Torn(one) => vec![one],
            Self::Files(all) => all,
        }
    }
}

impl From<Unlistable> for SnapshotError {
    fn from(
        Unlistable {
            is_missing,
            problem,
        }: Unlistable,
    ) -> Self {
        if is_missing {
            Self::Missing(problem)
        } else {
            Self::Directory(problem)
        }
    }
}

impl SnapshotFile {
    /// The file's text, without a BOM.
    pub fn text(&self) -> &str {
        self.content
            .strip_prefix('\u{feff}')
            .unwrap_or(&self.content)
    }
}

impl Snapshot {
    /// Reads the set below `directory` as it is now; anew where it changes meanwhile.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Torn`] only where it changes again and again.
    pub fn take(directory: &Path) -> Result<Self, SnapshotError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Self::of(directory, &Listing::of(directory)?) {
                Err(SnapshotError::Torn(_)) if attempts < ATTEMPTS => {}
                result => return result,
            }
        }
    }

    /// A set without files.
    pub fn empty() -> Self {
        Self::new(Vec::new())
    }

    /// Reads the set below `directory` if it is as it was `listed`.
    pub(super) fn of(directory: &Path, listed: &Listing) -> Result<Self, SnapshotError> {
        let torn = || {
            let problem = directory_problem(directory, "its files change while they are read");
            SnapshotError::Torn(problem)
        };
        let mut files = Vec::with_capacity(listed.files.len());
        let mut problems = listed.problems.clone();
        for file in &listed.files {
            match read(file) {
                Ok(content) => files.push(SnapshotFile {
                    path: file.path.as_str().into(),
                    content,
                }),
                Err(ReadError::Changed) => return Err(torn()),
                Err(error) => problems.push(Diagnostic::of_file(&file.path, error)),
            }
        }
        if Listing::of(directory).as_ref() != Ok(listed) {
            return Err(torn());
        }
        if problems.is_empty() {
            Ok(Self::new(files))
        } else {
            Err(SnapshotError::Files(problems))
        }
    }

    /// The files as bytes: for each its path, NUL, its length as 8 bytes big-endian, its content.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&self.files, |part| bytes.extend_from_slice(part));
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    ///
    /// It gave something else.
    pub fn from_bytes(mut bytes: &[u8]) -> io::Result<Self> {
        let mut files = Vec::new();
        while !bytes.is_empty() {
            let (file, rest) = first_file(bytes).ok_or(io::ErrorKind::InvalidData)?;
            files.push(file);
            bytes = rest;
        }
        Ok(Self::new(files))
    }

    fn new(files: Vec<SnapshotFile>) -> Self {
        let id = digest(&files);
        Self { files, id }
    }

    /// The files in bytewise order of their paths.
    pub fn files(&self) -> &[SnapshotFile] {
        &self.files
    }

    /// The name of the generation that these files make.
    pub fn id(&self) -> GenerationId {
        self.id
    }

    /// Whether a handler is among the files, be it off.
    pub fn has_handlers(&self) -> bool {
        self.files
            .iter()
            .any(|file| layout::Role::of(&file.path).is_handler())
    }
}

/// Writes, file by file: path, NUL, length as 8 bytes big-endian, content.
fn write(files: &[SnapshotFile], mut to: impl FnMut(&[u8])) {
    for SnapshotFile { path, content } in files {
        let length = u64::try_from(content.len()).expect("a length fits 64 bits");
        to(path.as_bytes());
        to(&[0]);
        to(&length.to_be_bytes());
        to(content.as_bytes());
    }
}

/// The first file of what [`write`] wrote, and the rest.
fn first_file(bytes: &[u8]) -> Option<(SnapshotFile, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (path, rest) = (&bytes[..end], &bytes[end + 1..]);
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (content, rest) = rest.split_at_checked(length)?;
    let file = SnapshotFile {
        path: std::str::from_utf8(path).ok()?.into(),
        content: String::from_utf8(content.to_vec()).ok()?,
    };
    Some((file, rest))
}

/// The first six bytes of the SHA-256 over what [`write`] writes.
fn digest(files: &[SnapshotFile]) -> GenerationId {
    let mut hash = Sha256::new();
    write(files, |part| hash.update(part));
    let hash = hash.finalize();
    GenerationId(*hash.first_chunk().expect("a SHA-256 has 32 bytes"))
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    /// It is not the file that was listed.
    #[error("changes while it is read")]
    Changed,
    #[error("{}", Unreadable(.0))]
    Io(#[source] io::Error),
    #[error("is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
}

/// Reads a file if it still is the one that was listed.
///
/// A path may lead to anything by now. Opening a fifo waits for its other end unless told not to,
/// a terminal may become ours, and a symlink leads out of the set.
fn read(listed: &ListedFile) -> Result<String, ReadError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(&listed.target);
    let file = opened.map_err(|error| {
        let is_listed = fs::symlink_metadata(&listed.target)
            .is_ok_and(|metadata| Stamp::of(&metadata) == listed.stamp);
        if is_listed {
            ReadError::Io(error)
        } else {
            ReadError::Changed
        }
    })?;
    let metadata = file.metadata().map_err(ReadError::Io)?;
    if !metadata.is_file() || Stamp::of(&metadata) != listed.stamp {
        return Err(ReadError::Changed);
    }

    let mut content = Vec::new();
    // One byte more than was listed tells of growth without reading on for ever.
    let mut limited = file.take(listed.stamp.size + 1);
    limited.read_to_end(&mut content).map_err(ReadError::Io)?;
    if u64::try_from(content.len()) != Ok(listed.stamp.size) {
        return Err(ReadError::Changed);
    }
    String::from_utf8(content).map_err(|error| ReadError::NotUtf8(error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    fn directory(files: &[(&str, &[u8])]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        directory
    }

    #[test]
    fn the_id_is_the_sha_256_over_path_nul_length_and_content_of_each_file() {
        let directory = directory(&[
            ("request/10-b.js", b"throw 'no';\n"),
            ("lib/x.js", "\u{feff}é".as_bytes()),
            ("README.md", b"not of the set"),
        ]);

        let snapshot = Snapshot::take(directory.path()).unwrap();

        // printf 'lib/x.js\0\0\0\0\0\0\0\0\5\xef\xbb\xbf\xc3\xa9request/10-b.js\0\0\0\0\0\0\0\0\x0cthrow '"'no'"';\n' | sha256sum
        assert_eq!(snapshot.id().to_string(), "bb224bdf22f4");
    }

    #[test]
    fn a_set_reads_back_from_its_bytes_under_the_same_id() {
        let directory = directory(&[
            ("request/10-b.js", b"throw 'no';\0"),
            ("lib/x.js", "\u{feff}é".as_bytes()),
            ("lib/y.json", b""),
        ]);
        let snapshot = Snapshot::take(directory.path()).unwrap();

        let bytes = snapshot.to_bytes();

        assert_eq!(Snapshot::from_bytes(&bytes).unwrap(), snapshot);
        assert_eq!(Snapshot::from_bytes(b"").unwrap(), Snapshot::empty());
        for end in 1..bytes.len() {
            let cut = Snapshot::from_bytes(&bytes[..end]);
            assert!(cut.is_err() || cut.unwrap().files().len() < 3, "{end}");
        }
    }

    #[test]
    fn names_and_contents_that_run_together_alike_make_different_ids() {
        let id = |files: &[(&str, &[u8])]| Snapshot::take(directory(files).path()).unwrap().id();

        assert_ne!(
            id(&[("a.request.js", b"xy"), ("b.request.js", b"")]),
            id(&[("a.request.js", b"x"), ("b.request.js", b"y")])
        );
        assert_ne!(
            id(&[("a.request.js", b"x")]),
            id(&[("a.request.js.off", b"x")])
        );
    }

    #[test]
    fn a_bom_is_skipped_for_reading() {
        let directory = directory(&[("a.request.js", "\u{feff}json".as_bytes())]);

        let snapshot = Snapshot::take(directory.path()).unwrap();

        assert_eq!(snapshot.files()[0].text(), "json");
    }

    #[test]
    fn every_file_that_cannot_be_used_is_named() {
        let directory = directory(&[
            ("a.request.js", b"ok \xff"),
            ("b.request.js", b""),
            ("c.request.js", b"// fine"),
            ("d.request.js/x", b""),
        ]);

        let error = Snapshot::take(directory.path()).unwrap_err();

        let texts: Vec<_> = error
            .into_diagnostics()
            .iter()
            .map(Diagnostic::to_string)
            .collect();
        assert_eq!(
            texts,
            [
                "d.request.js:1:1: is a directory, not a file",
                "a.request.js:1:1: is not UTF-8 from byte 3 on",
            ]
        );
    }

    #[test]
    fn a_set_that_is_not_as_it_was_listed_is_torn() {
        let directory = directory(&[("a.request.js", b"1"), ("b.request.js", b"1")]);
        let path = |name: &str| directory.path().join(name);
        let is_torn = |listed: &Listing| {
            matches!(
                Snapshot::of(directory.path(), listed),
                Err(SnapshotError::Torn(_))
            )
        };
        let list = || Listing::of(directory.path()).unwrap();

        let listed = list();
        assert!(!is_torn(&listed));

        fs::write(path("c.request.js"), "2").unwrap();
        assert!(is_torn(&listed), "a file was added");

        let listed = list();
        fs::remove_file(path("a.request.js")).unwrap();
        assert!(is_torn(&listed), "a file was removed");

        let listed = list();
        fs::write(path("new"), "1").unwrap();
        fs::rename(path("new"), path("b.request.js")).unwrap();
        assert!(
            is_torn(&listed),
            "a file was replaced by one with the same text"
        );
    }

    /// So that a swap to and fro between two listings can't mix two sets.
    #[test]
    fn a_file_is_read_only_if_it_is_the_one_that_was_listed() {
        let directory = directory(&[("a.request.js", b"1"), ("new", b"1")]);
        let listed = Listing::of(directory.path()).unwrap();
        assert_eq!(read(&listed.files[0]).unwrap(), "1");

        let file = directory.path().join("a.request.js");
        fs::rename(directory.path().join("new"), &file).unwrap();
        assert!(matches!(read(&listed.files[0]), Err(ReadError::Changed)));

        fs::remove_file(file).unwrap();
        assert!(matches!(read(&listed.files[0]), Err(ReadError::Changed)));
    }

    /// A name, and what puts something else in the place of a file.
    type Swap<'a> = (&'a str, &'a dyn Fn(&Path));

    /// What may take the place of a file between listing and opening.
    #[test]
    fn a_file_that_is_something_else_by_now_is_neither_waited_for_nor_followed() {
        let fifo = |path: &Path| {
            let made = Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        };
        let swaps: [Swap<'_>; 9] = [
            ("a fifo", &fifo),
            ("a socket", &|path| drop(UnixListener::bind(path).unwrap())),
            ("a directory", &|path| fs::create_dir(path).unwrap()),
            ("a symlink to itself", &|path| symlink(path, path).unwrap()),
            ("a symlink to a file", &|path| {
                symlink("/etc/passwd", path).unwrap();
            }),
            ("a symlink to a fifo", &|path| {
                let target = path.with_extension("fifo");
                fifo(&target);
                symlink(target, path).unwrap();
            }),
            ("a symlink to a device", &|path| {
                symlink("/dev/zero", path).unwrap();
            }),
            ("a symlink to a terminal", &|path| {
                symlink("/dev/tty", path).unwrap();
            }),
            ("a symlink to nowhere", &|path| {
                symlink("/nowhere", path).unwrap();
            }),
        ];
        for (what, swap) in swaps {
            let directory = directory(&[("a.request.js", b"1"), ("b.request.js", b"1")]);
            let listed = Listing::of(directory.path()).unwrap();
            let file = directory.path().join("a.request.js");
            fs::remove_file(&file).unwrap();
            swap(&file);

            let (tell, told) = mpsc::channel();
            let root = directory.path().to_owned();
            thread::spawn(move || tell.send(Snapshot::of(&root, &listed)));
            let taken = told.recv_timeout(Duration::from_secs(20));

            let taken = taken.unwrap_or_else(|_| panic!("{what}: the reader hangs"));
            assert!(
                matches!(taken, Err(SnapshotError::Torn(_))),
                "{what}: {taken:?}"
            );
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_missing() {
        let directory = directory(&[]);

        let error = Snapshot::take(&directory.path().join("none")).unwrap_err();

        assert!(matches!(error, SnapshotError::Missing(_)), "{error}");
    }

    #[test]
    fn handlers_that_are_off_make_a_set_that_is_not_empty() {
        let has = |name| {
            let directory = directory(&[(name, b"")]);
            Snapshot::take(directory.path()).unwrap().has_handlers()
        };

        assert!(has("a.request.js") && has("a.request.js.off") && has("request/a.js"));
        assert!(!has("lib/a.js") && !has("a.lib.js") && !has("README.md"));
        assert!(!Snapshot::empty().has_handlers());
    }
}
