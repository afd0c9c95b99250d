//! A script directory on disk.

use std::fs;

use tempfile::TempDir;

/// A directory with these files, by path and text. It is gone with the value.
pub(crate) fn script_dir<P: AsRef<str>, T: AsRef<str>>(
    files: impl IntoIterator<Item = (P, T)>,
) -> TempDir {
    let directory = TempDir::new().expect("there is a place for temporary files");
    for (path, text) in files {
        let path = directory.path().join(path.as_ref());
        let parent = path.parent().expect("it stands below the directory");
        fs::create_dir_all(parent).expect("the directory is ours");
        fs::write(&path, text.as_ref()).expect("the directory is ours");
    }
    directory
}
