//! A set that is being written is never taken by halves.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::NullWatcher;

use super::*;

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
        let versions: BTreeSet<_> = set.iter().map(|(_, text)| text).collect();
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
