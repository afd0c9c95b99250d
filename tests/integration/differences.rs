//! Every difference that a client or an API can see with the sidecar between them, found by asking
//! real servers both ways. Each stands on the page, in the table that this test reads.

mod requests;
mod servers;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::Value;
use tempfile::TempDir;

use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use requests::Case;
use servers::Server;

/// Where the table begins.
const HEADING: &str = "## Difference by difference";

/// For how long a server that says nothing is listened to.
const SILENCE: Duration = Duration::from_secs(2);

/// Where clients come from: not where the sidecar comes from.
const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), 0);

/// A handler that edits every JSON text, and marks each response that it has seen.
const EDIT: &str = "if (json) json.seen = true;\nres.headers['x-seen'] = 'yes';\n";

/// Limits of time that a test can wait for.
const SHORT: &str = "[limits]\nhead_time = \"300ms\"\nbody_timeout = \"300ms\"\nidle_timeout = \"300ms\"\nupstream_read = \"300ms\"\n";

/// A head, as it came.
#[derive(Debug, Default)]
struct Head {
    line: String,
    fields: Vec<(String, String)>,
}

impl Head {
    fn values(&self, name: &str) -> Vec<&str> {
        let named = self
            .fields
            .iter()
            .filter(|(it, _)| it.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// What a server says of a request that it got.
#[derive(Debug)]
struct Asked {
    head: Head,
    body: String,
    /// Who sent it.
    peer: String,
}

/// What came of a request.
#[derive(Debug)]
struct Seen {
    /// The status; none where nothing was answered.
    status: Option<u16>,
    /// Whether it is an error in our own form.
    is_ours: bool,
    response: Head,
    /// What the API saw of it, where it says so.
    request: Option<Asked>,
    /// What went through a tunnel.
    tunnel: Option<String>,
}

fn connected(address: SocketAddr) -> TcpStream {
    let SocketAddr::V4(address) = address else {
        panic!("every server listens at 127.0.0.1");
    };
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &CLIENT).expect("all of 127.0.0.0/8 is ours");
    connect(&socket, &address).expect("it listens");
    TcpStream::from(socket)
}

fn ask(address: SocketAddr, case: &str, bytes: &[u8]) -> Seen {
    let mut stream = connected(address);
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let _ = stream.write_all(bytes);
    if case.ends_with("closes its half") {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    let mut came = Vec::new();
    // Its end, a reset, or the end of our patience: whatever came before counts.
    let _ = stream.read_to_end(&mut came);
    read(&String::from_utf8_lossy(&came))
}

fn read(mut came: &str) -> Seen {
    while came.starts_with("HTTP/1.1 100") {
        came = came.split_once("\r\n\r\n").map_or("", |(_, rest)| rest);
    }
    let (head, body) = came.split_once("\r\n\r\n").unwrap_or((came, ""));
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let response = Head {
        fields: fields
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect(),
        line,
    };
    let status = response.line.split(' ').nth(1);
    let status = status.and_then(|status| status.parse().ok());
    Seen {
        status,
        is_ours: body.contains(r#""errorMessage":"#),
        request: said_of_request(body),
        tunnel: (status == Some(101)).then(|| body.to_owned()),
        response,
    }
}

/// What an API says of a request in its answer, which may be in chunks.
fn said_of_request(body: &str) -> Option<Asked> {
    let json = &body[body.find('{')?..=body.rfind('}')?];
    let said: Value = serde_json::from_str(json).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = said["fields"].as_array()?;
    let head = Head {
        line: text(&said["line"]),
        fields: fields
            .iter()
            .map(|field| (text(&field[0]), text(&field[1])))
            .collect(),
    };
    Some(Asked {
        head,
        body: text(&said["body"]),
        peer: text(&said["peer"]),
    })
}

/// How the fields of two heads differ: `response + date`.
fn compare_fields(of: &str, direct: &Head, via: &Head, found: &mut BTreeSet<String>) {
    let names = direct
        .fields
        .iter()
        .chain(&via.fields)
        .map(|(name, _)| name);
    let names: BTreeSet<String> = names.map(|name| name.to_ascii_lowercase()).collect();
    for name in names {
        let (before, after) = (direct.values(&name), via.values(&name));
        // What time it is, and how long the answer is that describes the request.
        let may_differ = of == "response" && ["date", "content-length"].contains(&name.as_str());
        let sign = match (before.is_empty(), after.is_empty()) {
            (true, false) => '+',
            (false, true) => '-',
            _ if before != after && !may_differ => '~',
            _ => continue,
        };
        found.insert(format!("{of} {sign} {name}"));
    }
}

fn compare_requests(direct: &Asked, via: &Asked, found: &mut BTreeSet<String>) {
    compare_fields("request", &direct.head, &via.head, found);
    let words = |asked: &Asked| {
        let (target, version) = asked.head.line.rsplit_once(' ').expect("a request line");
        (target.to_owned(), version.to_owned())
    };
    let (before, after) = (words(direct), words(via));
    let differences = [
        ("request target", before.0 != after.0),
        ("request HTTP/1.1", before.1 != after.1),
        ("request body", direct.body != via.body),
        ("request from another address", direct.peer != via.peer),
    ];
    let differences = differences.into_iter().filter(|(_, differs)| *differs);
    found.extend(differences.map(|(name, _)| name.to_owned()));
}

fn differences(case: &str, direct: &Seen, via: &Seen) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if direct.status != via.status {
        let status = via.status.map_or("nothing".to_owned(), |it| it.to_string());
        found.insert(format!("{case}: {status}"));
        return found;
    }
    if via.is_ours {
        found.insert("our own errors".to_owned());
        return found;
    }
    compare_fields("response", &direct.response, &via.response, &mut found);
    let version = |head: &Head| head.line.split(' ').next().unwrap_or_default().to_owned();
    if version(&direct.response) != version(&via.response) {
        found.insert("response HTTP/1.1".to_owned());
    }
    if direct.tunnel != via.tunnel {
        found.insert(format!("{case}: another end"));
    }
    if let (Some(direct), Some(via)) = (&direct.request, &via.request) {
        compare_requests(direct, via, &mut found);
    }
    found
}

/// What a sidecar with a handler does otherwise than one without.
fn differences_by_handlers(
    case: &str,
    direct: &Seen,
    mut via: Seen,
    own: &BTreeSet<String>,
) -> Vec<String> {
    let was_seen = via.response.values("x-seen") == ["yes"];
    via.response
        .fields
        .retain(|(name, _)| !name.eq_ignore_ascii_case("x-seen"));
    let others = differences(case, direct, &via);
    let mut found: Vec<String> = others
        .difference(own)
        .map(|it| format!("handlers: {it}"))
        .collect();
    if !was_seen && !via.is_ours && via.status.is_some_and(|it| it < 400) {
        found.push(format!("handlers: unseen: {case}"));
    }
    found
}

/// The request of a case; one that names a tag gets the one that is shown at `address`.
fn request_of(case: &Case, address: SocketAddr) -> Option<Vec<u8>> {
    let (_, bytes) = case;
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Some(bytes.clone());
    };
    if !text.contains(requests::TAG) {
        return Some(bytes.clone());
    }
    let shown = ask(address, "", &requests::get("")).response;
    let tag = *shown.values("etag").first()?;
    Some(text.replace(requests::TAG, tag).into_bytes())
}

/// What one server is asked, and through which sidecars.
struct Asking<'a> {
    server: &'a Server,
    /// One without handlers, one with a handler, and one with little patience.
    plain: Sidecar,
    handled: Sidecar,
    hasty: Sidecar,
}

impl<'a> Asking<'a> {
    fn of(server: &'a Server, handlers: &Path) -> Self {
        let upstream = format!("http://{}", server.address);
        let before = || Sidecar::before(&upstream);
        Self {
            server,
            plain: before().start(),
            handled: before().scripts(handlers).start(),
            hasty: before().config(SHORT).start(),
        }
    }

