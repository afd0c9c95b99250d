//! A programmable API behind the sidecar, on raw sockets.
//!
//! [`Upstream::answering`] is the usual one: bytes for each request; to hold an answer back
//! it waits at a [`Gate`](super::gate::Gate). [`Upstream::conversing`] has the whole connection
//! in hand: it can answer early, drip, cut or reset. Both keep every byte that arrived.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::wire::{Message, Wire};

/// Accepts until its value is dropped; each connection has a thread of its own.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    record: Arc<Record>,
    over: Arc<AtomicBool>,
}

#[derive(Default)]
struct Record {
    connections: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    requests: Mutex<Vec<Message>>,
}

impl Upstream {
    /// Answers each request with the bytes that `answer` makes of it, on one connection as
    /// long as the client keeps it.
    pub(crate) fn answering(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::conversing(move |conversation| {
            while let Some(request) = conversation.request()? {
                conversation.wire.send(&answer(&request))?;
            }
            Ok(())
        })
    }

    /// Leaves each connection to `converse`; it is closed when that returns. An error ends
    /// the connection and nothing else: the client may go away as it likes.
    pub(crate) fn conversing(
        converse: impl Fn(&mut Conversation) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let record = Arc::<Record>::default();
        let over = Arc::<AtomicBool>::default();
        let converse = Arc::new(converse);
        let (its_record, its_over) = (record.clone(), over.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if its_over.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(wire) = Wire::new(stream) else {
                    continue;
                };
                its_record.connections.lock().unwrap().push(wire.seen());
                let record = its_record.clone();
                let converse = converse.clone();
                thread::spawn(move || converse(&mut Conversation { wire, record }));
            }
        });
        Self {
            address,
            record,
            over,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that arrived as a whole, in that order.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.record.requests.lock().unwrap().clone()
    }

    /// Every byte that arrived, by connection.
    pub(crate) fn connections(&self) -> Vec<Vec<u8>> {
        let connections = self.record.connections.lock().unwrap();
        connections
            .iter()
            .map(|bytes| bytes.lock().unwrap().clone())
            .collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // The accepting thread looks at `over` when somebody knocks.
        drop(TcpStream::connect(self.address));
    }
}

/// One connection from the upstream's side.
pub(crate) struct Conversation {
    pub(crate) wire: Wire,
    record: Arc<Record>,
}

impl Conversation {
    /// The next request; `None` when the client ended the connection before it.
    pub(crate) fn request(&mut self) -> io::Result<Option<Message>> {
        let request = self.wire.request()?;
        self.record.requests.lock().unwrap().extend(request.clone());
        Ok(request)
    }
}

/// The bytes of a response with its length.
pub(crate) fn response(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into()
}

/// The bytes of a 200 whose body is JSON.
pub(crate) fn json(body: &str) -> Vec<u8> {
    response("200 OK", "Content-Type: application/json\r\n", body)
}

mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::super::client::{connect, exchange, get, request, try_exchange};
    use super::super::gate::Gate;
    use super::*;

    #[test]
    fn every_request_is_answered_and_recorded_byte_for_byte() {
        let upstream = Upstream::answering(|request| json(&request.text()));

        let sent = request("POST", "/orders", r#"{"total": 1.10}"#);
        let answer = exchange(upstream.address, &sent);

        assert_eq!(answer.text(), r#"{"total": 1.10}"#);
        assert_eq!(upstream.requests()[0].raw, sent);
        assert_eq!(upstream.connections(), [sent]);
    }

    #[test]
    fn a_connection_serves_many_requests() {
        let upstream = Upstream::answering(|request| json(&format!("{:?}", request.target())));
        let mut client = connect(upstream.address);

        client.send(&request("GET", "/a", "")).unwrap();
        client.send(&request("GET", "/b", "")).unwrap();

        assert_eq!(client.response("GET").unwrap().text(), r#""/a""#);
        assert_eq!(client.response("GET").unwrap().text(), r#""/b""#);
        assert_eq!(upstream.connections().len(), 1);
    }

    #[test]
    fn chunks_are_read_and_kept_as_they_were_sent() {
        let upstream = Upstream::answering(|_| json("{}"));
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunks = "3;odd=yes\r\n{\"a\r\n4\r\n\":1}\r\n0\r\nX-Sum: 7\r\n\r\n";

        exchange(upstream.address, format!("{head}{chunks}").as_bytes());

        let received = &upstream.requests()[0];
        assert_eq!(received.text(), r#"{"a":1}"#);
        assert_eq!(received.raw, format!("{head}{chunks}").into_bytes());
    }

    #[test]
    fn a_gate_holds_an_answer_back() {
        let gate = Gate::default();
        let its_gate = gate.clone();
        let upstream = Upstream::answering(move |request| {
            if request.target() == "/held" {
                its_gate.pass();
            }
            json("{}")
        });
        let mut held = connect(upstream.address);
        held.send(&request("GET", "/held", "")).unwrap();

        assert_eq!(get(upstream.address, "/free").status(), 200);
        gate.open();

        assert_eq!(held.response("GET").unwrap().status(), 200);
    }

    #[test]
    fn a_conversation_can_drip_and_end_without_a_length() {
        let upstream = Upstream::conversing(|conversation| {
            conversation.request()?;
            let pieces: [&[u8]; 3] = [b"HTTP/1.1 200 OK\r\n", b"\r\nto the ", b"end"];
            conversation.wire.drip(&pieces, Duration::from_millis(1))
        });

        assert_eq!(get(upstream.address, "/").text(), "to the end");
    }

    #[test]
    fn a_conversation_can_end_in_the_middle() {
        let upstream = Upstream::conversing(|conversation| {
            conversation.request()?;
            let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
            conversation.wire.send(cut)
        });

        let error = try_exchange(upstream.address, &request("GET", "/", "")).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_conversation_can_end_with_a_reset() {
        let upstream = Upstream::conversing(|conversation| {
            conversation.request()?;
            conversation.wire.end_with_reset()
        });

        let error = try_exchange(upstream.address, &request("GET", "/", "")).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_client_can_finish_sending_and_read_on() {
        let upstream = Upstream::conversing(|conversation| {
            let said = conversation.wire.rest()?;
            conversation.wire.send(&said)
        });
        let mut client = connect(upstream.address);

        client.send(b"echo").unwrap();
        client.finish_sending().unwrap();

        assert_eq!(client.rest().unwrap(), b"echo");
    }
}
