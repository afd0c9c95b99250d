//! What streams: large bodies in little memory, websockets, server-sent events.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::handshake::client::generate_key;
use tungstenite::http::{Request, StatusCode};
use tungstenite::{Error, Message};

use super::support::eventually::PATIENCE;
use super::support::gate::Gate;
use super::support::script_dir::{Files, ScriptDir};
use super::support::sidecar::Sidecar;
use super::support::upstream::Upstream;

const MEBIBYTE: usize = 1024 * 1024;

/// The size of a large body.
const MUCH: usize = 100 * 1024 * 1024;

/// How much more memory it may take to pass one on.
const LITTLE: usize = 32 * MEBIBYTE;

const ON_HEADS: [(&str, &str); 2] = [
    ("10-tell.request.js", "req.headers['X-Told'] = 'yes';\n"),
    ("10-mark.response.js", "res.headers['X-Mark'] = 'yes';\n"),
];

/// Sees the body of whatever is sent, and of no response.
const ON_REQUESTS: [(&str, &str); 1] = [("10-see.request.js", "log.debug(json);\n")];

/// Sees the body of JSON responses, and of no request.
const ON_RESPONSES: [(&str, &str); 1] = [("10-see.response.js", "if (json) json.seen = true;\n")];

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a listener");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn lines_to_the_empty_one(reader: &mut impl BufRead) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "cut: {lines:?}");
        if line == "\r\n" {
            return lines;
        }
        lines.push(line.trim_end().to_owned());
    }
}

fn send_much(stream: &mut TcpStream) {
    let piece = vec![b'a'; MEBIBYTE];
    for _ in 0..MUCH / MEBIBYTE {
        stream.write_all(&piece).expect("it is taken");
    }
}

/// Reads a body of `MUCH` bytes and keeps none of it.
fn read_much(reader: &mut impl Read) {
    let mut piece = vec![0; MEBIBYTE];
    for _ in 0..MUCH / MEBIBYTE {
        reader.read_exact(&mut piece).expect("all of it arrives");
        assert!(piece.iter().all(|&byte| byte == b'a'));
    }
}

/// One connection to an API that takes in much and gives out much.
fn store(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let request = lines_to_the_empty_one(&mut reader);
    if request[0].starts_with("POST") {
        read_much(&mut reader);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    } else {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {MUCH}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        send_much(&mut stream);
    }
}

/// A server that leaves each connection to `serve`, until the test ends.
fn serving(serve: impl Fn(TcpStream) + Copy + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    format!("http://{address}")
}

/// How much memory the sidecar takes at most while `act` runs, beyond what it had.
fn growth(sidecar: &Sidecar, act: impl FnOnce()) -> usize {
    // 5 resets the peak, proc_pid_clear_refs(5).
    let reset = format!("/proc/{}/clear_refs", sidecar.process_id());
    fs::write(reset, "5").expect("a process of ours");
    let before = sidecar.memory("VmRSS");
    act();
    sidecar.memory("VmHWM").saturating_sub(before)
}

fn sidecar(upstream: &str, scripts: &ScriptDir) -> Sidecar {
    Sidecar::before(upstream)
        .scripts(scripts.path())
        .env("INTERPOSE_SCRIPTS__ALLOW_EMPTY", "true")
        .start()
}

#[test]
fn a_large_download_streams_in_little_memory() {
    let upstream = serving(store);
    let ways: [&Files; 4] = [&[], &ON_HEADS, &ON_REQUESTS, &ON_RESPONSES];
    for files in ways {
        let scripts = ScriptDir::with(files);
        let sidecar = sidecar(&upstream, &scripts);

        let growth = growth(&sidecar, || {
            let mut stream = connect(sidecar.proxy);
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            let mut reader = BufReader::new(stream);
            let head = lines_to_the_empty_one(&mut reader);
            assert_eq!(head[0], "HTTP/1.1 200 OK");
            read_much(&mut reader);
        });

        assert!(growth < LITTLE, "{growth} bytes more with {files:?}");
    }
}