    fn usual(&self, case: &Case) -> BTreeSet<String> {
        let name = case.0;
        let ask = |address| Some(ask(address, name, &request_of(case, address)?));
        let Some(direct) = ask(self.server.address) else {
            // It shows no tag.
            return BTreeSet::new();
        };
        let [Some(via), Some(handled)] = [ask(self.plain.proxy), ask(self.handled.proxy)] else {
            return BTreeSet::from(["response - etag".to_owned()]);
        };
        let mut found = differences(name, &direct, &via);
        let by_handlers = differences_by_handlers(name, &direct, handled, &found);
        found.extend(by_handlers);
        found
    }

    fn slow(&self, (name, bytes): &Case) -> BTreeSet<String> {
        let direct = ask(self.server.address, name, bytes);
        let via = ask(self.hasty.proxy, name, bytes);
        let differs = direct.status != via.status;
        let status = via.status.unwrap_or_default();
        differs
            .then(|| format!("{name}: {status}"))
            .into_iter()
            .collect()
    }

    /// Every difference that the server shows.
    fn all(&self, known: &BTreeSet<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut add = |case: &Case, look: &dyn Fn(&Case) -> BTreeSet<String>| {
            let mut shown = look(case);
            if !shown.is_subset(known) {
                // A busy machine may be slower than our patience, but not each time.
                shown = &shown & &look(case);
            }
            for difference in &shown {
                println!("{}, {}: {difference}", self.server.name, case.0);
            }
            found.extend(shown);
        };
        for case in requests::usual().iter().chain(&requests::odd()) {
            add(case, &|case| self.usual(case));
        }
        if self.server.name == "Node" {
            for case in &requests::slow() {
                add(case, &|case| self.slow(case));
            }
        }
        found
    }
}

/// The differences that the page names.
fn on_the_page() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/wire.md");
    let page = std::fs::read_to_string(page).expect("the page is part of the repository");
    let (_, table) = page.split_once(HEADING).expect("the page has the table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split_once(" | ").map(|(names, _)| names));
    names
        .flat_map(|names| names.trim_end_matches('`').split("`, `"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_difference_that_real_servers_show_is_on_the_page() {
    let files = TempDir::new().unwrap();
    // Some servers read it as somebody else.
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(files.path(), readable).unwrap();
    std::fs::write(files.path().join("file.json"), "{\"a\": 1, \"b\": 2}\n").unwrap();
    let servers = Server::all(files.path());
    let edits = ScriptDir::with(&[("10-edit.response.js", EDIT)]);
    let known = on_the_page();

    let found: BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = servers
            .iter()
            .map(|server| scope.spawn(|| Asking::of(server, edits.path()).all(&known)))
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("it finds what it finds"));
        joined.flatten().collect()
    });

    for unseen in known.difference(&found) {
        println!("not shown here: {unseen}");
    }
    let missing: Vec<&String> = found.difference(&known).collect();
    assert!(missing.is_empty(), "not on the page: {missing:#?}");
}
