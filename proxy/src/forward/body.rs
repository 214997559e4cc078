//! Bodies on their way, in both directions, and what their ends set off.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{ClientBody, Fault, exchange::Exchange};
use crate::{
    balance::{Outcome, Reason},
    upstream::Connection,
};

/// How far a request has been written: the response's time limit starts at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(Rc<WrittenState>);

#[derive(Debug, Default)]
struct WrittenState {
    done: Cell<bool>,
    fault: Cell<Option<Fault>>,
    waker: RefCell<Option<Waker>>,
}

impl Written {
    /// What the client did to the body, if that is why it did not come to its end.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.0.fault.get()
    }

    fn set(&self) {
        self.0.done.set(true);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.done.get()
    }

    pub(super) async fn wait(&self) {
        poll_fn(|cx| {
            if self.is_done() {
                return Poll::Ready(());
            }
            *self.0.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A client's body on its way to an endpoint.
pub(crate) struct RequestBody {
    incoming: Option<ClientBody>,
    written: Written,
}

impl RequestBody {
    pub(super) fn new(incoming: Option<ClientBody>, written: Written) -> Self {
        if incoming.is_none() {
            written.set();
        }
        Self { incoming, written }
    }

    pub(super) fn into_incoming(self) -> Option<ClientBody> {
        self.incoming
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = Pin::new(&mut *incoming).poll_frame(cx);
        let ended = incoming.is_end_stream();
        match &frame {
            Poll::Ready(Some(Err(error))) => self.written.0.fault.set(Some(*error)),
            Poll::Ready(Some(Ok(frame))) if !is_last(frame, ended) => {}
            Poll::Ready(_) => self.written.set(),
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// The body of an answer: our own text, or an endpoint's on its way to the client.
pub(crate) enum ResponseBody {
    Local(Option<Bytes>),
    Relay(Relay),
}

/// An endpoint's body on its way. At its end the connection is kept, and the exchange told.
pub(crate) struct Relay {
    pub(super) incoming: Incoming,
    pub(super) status: u16,
    pub(super) address: SocketAddr,
    pub(super) written: Written,
    /// For clients who take the end of the connection for the end of the body.
    pub(super) reset: Option<Rc<Cell<bool>>>,
    /// None once the body is over.
    pub(super) held: Option<(Exchange, Connection)>,
}

impl ResponseBody {
    pub(super) fn local(text: Bytes) -> Self {
        Self::Local(Some(text))
    }

    pub(super) fn relay(mut relay: Relay) -> Self {
        if relay.incoming.is_end_stream() {
            relay.complete(); // hyper does not ask a body that is over for its end
        }
        Self::Relay(relay)
    }
}

impl Relay {
    fn complete(&mut self) {
        let Some((exchange, connection)) = self.held.take() else { return };
        if self.written.is_done() {
            exchange.worker.idle.put(exchange.pool.index, self.address, connection, Instant::now());
        }
        exchange.end(Outcome::answered(self.status));
    }

    /// What was passed on cannot be taken back: the client sees the connection break, never a clean end.
    fn break_off(&mut self, error: &hyper::Error) {
        tracing::debug!(address = %self.address, %error, "response broken off");
        if let Some(reset) = &self.reset {
            reset.set(true);
        }
        let Some((exchange, _)) = self.held.take() else { return };
        match self.written.fault() {
            // A request that breaks takes the connection upstream with it: no fault of the endpoint.
            Some(Fault::Left) => exchange.leave(),
            Some(Fault::Slow) => exchange.end(Outcome::failed(self.status, Reason::SlowClient)),
            Some(Fault::Malformed | Fault::TooLarge) => exchange.end(Outcome::failed(self.status, Reason::BadRequest)),
            None => exchange.end(Outcome::failed(self.status, Reason::UpstreamClosed)),
        }
    }
}

/// Whether nothing follows a frame: hyper asks no more after trailers.
fn is_last(frame: &Frame<Bytes>, ended: bool) -> bool {
    ended || frame.is_trailers()
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let relay = match self.get_mut() {
            Self::Local(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Relay(relay) => relay,
        };
        let frame = Pin::new(&mut relay.incoming).poll_frame(cx);
        match &frame {
            Poll::Pending => {}
            Poll::Ready(Some(Err(error))) => relay.break_off(error),
            Poll::Ready(None) => relay.complete(),
            Poll::Ready(Some(Ok(frame))) => {
                if is_last(frame, relay.incoming.is_end_stream()) {
                    relay.complete();
                }
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Local(text) => text.is_none(),
            Self::Relay(relay) => relay.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Local(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Relay(relay) => relay.incoming.size_hint(),
        }
    }
}
