//! hyper over bytes in memory: what the other end sends is all here, what it would get is thrown away.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};

/// The other end of a connection.
#[derive(Debug)]
pub(super) struct Memory {
    input: Bytes,
    /// How many bytes one read brings at most.
    step: usize,
    end: AfterAll,
    /// Whoever reads before it is time.
    early: Option<Waker>,
}

/// What the other end does when it has sent all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterAll {
    Waits,
    Closes,
}

impl Memory {
    /// A client that has sent these bytes and waits.
    pub(super) fn client(input: &[u8], step: usize) -> Self {
        Self { input: Bytes::copy_from_slice(input), step: step.max(1), end: AfterAll::Waits, early: None }
    }

    /// An endpoint that answers with these bytes, once it is asked, and closes.
    pub(super) fn endpoint(answer: Bytes) -> Self {
        Self { input: answer, step: 0, end: AfterAll::Closes, early: None }
    }
}

impl Read for Memory {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut room: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.step == 0 || (self.input.is_empty() && self.end == AfterAll::Waits) {
            self.early = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = self.step.min(room.remaining()).min(self.input.len());
        room.put_slice(&self.input.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.step == 0 {
            self.step = usize::MAX; // asked
            self.early.take().iter().for_each(Waker::wake_by_ref);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Polls until the future is ready, or waits for what never comes: all input is here.
pub(super) fn drive<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if !woken.0.swap(false, Relaxed) {
            return None;
        }
    }
}
