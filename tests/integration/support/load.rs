//! Load: clients that ask for the same thing again and again, each on one connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::client::{connect, request};
use super::eventually::eventually;
use super::wire::Message;

/// Goes on until it is ended or dropped.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<Message>>>,
}

impl Load {
    /// Starts so many clients. A connection that breaks ends its client with a panic.
    pub(crate) fn of(clients: usize, address: SocketAddr) -> Self {
        let over = Arc::<AtomicBool>::default();
        let answered = Arc::<AtomicUsize>::default();
        let clients = (0..clients).map(|_| {
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            thread::spawn(move || ask(address, &over, &answered))
        });
        Self {
            clients: clients.collect(),
            over,
            answered,
        }
    }

    /// Waits until so many more responses have arrived.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, responses: usize) {
        let answered = || self.answered.load(Ordering::Relaxed);
        let wanted = answered() + responses;
        eventually("more responses", || (answered() >= wanted).then_some(()));
    }

    /// Lets each client finish its last request. Gives every response, by client in the
    /// order in which they arrived.
    #[track_caller]
    pub(crate) fn end(mut self) -> Vec<Message> {
        self.over.store(true, Ordering::Relaxed);
        let clients = self.clients.drain(..);
        clients
            .flat_map(|client| client.join().expect("no connection broke"))
            .collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn ask(address: SocketAddr, over: &AtomicBool, answered: &AtomicUsize) -> Vec<Message> {
    let mut connection = connect(address);
    let mut responses = Vec::new();
    while !over.load(Ordering::Relaxed) {
        connection.send(&request("GET", "/customers", "")).unwrap();
        responses.push(connection.response("GET").unwrap());
        answered.fetch_add(1, Ordering::Relaxed);
    }
    responses
}

mod tests {
    use super::super::upstream::{Upstream, json};
    use super::*;

    #[test]
    fn every_response_is_given_and_each_client_has_one_connection() {
        let upstream = Upstream::answering(|_| json("{}"));

        let load = Load::of(3, upstream.address);
        load.wait_for_more(30);
        let responses = load.end();

        // Who came last may have been too late to ask, and is accepted later still.
        eventually("three connections", || {
            (upstream.connections().len() == 3).then_some(())
        });
        assert_eq!(upstream.requests().len(), responses.len());
        assert!(responses.len() >= 30);
    }
}
