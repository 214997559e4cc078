//! An endpoint's stream that can be looked at while hyper owns it.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The stream, handed to hyper. Each borrow ends with its call, and no call leads to another.
#[derive(Debug)]
pub(super) struct UpstreamStream(Rc<RefCell<TcpStream>>);

/// A look at the stream from outside.
#[derive(Clone, Debug)]
pub(super) struct Probe(Rc<RefCell<TcpStream>>);

impl UpstreamStream {
    /// Wraps a connected stream.
    pub(super) fn new(stream: TcpStream) -> (Self, Probe) {
        let stream = Rc::new(RefCell::new(stream));
        (Self(Rc::clone(&stream)), Probe(stream))
    }
}

impl Probe {
    /// Whether the endpoint has neither closed nor said anything. The system is asked: what it knows, the runtime hears
    /// with its next turn.
    pub(super) fn is_quiet(&self) -> bool {
        let looked = SockRef::from(&*self.0.borrow()).peek(&mut [MaybeUninit::uninit()]);
        matches!(looked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sets how long sent bytes may stay unacknowledged.
    pub(super) fn set_user_timeout(&self, limit: Duration) -> io::Result<()> {
        SockRef::from(&*self.0.borrow()).set_tcp_user_timeout(Some(limit))
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}
