//! The few system calls of load generator and backend: epoll and non-blocking sockets without a runtime.
//!
//! Both share one core and must cost as little as they can, so that the proxy is what is measured.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, sockopt};
use socket2::{Domain, Socket, Type};

/// A burst of connections waits in the queue, never outside of it.
const BACKLOG: i32 = 16_384;

/// What a read or write on a non-blocking socket came to. Any error but "try again" counts as closed.
pub(crate) enum Io {
    Bytes(usize),
    Again,
    Closed,
}

/// Waits for sockets, level triggered.
pub(crate) struct Epoll(OwnedFd);

/// What a socket is waited for.
#[derive(Clone, Copy)]
pub(crate) enum Interest {
    Read,
    Write,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// `token` comes back with each event.
    pub(crate) fn add(&self, socket: &OwnedFd, token: usize) -> io::Result<()> {
        Ok(epoll::add(&self.0, socket, data(token), EventFlags::IN)?)
    }

    pub(crate) fn change(&self, socket: &OwnedFd, interest: Interest, token: usize) -> io::Result<()> {
        let flags = match interest {
            Interest::Read => EventFlags::IN,
            Interest::Write => EventFlags::OUT,
        };
        Ok(epoll::modify(&self.0, socket, data(token), flags)?)
    }

    /// Adds the tokens of all sockets that are ready to `ready`, after at most `within`.
    pub(crate) fn wait(&self, ready: &mut Vec<usize>, within: Duration) -> io::Result<()> {
        let mut events = [const { Event { flags: EventFlags::empty(), data: EventData::new_u64(0) } }; 256];
        let limit = within.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
        let found = match epoll::wait(&self.0, events.as_mut_slice(), Some(&limit)) {
            Ok(found) => found,
            Err(Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        ready.extend(events[..found].iter().filter_map(|event| usize::try_from(event.data.u64()).ok()));
        Ok(())
    }
}

fn data(token: usize) -> EventData {
    EventData::new_u64(token as u64)
}

/// Listens on all addresses: many endpoints are many addresses of 127.0.0.0/8 and one port.
pub(crate) fn listen(port: u16) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The next connection that waits, if one does.
pub(crate) fn accept(listener: &OwnedFd) -> Option<OwnedFd> {
    let socket = accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).ok()?;
    sockopt::set_tcp_nodelay(&socket, true).ok()?;
    Some(socket)
}

/// Connects to 127.0.0.1 from one of 1,600 loopback addresses chosen by `turn`, so that source ports never run out.
pub(crate) fn connect(port: u16, turn: u32) -> io::Result<OwnedFd> {
    let byte = |number: u32| u8::try_from(1 + number % 200).unwrap_or(1);
    let source = SocketAddrV4::new(Ipv4Addr::new(127, 0, byte(turn >> 3), byte(turn)), 0);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::V4(source).into())?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

pub(crate) fn send(socket: &OwnedFd, bytes: &[u8]) -> Io {
    outcome(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT))
}

pub(crate) fn receive(socket: &OwnedFd, into: &mut [u8]) -> Io {
    outcome(rustix::net::recv(socket, into, RecvFlags::DONTWAIT).map(|(read, _)| read))
}

/// Takes as many bytes as there are, up to the size of `room`, without copying them (TCP's `MSG_TRUNC`).
pub(crate) fn discard(socket: &OwnedFd, room: &mut [u8]) -> Io {
    outcome(rustix::net::recv(socket, room, RecvFlags::DONTWAIT | RecvFlags::TRUNC).map(|(read, _)| read))
}

fn outcome(result: Result<usize, Errno>) -> Io {
    match result {
        Ok(0) => Io::Closed,
        Ok(bytes) => Io::Bytes(bytes),
        Err(Errno::AGAIN | Errno::INTR) => Io::Again,
        Err(_) => Io::Closed,
    }
}
