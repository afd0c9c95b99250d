//! The tests that SECURITY.md and docs/operating.md name are there: a promise whose test was renamed
//! away is held by nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Tables whose last column says what holds a row: a file, and how the table's heading begins.
const TABLES: [(&str, &str); 2] = [
    ("SECURITY.md", "| promise |"),
    ("docs/operating.md", "| what | bound |"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_promise_and_every_bound_names_tests_that_exist() {
    let paths = paths();
    let mut missing = Vec::new();
    for (file, heading) in TABLES {
        let text = fs::read_to_string(root().join(file)).expect("a document is text");
        let rows = rows(&text, heading);
        assert!(rows.len() > 10, "{file} has its table");
        for (promise, held_by) in rows {
            let names = names(held_by);
            let refers_back = ["the same", "the former"]
                .iter()
                .any(|it| held_by.contains(it));
            if names.is_empty() && !refers_back {
                missing.push(format!("{file}: {promise}: nothing"));
            }
            let absent = names.into_iter().filter(|name| !exists(name, &paths));
            missing.extend(absent.map(|name| format!("{file}: {promise}: {name}")));
        }
    }
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}

#[test]
fn a_name_is_found_as_cargo_finds_it() {
    let paths = ["integration::limits::memory_and_stack".to_owned()];

    assert!(exists("memory_and", &paths));
    assert!(exists(
        "cargo test --test integration limits::memory",
        &paths
    ));
    assert!(exists("HOSTILE=throw cargo test memory", &paths));
    assert!(exists("tests/hostile/", &paths) && exists("throw-null", &paths));
    assert!(!exists("cargo test --lib memory_and_heap", &paths));
    assert!(!exists("HOSTILE=kindness", &paths));
    assert!(!exists("tests/friendly/", &paths));
}

/// The first and the last cell of each row of the table that begins so.
fn rows<'t>(text: &'t str, heading: &str) -> Vec<(&'t str, &'t str)> {
    text.lines()
        .skip_while(|line| !line.starts_with(heading))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
            Some((cells.next()?, cells.last()?))
        })
        .collect()
}

/// What stands between backticks.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether a name leads to a test: a filter of cargo's with or without the command before it, a
/// directory, or a script of `tests/hostile`.
fn exists(name: &str, paths: &[String]) -> bool {
    name.split_whitespace()
        .filter(|word| !["cargo", "test", "--lib", "--test"].contains(word))
        .all(|word| match word.strip_prefix("HOSTILE=") {
            Some(part) => is_hostile(part),
            None if word.ends_with('/') => root().join(word).is_dir(),
            None => paths.iter().any(|path| path.contains(word)) || is_hostile(word),
        })
}

/// Whether a script of `tests/hostile` has this in its name.
fn is_hostile(part: &str) -> bool {
    let scripts = fs::read_dir(root().join("tests/hostile")).expect("it is a directory");
    scripts
        .map(|entry| entry.expect("a directory entry can be read").file_name())
        .any(|name| name.to_string_lossy().contains(part))
}

/// Every function and module that may be a test or hold some, such as `integration::limits::time`.
fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    for folder in ["src", "tests"] {
        for file in sources(&root().join(folder)) {
            let text = fs::read_to_string(&file).expect("a source file is text");
            let below = file
                .strip_prefix(root().join(folder))
                .expect("it was found there");
            let module = below
                .with_extension("")
                .to_string_lossy()
                .replace('/', "::");
            for line in text.lines() {
                let line = line.trim_start().trim_start_matches("async ");
                let named = line
                    .strip_prefix("fn ")
                    .or_else(|| line.strip_prefix("mod "));
                let name = named.and_then(|rest| rest.split(['(', ' ', ';', '<']).next());
                paths.extend(name.map(|name| format!("{module}::{name}")));
            }
        }
    }
    paths
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a source directory can be read") {
        let path = entry.expect("a directory entry can be read").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}
