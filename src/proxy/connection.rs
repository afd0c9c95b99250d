//! What the byte stream of a connection and the service on it tell each other.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderValue;

/// One client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// Where it comes from.
    pub(super) peer: SocketAddr,
    /// The address of ours that it came to.
    pub(super) local: SocketAddr,
    /// Whether it is encrypted.
    pub(super) tls: bool,
    turn: AtomicU8,
    is_broken: AtomicBool,
    is_lost: AtomicBool,
    /// Whether every response of the server ends its connection.
    sends_away: Arc<AtomicBool>,
    date: Mutex<Option<Date>>,
}

/// `Date` as the upstream sent it.
#[derive(Debug)]
pub(super) struct Date {
    /// The name as it was spelled.
    pub(super) name: Bytes,
    /// The value.
    pub(super) value: HeaderValue,
}

/// Whose turn it is on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The client's: a request is awaited.
    Client,
    /// Ours: a request is under way.
    Ours,
    /// Everybody's: it has left HTTP.
    Tunnel,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, local: SocketAddr, sends_away: Arc<AtomicBool>) -> Self {
        Self {
            peer,
            local,
            tls: false,
            turn: AtomicU8::new(Turn::Client as u8),
            is_broken: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            sends_away,
            date: Mutex::new(None),
        }
    }

    pub(super) fn turn(&self) -> Turn {
        match self.turn.load(Ordering::Acquire) {
            turn if turn == Turn::Client as u8 => Turn::Client,
            turn if turn == Turn::Ours as u8 => Turn::Ours,
            _ => Turn::Tunnel,
        }
    }

    pub(super) fn set_turn(&self, turn: Turn) {
        self.turn.store(turn as u8, Ordering::Release);
    }

    /// Whether it ends with the response that is about to be sent.
    pub(super) fn is_sent_away(&self) -> bool {
        self.sends_away.load(Ordering::Acquire)
    }

    /// Has the connection end so that a response without a length doesn't look whole.
    pub(super) fn set_broken(&self) {
        self.is_broken.store(true, Ordering::Release);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    /// Takes note that nothing that comes can be understood any more.
    pub(super) fn set_lost(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Keeps the `Date` of the response that is about to be written: pingora puts its
    /// own into every head.
    pub(super) fn keep_date(&self, date: Date) {
        *self.date() = Some(date);
    }

    pub(super) fn take_date(&self) -> Option<Date> {
        self.date().take()
    }

    fn date(&self) -> std::sync::MutexGuard<'_, Option<Date>> {
        self.date.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
