//! Whole transactions: the real binary between a client and an upstream, all on loopback.
//!
//! One client on one connection, so this is the time of a request and not a throughput. The zero is [`straight`]: the
//! same request without the sidecar. The other paths take the ways through it: `/plain` and `/download` have no handler,
//! `/heads` and `/steps` have ten that don't see the body, on `/body` one edits all 50 rows of it, on `/large` one field of 5,000 rows,
//! on `/request` all rows of the request, on `/report` one reckons in plain JavaScript, and on `/rejected` one refuses.
//! `benches/guided` learns from them what is hot.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use divan::Bencher;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[path = "support/rows.rs"]
mod rows;
#[path = "support/script_dir.rs"]
mod script_dir;

use rows::rows;
use script_dir::script_dir;

const FREE: &str = "127.0.0.1:0";

fn main() {
    divan::main();
}

#[divan::bench(args = ["/plain", "/download"])]
fn straight(bencher: Bencher, path: &str) {
    let mut client = Client::new(upstream(), path);
    bencher.bench_local(|| client.exchange());
}

#[divan::bench(args = ["/plain", "/download", "/heads", "/steps", "/body", "/large", "/request", "/report", "/rejected"])]
fn sidecar(bencher: Bencher, path: &str) {
    let sidecar = Sidecar::start(upstream(), REUSE[0]);
    let mut client = Client::new(sidecar.address, path);
    bencher.bench_local(|| client.exchange());
}

/// What `upstream_pool.reuse` may be, the default first.
const REUSE: [&str; 3] = ["client", "shared", "off"];

/// A client that keeps its connection.
#[divan::bench(args = REUSE)]
fn client_that_stays(bencher: Bencher, reuse: &str) {
    let sidecar = Sidecar::start(upstream(), reuse);
    let mut client = Client::new(sidecar.address, "/plain");
    bencher.bench_local(|| client.exchange());
}

/// A client that connects for each request.
#[divan::bench(args = REUSE)]
fn client_that_leaves(bencher: Bencher, reuse: &str) {
    let sidecar = Sidecar::start(upstream(), reuse);
    bencher.bench_local(|| Client::new(sidecar.address, "/plain").exchange());
}

/// The binary while it runs; it ends with its value.
struct Sidecar {
    address: SocketAddr,
    process: Child,
    _scripts: TempDir,
    /// Open as long as the process writes to it.
    _log: BufReader<ChildStderr>,
}

impl Sidecar {
    /// Starts it, and waits for its listener: that is bound once the handlers are live.
    fn start(upstream: SocketAddr, reuse: &str) -> Self {
        let scripts = handlers();
        let mut process = Command::new(env!("CARGO_BIN_EXE_interpose"))
            .args(["run", "--require-handlers", "--workers", "1"])
            .args([
                "--listen",
                FREE,
                "--upstream",
                &format!("http://{upstream}"),
            ])
            .args(["--status", "off", "--admin", "off", "--access-log", "off"])
            .arg("--scripts")
            .arg(scripts.path())
            .env_clear()
            .env("INTERPOSE_UPSTREAM_POOL__REUSE", reuse)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this");
        let mut log = BufReader::new(process.stderr.take().expect("it is a pipe"));
        let address = proxy_address(&mut log);
        Self {
            address,
            process,
            _scripts: scripts,
            _log: log,
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // As an operator ends it: what it writes at its end, a profile for instance, is not lost.
        let id = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        let asked = kill_process(id.expect("a child has a process id"), Signal::TERM);
        asked.expect("it was not waited for");
        self.process.wait().expect("it is ours to wait for");
    }
}

fn handlers() -> TempDir {
    let on_heads = (0..10).map(|number| {
        let code = "res.headers['x-step-N'] = res.headers['content-type'];";
        let code = code.replace('N', &number.to_string());
        let path = format!("response/{number:02}-step.js");
        (path, format!("// @match GET /heads\n{code}\n"))
    });
    // Those above are carried out without the engine, these are not.
    let on_steps = (0..10).map(|number| {
        let code = "const type = res.headers['content-type'];\nif (type && req.verb == 'GET') res.headers['x-step-N'] = type;";
        let code = code.replace('N', &number.to_string());
        let path = format!("response/{number:02}-step-if.js");
        (path, format!("// @match GET /steps\n{code}\n"))
    });
    let code = "for (const row of json) { delete row['@metadata']; row.TheVerb = 'GET'; }";
    let on_body = (
        "response/20-rows.js".to_owned(),
        format!("// @match GET /body\n{code}\n"),
    );
    let on_large = (
        "response/30-large.js".to_owned(),
        "// @match GET /large\njson[0].paid = false;\n".to_owned(),
    );
    let code = "var rows = JSON.parse(json); for (const row of rows) delete row.note; json = JSON.stringify(rows);";
    let on_request = (
        "request/40-rows.js".to_owned(),
        format!("// @match POST /request\n{code}\n"),
    );
    let code = "if (!req.headers['x-api-key']) throw { status: 403, body: { error: 'missing x-api-key' } };";
    let rejecting = (
        "request/50-key.js".to_owned(),
        format!("// @match /rejected\n{code}\n"),
    );
    let report = (
        "response/60-report.js".to_owned(),
        include_str!("support/report.js").to_owned(),
    );
    let prices = (
        "lib/prices.js".to_owned(),
        include_str!("support/prices.js").to_owned(),
    );
    script_dir(
        on_heads
            .chain(on_steps)
            .chain([on_body, on_large, on_request, rejecting, report, prices]),
    )
}

/// What the log says of the one listener there is.
fn proxy_address(log: &mut impl BufRead) -> SocketAddr {
    let line = log
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("listener="))
        .expect("the sidecar starts");
    let (_, address) = line.split_once("address=").expect("a listener has one");
    let address = address.split_whitespace().next();
    let address = address.expect("a value has a text");
    address.parse().expect("it is a socket's")
}

