//! A reload: from a script directory to a generation, by the number of its files.
//!
//! Each bench does what the one before it does, and one step more: bytes ([`read_files`], the zero), then all files at one
//! moment, then what they declare, then their code compiled.

use std::fs;
use std::path::Path;

use divan::Bencher;
use interpose::handler::Services;
use interpose::scripts::{ScriptSet, Snapshot};
use tempfile::TempDir;

#[path = "support/generation.rs"]
mod generation;
#[path = "support/script_dir.rs"]
mod script_dir;

use generation::load;
use script_dir::script_dir;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Handlers in a directory.
const FILES: [usize; 3] = [10, 100, 1_000];

const REQUEST: &str = "\
// @match POST,PUT /orders/**
// Refuses orders without a customer, and those that cost too much.
const order = JSON.parse(json);
if (!order.customer) throw { status: 422, message: 'an order needs a customer' };
const total = order.lines.reduce((sum, line) => sum + line.count * line.price, 0);
if (total > 10000) throw { status: 422, message: `${total} is too much` };
order.total = total;
json = JSON.stringify(order);
";

const RESPONSE: &str = "\
// @match GET /customers/**
// Drops what is nobody's business.
function clean(row) {
  delete row['@metadata'];
  delete row.creditLimit;
}
if (Array.isArray(json)) json.forEach(clean);
else clean(json);
res.headers['x-cleaned'] = req.id;
";

fn main() {
    divan::main();
}

#[divan::bench(args = FILES)]
fn read_files(bencher: Bencher, count: usize) {
    let directory = handlers(count);
    bencher.bench_local(|| read_below(directory.path()));
}

#[divan::bench(args = FILES)]
fn snapshot(bencher: Bencher, count: usize) {
    let directory = handlers(count);
    bencher.bench_local(|| take(&directory));
}

#[divan::bench(args = FILES)]
fn snapshot_and_declare(bencher: Bencher, count: usize) {
    let directory = handlers(count);
    bencher.bench_local(|| ScriptSet::of(&take(&directory), &Services::default()));
}

#[divan::bench(args = FILES)]
fn reload(bencher: Bencher, count: usize) {
    let directory = handlers(count);
    bencher.bench_local(|| load(directory.path()));
}

/// A directory of `count` handlers: half of them see requests, half responses.
fn handlers(count: usize) -> TempDir {
    script_dir((0..count).map(|number| match number % 2 {
        0 => (format!("request/{number:04}-check.js"), REQUEST),
        _ => (format!("response/{number:04}-clean.js"), RESPONSE),
    }))
}

fn take(directory: &TempDir) -> Snapshot {
    Snapshot::take(directory.path()).expect("nobody else writes to the directory")
}

/// The bytes of every file in the folders of `directory`.
fn read_below(directory: &Path) -> Vec<Vec<u8>> {
    let entries = |path: &Path| fs::read_dir(path).expect("the directory is ours");
    entries(directory)
        .flat_map(|folder| entries(&folder.expect("it is there").path()))
        .map(|file| fs::read(file.expect("it is there").path()).expect("the file is ours"))
        .collect()
}