#[test]
fn a_large_upload_streams_in_little_memory() {
    let upstream = serving(store);
    let ways: [&Files; 3] = [&[], &ON_HEADS, &ON_RESPONSES];
    for files in ways {
        let scripts = ScriptDir::with(files);
        let sidecar = sidecar(&upstream, &scripts);

        let growth = growth(&sidecar, || {
            let mut stream = connect(sidecar.proxy);
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            send_much(&mut stream);
            let head = lines_to_the_empty_one(&mut BufReader::new(stream));
            assert_eq!(head[0], "HTTP/1.1 200 OK");
        });

        assert!(growth < LITTLE, "{growth} bytes more with {files:?}");
    }
}

/// Repeats every message to whoever speaks the websocket protocol.
fn echo(stream: TcpStream) {
    let mut socket = tungstenite::accept(stream).expect("a handshake");
    while let Ok(message) = socket.read() {
        if message.is_text() || message.is_binary() {
            socket.send(message).expect("it is taken");
        }
    }
}

fn handshake(sidecar: &Sidecar, path: &str) -> Request<()> {
    Request::get(format!("ws://{}{path}", sidecar.proxy))
        .header("Host", "api.test")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .body(())
        .expect("a request")
}

#[test]
fn a_websocket_client_speaks_through_handlers_on_heads() {
    let upstream = serving(echo);
    let scripts = ScriptDir::with(&ON_HEADS);
    let sidecar = sidecar(&upstream, &scripts);
    let stream = connect(sidecar.proxy);

    let (mut socket, response) =
        tungstenite::client(handshake(&sidecar, "/"), stream).expect("a handshake");
    let messages = [
        Message::text("Grüße"),
        Message::binary(vec![7; 3 * MEBIBYTE]),
        Message::text(""),
    ];
    for message in messages {
        socket.send(message.clone()).expect("it is taken");
        assert!(socket.read().expect("an echo") == message);
    }
    socket.close(None).expect("it is taken");
    let end = loop {
        match socket.read() {
            Ok(message) => assert!(message.is_close()),
            Err(error) => break error,
        }
    };

    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert!(matches!(end, Error::ConnectionClosed), "{end}");
}

/// How long one end speaks: twice the silence that a tunnel may have.
const SPEAKS: Duration = Duration::from_millis(800);

/// What ends what it says.
const END: u8 = b'!';

fn speak(stream: &mut TcpStream) {
    let began = Instant::now();
    while began.elapsed() < SPEAKS {
        stream.write_all(b".").expect("it is taken");
    }
    stream.write_all(&[END]).expect("it is taken");
}

fn hear(stream: &mut TcpStream) {
    let mut heard = [0; 4096];
    loop {
        let count = stream.read(&mut heard).expect("it goes on");
        assert!(count > 0, "cut while it was spoken to");
        if heard[..count].contains(&END) {
            return;
        }
    }
}

/// An API whose tunnels speak or hear, as the path says.
fn one_way(mut stream: TcpStream) {
    let head = lines_to_the_empty_one(&mut BufReader::new(&stream));
    let tunnel =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    if head[0].contains("/plain") {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(plain).expect("it is taken");
        return;
    }
    stream.write_all(tunnel).expect("it is taken");
    if head[0].contains("/speaks") {
        speak(&mut stream);
    } else {
        hear(&mut stream);
        stream.write_all(&[END]).expect("it is taken");
    }
    let rest = stream.read(&mut [0]).unwrap_or_default();
    assert_eq!(rest, 0, "nobody says more");
}

