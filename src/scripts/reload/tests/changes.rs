//! Every way in which people and tools change a directory, with file events and without.

use std::os::unix::fs::symlink;

use notify::NullWatcher;

use super::*;

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
