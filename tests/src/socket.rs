//! A TCP stream that counts its bytes and can be told to end with a reset: what hyper hides and tests must know.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The stream, handed to hyper.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    gauge: Arc<Gauge>,
}

/// What is known of the stream while hyper owns it. The socket alone writes the counts, its user alone the flag.
#[derive(Debug, Default)]
pub struct Gauge {
    received: AtomicU64,
    sent: AtomicU64,
    reset: AtomicBool,
}

impl Gauge {
    /// Bytes received so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes that the kernel took so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Lets the stream end with a reset (RST) instead of a regular close (FIN).
    pub fn reset_at_end(&self) {
        self.reset.store(true, Relaxed);
    }
}

impl Socket {
    /// Wraps a connected stream; small writes leave at once, as every HTTP peer has it.
    #[must_use]
    pub fn new(stream: TcpStream) -> (Self, Arc<Gauge>) {
        // It fails only on a socket that is dead already; the first read says so.
        let _ = stream.set_nodelay(true);
        let gauge = Arc::new(Gauge::default());
        (Self { stream, gauge: Arc::clone(&gauge) }, gauge)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.gauge.reset.load(Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let received = buffer.filled().len() - before;
        self.gauge.received.fetch_add(received as u64, Relaxed);
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count_sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count_sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Socket {
    fn count_sent(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(sent)) = result {
            self.gauge.sent.fetch_add(sent as u64, Relaxed);
        }
        result
    }
}
