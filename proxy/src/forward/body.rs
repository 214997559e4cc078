//! Bodies on their way, in both directions, and what their ends set off.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{ClientBody, Fault, deadlines::Deadlines, exchange::Exchange};
use crate::{
    balance::{ConnectionPool, Outcome, Picked, Reason, View},
    mishap,
    upstream::Connection,
    wire::{Inbound, Outbound, ReadError, SendError},
};

/// Why an answer breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error("the endpoint's answer broke off: {0}")]
    Upstream(#[from] ReadError),
    #[error("the request's body broke: {0}")]
    Client(Fault),
    #[error("the endpoint's answer took too long")]
    Late,
}

/// The body of an answer: our own text, or an endpoint's on its way to the client. That one in a box: an answer is moved a
/// dozen times until its head is written, which costs far more than an allocation.
pub(crate) enum ResponseBody {
    Local(Option<Bytes>),
    Relay(Box<Relay>),
}

/// An endpoint's body on its way. At its end the connection is kept, and the exchange told.
pub(crate) struct Relay {
    pub(super) inbound: Inbound,
    /// The rest of a request that was answered before its end.
    pub(super) outbound: Option<Outbound<ClientBody>>,
    /// How the exchange ends if nothing breaks.
    pub(super) outcome: Outcome,
    pub(super) source: Source,
    /// Whether the connection may be used again.
    pub(super) is_kept: bool,
    pub(super) deadlines: Option<Box<Deadlines>>,
    /// Whether the client takes fields after a body.
    pub(super) takes_trailers: bool,
    /// Why it will break off, once all before that is on its way.
    pub(super) broken: Option<RelayError>,
    /// None once the body is over.
    pub(super) held: Option<(Box<Exchange>, Connection)>,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    address: SocketAddr,
    /// The view in which the endpoint was picked.
    epoch: u64,
    /// How connections are kept.
    rules: ConnectionPool,
}

impl Source {
    pub(super) fn of(view: &View, picked: &Picked) -> Self {
        Self { address: picked.endpoint.address, epoch: view.epoch, rules: view.plan.connection_pool }
    }

    /// Keeps a connection, if its endpoint still gets new traffic.
    pub(super) fn keep(&self, exchange: &Exchange, connection: Connection) {
        let view = exchange.pool.view.load();
        if view.as_ref().is_some_and(|view| view.epoch == self.epoch || view.plan.kept.contains(&self.address)) {
            let worker = &exchange.worker;
            worker.idle.put(exchange.pool.index, self.address, connection, self.rules, worker.waits.now());
        }
    }
}

impl ResponseBody {
    /// Ends an answer of which nothing moved for too long.
    pub(crate) fn time_out(&mut self) {
        let Self::Relay(relay) = self else { return };
        let by_client = relay.outbound.as_ref().is_some_and(Outbound::awaits_body);
        relay.break_off(&if by_client { RelayError::Client(Fault::Slow) } else { RelayError::Late });
    }

    /// Ends an answer whose client does not take what is here of it, if the request's time is over.
    pub(crate) fn poll_untaken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self::Relay(relay) = self else { return Poll::Pending };
        let Some(deadlines) = &mut relay.deadlines else { return Poll::Pending };
        ready!(deadlines.poll(cx));
        relay.break_off(&RelayError::Client(Fault::Slow));
        Poll::Ready(())
    }

    pub(super) fn local(text: Bytes) -> Self {
        Self::Local(Some(text))
    }

    pub(super) fn relay(mut relay: Box<Relay>) -> Self {
        if relay.inbound.is_done() {
            relay.complete(); // nobody asks a body that is over for its end
        }
        Self::Relay(relay)
    }
}

impl Relay {
    /// Keeps the connection, unless half a request or bytes of no message are on it.
    fn complete(&mut self) {
        let Some((exchange, connection)) = self.held.take() else { return };
        if self.is_kept && self.outbound.is_none() && !self.inbound.has_surplus() {
            self.source.keep(&exchange, connection);
        }
        self.outbound = None;
        exchange.end(self.outcome);
    }

    /// What was passed on cannot be taken back: the client sees the connection break, never a clean end.
    fn break_off(&mut self, error: &RelayError) {
        tracing::debug!(address = %self.source.address, %error, "response broken off");
        self.outbound = None;
        let Some((exchange, _)) = self.held.take() else { return };
        if matches!(error, RelayError::Upstream(error) if error.is_dead_peer()) {
            exchange.worker.idle.forget(exchange.pool.index, self.source.address);
        }
        let reason = match error {
            RelayError::Client(Fault::Left) => return exchange.leave(),
            RelayError::Client(Fault::Slow) => Reason::SlowClient,
            RelayError::Client(Fault::Malformed | Fault::TooLarge) => Reason::BadRequest,
            RelayError::Upstream(_) => Reason::UpstreamClosed,
            RelayError::Late => Reason::ResponseTimeout,
        };
        exchange.end(Outcome::failed(self.outcome.status, reason));
    }

    /// The next piece, unless time is over: then it is the client's fault if it took so long to take what was there.
    fn poll_limited(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, RelayError>> {
        let polled = self.poll_relay(cx);
        let is_over = |deadlines: &mut Box<Deadlines>| deadlines.poll(cx).is_ready();
        if self.inbound.is_done() || !self.deadlines.as_mut().is_some_and(is_over) {
            return polled;
        }
        match polled {
            Poll::Pending if self.outbound.as_ref().is_some_and(Outbound::awaits_body) => {
                Poll::Ready(Err(RelayError::Client(Fault::Slow)))
            }
            Poll::Pending => Poll::Ready(Err(RelayError::Late)),
            Poll::Ready(Ok(_)) => Poll::Ready(Err(RelayError::Client(Fault::Slow))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    fn poll_relay(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, RelayError>> {
        let Some((exchange, connection)) = &mut self.held else { return Poll::Ready(Ok(None)) };
        if let Some(outbound) = &mut self.outbound {
            match connection.poll_send(cx, outbound) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.outbound = None,
                Poll::Ready(Err(SendError::Body(error))) => return Poll::Ready(Err(RelayError::Client(error))),
                // Who has answered need not read on; the rest of the answer counts.
                Poll::Ready(Err(SendError::Socket(_))) => (self.outbound, self.is_kept) = (None, false),
            }
        }
        let frame = ready!(connection.poll_frame(cx, &mut self.inbound))?;
        let frame = frame.filter(|frame| self.takes_trailers || frame.is_data());
        if let Some(data) = frame.as_ref().and_then(Frame::data_ref) {
            mishap::may_happen(|| data);
            exchange.count_sent(data.len());
        }
        Poll::Ready(Ok(frame))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let relay = match self.get_mut() {
            Self::Local(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Relay(relay) => relay,
        };
        let frame = match relay.broken.take() {
            Some(error) => Err(error),
            None => match ready!(relay.poll_limited(cx)) {
                // What came before goes out first: a client that saw nothing of an answer may send its request again.
                Err(error) => {
                    relay.broken = Some(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                frame => frame,
            },
        };
        match &frame {
            Err(error) => relay.break_off(error),
            Ok(_) if relay.inbound.is_done() => relay.complete(),
            Ok(_) => {}
        }
        Poll::Ready(frame.transpose())
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Local(text) => text.is_none(),
            Self::Relay(relay) => relay.held.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Local(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Relay(relay) => relay.inbound.left().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
