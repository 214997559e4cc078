//! A connection at rest: a socket and its deadlines. A parser has twelve kilobytes of buffers even if nothing ever comes, and
//! nearly all connections of a busy day are at rest.
//!
//! The first bytes are read into a buffer that all connections of a thread share, so that neither a false alarm nor a look
//! whether something is there costs anything.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead as _, ReadBuf};

use super::{Worker, pace::Pace, stream::ClientStream};
use crate::shared::Stage;

/// Waits until the client asks. None: the connection is to end, by whoever's will.
pub(super) async fn rest(worker: &Worker, pace: &Rc<Pace>, stream: &mut ClientStream) -> Option<()> {
    let _lean = Lean::begin(worker, pace).await;
    loop {
        let mut read = poll_fn(|cx| match poll_first(worker, stream, cx) {
            Poll::Pending if pace.take_call() => Poll::Ready(None),
            read => read.map(Some),
        })
        .await;
        if read.is_none() {
            tokio::task::yield_now().await; // what is here already comes first
            read = poll_fn(|cx| match poll_first(worker, stream, cx) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(read) => Poll::Ready(Some(read)),
            })
            .await;
        }
        match read {
            Some(Ok(early)) if !early.is_empty() => {
                stream.unread(early);
                return Some(());
            }
            Some(_) => return None, // it left
            None if pace.is_over() || worker.is_at(Stage::Finishing) => return None,
            None => {}
        }
    }
}

/// The first bytes; none at the end of the stream.
fn poll_first(worker: &Worker, stream: &mut ClientStream, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    let mut scratch = worker.scratch.borrow_mut();
    let mut buffer = ReadBuf::new(&mut scratch);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled())))
}

/// Says that a connection holds nothing, until this is dropped.
struct Lean<'a>(&'a Pace);

impl<'a> Lean<'a> {
    async fn begin(worker: &Worker, pace: &'a Pace) -> Self {
        poll_fn(|cx| {
            pace.set_waker(cx.waker());
            Poll::Ready(())
        })
        .await;
        if worker.is_at(Stage::Finishing) {
            pace.call(); // it may have been before there was anybody to hear it
        }
        pace.set_lean(true);
        Self(pace)
    }
}

impl Drop for Lean<'_> {
    fn drop(&mut self) {
        self.0.set_lean(false);
    }
}
