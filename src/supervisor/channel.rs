//! The control socket: whole messages with descriptors, in order.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::message::{Attached, Attachment};

/// The longest message, in bytes; what may be longer is attached as a memory file.
const MAX_MESSAGE: usize = 64 * 1024;

/// The most descriptors of one message.
const MAX_ATTACHED: usize = 8;

/// A message as it is sent.
#[derive(Serialize, Deserialize)]
struct Packet<M> {
    message: M,
    /// What the descriptors are, in their order.
    attached: Vec<Attachment>,
}

/// Both ends of a control socket, which no other program that is started inherits.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// One end, on a runtime. No stream: the type lends its readiness only.
pub(super) struct Channel(UnixStream);

impl Channel {
    /// Must be called within a runtime.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self(UnixStream::from_std(socket)?))
    }

    /// Sends a message once there is room for it.
    pub(super) async fn send<M: Serialize>(
        &self,
        message: M,
        attached: Attached,
    ) -> io::Result<()> {
        let (kinds, descriptors): (Vec<_>, Vec<_>) = attached.into_iter().unzip();
        let packet = Packet {
            message,
            attached: kinds,
        };
        let packet = serde_json::to_vec(&packet)?;
        let send = || send(&self.0, &packet, &descriptors);
        self.0.async_io(Interest::WRITABLE, send).await
    }

    /// The next message; `None` once the other end is gone.
    pub(super) async fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Attached)>> {
        self.0
            .async_io(Interest::READABLE, || receive(&self.0))
            .await
    }
}

fn send(socket: impl AsFd, packet: &[u8], descriptors: &[OwnedFd]) -> io::Result<()> {
    let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_ATTACHED))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if packet.len() > MAX_MESSAGE
        || !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors))
    {
        return Err(io::Error::other("a control message is too long"));
    }
    sendmsg(
        socket,
        &[IoSlice::new(packet)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Waits where the socket blocks.
pub(super) fn receive<M: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(M, Attached)>> {
    let mut packet = vec![0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_ATTACHED))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut packet)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    );
    let received = match received {
        Ok(received) => received,
        Err(rustix::io::Errno::CONNRESET) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return Ok(None);
    }
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::Error::other("a control message was cut"));
    }
    let Packet { message, attached } = serde_json::from_slice(&packet[..received.bytes])?;
    if attached.len() != descriptors.len() {
        return Err(io::Error::other(
            "a control message came without its descriptors",
        ));
    }
    let attached = attached.into_iter().zip(descriptors).collect();
    Ok(Some((message, attached)))
}

#[cfg(test)]
mod tests {
    use super::super::message::{FromWorker, SetName, ToWorker, take};
    use super::super::sealed::Sealed;
    use super::*;

    #[tokio::test]
    async fn a_message_arrives_whole_and_with_its_descriptors() {
        let (here, there) = pair().unwrap();
        let (here, there) = (Channel::new(here).unwrap(), Channel::new(there).unwrap());
        let name = SetName {
            id: "0123456789ab".to_owned(),
            since: std::time::SystemTime::UNIX_EPOCH,
        };
        let files = Sealed::new("set", b"files").unwrap();
        let attached = vec![(Attachment::Set, files.descriptor().unwrap())];

        here.send(ToWorker::Ping, Vec::new()).await.unwrap();
        here.send(ToWorker::Set(name.clone()), attached)
            .await
            .unwrap();

        let (first, none) = there.receive::<ToWorker>().await.unwrap().unwrap();
        assert!(matches!(first, ToWorker::Ping) && none.is_empty());
        let (second, mut attached) = there.receive::<ToWorker>().await.unwrap().unwrap();
        assert!(matches!(second, ToWorker::Set(set) if set == name));
        let received = take(&mut attached, Attachment::Set).unwrap();
        assert_eq!(
            Sealed::received(received).unwrap().read().unwrap(),
            b"files"
        );
    }

    #[tokio::test]
    async fn the_end_of_one_side_is_seen_at_the_other_behind_what_it_said() {
        let (here, there) = pair().unwrap();
        let (here, there) = (Channel::new(here).unwrap(), Channel::new(there).unwrap());

        there.send(FromWorker::Ready, Vec::new()).await.unwrap();
        drop(there);

        let last = here.receive::<FromWorker>().await.unwrap();
        assert!(matches!(last, Some((FromWorker::Ready, _))));
        assert!(here.receive::<FromWorker>().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_not_sent() {
        let (here, _there) = pair().unwrap();
        let here = Channel::new(here).unwrap();

        let text = "x".repeat(MAX_MESSAGE).into();
        let state = ToWorker::State("pin".to_owned(), text);

        assert!(here.send(state, Vec::new()).await.is_err());
    }
}