/// An upstream that answers every request with 50 rows, those for a lot with 5,000, for as long as this process lives.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind(FREE).expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let response = |count| {
        let body = rows(count);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
        format!("{head}: {}\r\n\r\n{body}", body.len())
    };
    let (usual, large) = (response(50), response(5_000));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (usual, large) = (usual.clone(), large.clone());
            thread::spawn(move || {
                let mut connection = Connection::new(stream);
                while let Some(head) = connection.read_head() {
                    connection.read_body(&mut vec![0; head.length]);
                    let is_large =
                        ["/large", "/download"].map(|path| head.start_line.contains(path));
                    let response = if is_large.contains(&true) {
                        &large
                    } else {
                        &usual
                    };
                    connection.write(response.as_bytes());
                }
            });
        }
    });
    address
}

/// A client that sends one request again and again, on one connection for as long as the server keeps it.
struct Client {
    server: SocketAddr,
    connection: Connection,
    request: String,
    /// What the response begins with.
    expected: &'static str,
    body: Vec<u8>,
}

impl Client {
    fn new(server: SocketAddr, path: &str) -> Self {
        let (method, body) = match path {
            "/request" | "/rejected" => ("POST", rows(5)),
            _ => ("GET", String::new()),
        };
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        };
        let expected = match path {
            "/rejected" => "HTTP/1.1 403 Forbidden",
            _ => "HTTP/1.1 200 OK",
        };
        Self {
            server,
            connection: Connection::open(server),
            request: format!(
                "{method} {path} HTTP/1.1\r\nHost: api.test\r\nAccept: */*\r\n{length}\r\n{body}"
            ),
            expected,
            body: Vec::new(),
        }
    }

    fn exchange(&mut self) {
        self.connection.write(self.request.as_bytes());
        let head = self.connection.read_head().expect("there is a response");
        assert_eq!(head.start_line, self.expected);
        self.body.resize(head.length, 0);
        self.connection.read_body(&mut self.body);
        if head.closes {
            self.connection = Connection::open(self.server);
        }
    }
}

/// One end of a connection that speaks HTTP/1.1, as far as it is needed here.
struct Connection(BufReader<TcpStream>);

struct Head {
    start_line: String,
    /// Of the body, in bytes.
    length: usize,
    /// Whether the connection ends behind the message.
    closes: bool,
}

impl Connection {
    fn open(server: SocketAddr) -> Self {
        Self::new(TcpStream::connect(server).expect("somebody listens there"))
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("the socket is open");
        Self(BufReader::new(stream))
    }

    fn write(&mut self, message: &[u8]) {
        let written = self.0.get_mut().write_all(message);
        written.expect("the peer stays until we go");
    }

    /// The next head; `None` where the peer has gone.
    fn read_head(&mut self) -> Option<Head> {
        let start_line = self.read_line().filter(|line| !line.is_empty())?;
        let (mut length, mut closes) = (0, false);
        while let Some(field) = self.read_line().filter(|line| !line.is_empty()) {
            let (name, value) = field.split_once(':').expect("a field has a colon");
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length is a number");
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        Some(Head {
            start_line,
            length,
            closes,
        })
    }

    fn read_line(&mut self) -> Option<String> {
        let line = self.0.by_ref().lines().next()?;
        line.ok()
    }

    fn read_body(&mut self, body: &mut [u8]) {
        self.0.read_exact(body).expect("the body is whole");
    }
}
