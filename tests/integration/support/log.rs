//! The lines a process writes, collected while it runs.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;

/// Which output of a process a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

/// Lines in the order they were read. Clones are the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(Output, String)>>>);

impl Log {
    /// Collects everything that `source` says; the thread ends when `source` does.
    pub(crate) fn follow(
        &self,
        output: Output,
        source: impl Read + Send + 'static,
    ) -> JoinHandle<()> {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                log.0.lock().unwrap().push((output, line));
            }
        })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines.iter().map(|(_, line)| line.clone()).collect()
    }

    /// The lines of one output.
    pub(crate) fn lines_of(&self, output: Output) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let wanted = lines.iter().filter(|(written_to, _)| *written_to == output);
        wanted.map(|(_, line)| line.clone()).collect()
    }

    pub(crate) fn has(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.0.lock().unwrap().iter().any(|(_, line)| wanted(line))
    }

    /// The address of a listener, once its `listening` line is there.
    pub(crate) fn address_of(&self, listener: &str) -> Option<SocketAddr> {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter_map(|(_, line)| bound(line))
            .find_map(|(name, address)| (name == listener).then_some(address))
    }
}

/// What a `listening` line says. Both formats: a JSON object with the fields at its top or
/// under `fields`, or text with `key=value`.
fn bound(line: &str) -> Option<(String, SocketAddr)> {
    if !line.contains("listening") {
        return None;
    }
    let field = |name: &str| match serde_json::from_str::<Value>(line) {
        Ok(line) => [&line[name], &line["fields"][name]]
            .into_iter()
            .find_map(|value| value.as_str().map(str::to_owned)),
        Err(_) => line.split_whitespace().find_map(|word| {
            let value = word.strip_prefix(name)?.strip_prefix('=')?;
            Some(value.trim_matches('"').to_owned())
        }),
    };
    Some((field("listener")?, field("address")?.parse().ok()?))
}

#[test]
fn a_bound_address_is_read_in_both_formats() {
    let expected = Some((
        "status".to_owned(),
        SocketAddr::from(([127, 0, 0, 1], 43211)),
    ));

    for line in [
        r#"{"message":"listening","listener":"status","address":"127.0.0.1:43211"}"#,
        r#"{"fields":{"message":"listening","listener":"status","address":"127.0.0.1:43211"}}"#,
        "2024-02-29T10:00:00Z  INFO listening listener=status address=127.0.0.1:43211",
        r#"listening listener="status" address="127.0.0.1:43211""#,
    ] {
        assert_eq!(bound(line), expected, "{line}");
    }
}

#[test]
fn other_lines_tell_no_address() {
    for line in ["", "ready", "listening", r#"{"message":"listening"}"#] {
        assert_eq!(bound(line), None, "{line}");
    }
}
