//! The listening sockets, which outlive the workers that accept at them.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use super::message::{Attached, Attachment, take};

/// Bound and listening, none of them blocking.
#[derive(Debug)]
pub struct Sockets {
    /// The proxy's.
    pub proxy: TcpListener,
    /// The status listener's, where it is on.
    pub status: Option<TcpListener>,
    /// The admin listener's, where it is on.
    pub admin: Option<TcpListener>,
}

impl Sockets {
    /// Descriptors of the same sockets, for a worker.
    pub(super) fn attach(&self) -> io::Result<Attached> {
        let all = [
            (Attachment::Proxy, Some(&self.proxy)),
            (Attachment::Status, self.status.as_ref()),
            (Attachment::Admin, self.admin.as_ref()),
        ];
        all.into_iter()
            .filter_map(|(kind, socket)| Some((kind, socket?)))
            .map(|(kind, socket)| Ok((kind, socket.as_fd().try_clone_to_owned()?)))
            .collect()
    }

    /// What [`attach`](Self::attach) gave, at the other end.
    pub(super) fn attached(mut attached: Attached) -> io::Result<Self> {
        let mut socket = |kind| take(&mut attached, kind).map(OwnedFd::into);
        Ok(Self {
            proxy: socket(Attachment::Proxy)
                .ok_or_else(|| io::Error::other("no listening socket came with the message"))?,
            status: socket(Attachment::Status),
            admin: socket(Attachment::Admin),
        })
    }
}
