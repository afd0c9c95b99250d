//! A script directory that tests change while the sidecar runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Script files by path, such as `("request/10-mark.js", "…")`.
pub(crate) type Files<'a> = [(&'a str, &'a str)];

/// Gone from disk with its value.
pub(crate) struct ScriptDir(TempDir);

impl ScriptDir {
    pub(crate) fn with(files: &Files) -> Self {
        let directory = Self(TempDir::new().expect("a directory can be made"));
        for (path, text) in files {
            directory.write(path, text);
        }
        directory
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file as editors do: nobody ever sees half of it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        write_whole(self.path(), path, text);
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path().join(path)).expect("the file was written before");
    }
}

/// A symlink to a script directory, moved from one to the next in one step.
pub(crate) struct LinkedDir {
    root: TempDir,
    count: usize,
}

impl LinkedDir {
    pub(crate) fn to(files: &Files) -> Self {
        let root = TempDir::new().expect("a directory can be made");
        let mut linked = Self { root, count: 0 };
        linked.flip(files);
        linked
    }

    /// The symlink.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join("live")
    }

    /// Writes a whole new directory, then lets the symlink point to it.
    pub(crate) fn flip(&mut self, files: &Files) {
        self.count += 1;
        let name = format!("set-{}", self.count);
        swap_in(self.root.path(), &name, "live", files);
    }
}

/// A directory as Kubernetes mounts a `ConfigMap`: every name is a symlink through `..data`,
/// which an update lets point to the next directory in one step.
pub(crate) struct ConfigMap {
    root: TempDir,
    count: usize,
}

impl ConfigMap {
    /// A map with these keys, which are flat names.
    pub(crate) fn of(files: &Files) -> Self {
        let root = TempDir::new().expect("a directory can be made");
        let mut map = Self { root, count: 0 };
        map.update(files);
        for (name, _) in files {
            let link = map.path().join(name);
            symlink(Path::new("..data").join(name), link).expect("the directory was empty");
        }
        map
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Gives the same keys other values.
    pub(crate) fn update(&mut self, files: &Files) {
        self.count += 1;
        let name = format!("..2024_{}", self.count);
        swap_in(self.path(), &name, "..data", files);
    }
}

/// Writes a whole new directory beside `link`, then lets the link point to it.
fn swap_in(root: &Path, name: &str, link: &str, files: &Files) {
    let set = root.join(name);
    fs::create_dir(&set).expect("every set has a number of its own");
    for (path, text) in files {
        write_whole(&set, path, text);
    }
    let next = root.join("..next");
    symlink(name, &next).expect("the last swap renamed its link away");
    fs::rename(&next, root.join(link)).expect("a link replaces a link");
}

fn write_whole(root: &Path, path: &str, text: &str) {
    let target = root.join(path);
    let folder = target.parent().expect("a file stands in a directory");
    fs::create_dir_all(folder).expect("a directory can be made");
    let unfinished = folder.join(".unfinished");
    fs::write(&unfinished, text).expect("a file can be written");
    fs::rename(&unfinished, &target).expect("a file can be renamed in its directory");
}

mod tests {
    use super::*;

    #[test]
    fn a_written_file_stands_alone_in_its_directory() {
        let scripts = ScriptDir::with(&[("request/10-a.js", "one")]);

        scripts.write("request/10-a.js", "two");

        let folder = scripts.path().join("request");
        let names: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(names.len(), 1);
        assert_eq!(fs::read_to_string(folder.join("10-a.js")).unwrap(), "two");
        scripts.remove("request/10-a.js");
        assert!(!folder.join("10-a.js").exists());
    }

    #[test]
    fn a_flip_shows_the_new_directory_at_the_old_path() {
        let mut scripts = LinkedDir::to(&[("a.request.js", "one")]);
        let path = scripts.path().join("a.request.js");

        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        scripts.flip(&[("a.request.js", "two")]);

        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }

    #[test]
    fn an_update_shows_the_new_values_through_the_old_links() {
        let mut map = ConfigMap::of(&[("a.request.js", "one")]);
        let path = map.path().join("a.request.js");

        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        map.update(&[("a.request.js", "two")]);

        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }
}
