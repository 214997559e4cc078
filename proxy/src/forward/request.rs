//! A client's request on its way to an endpoint: for one attempt, or for more.

use super::{ClientBody, Fault, deadlines::Over, retry::Failure};
use crate::{
    balance::Reason,
    codec::{Asked, Framing},
    guard::Passed,
    wire::{MAX_KEPT_BYTES, Outbound},
};

/// What a socket takes at once from whoever sends, whether it is read or not.
const LARGE_BYTES: u64 = 32 * 1024;
/// A body of a length up to this is kept while it is sent.
const MAX_KEPT: u64 = MAX_KEPT_BYTES as u64;
/// Methods that may be sent twice (RFC 9110 §9.2.2; TRACE is not served).
const IDEMPOTENT: [&str; 5] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];

/// Whether sending a request twice is as good as once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// It may happen twice.
    Never,
    /// As long as its body is kept, whose length nobody knows.
    WhileKept,
    /// As long as its body is kept, which is as small as that.
    Kept,
    /// It has no body.
    Always,
}

impl Repeat {
    fn of(method: &str, has_body: bool, framing: Framing) -> Self {
        match framing {
            _ if !IDEMPOTENT.contains(&method) => Self::Never,
            _ if !has_body => Self::Always,
            Framing::Length(..=MAX_KEPT) => Self::Kept,
            Framing::Length(_) => Self::Never,
            Framing::None | Framing::Chunked | Framing::Close => Self::WhileKept,
        }
    }
}

/// A request that can be sent: once, or again as long as all that was needed of its body is kept. In a box, as it passes
/// through many hands.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, none a state")]
pub(crate) struct Outgoing {
    /// What is sent: written once, the same bytes for every attempt.
    pub(super) outbound: Outbound<ClientBody>,
    pub(super) asked: Asked,
    repeat: Repeat,
    is_grpc: bool,
    has_large_body: bool,
    was_sent: bool,
    /// What the client did to the body, if that is why it did not come to its end.
    pub(super) fault: Option<Fault>,
    /// Whether its client takes fields after a body.
    pub(super) takes_trailers: bool,
}

impl Outgoing {
    /// `written` is its head, to its end; `body` that of the head, if it has one that is not empty.
    pub(super) fn new(
        method: &str,
        asked: Asked,
        passed: &Passed,
        written: Vec<u8>,
        body: Option<ClientBody>,
    ) -> Box<Self> {
        let framing = passed.framing;
        let repeat = Repeat::of(method, body.is_some(), framing);
        let mut outbound = Outbound::new(written, framing, body);
        if matches!(repeat, Repeat::Kept | Repeat::WhileKept) {
            outbound.keep_body();
        }
        Box::new(Self {
            asked,
            repeat,
            is_grpc: passed.is_grpc,
            has_large_body: match framing {
                Framing::None => false,
                Framing::Length(bytes) => bytes > LARGE_BYTES,
                Framing::Chunked | Framing::Close => true,
            },
            outbound,
            was_sent: false,
            fault: None,
            takes_trailers: passed.takes_trailers,
        })
    }

    /// Whether sending it twice is as good as once and possible.
    pub(super) fn can_repeat(&self) -> bool {
        match self.repeat {
            Repeat::Never => false,
            Repeat::Always => true,
            Repeat::Kept | Repeat::WhileKept => self.outbound.keeps_body(),
        }
    }

    /// Whether that will be so whenever an attempt fails.
    pub(super) fn will_repeat(&self) -> bool {
        self.repeat != Repeat::WhileKept && self.can_repeat()
    }

    /// Whether answers may take as long as they like to begin.
    pub(super) fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    /// Tells whose fault it is that time is over.
    pub(super) fn judge_late(&mut self, over: Over) -> Failure {
        if self.outbound.awaits_body() {
            self.fault = Some(Fault::Slow);
            return Failure::Final(Reason::SlowClient);
        }
        match over {
            Over::Attempt if self.outbound.is_untouched() => Failure::Connect(Reason::ConnectTimeout),
            Over::Attempt => Failure::Late,
            Over::Request => Failure::Final(Reason::ResponseTimeout),
        }
    }

    /// Whether it is about to be sent for the first time, which is told once.
    pub(super) fn is_first(&mut self) -> bool {
        !std::mem::replace(&mut self.was_sent, true)
    }

    /// Whether an endpoint that does not read would hold the body up.
    pub(super) fn has_large_body(&self) -> bool {
        self.has_large_body
    }
}
