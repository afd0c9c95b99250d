use pingora_core::protocols::l4;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::message::Fields;
use crate::transaction::ports::Nobody;
use crate::upstream::Peer;

use super::*;

const LONG: Duration = Duration::from_secs(60);

const TIMES: Times = Times {
    connect: LONG,
    read: LONG,
    write: LONG,
    tunnel_idle: LONG,
};

/// A connection that was just opened, and its other end.
async fn connection() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let url = format!("http://{address}").parse().expect("an address");
    let peer = Peer::new(&url, None).expect("an address");
    let addresses = peer.addresses().await.expect("an address");
    let ours = TcpStream::connect(address).await.expect("it listens");
    let (theirs, _) = listener.accept().await.expect("a connection");
    let kept = Kept {
        stream: Stream::Plain(Box::new(l4::stream::Stream::from(ours))),
        place: None,
        is_bound: false,
    };
    (
        Connection::new(kept, Arc::clone(peer.preferred(&addresses)), false),
        theirs,
    )
}

/// What comes of a GET.
async fn get(connection: &mut Connection, buffers: &Arc<Buffers>) -> Result<Head, Lost> {
    let request = Request::new(Method::GET, "/", Fields::default());
    let body = Sending::Whole(Pieces::default());
    let mut outgoing = Outgoing::new(&request, body, "a").expect("a sound head");
    let method = Method::GET;
    connection
        .exchange(&mut outgoing, &method, &TIMES, buffers, &mut Nobody)
        .await
}

fn budget(bytes: usize) -> Arc<Buffers> {
    Arc::new(Buffers::new(bytes))
}

#[tokio::test]
async fn a_server_that_speaks_first_is_not_asked() {
    let (mut connection, mut theirs) = connection().await;
    let unasked = theirs.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    unasked.await.expect("it is taken");

    let lost = get(&mut connection, &budget(1 << 20)).await;

    assert!(matches!(lost, Err(Lost::Broken(why)) if why.contains("before it was asked")));
    drop(connection);
    // Nothing was sent before the end, which is a reset since what came was not read.
    assert!(!matches!(theirs.read(&mut [0; 99]).await, Ok(1..)));
}

#[tokio::test]
async fn whoever_waits_for_a_response_holds_no_memory_for_what_has_not_come() {
    let (mut connection, mut theirs) = connection().await;
    let buffers = budget(1 << 20);
    let mut answer = tokio::spawn({
        let buffers = Arc::clone(&buffers);
        async move {
            let head = get(&mut connection, &buffers).await;
            (head, connection)
        }
    });
    assert!(theirs.read(&mut [0; 99]).await.expect("the request") > 0);
    assert_eq!(buffers.used(), 0);

    let part = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000));
    theirs
        .write_all(part.as_bytes())
        .await
        .expect("it is taken");
    while buffers.used() < 20_000 {
        assert!(!answer.is_finished());
        tokio::task::yield_now().await;
    }
    assert!(buffers.used() < 64 * 1024, "{}", buffers.used());

    let rest = theirs.write_all(b"\r\nContent-Length: 2\r\n\r\n");
    rest.await.expect("it is taken");
    let (head, mut connection) = (&mut answer).await.expect("no panic");
    assert_eq!(head.expect("a head").response.status, 200);
    assert_eq!(buffers.used(), 0);

    // Within the body: first nothing has come, then the beginning of a chunk.
    let read = |connection: &mut Connection| {
        let waker = std::task::Waker::noop();
        connection.poll_read(&mut Context::from_waker(waker), 64 * 1024, &buffers)
    };
    assert!(read(&mut connection).is_pending());
    assert_eq!((connection.incoming.capacity(), buffers.used()), (0, 0));
    theirs.write_all(b"1f").await.expect("it is taken");
    while read(&mut connection).is_pending() {
        tokio::task::yield_now().await;
    }
    assert!(read(&mut connection).is_pending());
    assert_eq!(buffers.used(), connection.incoming.capacity());
    assert!(buffers.used() < READ_SIZE, "{}", buffers.used());
    drop(connection);
    assert_eq!(buffers.used(), 0);
}

#[tokio::test]
async fn a_head_for_which_there_is_no_memory_left_is_given_up() {
    let (mut connection, mut theirs) = connection().await;
    let buffers = budget(1000);
    let part = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000));
    let send = async {
        assert!(theirs.read(&mut [0; 99]).await.expect("the request") > 0);
        theirs
            .write_all(part.as_bytes())
            .await
            .expect("it is taken");
    };

    let (lost, ()) = tokio::join!(get(&mut connection, &buffers), send);

    assert!(matches!(lost, Err(Lost::NoMemory)), "{lost:?}");
    drop(connection);
    assert_eq!(buffers.used(), 0);
}
