//! An upstream that remembers nothing, for runs that ask more often than anybody could remember.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Condvar, Mutex};
use std::thread;

/// Answers `/held` once it is let go, anything else at once.
pub(crate) struct Api {
    address: SocketAddr,
    held: &'static Held,
}

#[derive(Default)]
struct Held {
    is_let_go: Mutex<bool>,
    change: Condvar,
}

impl Held {
    fn wait(&self) {
        let is_let_go = self.is_let_go.lock().unwrap();
        drop(self.change.wait_while(is_let_go, |it| !*it).unwrap());
    }
}

impl Api {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // As long as the test's process.
        let held: &'static Held = Box::leak(Box::default());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || answer(stream, held));
            }
        });
        Self { address, held }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing is held.
    pub(crate) fn let_go(&self) {
        *self.held.is_let_go.lock().unwrap() = true;
        self.held.change.notify_all();
    }
}

/// Answers requests until there is none.
fn answer(stream: TcpStream, held: &Held) {
    let body = r#"{"rows": [{"number": 1.10}]}"#;
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let (mut target, mut length) = (String::new(), 0);
    let mut line = String::new();
    while read_line(&mut reader, &mut line) {
        if target.is_empty() {
            target.push_str(line.split(' ').nth(1).unwrap_or_default());
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if !line.is_empty() {
            continue;
        }
        let body = io::copy(&mut (&mut reader).take(length), &mut io::sink());
        if body.is_err() {
            return;
        }
        length = 0;
        if target == "/held" {
            held.wait();
        }
        target.clear();
        if writer.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads a line without its end; whether there was one.
fn read_line(reader: &mut impl BufRead, line: &mut String) -> bool {
    line.clear();
    let is_there = reader.read_line(line).is_ok_and(|size| size > 0);
    line.truncate(line.trim_end().len());
    is_there
}
