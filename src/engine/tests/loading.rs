//! What is told of handlers and modules before any of them runs.

use std::fs;
use std::path::Path;

use super::script_text::Loader;
use super::*;

#[test]
fn modules_are_loaded_once_an_isolate_and_missing_ones_are_load_errors() {
    let set = Set::of(Kind::Request, &["const m = require('./lib/m'); json = m.twice('a') + require('m').loads()"])
        .with_module("lib/m.js", "let loads = 0; loads++; exports.twice = (x) => x + x; exports.loads = () => loads + require('./data').n;")
        .with_module("lib/data.json", r#"{"n":1}"#);
    assert_eq!(request_body(&set.run(call("POST", "/", "x"))), "aa2");

    assert_eq!(
        Set::of(Kind::Request, &["\nrequire('nope')"]).problem(),
        "00-x.js:2:9: there is no module `nope` in lib/"
    );
    let broken = Set::of(Kind::Request, &["1"]).with_module("lib/b.json", "{\n  x\n}");
    assert_eq!(broken.problem(), "lib/b.json:2:3: key must be a string");
}

#[test]
fn a_broken_file_is_told_with_its_place() {
    assert_eq!(
        Set::of(Kind::Request, &["throw ("]).problem(),
        "00-x.js:1:8: unexpected end of the text"
    );
    assert_eq!(
        Set::of(Kind::Request, &["\n  let json = 1"])
            .problem()
            .split(": ")
            .next(),
        Some("00-x.js:2:7")
    );
}

#[test]
fn texts_that_fuzzing_kept_are_loaded_or_refused_at_a_place() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/script");
    let loader = Loader::start();
    let mut count = 0;
    for seed in fs::read_dir(seeds).expect("there are seeds") {
        let path = seed.expect("a directory entry can be read").path();
        let bytes = fs::read(&path).expect("a seed can be read");
        assert!(loader.holds(&bytes), "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "there are seeds");
}
