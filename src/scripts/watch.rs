//! File events, as a reason to look and nothing more.
//!
//! What an event says is not believed: a rename, a symlink swap or a queue that
//! ran over may hide anything. So all it does is to wake whoever looks. Events
//! of files that editors leave lying about don't even do that.
//!
//! inotify watches inodes, not paths. A directory that was replaced has another
//! inode, so watches are made anew whenever a look finds other directories.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{Config, Error, ErrorKind, Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::layout;
use super::listing::ListedDirectory;

/// The symlink that Kubernetes swaps when a `ConfigMap` changes.
const CONFIG_MAP_LINK: &str = "..data";

/// Watches on the directories of a set and on what lies above it.
pub(super) struct Watch<W> {
    /// The set's root, absolute, symlinks and all.
    directory: PathBuf,
    commit: Option<String>,
    wake: Arc<Notify>,
    /// None where watches can't be had. Dropping it ends them.
    watcher: Option<W>,
    watched: Vec<ListedDirectory>,
    /// A watched directory came or went, and its watch with it: notify drops
    /// the watch of a path that is renamed away (`remove_watch_by_event`).
    is_outdated: Arc<AtomicBool>,
    is_blind: bool,
}

impl<W: Watcher> Watch<W> {
    pub(super) fn new(directory: &Path, commit: Option<String>, wake: Arc<Notify>) -> Self {
        Self {
            directory: std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned()),
            commit,
            wake,
            watcher: None,
            watched: Vec::new(),
            is_outdated: Arc::default(),
            is_blind: false,
        }
    }

    /// Watches the set's `directories`, and the nearest one above its root that exists.
    ///
    /// Tells whether watches were made: what happened before that went unseen,
    /// so it is time to look again. Where none can be had, that is logged once
    /// and tried again at each call.
    pub(super) fn follow(&mut self, directories: &[ListedDirectory]) -> bool {
        let above = self.directory.ancestors().skip(1);
        let above = above
            .filter_map(|path| ListedDirectory::at(path).ok())
            .take(1);
        let wanted: Vec<_> = above.chain(directories.iter().cloned()).collect();
        let is_outdated = self.is_outdated.swap(false, Ordering::AcqRel);
        if self.watcher.is_some() && !is_outdated && wanted == self.watched {
            return false;
        }

        match self.open(&wanted) {
            Ok(watcher) => {
                if self.is_blind {
                    tracing::info!("script directory is watched again");
                }
                self.watcher = Some(watcher);
                self.watched = wanted;
                self.is_blind = false;
            }
            Err(error) => {
                self.watcher = None;
                if !self.is_blind {
                    tracing::warn!(%error, "script directory cannot be watched, only rescanned");
                }
                self.is_blind = true;
            }
        }
        !self.is_blind
    }

    fn open(&self, directories: &[ListedDirectory]) -> notify::Result<W> {
        let filter = Filter {
            directory: self.directory.clone(),
            commit: self.commit.clone(),
            watched: directories
                .iter()
                .map(|directory| directory.path.clone())
                .collect(),
        };
        let (wake, is_outdated) = (Arc::clone(&self.wake), Arc::clone(&self.is_outdated));
        let on_event = move |event: notify::Result<Event>| {
            // An error means that events may be missing.
            match event.map_or(Concern::Directories, |event| filter.concern(&event)) {
                Concern::Nothing => return,
                Concern::Files => {}
                Concern::Directories => is_outdated.store(true, Ordering::Release),
            }
            wake.notify_one();
        };

        let mut watcher = W::new(on_event, Config::default())?;
        for directory in directories {
            match watcher.watch(&directory.path, RecursiveMode::NonRecursive) {
                // Gone since it was listed: the look that follows finds out.
                Err(Error {
                    kind: ErrorKind::PathNotFound,
                    ..
                })
                | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(watcher)
    }
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Concern {
    /// Reading, or files that are ignored.
    Nothing,
    /// Files that may belong to the set.
    Files,
    /// A watched directory, or one above the set's root.
    Directories,
}

/// Tells what an event is about by its paths.
struct Filter {
    directory: PathBuf,
    commit: Option<String>,
    watched: Vec<PathBuf>,
}

impl Filter {
    fn concern(&self, event: &Event) -> Concern {
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Any
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Remove(_)
            | EventKind::Other => {}
            // Looking at the set is no reason to look at it.
            EventKind::Access(_) => return Concern::Nothing,
        }
        if event.need_rescan() || event.paths.is_empty() {
            return Concern::Directories;
        }
        let concerns = event.paths.iter().map(|path| self.concern_of_path(path));
        concerns.max().unwrap_or(Concern::Nothing)
    }

    fn concern_of_path(&self, path: &Path) -> Concern {
        if self.directory.starts_with(path) || self.watched.iter().any(|one| one == path) {
            return Concern::Directories;
        }
        // The first watched directory lies above the set.
        let is_in_set = self
            .watched
            .iter()
            .skip(1)
            .any(|one| path.parent() == Some(one));
        let name = path.file_name().map(|name| name.to_string_lossy());
        if is_in_set && name.is_some_and(|name| self.may_count(&name)) {
            return Concern::Files;
        }
        Concern::Nothing
    }

    fn may_count(&self, name: &str) -> bool {
        name == CONFIG_MAP_LINK || self.commit.as_deref() == Some(name) || layout::may_belong(name)
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use notify::event::{Flag, ModifyKind, RenameMode};
    use notify::{NullWatcher, WatcherKind};

    use super::*;

    fn filter(commit: Option<&str>) -> Filter {
        Filter {
            directory: "/etc/interpose/scripts".into(),
            commit: commit.map(str::to_owned),
            watched: ["/etc/interpose", "/srv/scripts", "/srv/scripts/lib"]
                .map(Into::into)
                .into(),
        }
    }

    fn modified(path: &str) -> Event {
        Event::new(EventKind::Modify(ModifyKind::Any)).add_path(path.into())
    }

    #[test]
    fn an_event_is_about_what_its_path_is() {
        for (path, concern) in [
            ("/srv/scripts/10-x.request.js", Concern::Files),
            ("/srv/scripts/lib/x.js", Concern::Files),
            ("/srv/scripts/..data", Concern::Files),
            ("/srv/scripts/package.json", Concern::Files),
            ("/srv/scripts/notes.txt", Concern::Nothing),
            ("/srv/scripts/.10-x.request.js.swp", Concern::Nothing),
            ("/srv/scripts/10-x.request.js~", Concern::Nothing),
            ("/srv/scripts/4913", Concern::Nothing),
            ("/srv/scripts/.commit", Concern::Nothing),
            ("/srv/scripts/lib", Concern::Directories),
            ("/srv/scripts", Concern::Directories),
            ("/etc/interpose/scripts", Concern::Directories),
            ("/etc/interpose", Concern::Directories),
            ("/etc/interpose/other", Concern::Nothing),
            ("/etc/interpose/scripts.old", Concern::Nothing),
        ] {
            assert_eq!(filter(None).concern(&modified(path)), concern, "{path}");
        }
        let commit = modified("/srv/scripts/.commit");
        assert_eq!(filter(Some(".commit")).concern(&commit), Concern::Files);
    }

    #[test]
    fn reading_is_no_reason_to_look_and_the_end_of_writing_is() {
        let access = |mode| {
            let kind = EventKind::Access(AccessKind::Close(mode));
            filter(None).concern(&Event::new(kind).add_path("/srv/scripts/a.request.js".into()))
        };

        assert_eq!(access(AccessMode::Read), Concern::Nothing);
        assert_eq!(access(AccessMode::Write), Concern::Files);
    }

    #[test]
    fn lost_events_are_a_reason_to_look_at_everything() {
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);

        assert_eq!(filter(None).concern(&overflow), Concern::Directories);
    }

    #[test]
    fn a_rename_counts_by_either_of_its_names() {
        let rename = |from: &str, to: &str| {
            let kind = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
            filter(None).concern(&Event::new(kind).add_path(from.into()).add_path(to.into()))
        };

        assert_eq!(
            rename("/srv/scripts/.x.swp", "/srv/scripts/x.js"),
            Concern::Files
        );
        assert_eq!(
            rename("/srv/scripts/x.js", "/srv/scripts/x.js~"),
            Concern::Files
        );
        assert_eq!(
            rename("/srv/scripts/.x.swp", "/srv/scripts/x.js~"),
            Concern::Nothing
        );
    }

    #[test]
    fn watches_are_made_anew_only_for_other_directories() {
        let directory = tempfile::tempdir().unwrap();
        let listed = |name: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            ListedDirectory::at(&path).unwrap()
        };
        let (root, lib) = (listed("scripts"), listed("scripts/lib"));
        let mut watch: Watch<NullWatcher> = Watch::new(&root.path, None, Arc::default());

        assert!(watch.follow(slice::from_ref(&root)));
        assert!(!watch.follow(slice::from_ref(&root)));
        assert!(
            watch.follow(&[root.clone(), lib.clone()]),
            "another directory"
        );
        std::fs::rename(&lib.path, directory.path().join("old")).unwrap();
        assert!(
            watch.follow(&[root.clone(), listed("scripts/lib")]),
            "another inode"
        );
        assert!(watch.follow(&[]), "only what lies above");
        assert!(!watch.follow(&[]));
    }

    /// A machine without watches left.
    struct NoneLeft;

    impl Watcher for NoneLeft {
        fn new<F: notify::EventHandler>(_: F, _: Config) -> notify::Result<Self> {
            Ok(Self)
        }

        fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
            Err(Error::new(ErrorKind::MaxFilesWatch))
        }

        fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
            Ok(())
        }

        fn kind() -> WatcherKind {
            WatcherKind::NullWatcher
        }
    }

    #[test]
    fn without_watches_left_it_goes_on_blind_and_tries_again() {
        let directory = tempfile::tempdir().unwrap();
        let root = ListedDirectory::at(directory.path()).unwrap();
        let mut watch: Watch<NoneLeft> = Watch::new(&root.path, None, Arc::default());

        assert!(!watch.follow(slice::from_ref(&root)));
        assert!(watch.watcher.is_none() && watch.is_blind);
        assert!(!watch.follow(&[root]));
    }
}
