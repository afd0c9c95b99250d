//! The body of a response, read piece by piece as it comes.
//!
//! The connection goes back to the pool with the last piece, and only where nothing is
//! left on it; dropped earlier it is closed.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::time::timeout;

use crate::message::chunked::{Chunks, Step};
use crate::message::framing::Length;
use crate::transaction::ports::{BodyError, BodySource};

use super::client::Pool;
use super::connection::Connection;

/// A body on its connection.
pub(super) struct ResponseBody {
    /// Gone with the last piece.
    connection: Option<Connection>,
    rest: Rest,
    keeps_alive: bool,
    pool: Arc<Pool>,
}

/// What is still to come.
enum Rest {
    Known(u64),
    Chunked(Chunks),
    UntilClosed,
}

impl ResponseBody {
    /// The body that ends as `length` says; an empty one is at its end at once.
    pub(super) fn new(
        connection: Connection,
        length: Length,
        keeps_alive: bool,
        pool: Arc<Pool>,
    ) -> Self {
        let rest = match length {
            Length::Known(length) => Rest::Known(length),
            Length::Chunked => Rest::Chunked(Chunks::default()),
            Length::Unsaid => Rest::UntilClosed,
        };
        let mut body = Self {
            connection: Some(connection),
            rest,
            keeps_alive,
            pool,
        };
        if length == Length::Known(0) {
            body.end();
        }
        body
    }

    /// The next piece of what has been read already.
    fn take_piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(connection) = &mut self.connection else {
            return Ok(None);
        };
        let incoming = connection.incoming();
        let piece = match &mut self.rest {
            Rest::Known(left) => {
                let here =
                    usize::try_from(*left).map_or(incoming.len(), |left| left.min(incoming.len()));
                *left -= here as u64;
                incoming.split_to(here).freeze()
            }
            Rest::Chunked(chunks) => loop {
                if incoming.is_empty() || chunks.has_ended() {
                    break Bytes::new();
                }
                match chunks.step(incoming).map_err(|_| BodyError::Cut)? {
                    Step::Overhead(size) | Step::End(size) => incoming.advance(size),
                    Step::Data(size) => break incoming.split_to(size).freeze(),
                }
            },
            Rest::UntilClosed => incoming.split().freeze(),
        };
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    fn has_ended(&self) -> bool {
        match &self.rest {
            Rest::Known(left) => *left == 0,
            Rest::Chunked(chunks) => chunks.has_ended(),
            Rest::UntilClosed => false,
        }
    }

    /// Gives the connection back where it can be used again.
    fn end(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.keeps_alive
            && connection.is_drained()
        {
            self.pool.release(connection);
        }
    }
}

#[async_trait::async_trait]
impl BodySource for ResponseBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let piece = self.take_piece()?;
            if self.has_ended() {
                self.end();
            }
            if piece.is_some() {
                return Ok(piece);
            }
            let limit = self.pool.settings.read;
            let Some(connection) = &mut self.connection else {
                return Ok(None);
            };
            let read = timeout(limit, connection.read())
                .await
                .map_err(|_| BodyError::TimedOut)?
                .map_err(|_| BodyError::Cut)?;
            if read == 0 {
                self.connection = None;
                return match self.rest {
                    Rest::UntilClosed => Ok(None),
                    Rest::Known(_) | Rest::Chunked(_) => Err(BodyError::Cut),
                };
            }
        }
    }
}
