//! Sets that are not taken, and what stays live.

use super::super::super::disk::MAX_HUNG;
use super::requests::refused;
use super::*;

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

/// Watches that take as long to be made as the test wants, as on a mount whose server is gone.
struct Hanging;

static GATE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Watcher for Hanging {
    fn new<F: notify::EventHandler>(_: F, _: notify::Config) -> notify::Result<Self> {
        drop(GATE.blocking_lock());
        Ok(Self)
    }

    fn watch(&mut self, _: &Path, _: notify::RecursiveMode) -> notify::Result<()> {
        Ok(())
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Ok(())
    }

    fn kind() -> notify::WatcherKind {
        notify::WatcherKind::NullWatcher
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_hangs_is_told_and_read_again_once_it_answers() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let hangs = GATE.lock().await;
    let running = Running::watched_by::<Hanging>(Settings {
        read_timeout: Duration::from_millis(50),
        rescan: SOON,
        ..directory.settings()
    });

    let all_hang = |stalled: &Stalled| stalled.hung >= MAX_HUNG;
    let status = running.until(|it| it.stalled.as_ref().is_some_and(all_hang));
    let stalled = status.await.stalled.unwrap();
    // Whichever of the two was begun last.
    assert!(
        [Activity::Listing, Activity::Reading].contains(&stalled.activity),
        "{stalled:?}"
    );
    let error = refused(&running).await.errors[0].to_string();
    assert!(error.contains("did not answer within 50ms"), "{error}");
    assert!(running.reloads.is_running());

    drop(hangs);
    running.until_live("a.request.js", "1").await;
    running.until(|status| status.stalled.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_takes_too_long_is_told_until_it_ends() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let (gate, load) = std::sync::mpsc::channel::<()>();
    let settings = Settings {
        load_patience: SOON,
        ..directory.settings()
    };
    let (reload_loop, reloads) = ReloadLoop::new(settings, move |_| {
        load.recv().ok(); // until the gate is gone
        Ok(())
    });
    tokio::spawn(reload_loop.run());
    let running = Running {
        reloads,
        loads: Arc::default(),
    };

    let status = running.until(|status| status.stalled.is_some()).await;
    assert_eq!(status.stalled.unwrap().activity, Activity::Compiling);

    drop(gate);
    let status = running.until(|status| status.stalled.is_none()).await;
    assert!(status.live.is_some());
}
