//! The operators' connections: bounded in number and in time, as those of the proxy are.
//!
//! ```text
//! Idle ──first byte──▶ Head ──the request is there──▶ Answering ──▶ Idle …
//! ```
//!
//! One that is idle or whose head is late for too long closes; so does the one that has
//! been idle longest, or else whose head is slowest, when there is no place for another.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service as _;

/// The most bytes of a head.
const MAX_HEAD: usize = 64 * 1024;

/// The most fields of a head.
const MAX_FIELDS: usize = 128;

/// How long nothing is accepted after the system could not give us a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What operators' connections obey.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections of a listener at a time.
    pub max_connections: usize,
    /// How long a head may take to arrive, from its first byte.
    pub head_time: Duration,
    /// How long a connection may wait for its next request, or for its client to take an
    /// answer.
    pub idle_time: Duration,
}

/// Serves routes until `end`, then finishes what is under way.
///
/// # Errors
///
/// Never at present: a listener that can't accept is tried again.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: Limits,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let places = Places {
        free: Arc::new(Semaphore::new(limits.max_connections.max(1))),
        taken: Vec::new(),
    };
    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::select! {
        () = end => {}
        () = accept_for_ever(&listener, places, &mut connections, |stream, activity| {
            connection(stream, routes.clone(), limits, activity, ended.clone())
        }) => {}
    }
    drop(listener);
    ending.send_replace(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn accept_for_ever<F: Future<Output = ()> + Send + 'static>(
    listener: &TcpListener,
    mut places: Places,
    connections: &mut JoinSet<()>,
    serve: impl Fn(TcpStream, Arc<Activity>) -> F,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (activity, place) = places.take().await;
        let serving = serve(stream, activity);
        connections.spawn(async move {
            serving.await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The places there are.
struct Places {
    free: Arc<Semaphore>,
    taken: Vec<Arc<Activity>>,
}

impl Places {
    /// A place; where none is free, somebody has to give up theirs.
    async fn take(&mut self) -> (Arc<Activity>, OwnedSemaphorePermit) {
        self.taken
            .retain(|activity| Arc::strong_count(activity) > 1);
        let mut place = Arc::clone(&self.free).try_acquire_owned().ok();
        while place.is_none() {
            let waiting = self.taken.iter().filter_map(|activity| {
                let waits = activity.lock().order()?;
                Some((waits, activity))
            });
            if let Some((_, activity)) = waiting.min_by_key(|(waits, _)| *waits) {
                activity.given_up.notify_one();
            }
            // Where all are busy, one may wait by the next time.
            let freed = Arc::clone(&self.free).acquire_owned();
            place = tokio::time::timeout(PAUSE, freed)
                .await
                .ok()
                .and_then(Result::ok);
        }
        let activity = Arc::new(Activity::new());
        self.taken.push(Arc::clone(&activity));
        let place = place.expect("the loop ends with one");
        (activity, place)
    }
}

/// What a connection does, for whoever needs its place.
struct Activity {
    state: Mutex<State>,
    given_up: Notify,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing of a request has come, or its answer is being taken.
    Idle { since: Instant },
    /// A part of a head has.
    Head { since: Instant },
    /// A request is answered.
    Answering,
}

impl State {
    /// Those that go first come first.
    fn order(self) -> Option<(u8, Instant)> {
        match self {
            Self::Idle { since } => Some((0, since)),
            Self::Head { since } => Some((1, since)),
            Self::Answering => None,
        }
    }
}

impl Activity {
    fn new() -> Self {
        Self {
            state: Mutex::new(State::Idle {
                since: Instant::now(),
            }),
            given_up: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn become_idle(&self) {
        *self.lock() = State::Idle {
            since: Instant::now(),
        };
    }

    /// When the connection closes unless something happens.
    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        match *self.lock() {
            State::Idle { since } => Some(since + limits.idle_time),
            State::Head { since } => Some(since + limits.head_time),
            State::Answering => None,
        }
    }
}

/// Serves the requests on one connection.
async fn connection(
    stream: TcpStream,
    routes: Router,
    limits: Limits,
    activity: Arc<Activity>,
    mut ended: watch::Receiver<bool>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        *activity.lock() = State::Answering;
        let answer = routes.clone().call(request.map(Body::new));
        let activity = Arc::clone(&activity);
        answer.inspect(move |_| activity.become_idle())
    });
    let timed = Timed {
        stream,
        limits,
        activity: Arc::clone(&activity),
        clock: None,
    };
    let mut serving = pin!(
        http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(timed), service)
    );
    let mut is_ending = false;
    loop {
        tokio::select! {
            // What went wrong on it is its client's.
            _ = serving.as_mut() => return,
            () = activity.given_up.notified() => return,
            _ = ended.wait_for(|ended| *ended), if !is_ending => {
                is_ending = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// A connection that fails once nothing has happened for too long.
struct Timed {
    stream: TcpStream,
    limits: Limits,
    activity: Arc<Activity>,
    clock: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    /// Fails once it is too late.
    fn poll_late<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Some(deadline) = self.activity.deadline(&self.limits) else {
            return Poll::Pending;
        };
        let clock = self
            .clock
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if clock.deadline() != deadline {
            clock.as_mut().reset(deadline);
        }
        ready!(clock.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending => self.poll_late(cx),
            Poll::Ready(read) => {
                let mut state = self.activity.lock();
                if let State::Idle { .. } = *state
                    && buf.filled().len() > before
                {
                    *state = State::Head {
                        since: Instant::now(),
                    };
                }
                drop(state);
                Poll::Ready(read)
            }
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Pending => self.poll_late(cx),
            written @ Poll::Ready(_) => {
                self.activity.become_idle();
                written
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.poll_late(cx),
            written @ Poll::Ready(_) => {
                self.activity.become_idle();
                written
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
