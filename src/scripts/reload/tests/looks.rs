//! The loop's looks at a directory, one by one: what each makes of changes.

use notify::NullWatcher;

use super::*;

type TakesAll = fn(Snapshot) -> Result<(), Vec<Diagnostic>>;

/// What a look makes of changes, without the loop around it.
fn progress(settings: &Settings) -> Progress<TakesAll, NullWatcher> {
    let (status, _) = watch::channel(Status::default());
    let takes_all: TakesAll = |_| Ok(());
    Progress::new(
        Arc::new(settings.clone()),
        Arc::new(Mutex::new(takes_all)),
        status,
        Arc::default(),
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
    progress.look().await.unwrap();
    progress.state = State::Watching;

    write_noise();
    progress.look().await.unwrap();
    assert_eq!(progress.state, State::Watching);

    directory.write("a.request.js", "2");
    progress.look().await.unwrap();
    let settling = progress.state;
    assert!(matches!(settling, State::Settling { .. }));
    write_noise();
    progress.look().await.unwrap();
    assert_eq!(progress.state, settling);
}

#[tokio::test]
async fn a_change_that_no_event_told_of_is_found_when_the_quiet_time_ends() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let mut progress = progress(&Settings {
        settle: Duration::ZERO,
        ..directory.settings()
    });
    progress.look().await.unwrap();

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
    progress.look().await.unwrap();
    progress.state = State::Watching;
    progress.look().await.unwrap();
    assert_eq!(progress.state, State::Watching);

    let problem = Diagnostic::of_file("a.request.js", "too many open files");
    let told = progress.conclude(Some(Outcome::Unreadable(vec![problem])), false);
    progress.look().await.unwrap();

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
    progress.look().await.unwrap();

    directory.write("a.request.js", "2");
    progress.look().await.unwrap();
    assert_eq!(progress.state, State::Watching);

    directory.write("DEPLOYED", "");
    progress.look().await.unwrap();
    let State::Settling { until } = progress.state else {
        panic!("the set is whole: {:?}", progress.state);
    };
    assert!(until <= Instant::now(), "no quiet time is waited");

    progress.state = State::Watching;
    fs::remove_file(directory.at("DEPLOYED")).unwrap();
    progress.look().await.unwrap();
    assert_eq!(progress.state, State::Watching, "a copy begins");
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
