//! Connections that wait to be used again.
//!
//! Pingora's pool gives each of them a task and a timer of its own, and asks the kernel who is
//! at the other end whenever one is used again: a seventh of the instructions of a request that
//! is passed on, and a system call. Here they lie in a list. One look before it is used, and one
//! each second while it waits, tell whether the upstream has closed it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use pingora_core::protocols::Stream;
use tokio::io::AsyncReadExt as _;

/// How often those that wait are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// The idle connections of one client, by whom they lead to.
pub(super) struct Idle {
    state: Mutex<State>,
    /// The most there may be.
    most: usize,
    /// How long one is kept.
    limit: Duration,
}

#[derive(Default)]
struct State {
    /// In each list the one that was used last stands last.
    waiting: HashMap<u64, VecDeque<Waiting>>,
    count: usize,
    /// Whether somebody goes the rounds.
    is_watched: bool,
}

struct Waiting {
    stream: Stream,
    since: Instant,
}

impl Idle {
    pub(super) fn new(most: usize, limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            most,
            limit,
        })
    }

    /// The connection of this key that was used last, if one is still good.
    pub(super) fn take(&self, key: u64) -> Option<Stream> {
        let mut state = self.lock();
        loop {
            let mut waiting = state.waiting.get_mut(&key)?.pop_back()?;
            state.count -= 1;
            if waiting.is_good(self.limit) {
                return Some(waiting.stream);
            }
        }
    }

    /// Keeps a connection that has nothing left on it. Where there are too many, the one of its
    /// key that has waited longest goes, or itself.
    pub(super) fn put(self: &Arc<Self>, key: u64, stream: Stream) {
        let mut state = self.lock();
        let is_full = state.count >= self.most;
        let list = state.waiting.entry(key).or_default();
        if is_full && list.pop_front().is_none() {
            return;
        }
        list.push_back(Waiting {
            stream,
            since: Instant::now(),
        });
        if !is_full {
            state.count += 1;
        }
        if !std::mem::replace(&mut state.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Closes what nobody can use any more. Whether any are left.
    fn close_ended(&self) -> bool {
        let mut state = self.lock();
        let limit = self.limit;
        state.waiting.retain(|_, list| {
            list.retain_mut(|waiting| waiting.is_good(limit));
            !list.is_empty()
        });
        state.count = state.waiting.values().map(VecDeque::len).sum();
        state.is_watched = state.count > 0;
        state.is_watched
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether it hasn't waited too long and the upstream hasn't ended it. Nobody sends anything
    /// on a connection without a request: what does come makes it unusable too.
    fn is_good(&mut self, limit: Duration) -> bool {
        let mut byte = [0; 1];
        self.since.elapsed() < limit
            && tokio::task::unconstrained(self.stream.read(&mut byte))
                .now_or_never()
                .is_none()
    }
}

/// Goes the rounds until nothing waits any more.
async fn watch(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(idle) = idle.upgrade() else { return };
        if !idle.close_ended() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use pingora_core::protocols::l4;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A connection for the pool, and its other end.
    async fn connection() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let ours = TcpStream::connect(address).await.expect("it listens");
        let (theirs, _) = listener.accept().await.expect("a connection");
        (Box::new(l4::stream::Stream::from(ours)), theirs)
    }

    /// Waits until nothing of this key can be used, as the rounds find out.
    async fn is_closed(idle: &Idle) {
        while idle.close_ended() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_connection_that_was_used_last_is_used_first() {
        let idle = Idle::new(8, LONG);
        let (first, _first) = connection().await;
        let (second, _second) = connection().await;
        let ids = [first.id(), second.id()];
        idle.put(1, first);
        idle.put(1, second);

        assert!(idle.take(2).is_none());
        let taken = [idle.take(1), idle.take(1)].map(|it| it.expect("it waits").id());
        assert_eq!(taken, [ids[1], ids[0]]);
        assert!(idle.take(1).is_none());
    }

    #[tokio::test]
    async fn a_connection_that_the_upstream_ends_is_closed_while_it_waits() {
        for says_something in [false, true] {
            let idle = Idle::new(8, LONG);
            let (ours, mut theirs) = connection().await;
            idle.put(1, ours);
            if says_something {
                theirs.write_all(b"x").await.expect("written");
            } else {
                theirs.shutdown().await.expect("closed");
            }

            is_closed(&idle).await;

            let mut rest = Vec::new();
            // Its end, or a reset where something was left unread.
            let end = theirs.read_to_end(&mut rest).await;
            assert!(end.is_err() || rest.is_empty());
            assert!(idle.take(1).is_none());
        }
    }

    #[tokio::test]
    async fn no_more_are_kept_than_may_be_and_none_too_long() {
        let idle = Idle::new(1, LONG);
        let (first, _first) = connection().await;
        let (second, _second) = connection().await;
        let (other, _other) = connection().await;
        let id = second.id();
        idle.put(1, first);
        idle.put(1, second);
        idle.put(2, other);

        assert!(idle.take(2).is_none());
        assert_eq!(idle.take(1).map(|stream| stream.id()), Some(id));
        assert!(idle.take(1).is_none());

        let idle = Idle::new(1, Duration::ZERO);
        let (late, _late) = connection().await;
        idle.put(1, late);
        assert!(idle.take(1).is_none());
    }
}
