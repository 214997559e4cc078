//! A connection to an endpoint, and whether it can be used again.

use std::{
    io,
    mem::MaybeUninit,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use socket2::SockRef;
use tokio::{net::TcpStream, time::Instant};

use super::connect::USER_TIMEOUT;
use crate::{
    shared::UpstreamGuard,
    wire::{Inbound, Outbound, ReadError, SendError},
};

/// Linux counts a peer that is alive but does not read as one that does not acknowledge. It may do so for as long as nginx
/// lets it (`proxy_send_timeout`).
const PAUSE_LIMIT: Duration = Duration::from_secs(60);
/// A connection's age, so that load spreads to endpoints that came later: 5 min ± 10 %, for they should not all end at once.
const MAX_AGE_MS: std::ops::RangeInclusive<u64> = 270_000..=330_000;

/// A connection that can take a request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) stream: TcpStream,
    /// When it is too old for another request.
    expires: Instant,
    /// Requests sent.
    pub(super) requests: u32,
    /// How long it may be idle, if the endpoint gave a hint.
    pub(super) idle_hint: Option<Duration>,
    /// Whether it bears an endpoint that pauses.
    patient: bool,
    counted: Option<UpstreamGuard>,
}

impl Connection {
    /// A connection just made.
    pub(super) fn new(stream: TcpStream, now: Instant) -> Self {
        let age = Duration::from_millis(fastrand::u64(MAX_AGE_MS));
        Self { stream, expires: now + age, requests: 0, idle_hint: None, patient: false, counted: None }
    }

    /// Holds what counts it.
    pub(crate) fn counted_by(mut self, guard: UpstreamGuard) -> Self {
        self.counted = Some(guard);
        self
    }

    /// Lets the endpoint pause while it reads, or no longer: for one request.
    pub(crate) fn bear_pauses(&mut self, patient: bool) -> io::Result<()> {
        if std::mem::replace(&mut self.patient, patient) != patient {
            let limit = if patient { PAUSE_LIMIT } else { USER_TIMEOUT };
            SockRef::from(&self.stream).set_tcp_user_timeout(Some(limit))?;
        }
        Ok(())
    }

    /// Sends more of a request.
    pub(crate) fn poll_send<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        outbound: &mut Outbound<B>,
    ) -> Poll<Result<(), SendError<B::Error>>> {
        outbound.poll_send(cx, &mut self.stream)
    }

    /// The next piece of an answer's body; none at its end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        inbound: &mut Inbound,
    ) -> Poll<Result<Option<Frame<Bytes>>, ReadError>> {
        inbound.poll_frame(cx, &mut self.stream)
    }

    /// Whether it is neither too old nor used up.
    pub(super) fn is_fresh(&self, max_requests: u32, now: Instant) -> bool {
        self.requests < max_requests && now < self.expires
    }

    /// Whether the endpoint has neither closed nor said anything, as far as the runtime has heard: no system call, unless
    /// there is news.
    pub(super) fn seems_quiet(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The same, but the system is asked: what it knows, the runtime hears with its next turn.
    pub(super) fn is_quiet(&self) -> bool {
        let looked = SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]);
        matches!(looked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}
