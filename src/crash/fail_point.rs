//! Faults that tests want, by the variable `FAIL_POINT`. Not in the program that is shipped.
//!
//! `handler:NAME=FAILURE` when this handler begins, `compile:FILE=FAILURE` when this file is
//! compiled; several are separated by commas.

use std::hint::black_box;
use std::{ptr, thread};

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Segfault,
    Abort,
    Overflow,
    Hang,
    Memory,
    Exit,
    Panic,
}

pub(super) fn of_handler(name: &str) -> Option<Failure> {
    wanted(&format!("handler:{name}="))
}

pub(super) fn of_file(path: &str) -> Option<Failure> {
    wanted(&format!("compile:{path}="))
}

fn wanted(place: &str) -> Option<Failure> {
    let points = std::env::var("FAIL_POINT").ok()?;
    let failure = points
        .split(',')
        .find_map(|point| point.strip_prefix(place))?;
    Some(match failure {
        "segfault" => Failure::Segfault,
        "abort" => Failure::Abort,
        "overflow" => Failure::Overflow,
        "hang" => Failure::Hang,
        "memory" => Failure::Memory,
        "exit" => Failure::Exit,
        "panic" => Failure::Panic,
        other => panic!("no such failure: {other}"),
    })
}

impl Failure {
    pub(super) fn happen(self) {
        match self {
            Self::Segfault => read_nothing(),
            Self::Abort => std::process::abort(),
            Self::Overflow => {
                black_box(overflow(1));
            }
            Self::Hang => loop {
                thread::park();
            },
            Self::Memory => {
                let mut all = Vec::new();
                loop {
                    all.push(vec![1_u8; 64 << 20]);
                }
            }
            Self::Exit => std::process::exit(3),
            Self::Panic => panic!("wanted by a test"),
        }
    }
}

fn read_nothing() {
    // SAFETY: a new mapping touches nobody's memory.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            4096,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    // SAFETY: none: this is to end the process.
    black_box(unsafe { page.cast::<u8>().read_volatile() });
}

#[expect(unconditional_recursion, reason = "this is to end the process")]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    overflow(depth + 1) + frame[0]
}
