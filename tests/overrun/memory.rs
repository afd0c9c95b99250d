//! Bodies made to take more memory than there is, many at a time, in a process that may have
//! 256 MiB: it answers 413 or 503 and is never killed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::api::Api;
use super::beside::ALONE;
use super::support::client::{request, try_exchange};
use super::support::eventually::within;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;

/// What the process may have, in bytes.
const MEMORY: usize = 256 << 20;

/// What handlers can be given of a request, in bytes: the default.
const LIMIT: usize = 8 << 20;

/// How many send such a body at the same time, and how often.
const AT_ONCE: usize = 20;
const ROUNDS: usize = 3;

/// What a body that nobody made for this takes, in bytes, and how many send one at the same time.
const ORDINARY: usize = 1 << 20;
const CLIENTS: usize = 8;

/// Touches every value, and writes all of them anew.
const TOUCH: &str = "const data = JSON.parse(json);\n\
    const walk = (it) => { if (it && typeof it === 'object') for (const key in it) walk(it[key]); };\n\
    walk(data);\n\
    json = JSON.stringify({ data });\n";

/// A control group with that much memory, where one can be made.
struct Group(PathBuf);

impl Group {
    fn make() -> Option<Self> {
        let name = format!("interpose-test-{}", std::process::id());
        let versions = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        versions.iter().find_map(|(root, limit)| {
            let directory = PathBuf::from(root).join(&name);
            fs::create_dir(&directory).ok()?;
            let group = Self(directory);
            // A file that isn't there already would be made by `fs::write` in no group.
            let file = fs::OpenOptions::new().write(true).open(group.0.join(limit));
            file.and_then(|mut file| file.write_all(MEMORY.to_string().as_bytes()))
                .ok()?;
            Some(group)
        })
    }

    /// The command that puts itself into the group.
    fn entrance(&self) -> String {
        let members = self.0.join("cgroup.procs");
        format!("echo $$ > {} && exec \"$0\" \"$@\"", members.display())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It is empty a moment after its last process has ended; a name is lost otherwise.
        let _ = within(Duration::from_secs(2), || fs::remove_dir(&self.0).ok());
    }
}

