//! Accepts connections, serves the requests on each in turn, and ends well.
//!
//! ```text
//! Listener ──start──▶ Server ──send away──▶ every response ends its connection
//!                        └────drain──────▶ no connection is accepted; soon idle ones close,
//!                                          those with a request finish it, then close
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Service;
use super::connection::{self, Door};
use super::places::{Place, Places};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;

/// How long nothing is accepted after the system could not give us a connection.
const BREATHER: Duration = Duration::from_millis(100);

/// How often it is said that there are none.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// How long connections stay open once none is accepted any more, and how long nobody has to
/// be connected to have left for good: a request may be on its way.
const GRACE: Duration = Duration::from_millis(250);

/// A bound address that nobody is served at yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// A listener whose connections are served.
pub struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    accepting: JoinHandle<()>,
}

/// What all connections of a server share.
struct Site {
    address: SocketAddr,
    service: Service,
    /// One for each connection there may be.
    places: Arc<Places>,
    /// How many connections there have been.
    accepted: AtomicU64,
    /// Told of every connection that has ended.
    left: Notify,
    /// Whether every response ends its connection.
    sends_away: AtomicBool,
    /// Becomes true when no more connections are accepted.
    closing: watch::Sender<bool>,
    /// Becomes true when connections are cut.
    cut: watch::Sender<bool>,
}

/// A socket that listens at an address and doesn't block; port 0 is any that is free. Must be
/// called within a runtime.
///
/// # Errors
///
/// The address is taken or not ours.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

impl Listener {
    /// Binds an address; port 0 is any that is free. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::new(listen(address)?)
    }

    /// One that [`listen`] has bound, maybe in another process. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// The system can't watch it.
    pub fn new(socket: std::net::TcpListener) -> io::Result<Self> {
        let socket = TcpListener::from_std(socket)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Where it listens: with the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections on the present runtime until the server is drained or dropped.
    pub fn start(self, service: Service) -> Server {
        let site = Arc::new(Site {
            address: self.address,
            places: Places::new(
                service.settings.max_connections,
                Arc::clone(&service.settings.buffers),
            ),
            accepted: AtomicU64::new(0),
            left: Notify::new(),
            sends_away: AtomicBool::new(false),
            closing: watch::Sender::new(false),
            cut: watch::Sender::new(false),
            service,
        });
        let accepting = accept(self.socket, Arc::clone(&site));
        Server {
            address: self.address,
            site,
            accepting: tokio::spawn(accepting),
        }
    }
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.site.places.taken()
    }

    /// Waits until there is no connection.
    pub async fn idle(&self) {
        while self.connections() > 0 {
            self.site.left.notified().await;
        }
    }

    /// Waits until nobody has been connected for a moment: a client that was sent away with
    /// its response may be on its way back.
    pub async fn deserted(&self) {
        loop {
            self.idle().await;
            let accepted = self.site.accepted.load(Ordering::Relaxed);
            tokio::time::sleep(GRACE).await;
            let has_come_back = self.site.accepted.load(Ordering::Relaxed) != accepted;
            if !has_come_back && self.connections() == 0 {
                return;
            }
        }
    }

    /// From now on every response ends its connection: clients that come back find
    /// another server, or this one for as long as it accepts.
    pub fn send_away(&self) {
        self.site.sends_away.store(true, Ordering::Release);
    }

    /// Accepts no more connections, lets those with a request finish it and closes the
    /// others. Returns as soon as there is none left; those that still are after `limit`
    /// are cut. Gives their number.
    pub async fn drain(mut self, limit: Duration) -> usize {
        self.send_away();
        self.site.closing.send_replace(true);
        // It ends by itself, unless it has panicked.
        let _ = (&mut self.accepting).await;
        let _ = timeout(GRACE.min(limit), self.idle()).await;
        self.site.places.close_idle();
        if timeout(limit, self.site.places.all_free()).await.is_ok() {
            return 0;
        }
        let left = self.connections();
        self.site.cut.send_replace(true);
        left
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.site.cut.send_replace(true);
    }
}

async fn accept(socket: TcpListener, site: Arc<Site>) {
    let mut closing = site.closing.subscribe();
    let mut accepted = None;
    tokio::select! {
        _ = closing.wait_for(|closing| *closing) => {}
        () = accept_for_ever(&socket, &mut accepted, &site) => {}
    }
    accept_the_rest(socket, accepted, &site);
}

/// Accepts one after the other. The one that waits for a place is in `accepted` meanwhile.
async fn accept_for_ever(
    socket: &TcpListener,
    accepted: &mut Option<(TcpStream, SocketAddr)>,
    site: &Arc<Site>,
) {
    let mut said = None;
    loop {
        match socket.accept().await {
            Ok(connection) => {
                *accepted = Some(connection);
                // Nobody else is accepted before it has its place.
                let place = site.places.take().await;
                if let Some((stream, peer)) = accepted.take() {
                    spawn(stream, peer, site, place);
                }
            }
            // The client was gone before we came.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // No file descriptor or no memory: those who have a connection may give
            // theirs back meanwhile.
            Err(error) => {
                if said.is_none_or(|said: Instant| said.elapsed() > SAID_AGAIN) {
                    tracing::warn!(%error, "no connection accepted");
                    said = Some(Instant::now());
                }
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// Takes those whom the system has connected to a listener that is about to close: to them
/// it is open.
fn accept_the_rest(
    socket: TcpListener,
    accepted: Option<(TcpStream, SocketAddr)>,
    site: &Arc<Site>,
) {
    if let Some((stream, peer)) = accepted
        && let Some(place) = site.places.try_take()
    {
        spawn(stream, peer, site, place);
    }
    // It doesn't block, neither before nor after.
    let Ok(socket) = socket.into_std() else {
        return;
    };
    while let Some(place) = site.places.try_take()
        && let Ok((stream, peer)) = socket.accept()
        && stream.set_nonblocking(true).is_ok()
        && let Ok(stream) = TcpStream::from_std(stream)
    {
        spawn(stream, peer, site, place);
    }
}

/// Serves a connection in a task of its own, until it ends or is cut.
fn spawn(stream: TcpStream, peer: SocketAddr, site: &Arc<Site>, place: Place) {
    let site = Arc::clone(site);
    site.accepted.fetch_add(1, Ordering::Relaxed);
    tokio::spawn(async move {
        let mut cut = site.cut.subscribe();
        let door = Door {
            peer,
            local: site.address,
            sends_away: &site.sends_away,
            place: &place,
        };
        tokio::select! {
            () = connection::serve(stream, door, &site.service) => {}
            _ = cut.wait_for(|cut| *cut) => {}
        }
        drop(place);
        site.left.notify_one();
    });
}
