//! The worker's end of the control socket.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio;
use tokio::sync::mpsc;

use super::channel::{self, Channel};
use super::message::{
    Attached, Attachment, Begin, FromWorker, KeptSet, SetName, Signal, ToWorker, take,
};
use super::sealed::Sealed;
use super::sockets::Sockets;

/// How long a set waits to be handed over before it goes live all the same.
const HANDOVER: Duration = Duration::from_secs(1);

/// Why a worker can't begin.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Standard input is no control socket.
    #[error("a worker is started by `interpose run`, not by hand")]
    NoSupervisor,
    /// What came over it can't be used.
    #[error("could not begin as a worker: {0}")]
    Io(#[from] io::Error),
}

/// The control socket, before there is a runtime.
#[derive(Debug)]
pub struct Link(OwnedFd);

/// Waits for the first message of the supervisor, which started this process.
///
/// # Errors
///
/// [`LinkError`].
pub fn begin() -> Result<(Begin, Link), LinkError> {
    let socket = fcntl_dupfd_cloexec(stdio::stdin(), 3).map_err(io::Error::from)?;
    let first = channel::receive(&socket).map_err(|error| match error.raw_os_error() {
        // Not a socket.
        Some(_) => LinkError::NoSupervisor,
        None => LinkError::Io(error),
    })?;
    let Some((
        ToWorker::Begin {
            is_first,
            live,
            state,
        },
        mut attached,
    )) = first
    else {
        return Err(LinkError::NoSupervisor);
    };
    // No child of ours is to get hold of the socket.
    stdio::dup2_stdin(std::fs::File::open("/dev/null")?).map_err(io::Error::from)?;
    let config = take(&mut attached, Attachment::Config).map(Sealed::received);
    let region = take(&mut attached, Attachment::Region);
    let live = live.map(|name| kept_set(name, &mut attached));
    let begin = Begin {
        is_first,
        config: config.transpose()?,
        region,
        live: live.transpose()?,
        state,
    };
    Ok((begin, Link(socket)))
}

impl Link {
    /// Begins to listen to the supervisor, on the present runtime: what it says, and where
    /// reports to it go. Pings are answered as long as the runtime works.
    ///
    /// # Errors
    ///
    /// The system can't watch the socket.
    pub fn start(self) -> io::Result<(Reports, Orders)> {
        let channel = Channel::new(self.0)?;
        let (reports, outgoing) = mpsc::unbounded_channel();
        let (incoming, orders) = mpsc::unbounded_channel();
        tokio::spawn(run(channel, outgoing, incoming));
        Ok((Reports(reports), Orders(orders)))
    }
}

/// Where reports to the supervisor go. It may be gone: a report is a wish.
#[derive(Debug, Clone)]
pub struct Reports(mpsc::UnboundedSender<Report>);

/// One report.
#[derive(Debug)]
struct Report {
    message: FromWorker,
    attached: Attached,
    /// Who waits until it is where the end of this process can't undo it.
    sent: Option<SyncSender<()>>,
}

impl Reports {
    /// This worker is initialised.
    pub fn ready(&self) {
        self.say(FromWorker::Ready);
    }

    /// It accepts connections.
    pub fn serving(&self) {
        self.say(FromWorker::Serving);
    }

    /// The first reading of the script directory has ended.
    pub fn decided(&self) {
        self.say(FromWorker::Decided);
    }

    /// The reload that a hangup asked for has ended.
    pub fn reloaded(&self) {
        self.say(FromWorker::Reloaded);
    }

    /// This set is about to be live. Blocks until the supervisor is sure to have it.
    ///
    /// # Errors
    ///
    /// There is no memory or no descriptor for a copy of its files, or the supervisor takes none.
    pub fn live(&self, name: SetName, files: &[u8]) -> io::Result<()> {
        let files = Sealed::new("script set", files)?.descriptor()?;
        self.hand_over(FromWorker::Set(name), vec![(Attachment::Set, files)])
    }

    /// A value that later workers are to have. Blocks until the supervisor is sure to have it.
    ///
    /// # Errors
    ///
    /// The supervisor takes none.
    pub fn state(&self, name: impl Into<String>, value: serde_json::Value) -> io::Result<()> {
        self.hand_over(FromWorker::State(name.into(), value), Vec::new())
    }

    /// Says something, and waits until the end of this process can't undo it.
    fn hand_over(&self, message: FromWorker, attached: Attached) -> io::Result<()> {
        let (sent, was_sent) = sync_channel(1);
        let report = Report {
            message,
            attached,
            sent: Some(sent),
        };
        self.0.send(report).ok();
        was_sent.recv_timeout(HANDOVER).map_err(io::Error::other)
    }

    fn say(&self, message: FromWorker) {
        let report = Report {
            message,
            attached: Vec::new(),
            sent: None,
        };
        self.0.send(report).ok();
    }
}

/// What the supervisor says.
#[derive(Debug)]
pub enum Order {
    /// Another set is live now.
    Set(KeptSet),
    /// A value of the state has changed.
    State(String, serde_json::Value),
    /// Serve from now on.
    Activate(Sockets),
    /// The supervisor got a signal.
    Signal(Signal),
    /// The supervisor is gone.
    Gone,
}

/// The orders of the supervisor, the last of which is [`Order::Gone`].
#[derive(Debug)]
pub struct Orders(mpsc::UnboundedReceiver<Order>);

impl Orders {
    /// The next one.
    pub async fn next(&mut self) -> Order {
        self.0.recv().await.unwrap_or(Order::Gone)
    }
}

async fn run(
    channel: Channel,
    mut outgoing: mpsc::UnboundedReceiver<Report>,
    incoming: mpsc::UnboundedSender<Order>,
) {
    let write = async {
        while let Some(report) = outgoing.recv().await {
            match channel.send(report.message, report.attached).await {
                Ok(()) => {
                    if let Some(sent) = report.sent {
                        sent.send(()).ok();
                    }
                }
                Err(error) => tracing::debug!(%error, "a report to the supervisor was lost"),
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = write => {}
        () = read(&channel, &incoming) => {}
    }
}

/// Until the supervisor is gone, or nobody wants to know what it says.
async fn read(channel: &Channel, incoming: &mpsc::UnboundedSender<Order>) {
    loop {
        let order = match channel.receive().await {
            Ok(Some((ToWorker::Ping, _))) => {
                channel.send(FromWorker::Pong, Vec::new()).await.ok();
                continue;
            }
            Ok(Some((message, attached))) => order(message, attached),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        match order {
            Ok(Some(order)) => {
                if incoming.send(order).is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "what the supervisor says can't be read");
                return;
            }
        }
    }
}

fn order(message: ToWorker, mut attached: Attached) -> io::Result<Option<Order>> {
    Ok(Some(match message {
        ToWorker::Set(name) => Order::Set(kept_set(name, &mut attached)?),
        ToWorker::State(name, value) => Order::State(name, value),
        ToWorker::Activate => Order::Activate(Sockets::attached(attached)?),
        ToWorker::Signal(signal) => Order::Signal(signal),
        // The first message was read before, and pings are answered already.
        ToWorker::Begin { .. } | ToWorker::Ping => return Ok(None),
    }))
}

fn kept_set(name: SetName, attached: &mut Attached) -> io::Result<KeptSet> {
    let files = take(attached, Attachment::Set);
    let files = files.ok_or_else(|| io::Error::other("a script set came without its files"))?;
    Ok(KeptSet {
        name,
        files: Sealed::received(files)?,
    })
}
