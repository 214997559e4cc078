//! A client's body as everybody behind the guard sees it: within its limit, with harmless trailers, and with a name for
//! whatever ends it early.

use std::{
    error::Error,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    balance::Reason,
    guard::{self, Refusal, strip_trailers},
    worker::Pace,
};

/// What a client did to its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It left, or stopped to send, before the end.
    #[error("the client left before the end of its body")]
    Left,
    /// It sent what is not a body.
    #[error("the client's body is malformed")]
    Malformed,
    /// It sent more than the pool takes.
    #[error("the client's body is too large")]
    TooLarge,
    /// It sent nothing for too long.
    #[error("the client's body is too slow")]
    Slow,
}

impl Fault {
    fn of(error: &hyper::Error) -> Self {
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        match source.map(io::Error::kind) {
            Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Self::Malformed,
            _ => Self::Left,
        }
    }

    /// What the client is told, if nothing of an answer went to it before.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Left | Self::Malformed => Refusal::of_client(400, "the request's body is malformed or incomplete"),
            Self::TooLarge => guard::BODY_TOO_LARGE,
            Self::Slow => {
                Refusal { reason: Reason::SlowClient, ..Refusal::of_client(408, "the body did not come in time") }
            }
        }
    }
}

/// A client's body.
#[derive(Debug)]
pub(crate) struct ClientBody {
    incoming: Incoming,
    /// How many bytes may still come.
    left: u64,
    /// How long the next of them may take.
    pace: Rc<Pace>,
}

impl ClientBody {
    /// A body of at most so many bytes.
    pub(super) fn new(incoming: Incoming, max: Option<u64>, pace: Rc<Pace>) -> Self {
        Self { incoming, left: max.unwrap_or(u64::MAX), pace }
    }

    fn admit(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Fault> {
        let frame = match frame.into_data() {
            Ok(data) => {
                self.pace.count_received(data.len());
                self.left = self.left.checked_sub(data.len() as u64).ok_or(Fault::TooLarge)?;
                return Ok(Frame::data(data));
            }
            Err(frame) => frame,
        };
        Ok(frame.into_trailers().map_or_else(
            |other| other,
            |mut trailers| {
                strip_trailers(&mut trailers);
                Frame::trailers(trailers)
            },
        ))
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        self.pace.leave_body();
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            if self.pace.is_over() {
                return Poll::Ready(Some(Err(Fault::Slow)));
            }
            self.pace.await_body(cx.waker());
            return Poll::Pending;
        };
        let is_last = self.incoming.is_end_stream()
            || frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        self.pace.take_body(is_last);
        Poll::Ready(frame.map(|frame| frame.map_err(|error| Fault::of(&error)).and_then(|frame| self.admit(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
