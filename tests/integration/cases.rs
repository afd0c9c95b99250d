//! Runs the data-only cases under `tests/cases`; the README there says what a case is made of.
//!
//! Every case has a sidecar and an upstream of its own. All of them run, then the test fails
//! with everything that differed. `CASE=secrets cargo test every_case` runs those whose name
//! holds `secrets`.

mod compare;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::support::client;
use super::support::eventually::{PATIENCE, within};
use super::support::log::Log;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, response};
use super::support::wire::Message;
use compare::{request_differences, response_differences};
use text::{Call, HttpText, Stub};

#[test]
fn every_case_holds() {
    let cases = cases_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"));

    let failures: Vec<String> = cases.iter().filter_map(|case| failure(case)).collect();

    assert!(!cases.is_empty(), "no case has such a name");
    assert!(
        failures.is_empty(),
        "{} of {} cases failed\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

fn cases_in(directory: &Path) -> Vec<PathBuf> {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut cases: Vec<_> = fs::read_dir(directory)
        .expect("the directory of the cases is there")
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.is_dir() && name(path).contains(&wanted))
        .collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> &str {
    case.file_name()
        .and_then(|name| name.to_str())
        .expect("cases have plain names")
}

/// What a failed case did otherwise than it should; `None` when it holds.
fn failure(case: &Path) -> Option<String> {
    let found = Case::read(case).and_then(Case::differences);
    let differences = found.unwrap_or_else(|error| vec![error]);
    (!differences.is_empty()).then(|| format!("── {}\n{}\n", name(case), differences.join("\n")))
}

/// A case as its files tell it.
struct Case {
    handlers: PathBuf,
    config: Option<String>,
    request: HttpText,
    stubs: Vec<Stub>,
    expect: HttpText,
    expect_upstream: Option<HttpText>,
    expect_log: Vec<String>,
}

impl Case {
    fn read(directory: &Path) -> Result<Self, String> {
        refuse_unknown_files(directory)?;
        let http = |name: &str| HttpText::read(&directory.join(name));
        let optional_http = |name: &str| {
            let path = directory.join(name);
            path.exists().then(|| HttpText::read(&path)).transpose()
        };
        let optional_text = |name: &str| fs::read_to_string(directory.join(name)).ok();
        Ok(Self {
            handlers: directory.join("handlers"),
            config: optional_text("config.toml"),
            request: http("request.http")?,
            stubs: stubs(directory)?,
            expect: http("expect.http")?,
            expect_upstream: optional_http("expect-upstream.http")?,
            expect_log: optional_text("expect-log.txt")
                .map(|text| text.lines().map(str::to_owned).collect())
                .unwrap_or_default(),
        })
    }

    /// Runs the case. The error is for a case that could not be run to its end.
    fn differences(self) -> Result<Vec<String>, String> {
        let unasked = Arc::new(Mutex::new(Vec::new()));
        let upstream = upstream(self.stubs, unasked.clone());
        // What a handler does is shown here, not how fast: on a busy machine 50 ms may pass
        // without it.
        let mut launch = Sidecar::before(upstream.url())
            .scripts(&self.handlers)
            .env("INTERPOSE_LIMITS__HANDLER_TIME", "2s");
        if let Some(config) = &self.config {
            launch = launch.config(config);
        }
        let sidecar = launch.try_start()?;

        let answer = client::try_exchange(sidecar.proxy, &self.request.as_request())
            .map_err(|error| format!("no answer: {error}"))?;

        let mut differences = response_differences(&self.expect, &answer);
        if let Some(expected) = &self.expect_upstream {
            differences.extend(request_differences(expected, &upstream.requests()));
        }
        for request in unasked.lock().unwrap().iter() {
            differences.push(format!("the upstream has no answer to: {request}"));
        }
        differences.extend(missing_lines(&self.expect_log, sidecar.log()));
        if !differences.is_empty() {
            let lines = sidecar.log().lines();
            differences.extend(lines.iter().map(|line| format!("log: {line}")));
        }
        Ok(differences)
    }
}

/// Those texts that no line of the log holds, not even after a while.
fn missing_lines(texts: &[String], log: &Log) -> Vec<String> {
    let is_missing = |text: &&String| {
        let logged = || log.has(|line| line.contains(*text)).then_some(());
        within(PATIENCE, logged).is_none()
    };
    let missing = texts.iter().filter(is_missing);
    missing
        .map(|text| format!("no log line holds: {text}"))
        .collect()
}

/// A misspelled name would leave its expectation out, and nobody would know.
fn refuse_unknown_files(directory: &Path) -> Result<(), String> {
    for entry in fs::read_dir(directory).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if !FILES.contains(&name(&path)) {
            return Err(format!("no part of a case: {}", name(&path)));
        }
    }
    Ok(())
}

const FILES: [&str; 8] = [
    "config.toml",
    "expect-log.txt",
    "expect-upstream.http",
    "expect.http",
    "handlers",
    "request.http",
    "upstream",
    "upstream.http",
];

/// The stubs of a case, those that ask for most first.
fn stubs(directory: &Path) -> Result<Vec<Stub>, String> {
    let mut stubs = Vec::new();
    let any = directory.join("upstream.http");
    if any.exists() {
        stubs.push(Stub::read(&any)?);
    }
    let others = fs::read_dir(directory.join("upstream"));
    for entry in others.into_iter().flatten() {
        let entry = entry.map_err(|error| error.to_string())?;
        stubs.push(Stub::read(&entry.path())?);
    }
    stubs.sort_by_key(|stub| std::cmp::Reverse(stub.call.as_ref().map(Call::demands)));
    Ok(stubs)
}

/// Answers from the stubs; a request that none of them is for goes to `unasked`.
fn upstream(stubs: Vec<Stub>, unasked: Arc<Mutex<Vec<String>>>) -> Upstream {
    Upstream::answering(move |request: &Message| {
        if let Some(stub) = stubs.iter().find(|stub| stub.is_for(request)) {
            return stub.answer.as_response();
        }
        unasked
            .lock()
            .unwrap()
            .push(request.head.start_line.clone());
        response("599 No Such Stub", "", "")
    })
}