fn repeated(opening: &str, piece: &str, closing: &str) -> Vec<u8> {
    let count = (LIMIT - opening.len() - closing.len()) / piece.len();
    format!("{opening}{}{closing}", piece.repeat(count)).into()
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn post(body: &[u8], fields: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{fields}\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn numbered(opening: &str, piece: impl Fn(usize) -> String, closing: &str) -> Vec<u8> {
    let mut body = opening.to_owned();
    for number in 0.. {
        let piece = piece(number);
        if body.len() + piece.len() + closing.len() >= LIMIT {
            break;
        }
        body.push_str(if number == 0 { "" } else { "," });
        body.push_str(&piece);
    }
    body.push_str(closing);
    body.into()
}

fn hostile_requests() -> Vec<Vec<u8>> {
    let plain = [
        repeated("[", "1,", "1]"),
        repeated("[", "{\"a\":1},", "1]"),
        repeated("[", "{},", "1]"),
        repeated("[", "[],", "1]"),
        repeated("", "[", ""),
        repeated("\"", "\\u00e9", "\""),
        repeated("{\"a\":[[", "1.10,", "1]]}"),
        numbered("[", |it| format!("{it}.0"), "]"),
        numbered("{", |it| format!("\"{it:x}k\":1"), "}"),
        repeated("{", "\"a\":1,", "\"a\":1}"),
        repeated("[", "1,", "x]"),
    ];
    let bombs = [
        vec![b' '; 16 * LIMIT],
        vec![b' '; LIMIT / 2],
        repeated("[", "{},{\"b\":1.5},", "1]"),
    ];
    let plain = plain.iter().map(|body| post(body, ""));
    let bombs = bombs
        .iter()
        .map(|body| post(&compressed(body), "Content-Encoding: gzip\r\n"));
    plain.chain(bombs).collect()
}

/// A body as many are: rows of some members.
fn ordinary_body() -> Vec<u8> {
    let row = |number| {
        format!(
            "{{\"id\": {number}, \"name\": \"Customer {number}\", \"city\": \"Z\u{fc}rich\", \"active\": true, \
             \"price\": {number}.10, \"tags\": [\"a\", \"b\"], \"address\": {{\"street\": \"Main\", \"zip\": \"8001\"}}}}"
        )
    };
    let rows = (0..ORDINARY / 150).map(row).collect::<Vec<_>>();
    format!("[{}]", rows.join(",\n")).into()
}

/// The sidecar with one handler, in a process that may have so much memory.
struct Confined {
    sidecar: Sidecar,
    group: Option<Group>,
    _api: Api,
    _scripts: ScriptDir,
}

impl Confined {
    fn with(script: &str) -> Self {
        let api = Api::start();
        let scripts = ScriptDir::with(&[("10-handler.request.js", script)]);
        let group = Group::make();
        let entrance = group.as_ref().map(Group::entrance);
        let words: Vec<&str> = match &entrance {
            Some(entrance) => vec!["sh", "-c", entrance],
            None => Vec::new(),
        };
        let memory = match group {
            // What it takes from what the group has.
            Some(_) => "",
            None => "body_memory = \"32MiB\"\ntotal_memory = \"128MiB\"\n",
        };
        // Not the time is to end what memory would.
        let config = format!("[limits]\nhandler_time = \"10s\"\n{memory}");
        let sidecar = Sidecar::before(api.url())
            .within(&words)
            .scripts(scripts.path())
            .config(&config)
            .start();
        Self {
            sidecar,
            group,
            _api: api,
            _scripts: scripts,
        }
    }

    /// Sends requests at the same time; the statuses of those that were answered.
    fn answers<'r>(&self, requests: &[&'r Vec<u8>]) -> Vec<u16> {
        let proxy = self.sidecar.proxy;
        thread::scope(|scope| {
            // One that is refused while it is sent may see no more than a reset.
            let send = |request: &'r Vec<u8>| {
                scope.spawn(move || try_exchange(proxy, request).map(|it| it.status()))
            };
            let clients: Vec<_> = requests.iter().map(|it| send(it)).collect();
            let answers = clients.into_iter().map(|it| it.join().unwrap());
            answers.filter_map(Result::ok).collect()
        })
    }

    /// The most that the process had at a time, in bytes.
    fn peak(&self) -> usize {
        let peak = self.sidecar.memory("VmHWM");
        let is_confined = self.group.is_some();
        println!("{} KiB at most, in a group: {is_confined}", peak / 1024);
        peak
    }
}

#[test]
fn bodies_that_want_all_the_memory_are_refused_and_the_process_lives() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let confined = Confined::with(TOUCH);
    let requests = hostile_requests();

    let mut statuses: Vec<u16> = Vec::new();
    for round in 0..ROUNDS {
        let of_all = (0..AT_ONCE).map(|it| &requests[(round * AT_ONCE + it) % requests.len()]);
        statuses.extend(confined.answers(&of_all.collect::<Vec<_>>()));
    }
    for request in &requests {
        statuses.extend(confined.answers(&[request; AT_ONCE / 2]));
    }

    println!("{statuses:?}");
    assert!(confined.peak() < MEMORY);
    let defined = [200, 400, 413, 500, 503];
    assert!(
        statuses.iter().all(|it| defined.contains(it)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&503), "{statuses:?}");
    let bomb = &requests[requests.len() - 3];
    assert_eq!(confined.answers(&[bomb]), [413]);
    let well = confined
        .sidecar
        .exchange(&request("POST", "/", "[{\"a\": 1.10}]"));
    assert_eq!(well.status(), 200, "{}", well.text());
}

#[test]
fn ordinary_bodies_are_served_in_little_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let confined = Confined::with(
        "const rows = JSON.parse(json);\n\
         for (const row of rows) { row.price = 2; delete row.tags; }\n\
         json = JSON.stringify(rows);\n",
    );
    let request = post(&ordinary_body(), "");

    for _ in 0..ROUNDS {
        let statuses = confined.answers(&[&request; CLIENTS]);

        assert_eq!(statuses, [200; CLIENTS]);
    }
    assert!(confined.peak() < MEMORY);
}
