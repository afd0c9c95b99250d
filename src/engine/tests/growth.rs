//! What clients, upstreams and handlers can make more of takes work that grows as it does: no native
//! and no parser of ours compares each with each.
//!
//! Counted are instructions, at one, two, four and eight times a size, by valgrind's callgrind: this
//! program starts itself under it. All it needs is a function that is entered and left once for each
//! run, [`counted`]. No doubling may take more than two and a half times as many, which leaves
//! sorting and tables that grow their room, and a square none. What is looked for among the fields of
//! a message is not among the rows: one has 512 of them at most, and they are looked at one by one.
//!
//! ```text
//! test ──valgrind --dump-after=counted──▶ test, as its own child
//!   ▲                                       │ a row: prepare, counted(nothing), counted(run), …
//!   └── counts.1, counts.2, … ──────────────┘
//! ```

mod handlers;
mod parsers;

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

/// What one doubling may make of the instructions.
const MOST: f64 = 2.5;

/// How often the smallest size is doubled.
const DOUBLINGS: u32 = 3;

/// How often a row is counted that takes too much. A collection of garbage falls into any count; a
/// square is there every time.
const TRIES: usize = 3;

/// This test, by the name that the child gets.
const TEST: &str = "engine::tests::growth::a_doubling_takes_no_more_than_two_and_a_half_times_as_many_instructions";

/// Tells the child the numbers of its rows.
const CHILD: &str = "INTERPOSE_COUNTED";

/// What the child says before the name of a row.
const ROW: &str = "counted row: ";

/// Work on something of a size.
struct Row {
    name: String,
    /// The smallest size.
    from: usize,
    prepare: Box<dyn Fn(usize) -> Work>,
}

/// What is counted, once all it works on is there.
type Work = Box<dyn FnMut()>;

fn row(name: impl Into<String>, from: usize, prepare: impl Fn(usize) -> Work + 'static) -> Row {
    Row {
        name: name.into(),
        from,
        prepare: Box::new(prepare),
    }
}

/// The instructions from one end of this function to the next are one count.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

fn list(size: usize, item: impl Fn(usize) -> String, between: &str) -> String {
    (0..size).map(item).collect::<Vec<_>>().join(between)
}

#[test]
fn a_doubling_takes_no_more_than_two_and_a_half_times_as_many_instructions() {
    if let Ok(numbers) = std::env::var(CHILD) {
        let numbers = numbers.split(',').map(|it| it.parse().expect("a number"));
        return run_rows(&numbers.collect::<Vec<usize>>());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("not shown here: needs valgrind");
        return;
    }
    let mut rows: Vec<Counted> = all_rows()
        .into_iter()
        .enumerate()
        .map(|(number, row)| Counted::new(number, row.name))
        .collect();
    for _ in 0..TRIES {
        let Some(()) = count(&mut rows) else {
            println!("not shown here: valgrind can't run this program on this processor");
            return;
        };
        rows.retain(|row| !row.grows_as_its_input());
        if rows.is_empty() {
            return;
        }
    }
    panic!("{rows:#?}");
}

/// A row, and the least instructions that each of its sizes took.
#[derive(Debug)]
struct Counted {
    number: usize,
    name: String,
    least: [u64; 1 + DOUBLINGS as usize],
}

impl Counted {
    fn new(number: usize, name: String) -> Self {
        let least = [u64::MAX; 1 + DOUBLINGS as usize];
        Self {
            number,
            name,
            least,
        }
    }

    fn grows_as_its_input(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "it is a ratio")]
        let is_within = |two: &[u64]| two[1] as f64 <= MOST * two[0] as f64;
        // What takes the same for eight times as much is refused before anything is done.
        let is_work = self.least[DOUBLINGS as usize] >= 2 * self.least[0];
        is_work && self.least.windows(2).all(is_within)
    }
}

/// Has these rows counted; none where valgrind doesn't run this program at all.
fn count(rows: &mut [Counted]) -> Option<()> {
    let folder = tempfile::tempdir().expect("a directory for what is counted");
    let numbers: Vec<String> = rows.iter().map(|row| row.number.to_string()).collect();
    let told = told_by_child(folder.path(), &numbers.join(","))?;
    let names = told.lines().filter_map(|line| line.split_once(ROW));
    let names: Vec<&str> = names.map(|(_, name)| name).collect();
    let asked: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, asked, "{told}");
    let mut counts = (1..).map(|number| count_in(folder.path(), 2 * number));
    for row in rows {
        for least in &mut row.least {
            let count = counts.next().flatten().expect("each run was counted");
            *least = count.min(*least);
        }
        println!("{}: {:?}", row.name, row.least);
    }
    assert_eq!(counts.next().flatten(), None, "a run that no row names");
    Some(())
}

/// What this test says when valgrind runs it; none where it doesn't come to say anything, or to an
/// instruction that valgrind doesn't know.
fn told_by_child(folder: &Path, numbers: &str) -> Option<String> {
    let this = std::env::current_exe().expect("the tests' program");
    let child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--dump-line=no"])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.join("counts").display()
        ))
        .arg("--dump-after=*growth::counted*")
        .arg(this)
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg(TEST)
        .env(CHILD, numbers)
        .output()
        .expect("valgrind starts");
    let told = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr);
    if !told.contains("running 1 test") || errors.contains("unrecognised instruction") {
        return None;
    }
    assert!(child.status.success(), "{told}\n{errors}");
    Some(told)
}

/// The count of this number, from 1.
fn count_in(folder: &Path, number: u32) -> Option<u64> {
    let text = fs::read_to_string(folder.join(format!("counts.{number}"))).ok()?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    totals.map(|it| it.trim().parse().expect("a number"))
}

fn all_rows() -> Vec<Row> {
    let mut rows = handlers::rows();
    rows.extend(parsers::rows());
    rows
}

fn run_rows(numbers: &[usize]) {
    let rows = all_rows().into_iter().enumerate();
    for (_, row) in rows.filter(|(number, _)| numbers.contains(number)) {
        // What happens once, such as compiling, is in none of the counts.
        (row.prepare)(row.from << DOUBLINGS)();
        println!("{ROW}{}", row.name);
        for doubling in 0..=DOUBLINGS {
            let mut work = (row.prepare)(row.from << doubling);
            // What was done to prepare it is a count of its own.
            counted(&mut || ());
            counted(&mut work);
        }
    }
}
