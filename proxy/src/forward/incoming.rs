//! A client's body as everybody behind the guard sees it: within its limit, with harmless trailers, and with a name for
//! whatever ends it early.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    balance::Reason,
    codec::BodyError,
    guard::{self, Passed, Refusal, strip_trailers},
    wire::{Inbound, ReadError},
    worker::Client,
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
    fn of(error: &ReadError) -> Self {
        match error {
            ReadError::Body(BodyError::Chunk | BodyError::Trailers) => Self::Malformed,
            ReadError::Body(BodyError::Truncated) | ReadError::Socket(_) => Self::Left,
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

/// A client's body. What is left of it when this is dropped is for its connection to pass over.
pub(crate) struct ClientBody {
    client: Rc<Client>,
    inbound: Inbound,
    /// How many bytes may still come.
    left: u64,
}

impl ClientBody {
    /// The body of the request in hand, of at most so many bytes.
    pub(super) fn new(client: Rc<Client>, passed: &Passed, max: Option<u64>) -> Self {
        client.lend_body(passed.expects);
        Self { client, inbound: Inbound::of_client(passed.framing), left: max.unwrap_or(u64::MAX) }
    }

    fn admit(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Fault> {
        let frame = match frame.into_data() {
            Ok(data) => {
                self.client.pace.count_received(data.len());
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

    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Fault>> {
        self.inbound.feed(|| self.client.take_input());
        if !self.inbound.has_input() {
            ready!(self.client.poll_continue(cx));
        }
        let polled = self.inbound.poll_frame(cx, &mut self.client.reading());
        polled.map_err(|error| Fault::of(&error))
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        self.client.leave_body(std::mem::take(&mut self.inbound));
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Poll::Ready(frame) = self.poll_inbound(cx) else {
            let pace = &self.client.pace;
            if pace.is_over() {
                return Poll::Ready(Some(Err(Fault::Slow)));
            }
            pace.await_body();
            return Poll::Pending;
        };
        self.client.take_body();
        Poll::Ready(frame.and_then(|frame| frame.map(|frame| self.admit(frame)).transpose()).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.inbound.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.inbound.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