#[test]
fn a_tunnel_may_be_silent_as_long_as_is_set_and_has_a_place_until_then() {
    let upstream = serving(one_way);
    let sidecar = Sidecar::before(&upstream)
        .config("[limits]\ntunnel_idle_timeout = \"400ms\"\nmax_connections = 1\n")
        .start();
    for path in ["/speaks", "/hears"] {
        let mut tunnel = connect(sidecar.proxy);
        let asked = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
            generate_key()
        );
        tunnel.write_all(asked.as_bytes()).unwrap();
        let mut byte = BufReader::with_capacity(1, tunnel.try_clone().unwrap());
        let head = lines_to_the_empty_one(&mut byte);
        assert!(head[0].contains(" 101 "), "{head:?}");
        let mut waiting = connect(sidecar.proxy);
        let plain = b"GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        waiting.write_all(plain).unwrap();

        // One end alone is enough to keep it, and it keeps its place.
        if path == "/hears" {
            speak(&mut tunnel);
        }
        hear(&mut tunnel);
        waiting.set_nonblocking(true).unwrap();
        let early = waiting
            .read(&mut [0])
            .expect_err("there is no place for it");
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        waiting.set_nonblocking(false).unwrap();

        assert_eq!(tunnel.read(&mut [0]).unwrap(), 0, "silent for too long");
        let head = lines_to_the_empty_one(&mut BufReader::new(waiting));
        assert!(head[0].contains(" 200 "), "{head:?}");
    }
}

#[test]
fn a_handler_refuses_a_websocket() {
    let upstream = serving(|_| unreachable!("it is refused before"));
    let scripts = ScriptDir::with(&[(
        "10-guard.request.js",
        "// @match /closed\nthrow { status: 403, message: 'not for you' };\n",
    )]);
    let sidecar = sidecar(&upstream, &scripts);

    let refused = tungstenite::client(handshake(&sidecar, "/closed"), connect(sidecar.proxy));

    let Err(tungstenite::HandshakeError::Failure(Error::Http(response))) = refused else {
        panic!("it is refused");
    };
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

/// Reads server-sent events as browsers do, from a response in chunks.
struct EventSource {
    reader: BufReader<TcpStream>,
    head: Vec<String>,
    /// Of the last event: what a browser would go on from.
    last_id: String,
    unread: String,
}

impl EventSource {
    fn open(address: SocketAddr, last_id: &str) -> Self {
        let mut stream = connect(address);
        let request = format!(
            "GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nLast-Event-ID: {last_id}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let head = lines_to_the_empty_one(&mut reader);
        Self {
            reader,
            head,
            last_id: last_id.to_owned(),
            unread: String::new(),
        }
    }

    /// The data of the next event; `None` at the end of the stream.
    fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim_start().to_owned())
                };
                let data = field("data:");
                self.last_id = field("id:").unwrap_or(std::mem::take(&mut self.last_id));
                self.unread = rest.to_owned();
                return data;
            }
            let chunk = self.chunk();
            if chunk.is_empty() {
                return None;
            }
            self.unread.push_str(&chunk);
        }
    }

    fn chunk(&mut self) -> String {
        let mut size = String::new();
        self.reader.read_line(&mut size).expect("a chunk in time");
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).expect("a whole chunk");
        chunk.truncate(size);
        String::from_utf8(chunk).expect("text")
    }
}

#[test]
fn an_event_source_gets_each_event_as_it_happens_and_goes_on_where_it_left() {
    let ways: [&Files; 3] = [&[], &ON_HEADS, &ON_RESPONSES];
    for files in ways {
        let seen = Gate::default();
        let its_seen = seen.clone();
        let upstream = Upstream::conversing(move |conversation| {
            let request = conversation.request()?.expect("a request");
            let wire = &mut conversation.wire;
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
            if request.head.value("Last-Event-ID") == Some("2") {
                return wire.send(b"id: 3\ndata: three\n\n");
            }
            wire.send(b"id: 1\ndata: one\n\n")?;
            its_seen.pass();
            wire.send(b"id: 2\ndata: two\n\n")
        });
        let scripts = ScriptDir::with(files);
        let sidecar = sidecar(&upstream.url(), &scripts);

        let mut events = EventSource::open(sidecar.proxy, "");
        assert_eq!(events.next().as_deref(), Some("one"), "{files:?}");
        seen.open();
        assert_eq!(events.next().as_deref(), Some("two"), "{files:?}");
        assert_eq!(events.next(), None, "{files:?}");
        let mut events = EventSource::open(sidecar.proxy, &events.last_id);

        assert_eq!(events.next().as_deref(), Some("three"), "{files:?}");
        let type_of_it = "Content-Type: text/event-stream";
        assert!(
            events.head.iter().any(|line| line == type_of_it),
            "{files:?}"
        );
    }
}
