//! Reloads of real directories. Each test drives one directory with file
//! operations as people and tools do them, and waits for what must come of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::NullWatcher;
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

/// What is done, in words and in deed.
type Change = (&'static str, fn(&Directory));

/// Everything that changes a set in one stroke; afterwards `a.request.js` says `2`.
const CHANGES: [Change; 8] = [
    ("written in place", |directory| {
        directory.write("a.request.js", "2");
    }),
    ("renamed over", |directory| {
        directory.write(".a.request.js.swp", "2");
        fs::rename(
            directory.at(".a.request.js.swp"),
            directory.at("a.request.js"),
        )
        .unwrap();
    }),
    ("removed and created", |directory| {
        fs::remove_file(directory.at("a.request.js")).unwrap();
        directory.write("a.request.js", "2");
    }),
    ("edited and given its old time again", |directory| {
        let time = fs::metadata(directory.at("a.request.js"))
            .unwrap()
            .modified()
            .unwrap();
        directory.write("a.request.js", "2");
        let file = fs::File::options()
            .write(true)
            .open(directory.at("a.request.js"))
            .unwrap();
        file.set_modified(time).unwrap();
    }),
    ("the directory replaced by rename", |directory| {
        fs::create_dir(directory.beside("new")).unwrap();
        fs::write(directory.beside("new/a.request.js"), "2").unwrap();
        fs::rename(directory.at(""), directory.beside("old")).unwrap();
        fs::rename(directory.beside("new"), directory.at("")).unwrap();
    }),
    ("the directory removed and made anew", |directory| {
        fs::remove_dir_all(directory.at("")).unwrap();
        fs::create_dir(directory.at("")).unwrap();
        directory.write("a.request.js", "2");
    }),
    ("renamed away, edited, and renamed back", |directory| {
        fs::rename(directory.at(""), directory.beside("away")).unwrap();
        fs::write(directory.beside("away/a.request.js"), "2").unwrap();
        fs::rename(directory.beside("away"), directory.at("")).unwrap();
    }),
    ("the directory swapped for a symlink", |directory| {
        fs::create_dir(directory.beside("release")).unwrap();
        fs::write(directory.beside("release/a.request.js"), "2").unwrap();
        fs::remove_dir_all(directory.at("")).unwrap();
        symlink("release", directory.beside("scripts")).unwrap();
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_any_sort_goes_live_by_its_file_events_alone() {
    for (name, change) in CHANGES {
        let directory = Directory::with(&[("a.request.js", "1")]);
        let running = Running::on(directory.settings());
        running.until_live("a.request.js", "1").await;

        change(&directory);

        running.until_live("a.request.js", "2").await;
        directory.write("a.request.js", "3");
        running.until_live("a.request.js", "3").await; // it still watches the right directory
        println!("{name}: seen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_events_the_rescan_finds_the_same_changes() {
    for (name, change) in CHANGES {
        let directory = Directory::with(&[("a.request.js", "1")]);
        let settings = Settings {
            rescan: SOON,
            ..directory.settings()
        };
        let running = Running::watched_by::<NullWatcher>(settings);
        running.until_live("a.request.js", "1").await;

        change(&directory);

        running.until_live("a.request.js", "2").await;
        println!("{name}: seen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_directories_and_modules_are_watched_too() {
    let directory = Directory::with(&[("a.request.js", "")]);
    let running = Running::on(directory.settings());
    running.until_live("a.request.js", "").await;

    directory.write("lib/tax/rates.json", "1");
    running.until_live("lib/tax/rates.json", "1").await;
    directory.write("lib/tax/rates.json", "2");
    running.until_live("lib/tax/rates.json", "2").await;
    directory.write("error/b.js", "1");
    running.until_live("error/b.js", "1").await;
    directory.write("error/b.js", "2");
    running.until_live("error/b.js", "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_update_is_one_change() {
    let directory = Directory::with(&[("..1/a.request.js", "1"), ("..1/b.request.js", "1")]);
    symlink("..1", directory.at("..data")).unwrap();
    for name in ["a.request.js", "b.request.js"] {
        symlink(format!("..data/{name}"), directory.at(name)).unwrap();
    }
    let running = Running::on(directory.settings());
    running.until_live("a.request.js", "1").await;

    for update in 2..5 {
        let text = update.to_string();
        directory.write(&format!("..{update}/a.request.js"), &text);
        directory.write(&format!("..{update}/b.request.js"), &text);
        symlink(format!("..{update}"), directory.at("..data_tmp")).unwrap();
        fs::rename(directory.at("..data_tmp"), directory.at("..data")).unwrap();
        fs::remove_dir_all(directory.at(&format!("..{}", update - 1))).unwrap();
        running.until_live("a.request.js", &text).await;
    }

    assert_eq!(running.loads(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_comes_late_is_loaded_when_it_comes() {
    let directory = Directory::new();
    let settings = Settings {
        directory: directory.beside("deep/er/scripts"),
        ..directory.settings()
    };
    let running = Running::on(settings);
    let missing = running.until(Status::is_decided).await;
    assert!(
        missing.rejected.unwrap().errors[0]
            .message
            .contains("cannot be read")
    );

    fs::create_dir_all(directory.beside("deep/er/scripts")).unwrap();
    fs::write(directory.beside("deep/er/scripts/a.request.js"), "1").unwrap();

    running.until_live("a.request.js", "1").await;
    assert_eq!(
        running.until(|status| !status.settling).await.rejected,
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_set_leaves_the_last_good_one_and_is_told_until_it_is_mended() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let running = Running::on(directory.settings());
    let good = running.until(Status::is_decided).await.live;

    directory.write("b.error.js", "broken");
    let status = running.until(|status| status.rejected.is_some()).await;
    let rejected = status.rejected.unwrap();
    assert_eq!((status.live, rejected.id == good), (good, false));
    assert_eq!(rejected.errors[0].to_string(), "b.error.js:1:1: is broken");

    fs::remove_file(directory.at("b.error.js")).unwrap();
    let status = running.until(|status| status.rejected.is_none()).await;
    assert_eq!(
        (status.live, running.loads()),
        (good, 1),
        "it was live all the time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_does_not_wait_for_quiet_and_tells_what_came_of_it() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let running = Running::on(Settings {
        settle: NEVER,
        ..directory.settings()
    });

    let first = running.reloads.request().await.unwrap();
    assert_eq!(running.reloads.status().borrow().live, Some(first));

    directory.write("a.request.js", "2");
    let second = running.reloads.request().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(running.last().unwrap(), [file("a.request.js", "2")]);

    directory.write("a.request.js", "broken");
    let rejected = refused(&running).await;
    assert_eq!(
        rejected.errors[0].to_string(),
        "a.request.js:1:1: is broken"
    );
    let again = refused(&running).await;
    assert_eq!(again.since, rejected.since, "it has been broken since then");
    assert_eq!(running.reloads.status().borrow().live, Some(second));
}

async fn refused(running: &Running) -> Rejected {
    match running.reloads.request().await {
        Err(ReloadError::Rejected(rejected)) => rejected,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_while_too_many_wait_is_told_so_at_once() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let (gate, load) = std::sync::mpsc::channel::<()>();
    let (reload_loop, reloads) = ReloadLoop::new(directory.settings(), move |_| {
        load.recv().ok(); // until the gate is gone
        Ok(())
    });
    tokio::spawn(reload_loop.run());

    let ask = || {
        let reloads = reloads.clone();
        tokio::spawn(async move { reloads.request().await })
    };
    let waiting: Vec<_> = (0..MOST_WAITING).map(|_| ask()).collect();
    while reloads.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(reloads.request().await, Err(ReloadError::Busy));

    drop(gate);
    for request in waiting {
        let answer = timeout(PATIENCE, request).await.expect("it is answered");
        assert!(answer.unwrap().is_ok());
    }
    assert!(reloads.request().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_are_all_answered() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let running = Running::on(directory.settings());

    let requests: Vec<_> = (0..20)
        .map(|_| {
            let reloads = running.reloads.clone();
            tokio::spawn(async move { reloads.request().await.unwrap() })
        })
        .collect();
    for request in requests {
        timeout(PATIENCE, request)
            .await
            .expect("it is answered")
            .unwrap();
    }

    assert_eq!(running.loads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_panics_refuses_the_set_and_the_next_one_is_loaded() {
    let directory = Directory::with(&[("panic.request.js", "")]);
    let running = Running::on(directory.settings());
    let status = running.until(Status::is_decided).await;
    assert!(
        status.rejected.unwrap().errors[0]
            .message
            .contains("panicked")
    );

    fs::rename(
        directory.at("panic.request.js"),
        directory.at("a.request.js"),
    )
    .unwrap();

    running.until_live("a.request.js", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_directory_leaves_the_last_good_set() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let running = Running::on(Settings {
        allow_empty: true,
        ..directory.settings()
    });
    let good = running.until(Status::is_decided).await.live;

    fs::remove_file(directory.at("a.request.js")).unwrap();
    let emptied = running.until(|status| status.rejected.is_some()).await;
    assert!(
        emptied.rejected.unwrap().errors[0]
            .message
            .contains("no handlers")
    );

    fs::remove_dir(directory.at("")).unwrap();
    let gone = |status: &Status| status.rejected.as_ref().is_some_and(|one| one.id.is_none());
    assert_eq!(running.until(gone).await.live, good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_may_be_empty_on_purpose() {
    let directory = Directory::new();
    let running = Running::on(Settings {
        allow_empty: true,
        ..directory.settings()
    });

    assert!(running.until(Status::is_decided).await.live.is_some());

    directory.write("a.request.js", "1");
    running.until_live("a.request.js", "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_end_when_nobody_holds_them() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let (reload_loop, reloads) = ReloadLoop::new(directory.settings(), |_| Ok(()));
    let running = tokio::spawn(reload_loop.run());

    drop(reloads);

    timeout(PATIENCE, running).await.expect("it ends").unwrap();
}

/// Writes files that don't belong to the set until it is dropped.
struct Noise {
    stop: Arc<AtomicBool>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Noise {
    fn in_directory(directory: &Directory) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, root) = (Arc::clone(&stop), directory.at(""));
        let writer = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for name in [
                    "notes.txt",
                    "package.json",
                    "a.request.js.swp",
                    ".x.request.js",
                ] {
                    // The directory is swapped away under it now and then.
                    fs::write(root.join(name), "noise").ok();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self {
            stop,
            writer: Some(writer),
        }
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let writer = self.writer.take().expect("it is joined once");
        writer.join().expect("writing noise does not panic");
    }
}

fn assert_unmixed(running: &Running, files: usize) {
    for set in running.loads.lock().unwrap().iter() {
        let versions: std::collections::BTreeSet<_> = set.iter().map(|(_, text)| text).collect();
        assert_eq!(
            (set.len(), versions.len()),
            (files, 1),
            "half a set: {set:?}"
        );
    }
}

/// Copies a set file by file, as slowly as may be, while other files are written.
async fn copy_slowly_under<W: Watcher + Send + 'static>(rescan: Duration) {
    const FILES: usize = 16;
    let name = |number: usize| format!("{number:02}-x.request.js");
    let directory = Directory::new();
    for number in 0..FILES {
        directory.write(&name(number), "1");
    }
    let settle = Duration::from_millis(300);
    let settings = Settings {
        settle,
        rescan,
        ..directory.settings()
    };
    let running = Running::watched_by::<W>(settings);
    running.until_live(&name(0), "1").await;
    let noise = Noise::in_directory(&directory);

    for number in 0..FILES {
        directory.write(&name(number), "2");
        tokio::time::sleep(settle / 2).await; // the pace of the copy, which is what is tested
    }

    running.until_live(&name(FILES - 1), "2").await;
    drop(noise);
    assert_unmixed(&running, FILES);
    assert_eq!(running.loads(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_copy_is_taken_only_whole_whatever_is_written_beside_it() {
    copy_slowly_under::<RecommendedWatcher>(NEVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_copy_is_taken_only_whole_without_file_events_too() {
    copy_slowly_under::<NullWatcher>(Duration::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_that_is_swapped_all_the_time_never_shows_half_a_set() {
    const FILES: usize = 30;
    let directory = Directory::new();
    fs::remove_dir(directory.at("")).unwrap();
    for release in ["1", "2"] {
        fs::create_dir(directory.beside(release)).unwrap();
        for number in 0..FILES {
            let path = directory
                .beside(release)
                .join(format!("{number:02}-x.request.js"));
            fs::write(path, release).unwrap();
        }
    }
    let swap = |to: &str| {
        symlink(to, directory.beside("next")).unwrap();
        fs::rename(directory.beside("next"), directory.beside("scripts")).unwrap();
    };
    swap("1");
    let settings = Settings {
        settle: Duration::ZERO,
        ..directory.settings()
    };
    let running = Running::on(Settings {
        rescan: SOON,
        ..settings
    });

    for round in 0..2_000 {
        swap(if round % 2 == 0 { "2" } else { "1" });
        if round % 50 == 0 {
            running.reloads.request().await.ok();
        }
    }
    swap("2");

    running.until_live("00-x.request.js", "2").await;
    assert_unmixed(&running, FILES);
}

type TakesAll = fn(Snapshot) -> Result<(), Vec<Diagnostic>>;

/// What a look makes of changes, without the loop around it.
fn progress(settings: &Settings) -> Progress<TakesAll, NullWatcher> {
    let (status, _) = watch::channel(Status::default());
    let watch = Watch::new(&settings.directory, settings.commit.clone(), Arc::default());
    let takes_all: TakesAll = |_| Ok(());
    Progress::new(
        Arc::new(settings.clone()),
        Arc::new(Mutex::new(takes_all)),
        status,
        watch,
    )
}

#[tokio::test]
async fn ignored_files_neither_trigger_a_reload_nor_prolong_the_quiet_time() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let mut progress = progress(&directory.settings());
    let write_noise = || {
        for name in [
            "notes.txt",
            "package.json",
            "b.request.js~",
            "tests/b.request.js",
        ] {
            directory.write(name, "noise");
        }
    };
    progress.look().await;
    progress.state = State::Watching;

    write_noise();
    progress.look().await;
    assert_eq!(progress.state, State::Watching);

    directory.write("a.request.js", "2");
    progress.look().await;
    let settling = progress.state;
    assert!(matches!(settling, State::Settling { .. }));
    write_noise();
    progress.look().await;
    assert_eq!(progress.state, settling);
}

#[tokio::test]
async fn a_change_that_no_event_told_of_is_found_when_the_quiet_time_ends() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let mut progress = progress(&Settings {
        settle: Duration::ZERO,
        ..directory.settings()
    });
    progress.look().await;

    directory.write("b.request.js", "1");
    progress.settings = Arc::new(Settings {
        settle: NEVER,
        ..directory.settings()
    });
    progress.quiet_ends().await;

    assert!(matches!(progress.state, State::Settling { until } if until > Instant::now()));
    assert!(progress.loading.is_none());
}

#[tokio::test]
async fn a_set_that_could_not_be_read_is_tried_again_though_nothing_seems_to_change() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let mut progress = progress(&directory.settings());
    progress.look().await;
    progress.state = State::Watching;
    progress.look().await;
    assert_eq!(progress.state, State::Watching);

    let problem = Diagnostic::of_file("a.request.js", "too many open files");
    let told = progress.conclude(Some(Outcome::Unreadable(vec![problem])));
    progress.look().await;

    assert!(told.is_err());
    assert!(matches!(progress.state, State::Settling { .. }));
}

#[tokio::test]
async fn with_a_commit_file_only_its_change_means_that_the_set_is_whole() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let commit = Some("DEPLOYED".to_owned());
    let mut progress = progress(&Settings {
        commit,
        settle: NEVER,
        ..directory.settings()
    });
    progress.look().await;

    directory.write("a.request.js", "2");
    progress.look().await;
    assert_eq!(progress.state, State::Watching);

    directory.write("DEPLOYED", "");
    progress.look().await;
    let State::Settling { until } = progress.state else {
        panic!("the set is whole: {:?}", progress.state);
    };
    assert!(until <= Instant::now(), "no quiet time is waited");

    progress.state = State::Watching;
    fs::remove_file(directory.at("DEPLOYED")).unwrap();
    progress.look().await;
    assert_eq!(progress.state, State::Watching, "a copy begins");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_file_is_waited_for_after_the_start() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let commit = Some(".deployed".to_owned());
    let running = Running::on(Settings {
        commit,
        settle: NEVER,
        ..directory.settings()
    });
    running.until_live("a.request.js", "1").await;

    for text in ["2", "3"] {
        directory.write("a.request.js", text);
        directory.write(".deployed", text);
        running.until_live("a.request.js", text).await;
    }

    assert_eq!(running.loads(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_has_been_quiet_for_long_is_loaded_at_once() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let mut progress = progress(&Settings {
        settle: NEVER,
        ..directory.settings()
    });
    progress.begin().await;
    let State::Settling { until } = progress.state else {
        panic!("it settles first")
    };
    assert!(
        until > Instant::now() + NEVER / 2,
        "it was written just now"
    );

    let settings = Settings {
        settle: Duration::ZERO,
        ..directory.settings()
    };
    let mut progress = self::progress(&settings);
    progress.begin().await;
    let State::Settling { until } = progress.state else {
        panic!("it settles first")
    };
    assert!(until <= Instant::now());
}
