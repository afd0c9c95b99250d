//! The files in `config/`, held against the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::super::layers::Typed;
use super::super::reader::Reader;
use super::*;

fn documented(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name);
    fs::read_to_string(path).expect("config/ is part of the repository")
}

/// The full file with the examples for keys without a default in force.
fn full_with_examples() -> String {
    documented("full.toml")
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if !example.starts_with(' ') => example,
            Some(_) | None => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A key with the operator's own part left out.
fn pattern(key: &str) -> String {
    match key.split_once('.') {
        Some((table @ ("session" | "platform" | "resources" | "secrets"), name))
            if !name.starts_with("settings.") =>
        {
            format!("{table}.NAME")
        }
        Some(_) | None => key.to_owned(),
    }
}

fn written(text: &str) -> Vec<(String, Typed)> {
    file::parse(text).expect("valid TOML")
}

/// A reader that was asked for every key, those of a service included.
fn reader_of_every_key() -> Reader {
    let sources = Sources::none().file("[[service]]");
    check::every_key(&sources.inputs)
}

#[test]
fn the_smallest_file_runs_and_none_of_it_can_be_left_out() {
    let minimal = documented("minimal.toml");
    let (serving, config) = Sources::none().file(&minimal).run();
    assert_eq!(serving.listen.to_string(), "127.0.0.1:8080");
    assert!(config.scripts.directory.ends_with("../scripts"));

    for setting in minimal.lines().filter(|line| line.contains(" = ")) {
        let less = minimal.replace(setting, "");
        assert!(
            Sources::none().file(&less).problems().contains("missing"),
            "{setting}"
        );
    }
}

#[test]
fn the_full_file_has_every_key_and_no_other() {
    let in_file: BTreeSet<String> = written(&full_with_examples())
        .iter()
        .map(|(key, _)| pattern(key))
        .collect();
    let in_code: BTreeSet<String> = reader_of_every_key()
        .known()
        .keys()
        .filter(|(key, _)| *key != "service")
        .map(|(key, _)| pattern(key))
        .collect();

    assert_eq!(in_file, in_code);
}

#[test]
fn the_full_file_has_the_defaults_of_the_code() {
    let reader = reader_of_every_key();
    let defaults: Vec<_> = reader
        .known()
        .keys()
        .filter_map(|(key, default)| Some((key.to_owned(), default?.clone())))
        .collect();

    let mut in_file: Vec<_> = written(&documented("full.toml"))
        .into_iter()
        .filter(|(_, typed)| *typed != Typed::EmptyTable)
        .collect();
    in_file.sort_by(|(a, _), (b, _)| a.cmp(b));

    assert_eq!(in_file, defaults);
}

#[test]
fn the_examples_of_the_full_file_are_valid() {
    Sources::none()
        .file(&full_with_examples())
        .variable("INTERPOSE_ADMIN_TOKEN", "hunter2")
        .variable("CRM_TOKEN", "hunter2")
        .variable("TOKEN_KEY", "hunter2")
        .sibling("ca.pem", "")
        .sibling("hosts.pem", "")
        .sibling("rejection.json", "{}")
        .run();
}

#[test]
fn every_renamed_key_has_a_present_name_that_is_one() {
    let reader = reader_of_every_key();
    let known: BTreeSet<&str> = reader.known().keys().map(|(key, _)| key).collect();

    for (old, present) in renamed::all() {
        assert!(!known.contains(old), "{old}");
        assert!(known.contains(present), "{present}");
    }
}
