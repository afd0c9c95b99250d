use std::num::NonZeroUsize;

use pingora_core::protocols::l4;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// A connection that can be kept, and its other end.
async fn connection() -> (Kept, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let ours = TcpStream::connect(address).await.expect("it listens");
    let (theirs, _) = listener.accept().await.expect("a connection");
    let kept = Kept {
        stream: Stream::Plain(Box::new(l4::stream::Stream::from(ours))),
        place: None,
        is_bound: false,
    };
    (kept, theirs)
}

fn pool(reuse: Reuse) -> UpstreamPool {
    UpstreamPool {
        reuse,
        max_connections: None,
        max_idle: 8,
        idle: LONG,
    }
}

fn shared(max_idle: usize) -> Arc<Idle> {
    let pool = pool(Reuse::Shared);
    Idle::new(UpstreamPool { max_idle, ..pool })
}

fn at_most(reuse: Reuse, most: usize) -> Arc<Idle> {
    let max_connections = NonZeroUsize::new(most);
    let pool = UpstreamPool {
        max_connections,
        ..pool(reuse)
    };
    Idle::new(pool)
}

fn nobody(idle: &Arc<Idle>) -> User {
    idle.user(OnBehalfOf::Nobody)
}

fn id(kept: Option<Kept>) -> Option<i32> {
    kept.map(|kept| kept.stream.id())
}

/// A connection that was opened at this place.
async fn opened(acquired: Result<Acquired, NoPlace>) -> (Kept, TcpStream) {
    let Ok(Acquired::Fresh(place)) = acquired else {
        panic!("one more may be opened");
    };
    let (mut kept, theirs) = connection().await;
    kept.place = place;
    (kept, theirs)
}

