//! Files of any kind, one in the place of the other: each is taken or refused, nobody's request
//! fails, and the process lives.
//!
//! `FILES=5000` tries so many, and `FILES_FROM` begins with another one: see the README.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::beside::ALONE;
use super::support::client::{exchange, request};
use super::support::load::Load;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};
use std::sync::PoisonError;

/// How many files are tried where `FILES` doesn't say.
const FEW: u64 = 200;

/// What 5,000 files may take.
const LONGEST: Duration = Duration::from_secs(20 * 60);

/// Clients that ask all the while.
const CLIENTS: usize = 2;

/// The places of the set. None of the handlers applies to what the clients ask for.
const PLACES: [&str; 10] = [
    "10-a.request.js",
    "20-b.request.js",
    "30-c.response.js",
    "40-d.response.js",
    "50-e.error.js",
    "60-f.queued.js",
    "lib/g.js",
    "lib/h.json",
    "10-a.json",
    "20-b.json",
];

const HEADER: &str = "// @match /never\n";

/// What nests: again and again, and again behind.
const NESTING: [(&str, &str); 24] = [
    ("[", "]"),
    ("{a:", "}"),
    ("(", ")"),
    ("{", "}"),
    ("(function(){", "})()"),
    ("f(", ")"),
    ("`${", "}`"),
    ("a ? b : ", ""),
    ("a ? ", " : b"),
    ("x => ", ""),
    ("async x => ", ""),
    ("if (a) ", ""),
    ("if (a) b; else ", ""),
    ("for (;;) ", ""),
    ("do ", " while (a)"),
    ("!", ""),
    ("- ", ""),
    ("a = ", ""),
    ("1 + ", ""),
    ("2 ** ", ""),
    ("a.", ""),
    ("new ", ""),
    ("class extends ", " {}"),
    ("a: ", ""),
];

/// Words that scripts are made of.
const WORDS: [&str; 64] = [
    "a", "json", "req", "res", "1", "0x", "1n", "'a'", "\"", "`", "${", "}", "{", "(", ")", "[",
    "]", ";", ",", ".", "?.", "...", "=>", "=", "==", "+", "++", "-", "!", "*", "**", "/", "/a/g",
    "//", "/*", "*/", "?", ":", "\n", "if", "else", "for", "of", "in", "while", "do", "switch",
    "case", "default", "function", "class", "extends", "static", "async", "await", "yield",
    "return", "throw", "try", "catch", "new", "let", "\\u{61}", "#a",
];

const SAMPLE: &str = "const rows = JSON.parse(json).rows ?? [];\n\
    for (const row of rows) {\n  if (row.price > 10 && !row.hidden) row.price = row.price * 0.9;\n  \
    else if (/^a[/]b/.test(row.name)) row.name = `x ${row.name.replace(/\"/g, '\\'')} y`;\n}\n\
    json = JSON.stringify({ rows, total: rows.reduce((sum, row) => sum + row.price, 0) });\n";

/// Numbers that only look random: the same for each file on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // Xorshift, Marsaglia 2003.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % most
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Every byte.
const BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        byte += 1;
        bytes[byte as usize] = byte;
    }
    bytes
};

/// The bytes of one file.
fn file(dice: &mut Dice, path: &str) -> Vec<u8> {
    let is_script = Path::new(path).extension().is_some_and(|it| it == "js");
    let header = if is_script && !path.starts_with("lib/") {
        HEADER
    } else {
        ""
    };
    match dice.below(6) {
        0 | 1 => {
            let mut text = header.to_owned();
            let levels = dice.of(&[1, 10, 100, 1_000, 10_000, 100_000]) + dice.below(300);
            let mut behind = String::new();
            let (mut again, mut close) = dice.of(&NESTING);
            for _ in 0..levels {
                if dice.below(8) == 0 && levels < 2_000 {
                    (again, close) = dice.of(&NESTING);
                }
                text.push_str(again);
                behind.insert_str(0, if levels < 2_000 { close } else { "" });
            }
            text + "1" + &behind
        }
        2 | 3 => {
            let mut text = header.to_owned();
            for _ in 0..dice.below(400) {
                let _ = write!(text, "{} ", dice.of(&WORDS));
            }
            text
        }
        4 => {
            let mut text = SAMPLE.to_owned();
            for _ in 0..=dice.below(6) {
                let (from, length) = (dice.below(text.len()), dice.below(12));
                let end = (from + length).min(text.len());
                let piece = text[from..end].repeat(dice.below(4));
                text.replace_range(from..end, &piece);
            }
            header.to_owned() + &text
        }
        _ => {
            return (0..dice.below(300)).map(|_| dice.of(&BYTES)).collect();
        }
    }
    .into_bytes()
}

fn number(name: &str, usual: u64) -> u64 {
    let told = std::env::var(name).ok();
    told.map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
fn whatever_file_takes_the_place_of_another_no_request_fails() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (first, files) = (number("FILES_FROM", 1), number("FILES", FEW));
    let upstream = Upstream::answering(|_| json("{}"));
    let good = ("00-mark.response.js", "res.headers['x-mark'] = 'a';\n");
    let scripts = ScriptDir::with(&[good]);
    fs::create_dir(scripts.path().join("lib")).unwrap();
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[scripts]\nsettle = \"10ms\"\n")
        .start();
    let (process, began) = (sidecar.process_id(), Instant::now());

    let load = Load::of(CLIENTS, sidecar.proxy);
    let (mut taken, mut refused) = (0, 0);
    for file_number in first..first + files {
        let mut dice = Dice(file_number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let path = dice.of(&PLACES);
        fs::write(scripts.path().join(path), file(&mut dice, path)).unwrap();
        let reloaded = exchange(sidecar.admin, &request("POST", "/reload", ""));
        match reloaded.status() {
            200 => taken += 1,
            422 => {
                refused += 1;
                // One in two stays, so that what comes is compiled beside what is good.
                fs::remove_file(scripts.path().join(path)).unwrap();
            }
            other => panic!("file {file_number}: {other}: {}", reloaded.text()),
        }
        load.wait_for_more(1);
    }
    let responses = load.end();

    assert!(responses.iter().all(|it| it.status() == 200), "none fails");
    assert!(
        responses
            .iter()
            .all(|it| it.head.value("x-mark") == Some("a"))
    );
    assert_eq!(sidecar.process_id(), process);
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    let took = began.elapsed();
    println!(
        "{files} files, {taken} taken, {refused} refused, {} requests, {took:?}",
        responses.len()
    );
    assert!(took < LONGEST, "{took:?}");
}
