//! One client's connection: request after request, until it ends.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::crash;

use super::places::Place;
use super::reader::{Arrival, Progress, Reader};
use super::service::{Service, Visit};
use super::writer::{After, Asker, Writer};

/// How long the rest of what a client sends is read after our last words: a connection
/// that is closed unread is reset, and the client may never see them.
const LINGER: Duration = Duration::from_secs(2);

/// The same where somebody else waits for the place.
const BRIEF_LINGER: Duration = Duration::from_millis(50);

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// Nothing of the client's is unread.
    Plain,
    /// The client may still be sending.
    Lingering,
    /// So that what was sent doesn't look whole.
    Broken,
}

/// How a connection came in, and how it learns that it has to end.
pub(super) struct Door<'s> {
    /// Where it comes from.
    pub(super) peer: SocketAddr,
    /// The address of ours that it came to.
    pub(super) local: SocketAddr,
    /// Whether every response ends its connection.
    pub(super) sends_away: &'s AtomicBool,
    /// Its place among the connections.
    pub(super) place: &'s Place,
}

/// Serves the requests on one connection, one after the other.
pub(super) async fn serve(mut socket: TcpStream, door: Door<'_>, service: &Service) {
    // A small answer that follows another is not to wait for its acknowledgement.
    let _ = socket.set_nodelay(true);
    let place = door.place;
    let parting = {
        let (read, write) = socket.split();
        let progress = Progress::default();
        let visit = Visit {
            peer: door.peer,
            local: door.local,
            connection: service.line.client_connects(),
            progress: &progress,
            sends_away: door.sends_away,
            place: door.place,
            left: service.settings.requests.into(),
        };
        let reader = Reader::new(read, &service.settings, &progress, door.place);
        let writer = Writer::new(write.as_ref(), &service.settings);
        let connection = crash::Connection::new(door.peer);
        let exchanges = exchange_all(&visit, reader, writer, service, &connection);
        crash::serving(&connection, pin!(exchanges)).await
    };
    match parting {
        Parting::Plain => {}
        // Whoever is gone needs no farewell.
        Parting::Lingering => {
            let is_needed = place.is_given_up() || place.is_wanted();
            let linger = if is_needed { BRIEF_LINGER } else { LINGER };
            drop(timeout(linger, farewell(&mut socket)).await);
        }
        // Closed at once and unread: the client sees a reset instead of an end.
        Parting::Broken => drop(socket.set_zero_linger()),
    }
}

async fn exchange_all(
    visit: &Visit<'_>,
    mut reader: Reader<'_>,
    mut writer: Writer<'_>,
    service: &Service,
    connection: &crash::Connection,
) -> Parting {
    loop {
        let head = match reader.head().await {
            Arrival::Head(head) => head,
            Arrival::End => return Parting::Plain,
            Arrival::Unsound(fault) => {
                writer.answer(Asker::default());
                // A client that doesn't read its refusal is gone all the same.
                let _ = writer.whole(service.refused(fault), After::Close).await;
                return Parting::Lingering;
            }
        };
        connection.begin(head.request.method.as_str(), &head.request.path);
        // In a box, so that a connection without a request is a small one.
        let serving = Box::pin(service.serve(visit, &mut reader, &mut writer, head));
        if let Some(parting) = serving.await {
            return parting;
        }
        connection.end();
    }
}

/// Says that nothing more follows, and reads what still comes.
async fn farewell(socket: &mut TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    let mut rest = BytesMut::with_capacity(4096);
    while socket.read_buf(&mut rest).await? > 0 {
        rest.clear();
    }
    Ok(())
}
