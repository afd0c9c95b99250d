//! What has to hold for any file that may be a configuration.

use std::fs;

use interpose::config::{self, Config, Inputs, Problems, flag};
use toml::Table;

/// A configuration that is taken is the same however its file is laid out. One that isn't is
/// refused with every problem on a line of its own, which names a place or a key of the file.
pub fn config(data: &[u8]) {
    let table = std::str::from_utf8(data)
        .ok()
        .and_then(|text| text.parse::<Table>().ok());
    match (read(data), table) {
        (Ok(config), table) => {
            let table = table.expect("what was taken is TOML");
            let spelled = toml::to_string(&table).expect("a table can be written");
            let again = read(spelled.as_bytes());
            assert_eq!(again.map_err(|it| it.to_string()), Ok(config), "{spelled}");
        }
        (Err(problems), table) => check_problems(&problems.to_string(), data, table.as_ref()),
    }
}

/// Reads a file as `check` does, which opens nothing that the file names.
fn read(text: &[u8]) -> Result<Config, Problems> {
    let directory = tempfile::tempdir().expect("a directory for the file");
    let path = directory.path().join("interpose.toml");
    fs::write(&path, text).expect("the file can be written");
    config::for_check(&Inputs {
        flags: vec![(flag::SCRIPTS, "/handlers".to_owned())],
        file: Some(path),
        ..Inputs::default()
    })
}

fn check_problems(told: &str, text: &[u8], table: Option<&Table>) {
    let mut lines = told.split('\n').peekable();
    while let Some(heading) = lines.next() {
        let (place, count) = heading.rsplit_once(": ").expect("a place and a number");
        let (count, _) = count.split_once(' ').expect("a number and a word");
        let count: usize = count.parse().expect("a number");
        for _ in 0..count {
            let line = lines.next().expect("a line for each problem");
            let problem = line.strip_prefix("  ").expect("it is below its heading");
            match (place, table) {
                ("configuration", _) => assert!(problem.contains(": ")),
                ("command line", _) => assert!(problem.starts_with('-'), "{problem}"),
                (_, Some(table)) => assert!(names_a_key(problem, table), "{problem}"),
                (_, None) => check_place(problem, text),
            }
        }
    }
}

fn names_a_key(problem: &str, table: &Table) -> bool {
    // A key that would break the line is told in other characters.
    let has_odd_key = table.keys().any(|key| key.contains(char::is_control));
    has_odd_key || table.keys().any(|key| problem.starts_with(key.as_str()))
}

/// `line 3, column 12: …`, within the text. A file that is no text has no place.
fn check_place(problem: &str, text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let numbers = problem
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(": ")?.0.split_once(", column "))
        .expect("a line and a column");
    let [line, column] = [numbers.0, numbers.1].map(|it| it.parse::<usize>().expect("a number"));
    let line = text.split('\n').nth(line - 1).expect("there is the line");
    assert!(
        (1..=line.chars().count() + 1).contains(&column),
        "{problem}"
    );
}
