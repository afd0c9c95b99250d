//! An upstream that remembers nothing, for runs that ask more often than anybody could remember.

use std::io::{BufRead, BufReader, Write};
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

/// Answers requests without bodies until there is none.
fn answer(stream: TcpStream, held: &Held) {
    let body = r#"{"rows": [{"number": 1.10}]}"#;
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut writer = stream.try_clone().unwrap();
    let mut target = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if target.is_empty() {
            target.push_str(line.split(' ').nth(1).unwrap_or_default());
        }
        if !line.is_empty() {
            continue;
        }
        if target == "/held" {
            held.wait();
        }
        target.clear();
        if writer.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}
