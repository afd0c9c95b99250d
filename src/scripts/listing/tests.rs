//! Listings of real directories.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use tempfile::TempDir;

use super::walk::{MAX_DEPTH, MAX_FILE_BYTES, MAX_NAMES};
use super::*;

fn directory(files: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "// text").unwrap();
    }
    directory
}

fn paths(directory: &TempDir) -> Vec<String> {
    let listing = Listing::of(directory.path()).unwrap();
    assert_eq!(listing.problems, []);
    listing.files.into_iter().map(|file| file.path).collect()
}

fn problems(directory: &TempDir) -> Vec<String> {
    let listing = Listing::of(directory.path()).unwrap();
    listing.problems.iter().map(Diagnostic::to_string).collect()
}

#[test]
fn only_the_files_of_a_set_are_listed_in_bytewise_order() {
    let directory = directory(&[
        "10-a.request.js",
        "10-a.request.json",
        "B.error.js.off",
        "a.lib.js",
        "request/10-b.js",
        "request/10-b.json",
        "request/nested/x.js",
        "response_events/c.js",
        "response_events/c.json",
        "lib/money.js",
        "lib/tax/rates.json",
        "lib/README.md",
        "lib/.hidden.js",
        "README.md",
        "package.json",
        "types.d.ts",
        ".x.request.js",
        "x.request.js~",
        "tests/10-b.request.js",
        "node_modules/a/index.js",
    ]);

    assert_eq!(
        paths(&directory),
        [
            "10-a.request.js",
            "10-a.request.json",
            "B.error.js.off",
            "a.lib.js",
            "lib/money.js",
            "lib/tax/rates.json",
            "request/10-b.js",
            "request/10-b.json",
            "response_events/c.js",
            "response_events/c.json",
        ]
    );
}

#[test]
fn a_config_map_is_listed_through_its_symlinks() {
    let directory = directory(&["..2024/10-a.request.js", "..2024/request/10-b.js"]);
    let path = |name: &str| directory.path().join(name);
    symlink("..2024", path("..data")).unwrap();
    symlink("..data/10-a.request.js", path("10-a.request.js")).unwrap();
    symlink("..data/request", path("request")).unwrap();

    assert_eq!(paths(&directory), ["10-a.request.js", "request/10-b.js"]);
}

#[test]
fn what_is_no_file_of_the_set_is_refused_by_name() {
    let outside = directory(&["x.js"]);
    let directory = directory(&["lib/a.js"]);
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("a.request.js")).unwrap();
    symlink(outside.path().join("x.js"), path("b.request.js")).unwrap();
    symlink("nowhere", path("c.request.js")).unwrap();
    symlink("d.request.js", path("d.request.js")).unwrap();
    let _socket = UnixListener::bind(path("e.request.js")).unwrap();
    let huge = fs::File::create(path("f.request.js")).unwrap();
    huge.set_len(1 << 30).unwrap();
    symlink("/dev/null", path("g.request.js")).unwrap();
    let made = Command::new("mkfifo").arg(path("h.request.js")).status();
    assert!(made.unwrap().success());
    symlink("..", path("lib/up")).unwrap();
    symlink("../lib", path("lib/again")).unwrap();
    symlink(outside.path(), path("request")).unwrap();

    assert_eq!(
        problems(&directory),
        [
            "a.request.js:1:1: is a directory, not a file",
            "b.request.js:1:1: is a symlink that leads out of the script directory",
            "c.request.js:1:1: cannot be read: a symlink to something that is not there",
            "d.request.js:1:1: cannot be read: a symlink that leads to itself",
            "e.request.js:1:1: is a socket, not a file",
            "f.request.js:1:1: has 1073741824 bytes, more than 1048576",
            "g.request.js:1:1: is a symlink that leads out of the script directory",
            "h.request.js:1:1: is a fifo, not a file",
            "lib/again:1:1: lies too deep, or is a symlink to a directory it lies in",
            "lib/up:1:1: lies too deep, or is a symlink to a directory it lies in",
            "request:1:1: is a symlink that leads out of the script directory",
        ]
    );
}

#[test]
fn directories_of_modules_have_a_greatest_depth() {
    let deep = "lib/".to_owned() + &"d/".repeat(MAX_DEPTH);
    assert_eq!(paths(&directory(&[&format!("{deep}x.js")])).len(), 1);

    let problems = problems(&directory(&[&format!("{deep}d/x.js")]));

    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("too deep"), "{problems:?}");
}

#[test]
fn a_set_beyond_all_measure_is_refused_unread() {
    let directory = directory(&[]);
    for number in 0..=MAX_SET_BYTES / MAX_FILE_BYTES {
        let file = fs::File::create(directory.path().join(format!("{number}.error.js")));
        file.unwrap().set_len(MAX_FILE_BYTES).unwrap();
    }

    let listing = Listing::of(directory.path()).unwrap();

    assert_eq!(listing.files, []);
    let message = "holds 65 files of 68157440 bytes, more than 10000 or 67108864";
    assert_eq!(listing.problems[0].message, message);
}

#[test]
fn a_missing_directory_is_told_from_one_that_cannot_be_read() {
    let directory = directory(&["file"]);
    let listing = |name: &str| Listing::of(&directory.path().join(name)).unwrap_err();

    let root = directory.path().display();
    for (name, is_missing, message) in [
        (
            "missing",
            true,
            "there is no such directory; create it, or name another one with --scripts or scripts.directory",
        ),
        (
            "file",
            false,
            "not a directory; name one with --scripts or scripts.directory",
        ),
    ] {
        let found = listing(name);
        assert_eq!(found.is_missing, is_missing);
        assert_eq!(
            found.to_string(),
            format!("{root}/{name}: cannot be read: {message}")
        );
    }
}

#[test]
fn a_listing_differs_when_a_file_of_the_set_does_and_only_then() {
    let directory = directory(&["a.request.js", "lib/x.js"]);
    let path = |name: &str| directory.path().join(name);
    let list = || Listing::of(directory.path()).unwrap();
    let first = list();

    fs::write(path("notes.txt"), "x").unwrap();
    fs::write(path("package.json"), "{}").unwrap();
    fs::write(path("a.request.js.swp"), "x").unwrap();
    assert!(list() == first, "other files do not count");

    fs::write(path("a.request.json"), "{}").unwrap();
    let second = list();
    assert!(second != first, "a metadata file appeared");

    fs::rename(path("lib/x.js"), path("lib/y.js")).unwrap();
    let third = list();
    assert!(third != second, "a module was renamed");

    let text = fs::read(path("a.request.js")).unwrap();
    fs::write(path("a.new"), text).unwrap();
    fs::rename(path("a.new"), path("a.request.js")).unwrap();
    assert!(
        list() != third,
        "a file was replaced by one with the same text"
    );
}

#[test]
fn the_age_is_that_of_the_youngest_file() {
    let directory = directory(&["a.request.js"]);
    let listing = Listing::of(directory.path()).unwrap();
    let hour = Duration::from_hours(1);

    assert!(listing.age(SystemTime::now() + 2 * hour).unwrap() > hour);
    assert_eq!(listing.age(SystemTime::UNIX_EPOCH), Some(Duration::ZERO));
}

#[test]
fn a_directory_with_too_many_names_is_a_problem() {
    let directory = directory(&["lib/x.js"]);
    for number in 0..MAX_NAMES {
        fs::File::create(directory.path().join(format!("lib/{number}"))).unwrap();
    }

    assert_eq!(
        problems(&directory),
        [format!("lib:1:1: holds more than {MAX_NAMES} names")]
    );
}
