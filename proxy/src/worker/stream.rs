//! A client's stream as the parser of requests has it: it tells the client's pace what comes and goes, and leaves closing to
//! who knows why.

use std::{
    cell::Cell,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::pace::Pace;

/// The stream of a client.
#[derive(Debug)]
pub(super) struct ClientStream {
    /// To be closed by [`super::closing`].
    pub(super) stream: TcpStream,
    pace: Rc<Pace>,
    /// What was read of it already.
    early: Bytes,
    /// Whether the client will send nothing more.
    has_ended: bool,
    /// Set by a body that broke off: for an HTTP/1.0 client the end of the connection is the end of a body without length,
    /// and a reset tells the two apart.
    reset: Rc<Cell<bool>>,
}

impl ClientStream {
    /// Wraps a connected stream; it ends with a reset if `reset` is set by then.
    pub(super) fn new(stream: TcpStream, pace: Rc<Pace>, reset: Rc<Cell<bool>>) -> Self {
        Self { stream, pace, early: Bytes::new(), has_ended: false, reset }
    }

    /// Whether it ends with a reset.
    pub(super) fn is_to_reset(&self) -> bool {
        self.reset.get()
    }

    /// Puts back what was read already; it is read first.
    pub(super) fn unread(&mut self, early: Bytes) {
        self.early = early;
    }

    /// Whether the client sent more than was read, as far as the runtime knows: the system is not asked, since nearly all
    /// send nothing more.
    pub(super) async fn has_more(&self) -> bool {
        !self.has_ended && poll_fn(|cx| Poll::Ready(self.stream.poll_read_ready(cx).is_ready())).await
    }

    #[cold]
    fn read_early(&mut self, buffer: &mut ReadBuf<'_>) {
        let fits = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early.split_to(fits));
        if self.early.is_empty() {
            self.early = Bytes::new(); // which holds no memory
        }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.pace.stall(),
            Poll::Ready(_) => self.pace.sent(),
        }
        written
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        // A bug left the answer in the midst: nobody is to take it for whole.
        if self.reset.get() || std::thread::panicking() {
            let _ = self.stream.set_zero_linger(); // it fails only on a socket that is dead already
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            self.read_early(buffer);
            return Poll::Ready(Ok(())); // whoever put it there has told the pace
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.read();
        } else if read.is_ready() {
            self.has_ended = true;
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Not here: what the client sent and nobody read would turn the end into a reset, which takes the answer with it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
