//! What the servers are asked.

/// Stands in a request for the tag that its resource was shown with.
pub(super) const TAG: &str = "{tag}";

/// What every request but the oddest ends its head with.
const REST: &str = "Host: a.test\r\nConnection: close\r\n";

/// What is asked, by what it is called on the page.
pub(super) type Case = (&'static str, Vec<u8>);

pub(super) fn get(fields: &str) -> Vec<u8> {
    format!("GET /file.json HTTP/1.1\r\n{REST}{fields}\r\n").into_bytes()
}

fn post(fields: &str, body: &str) -> Vec<u8> {
    format!("POST /file.json HTTP/1.1\r\n{REST}{fields}\r\n{body}").into_bytes()
}

fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\n{REST}\r\n").into_bytes()
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Requests as clients send them.
pub(super) fn usual() -> Vec<Case> {
    vec![
        ("GET", get("")),
        ("HEAD", line("HEAD /file.json HTTP/1.1")),
        ("a path that is not there", line("GET /none HTTP/1.1")),
        ("a query", line("GET /file.json?a=%7e&b=\"<>\" HTTP/1.1")),
        ("dot segments", line("GET /x/../file.json HTTP/1.1")),
        ("HTTP/1.0", bytes("GET /file.json HTTP/1.0\r\n\r\n")),
        (
            "spellings",
            get("x-LOWER: 1\r\nX_Y: 2\r\nEmpty:\r\nX-Rep: 1\r\nX-Rep: 2\r\n"),
        ),
        ("latin-1 in a field", get("X: \u{e9}\r\n")),
        (
            "Accept-Encoding",
            get("Accept-Encoding: gzip, identity\r\n"),
        ),
        ("a range", get("Range: bytes=0-1\r\n")),
        (
            "a condition",
            get("If-Modified-Since: Mon, 01 Jan 2035 00:00:00 GMT\r\n"),
        ),
        ("If-None-Match", get(&format!("If-None-Match: {TAG}\r\n"))),
        ("If-Match", get(&format!("If-Match: \"other\", {TAG}\r\n"))),
        ("POST without a body", post("", "")),
        ("POST", post("Content-Length: 3\r\n", "abc")),
        (
            "equal lengths",
            post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"),
        ),
        (
            "zeros before a length",
            post("Content-Length: 003\r\n", "abc"),
        ),
        (
            "chunks",
            post(
                "Transfer-Encoding: chunked\r\n",
                "3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n",
            ),
        ),
        (
            "Expect",
            post("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"),
        ),
        (
            "fields of the connection",
            bytes(
                "GET /file.json HTTP/1.1\r\nHost: a.test\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\n\r\n",
            ),
        ),
        (
            "an upgrade to h2c",
            bytes(
                "GET /file.json HTTP/1.1\r\nHost: a.test\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n\r\n",
            ),
        ),
        (
            "fields of proxies",
            get(
                "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Request-Id: one\r\nVia: 1.0 front\r\n",
            ),
        ),
    ]
}

/// Requests that not everybody reads alike.
pub(super) fn odd() -> Vec<Case> {
    vec![
        (
            "a whole address",
            line("GET http://a.test/file.json HTTP/1.1"),
        ),
        (
            "a whole address of another host",
            line("GET http://b.test/file.json HTTP/1.1"),
        ),
        ("OPTIONS *", line("OPTIONS * HTTP/1.1")),
        ("a fragment", line("GET /file.json#a HTTP/1.1")),
        ("0x7f in a path", line("GET /\u{7f} HTTP/1.1")),
        ("a blank in a path", line("GET /a b HTTP/1.1")),
        ("a method in lower case", line("get /file.json HTTP/1.1")),
        ("TRACE", line("TRACE / HTTP/1.1")),
        (
            "CONNECT",
            bytes("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nConnection: close\r\n\r\n"),
        ),
        ("HTTP/1.2", line("GET /file.json HTTP/1.2")),
        ("HTTP/2.0", bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        ("HTTP/0.9", bytes("GET /file.json\r\n\r\n")),
        (
            "no Host",
            bytes("GET /file.json HTTP/1.1\r\nConnection: close\r\n\r\n"),
        ),
        (
            "an empty Host",
            bytes("GET /file.json HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"),
        ),
        ("two Hosts", get("Host: b.test\r\n")),
        (
            "lines that end with LF alone",
            bytes("GET /file.json HTTP/1.1\nHost: a.test\nConnection: close\n\n"),
        ),
        ("a folded line", get("X: a\r\n b\r\n")),
        ("a blank before a colon", get("X : a\r\n")),
        ("NUL in a field", get("X: a\0b\r\n")),
        ("CR in a field", get("X: a\rb\r\n")),
        ("Content_Length", get("Content_Length: 3\r\n")),
        ("129 fields", get(&"X: 1\r\n".repeat(129))),
        (
            "a head of 70 KB",
            get(&format!("X: {}\r\n", "a".repeat(70_000))),
        ),
        (
            "lengths that differ",
            post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"),
        ),
        (
            "a length and chunks",
            post(
                "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "another coding of the transfer",
            post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a client that closes its half",
            bytes("GET /file.json HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        ),
        (
            "a tunnel whose client closes its half",
            bytes(
                "GET /socket HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            ),
        ),
        (
            "TLS",
            bytes("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{7f}\u{3}\u{3}"),
        ),
    ]
}

/// What takes time: on the client's side, or on the API's.
pub(super) fn slow() -> Vec<Case> {
    vec![
        (
            "a head that stops",
            bytes("GET /file.json HTTP/1.1\r\nHost: a"),
        ),
        ("a body that stops", post("Content-Length: 3\r\n", "a")),
        ("an API that does not answer", line("GET /silent HTTP/1.1")),
    ]
}
