//! A client's stream that can end with a reset.
//!
//! For an HTTP/1.0 client the end of the connection is the end of a body without length. A body that broke off must not end
//! so: a reset tells the two apart.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The stream of a client.
#[derive(Debug)]
pub(super) struct ClientStream {
    stream: TcpStream,
    /// Set by the body that broke off.
    reset: Rc<Cell<bool>>,
}

impl ClientStream {
    /// Wraps a connected stream; it ends with a reset if `reset` is set by then.
    pub(super) fn new(stream: TcpStream, reset: Rc<Cell<bool>>) -> Self {
        Self { stream, reset }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.reset.get() {
            let _ = self.stream.set_zero_linger(); // it fails only on a socket that is dead already
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.get() {
            return Poll::Ready(Ok(())); // no regular end before the reset
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
