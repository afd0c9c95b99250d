//! What the supervisor and its workers say to each other. Both are the same build of this
//! program, so a message needs no version.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::sealed::Sealed;

/// Values that a worker hands on to those after it, by name, such as a pin. Opaque to the
/// supervisor.
pub type State = BTreeMap<String, serde_json::Value>;

/// What the supervisor says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// The first message: with a [`Attachment::Config`] and a [`Attachment::Set`], where there
    /// are any.
    Begin {
        /// Whether no worker has served before.
        is_first: bool,
        /// The name of the live set, where there is one.
        live: Option<SetName>,
        state: State,
    },
    /// Another set is live now: an [`Attachment::Set`].
    Set(SetName),
    /// A value of the state has changed.
    State(String, serde_json::Value),
    /// Serve from now on, at the sockets that are attached.
    Activate,
    /// Answer with [`FromWorker::Pong`].
    Ping,
    /// The supervisor got a signal.
    Signal(Signal),
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// It is initialised and can be activated.
    Ready,
    /// It accepts connections.
    Serving,
    /// The first reading of the script directory has ended, well or not.
    Decided,
    /// This set is live now: an [`Attachment::Set`].
    Set(SetName),
    /// A value of the state has changed.
    State(String, serde_json::Value),
    /// The reload that a hangup asked for has ended.
    Reloaded,
    /// The answer to [`ToWorker::Ping`].
    Pong,
}

/// What a descriptor that comes with a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Attachment {
    /// The text of the configuration file, sealed.
    Config,
    /// Memory that the worker writes into what each thread runs.
    Region,
    /// A script set, sealed.
    Set,
    /// The proxy's listening socket.
    Proxy,
    /// The status listener's.
    Status,
    /// The admin listener's.
    Admin,
}

/// Descriptors with what each of them is.
pub(super) type Attached = Vec<(Attachment, OwnedFd)>;

/// The first descriptor of one kind.
pub(super) fn take(attached: &mut Attached, wanted: Attachment) -> Option<OwnedFd> {
    let at = attached.iter().position(|(kind, _)| *kind == wanted)?;
    Some(attached.swap_remove(at).1)
}

/// Which set it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetName {
    /// The id of its generation.
    pub id: String,
    /// When it went live.
    pub since: SystemTime,
}

/// A script set that the supervisor keeps.
#[derive(Debug)]
pub struct KeptSet {
    /// Which it is.
    pub name: SetName,
    /// Its files, as the worker that made it live has written them.
    pub files: Sealed,
}

/// What a worker begins with.
#[derive(Debug)]
pub struct Begin {
    /// Whether no worker has served before.
    pub is_first: bool,
    /// The text of the configuration file as the supervisor read it, where one is named.
    pub config: Option<Sealed>,
    /// What it is to record into what each thread runs.
    pub region: Option<OwnedFd>,
    /// The live set, where there is one.
    pub live: Option<KeptSet>,
    /// What workers before handed on.
    pub state: State,
}

/// A signal that the supervisor passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// `SIGTERM`: finish what is under way, then end.
    Terminate,
    /// `SIGINT`: end.
    Interrupt,
    /// `SIGHUP`: read the script directory.
    Hangup,
    /// `SIGUSR1`, which means nothing yet.
    User1,
    /// `SIGUSR2`, which means nothing yet.
    User2,
}
