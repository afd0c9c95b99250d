//! A client that sends what it is told, byte for byte.

use std::io;
use std::net::{SocketAddr, TcpStream};

use super::eventually::PATIENCE;
use super::wire::{Message, Wire};

/// Opens a connection to say something unusual on.
#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> Wire {
    try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// The response to one request on a connection of its own, interim responses left out.
#[track_caller]
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Message {
    try_exchange(address, request).unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// Like [`exchange`], for those who expect that it may fail.
pub(crate) fn try_exchange(address: SocketAddr, request: &[u8]) -> io::Result<Message> {
    let method = String::from_utf8_lossy(request);
    let method = method.split(' ').next().unwrap_or_default();
    let mut wire = try_connect(address)?;
    wire.send(request)?;
    loop {
        let response = wire.response(method)?;
        if !response.head.word(1).starts_with('1') {
            return Ok(response);
        }
    }
}

#[track_caller]
pub(crate) fn get(address: SocketAddr, target: &str) -> Message {
    exchange(address, &request("GET", target, ""))
}

/// Sends a request whose body is JSON.
#[track_caller]
pub(crate) fn send_json(address: SocketAddr, method: &str, target: &str, body: &str) -> Message {
    exchange(address, &request(method, target, body))
}

/// The bytes of a plain request; an empty body is left out.
pub(crate) fn request(method: &str, target: &str, body: &str) -> Vec<u8> {
    let framing = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n{body}").into()
}

/// Like [`connect`], for those who expect that it may fail.
pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Wire> {
    Wire::new(TcpStream::connect_timeout(&address, PATIENCE)?)
}
