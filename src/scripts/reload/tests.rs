//! Reloads of real directories. Each test drives one directory with file
//! operations as people and tools do them, and waits for what must come of it.
//! Here is what they share: the directory, and reloads that remember what they took.

mod changes;
mod looks;
mod refused;
mod requests;
mod whole;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const NEVER: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_millis(20);
/// Far more than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a load was given: path and text of each file.
type Set = Vec<(String, String)>;

/// A directory inside a directory of its own, so that it can be renamed away.
struct Directory {
    place: TempDir,
}

impl Directory {
    fn new() -> Self {
        let directory = Self {
            place: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(directory.at("")).unwrap();
        directory
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let directory = Self::new();
        for (path, text) in files {
            directory.write(path, text);
        }
        directory
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.beside("scripts").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn settings(&self) -> Settings {
        Settings {
            settle: SOON,
            rescan: NEVER,
            ..Settings::new(self.at(""))
        }
    }
}

/// Reloads with a loader that refuses sets in which a file says `broken`.
struct Running {
    reloads: Reloads,
    loads: Arc<Mutex<Vec<Set>>>,
}

impl Running {
    fn on(settings: Settings) -> Self {
        Self::watched_by::<RecommendedWatcher>(settings)
    }

    fn watched_by<W: Watcher + Send + 'static>(settings: Settings) -> Self {
        let loads = Arc::new(Mutex::new(Vec::new()));
        let (reload_loop, reloads) = ReloadLoop::new(settings, loader(Arc::clone(&loads)));
        tokio::spawn(reload_loop.run_with::<W>());
        Self { reloads, loads }
    }

    /// Waits until the status is as wanted.
    async fn until(&self, wanted: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.reloads.status();
        let found = timeout(PATIENCE, status.wait_for(wanted)).await;
        found
            .expect("it comes in time")
            .expect("reloads go on")
            .clone()
    }

    /// Waits until a set was taken in which the file says so.
    async fn until_live(&self, path: &str, text: &str) {
        self.until(|_| {
            self.last()
                .is_some_and(|set| set.contains(&file(path, text)))
        })
        .await;
    }

    fn last(&self) -> Option<Set> {
        self.loads.lock().unwrap().last().cloned()
    }

    fn loads(&self) -> usize {
        self.loads.lock().unwrap().len()
    }
}

/// Remembers the sets it takes.
fn loader(
    taken: Arc<Mutex<Vec<Set>>>,
) -> impl FnMut(Snapshot) -> Result<(), Vec<Diagnostic>> + Send + 'static {
    move |snapshot| {
        let files = snapshot.files().iter();
        let set: Set = files.map(|one| file(&one.path, one.text())).collect();
        if let Some((path, _)) = set.iter().find(|(_, text)| text == "broken") {
            return Err(vec![Diagnostic::of_file(path, "is broken")]);
        }
        assert!(
            !set.contains(&file("panic.request.js", "")),
            "as a compiler might"
        );
        taken.lock().unwrap().push(set);
        Ok(())
    }
}

fn file(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}
