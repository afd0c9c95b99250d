//! The body of a response, read piece by piece as it comes, while the rest of its request
//! may still be on its way.
//!
//! The connection goes back to the pool with the last piece, and only where nothing is
//! left on it; dropped earlier it is closed.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::transaction::ports::{BodyError, BodySource};
use crate::wire::{Head, Held, Inbox, Patience};

use super::connection::{Connection, Outgoing, READ_SIZE, Unsent};
use super::connections::Connections;
use super::idle::User;

/// A body on its connection.
pub(super) struct ResponseBody<'a> {
    /// Gone with the last piece.
    connection: Option<Connection>,
    inbox: Inbox,
    /// The last piece, where it is large: a client that is slow to take the next one still has it.
    given_out: Option<Held>,
    /// What is left of the request.
    outgoing: Option<Outgoing<'a>>,
    keeps_alive: bool,
    /// How long nothing may happen.
    patience: Patience,
    is_tunnel: bool,
    /// How long the upstream keeps the connection for a next request, where it says so.
    kept_for: Option<Duration>,
    user: User,
    connections: Arc<Connections>,
}

impl<'a> ResponseBody<'a> {
    /// The body that follows `head`; an empty one is at its end at once. A request that
    /// wasn't wholly sent goes on where the upstream succeeds: it may still be reading.
    pub(super) fn new(
        connection: Connection,
        head: &Head,
        mut outgoing: Outgoing<'a>,
        user: User,
        connections: Arc<Connections>,
    ) -> Self {
        let is_tunnel = head.response.status == StatusCode::SWITCHING_PROTOCOLS;
        let is_sent = outgoing.is_sent();
        let goes_on = is_tunnel || head.response.status.is_success();
        if is_tunnel {
            outgoing.release();
        }
        let mut body = Self {
            connection: Some(connection),
            inbox: if is_tunnel {
                Inbox::UntilClosed
            } else {
                Inbox::new(head.length)
            },
            given_out: None,
            outgoing: (!is_sent && goes_on).then_some(outgoing),
            keeps_alive: head.keeps_alive && (is_sent || goes_on),
            patience: Patience::new(if is_tunnel {
                connections.times.tunnel_idle
            } else {
                connections.times.read
            }),
            is_tunnel,
            kept_for: head.kept_for,
            user,
            connections,
        };
        if body.inbox.has_ended() {
            body.end();
        }
        body
    }

    /// Sends more of the request, where some is left.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let (Some(outgoing), Some(connection)) = (&mut self.outgoing, &mut self.connection) else {
            return Ok(());
        };
        let before = outgoing.written();
        let sent = connection.poll_send(cx, outgoing);
        if outgoing.written() > before {
            self.patience.renew();
        }
        match sent {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(Unsent::Closed(_))) => self.keeps_alive = false,
            Poll::Ready(Err(Unsent::Client(error))) => return Err(error),
        }
        self.outgoing = None;
        if self.is_tunnel {
            // One that the client has left is not kept open for an upstream that is silent.
            self.patience = Patience::new(self.connections.times.read);
        }
        Ok(())
    }

    /// Gives the connection back where it can be used again.
    fn end(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.keeps_alive
            && self.outgoing.is_none()
            && connection.is_drained()
        {
            let key = connection.address.key;
            let kept = connection.into_kept();
            self.connections
                .idle
                .put(key, kept, self.user, self.kept_for);
        }
    }

    /// How much to read next: of a small body one byte more than there is of it. A read that
    /// comes back short tells the runtime that nothing is left, so that it needn't ask the
    /// kernel before the connection is used again.
    fn read_size(&self) -> usize {
        let most = self.connections.buffers.read_size();
        match &self.inbox {
            Inbox::Known(left) => {
                usize::try_from(*left).map_or(most, |left| left.saturating_add(1).min(most))
            }
            Inbox::Chunked(_) | Inbox::UntilClosed => most,
        }
    }
}

impl BodySource for ResponseBody<'_> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        self.given_out = None;
        self.poll_send(cx)?;
        loop {
            let size = self.read_size();
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Ok(None));
            };
            let piece = self
                .inbox
                .take(connection.incoming())
                .map_err(|_| BodyError::Cut)?;
            if self.inbox.has_ended() {
                self.end();
            }
            if let Some(piece) = piece {
                if piece.len() > READ_SIZE {
                    self.given_out = Some(self.connections.buffers.hold(piece.len()));
                }
                return Poll::Ready(Ok(Some(piece)));
            }
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Ok(None));
            };
            match connection.poll_read(cx, size, &self.connections.buffers) {
                Poll::Pending => {
                    ready!(self.patience.poll_end(cx));
                    self.connection = None;
                    return Poll::Ready(if self.is_tunnel {
                        // Nothing is missing: both ends had nothing to say.
                        Ok(None)
                    } else {
                        Err(BodyError::TimedOut)
                    });
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(BodyError::Cut)),
                Poll::Ready(Ok(0)) => {
                    self.connection = None;
                    return Poll::Ready(match self.inbox {
                        Inbox::UntilClosed => Ok(None),
                        Inbox::Known(_) | Inbox::Chunked(_) => Err(BodyError::Cut),
                    });
                }
                Poll::Ready(Ok(_)) => self.patience.renew(),
            }
        }
    }
}