/// Waits until nothing that waits can be used, as the rounds find out.
async fn is_closed(idle: &Idle) {
    while idle.close_ended() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_connection_that_was_used_last_is_used_first() {
    let idle = shared(8);
    let user = nobody(&idle);
    let (first, _first) = connection().await;
    let (second, _second) = connection().await;
    let ids = [first.stream.id(), second.stream.id()];
    idle.put(1, first, user, None);
    idle.put(1, second, user, None);

    assert!(idle.take(2, user).is_none());
    let taken = [idle.take(1, user), idle.take(1, user)].map(|it| id(it).expect("it waits"));
    assert_eq!(taken, [ids[1], ids[0]]);
    assert!(idle.take(1, user).is_none());
}

#[tokio::test]
async fn a_connection_that_the_upstream_ends_is_closed_while_it_waits() {
    for says_something in [false, true] {
        let idle = shared(8);
        let user = nobody(&idle);
        let (ours, mut theirs) = connection().await;
        idle.put(1, ours, user, None);
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
        assert!(idle.take(1, user).is_none());
    }
}

#[tokio::test]
async fn no_more_are_kept_than_may_be_and_none_too_long() {
    let idle = shared(1);
    let user = nobody(&idle);
    let (first, _first) = connection().await;
    let (second, _second) = connection().await;
    let kept = second.stream.id();
    idle.put(1, first, user, None);
    idle.put(2, second, user, None);

    assert!(idle.take(1, user).is_none());
    assert_eq!(id(idle.take(2, user)), Some(kept));

    let none = UpstreamPool {
        idle: Duration::ZERO,
        ..pool(Reuse::Shared)
    };
    let idle = Idle::new(none);
    let (late, _late) = connection().await;
    idle.put(1, late, user, None);
    assert!(idle.take(1, user).is_none());
}

#[test]
fn a_connection_waits_for_no_longer_than_both_ends_keep_it() {
    let seconds = Duration::from_secs;
    for (ours, theirs, limit) in [
        (Some(4), None, Some(seconds(4))),
        (Some(4), Some(5), Some(seconds(4))),
        (Some(4), Some(3), Some(seconds(2))),
        (Some(4), Some(1), Some(Duration::from_millis(500))),
        (Some(4), Some(0), Some(Duration::ZERO)),
        (None, Some(15), Some(seconds(14))),
        (None, None, None),
    ] {
        let (ours, theirs) = (ours.map(seconds), theirs.map(seconds));
        assert_eq!(idle_limit(ours, theirs), limit, "{ours:?} {theirs:?}");
    }
}

/// Whether each of a client's own request, another client's, a handler of the first one's and
/// a handler of nobody's may use what the first client left.
async fn used_by(reuse: Reuse, is_bound: bool) -> [bool; 4] {
    let mut may_use = [false; 4];
    for (number, may_use) in may_use.iter_mut().enumerate() {
        let idle = Idle::new(pool(reuse));
        let (alice, bob) = (ClientConnection::new(1), ClientConnection::new(2));
        let (mut kept, _theirs) = connection().await;
        kept.is_bound = is_bound;
        idle.put(1, kept, idle.user(OnBehalfOf::Client(&alice)), None);
        let behalf = match number {
            0 => OnBehalfOf::Client(&alice),
            1 => OnBehalfOf::Client(&bob),
            2 => OnBehalfOf::Handler(&alice),
            _ => OnBehalfOf::Nobody,
        };
        *may_use = idle.take(1, idle.user(behalf)).is_some();
    }
    may_use
}

#[tokio::test]
async fn who_may_use_a_connection_again() {
    assert_eq!(
        used_by(Reuse::Client, false).await,
        [true, false, true, false]
    );
    assert_eq!(used_by(Reuse::Shared, false).await, [true; 4]);
    assert_eq!(used_by(Reuse::Off, false).await, [false; 4]);
    for reuse in [Reuse::Client, Reuse::Shared, Reuse::Off] {
        let only_its_client = [true, false, false, false];
        assert_eq!(used_by(reuse, true).await, only_its_client, "{reuse:?}");
    }
}

#[tokio::test]
async fn what_a_call_of_a_handlers_has_logged_in_is_used_by_nobody() {
    for reuse in [Reuse::Client, Reuse::Shared, Reuse::Off] {
        let idle = Idle::new(pool(reuse));
        let alice = ClientConnection::new(1);
        for behalf in [OnBehalfOf::Handler(&alice), OnBehalfOf::Nobody] {
            let (mut kept, mut theirs) = connection().await;
            kept.is_bound = true;

            idle.put(1, kept, idle.user(behalf), None);

            assert_eq!(theirs.read(&mut [0]).await.expect("closed"), 0);
        }
    }
}

#[tokio::test]
async fn what_a_client_has_is_closed_with_its_connection_and_what_comes_later_too() {
    for is_bound in [false, true] {
        let idle = Idle::new(pool(Reuse::Client));
        let alice = ClientConnection::new(1);
        let user = idle.user(OnBehalfOf::Client(&alice));
        let (mut waiting, mut theirs) = connection().await;
        let (mut late, mut theirs_too) = connection().await;
        (waiting.is_bound, late.is_bound) = (is_bound, is_bound);
        idle.put(1, waiting, user, None);

        drop(alice);
        idle.put(1, late, user, None);

        assert_eq!(theirs.read(&mut [0]).await.expect("closed"), 0);
        assert_eq!(theirs_too.read(&mut [0]).await.expect("closed"), 0);
    }
}

#[tokio::test]
async fn where_no_more_may_be_opened_the_one_that_waited_longest_is_closed() {
    let idle = at_most(Reuse::Client, 2);
    let clients = [1, 2, 3].map(ClientConnection::new);
    let users = [0, 1, 2].map(|at: usize| idle.user(OnBehalfOf::Client(&clients[at])));
    let (first, mut theirs) = opened(idle.acquire(1, users[0], LONG).await).await;
    let (second, _second) = opened(idle.acquire(1, users[1], LONG).await).await;
    let elsewhere = idle.acquire(2, users[2], LONG).await;
    assert!(matches!(elsewhere, Ok(Acquired::Fresh(Some(_)))));
    idle.put(1, first, users[0], None);
    idle.put(1, second, users[1], None);

    let third = idle.acquire(1, users[2], LONG).await;

    assert!(matches!(third, Ok(Acquired::Fresh(Some(_)))));
    assert_eq!(theirs.read(&mut [0]).await.expect("closed"), 0);
    assert!(idle.take(1, users[1]).is_some());
}

#[tokio::test]
async fn what_is_logged_in_is_closed_last() {
    let idle = at_most(Reuse::Client, 2);
    let clients = [1, 2, 3].map(ClientConnection::new);
    let users = [0, 1, 2].map(|at: usize| idle.user(OnBehalfOf::Client(&clients[at])));
    let (mut first, _first) = opened(idle.acquire(1, users[0], LONG).await).await;
    let (second, mut theirs) = opened(idle.acquire(1, users[1], LONG).await).await;
    first.is_bound = true;
    idle.put(1, first, users[0], None);
    idle.put(1, second, users[1], None);

    let third = idle.acquire(1, users[2], LONG).await;

    assert!(matches!(third, Ok(Acquired::Fresh(Some(_)))));
    assert_eq!(theirs.read(&mut [0]).await.expect("closed"), 0);
    assert!(idle.take(1, users[0]).is_some());
}

#[tokio::test]
async fn a_request_that_waits_gets_what_becomes_free_and_one_that_has_left_gets_nothing() {
    for reuse in [Reuse::Shared, Reuse::Client, Reuse::Off] {
        let idle = at_most(reuse, 1);
        let clients = [1, 2, 3].map(ClientConnection::new);
        let users = [0, 1, 2].map(|at: usize| idle.user(OnBehalfOf::Client(&clients[at])));
        let (kept, _theirs) = opened(idle.acquire(1, users[0], LONG).await).await;
        let first = kept.stream.id();
        let mut gone = Box::pin(idle.acquire(1, users[1], LONG));
        assert!(futures_util::poll!(&mut gone).is_pending());
        let mut waits = Box::pin(idle.acquire(1, users[2], LONG));
        assert!(futures_util::poll!(&mut waits).is_pending());
        drop(gone);

        idle.put(1, kept, users[0], None);

        match (waits.await, reuse) {
            (Ok(Acquired::Kept(kept)), Reuse::Shared) => assert_eq!(kept.stream.id(), first),
            (Ok(Acquired::Fresh(Some(_))), Reuse::Client | Reuse::Off) => {}
            _ => panic!("{reuse:?}: another way than it should be"),
        }
    }
}

#[tokio::test]
async fn a_place_that_is_dropped_is_for_the_request_that_has_waited_longest() {
    let idle = at_most(Reuse::Off, 1);
    let user = nobody(&idle);
    let Ok(Acquired::Fresh(place)) = idle.acquire(1, user, LONG).await else {
        panic!("it is the first");
    };
    let mut first = Box::pin(idle.acquire(1, user, LONG));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(idle.acquire(1, user, LONG));
    assert!(futures_util::poll!(&mut second).is_pending());

    drop(place);

    let Ok(Acquired::Fresh(place)) = first.await else {
        panic!("it waited longest");
    };
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(place);
    drop(second.await);
    assert!(idle.lock().addresses.is_empty());
}

#[tokio::test]
async fn a_request_waits_neither_for_ever_nor_behind_too_many() {
    let idle = at_most(Reuse::Off, 1);
    let user = nobody(&idle);
    let _first = idle.acquire(1, user, LONG).await;

    let short = Duration::from_millis(1);
    let late = idle.acquire(1, user, short).await;
    assert_eq!(late.err(), Some(NoPlace::TimedOut(short)));

    let mut waiting = Vec::new();
    for _ in 0..MAX_QUEUED {
        let mut waits = Box::pin(idle.acquire(1, user, LONG));
        assert!(futures_util::poll!(&mut waits).is_pending());
        waiting.push(waits);
    }
    let behind = idle.acquire(1, user, LONG).await;
    assert_eq!(behind.err(), Some(NoPlace::QueueFull));
}
