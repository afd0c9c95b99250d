//! Pingora's errors in our words: who was at fault, and who is told.

use std::io;

use pingora_core::{Error, ErrorSource, ErrorType};

use crate::transaction::ports::UpstreamError;
use crate::transaction::respond::Refusal;
use crate::upstream::Peer;

/// What went wrong with a transaction that pingora streams.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The upstream gave no usable response.
    Upstream(UpstreamError),
    /// The request could not be read.
    Client(Refusal),
    /// The client went away; nobody is there to be told.
    Gone,
}

/// Reads one of pingora's errors.
pub(super) fn trouble(error: &Error, peer: &Peer) -> Trouble {
    match error.esource() {
        ErrorSource::Downstream => of_client(error),
        ErrorSource::Upstream | ErrorSource::Internal | ErrorSource::Unset => {
            Trouble::Upstream(of_upstream(error, peer))
        }
    }
}

fn of_client(error: &Error) -> Trouble {
    match error.etype() {
        ErrorType::ReadTimedout => Trouble::Client(Refusal::BodyTimedOut),
        _ if is_malformed(error) => Trouble::Client(Refusal::BodyCut),
        _ => Trouble::Gone,
    }
}

/// Whether the guard found a body malformed.
fn is_malformed(error: &Error) -> bool {
    error
        .root_cause()
        .downcast_ref::<io::Error>()
        .is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

fn of_upstream(error: &Error, peer: &Peer) -> UpstreamError {
    let settings = peer.settings();
    let peer = peer.authority().to_owned();
    let limit = match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => settings.connect,
        ErrorType::ReadTimedout => settings.read,
        ErrorType::WriteTimedout => settings.write,
        ErrorType::ConnectError
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::TLSWantX509Lookup
        | ErrorType::TLSHandshakeFailure
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError
        | ErrorType::BindError
        | ErrorType::SocketError => {
            let reason = error.root_cause().to_string();
            return UpstreamError::Connect { peer, reason };
        }
        _ => {
            let reason = error.root_cause().to_string();
            return UpstreamError::Broken { peer, reason };
        }
    };
    UpstreamError::TimedOut { peer, limit }
}
