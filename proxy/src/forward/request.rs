//! A client's request on its way to an endpoint: for one attempt, or for more.

use std::{cell::Cell, rc::Rc};

use http::Method;

use super::{ClientBody, Fault};
use crate::{
    codec::{self, Asked, Framing},
    guard::Head,
    upstream::{Buffers, Outbound},
};

/// What a socket takes at once from whoever sends, whether it is read or not.
const LARGE_BYTES: u64 = 32 * 1024;
/// Methods that may be sent twice (RFC 9110 §9.2.2; TRACE is not served).
const IDEMPOTENT: [Method; 5] = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];

/// A request that can be sent: once, or again as long as nothing of its body was needed.
pub(crate) struct Outgoing {
    /// What is sent: written once, the same bytes for every attempt.
    pub(super) outbound: Outbound<ClientBody>,
    pub(super) asked: Asked,
    can_repeat: bool,
    has_large_body: bool,
    was_sent: bool,
    /// What the client did to the body, if that is why it did not come to its end.
    pub(super) fault: Option<Fault>,
    /// To be set if an answer breaks off: for clients who would take the end of the connection for its end.
    pub(super) reset: Option<Rc<Cell<bool>>>,
}

impl Outgoing {
    /// `more`: whole lines beside its fields. `body` is that of the head, if it has one that is not empty.
    pub(super) fn new(
        head: &Head<'_>,
        more: &[u8],
        body: Option<ClientBody>,
        reset: Option<Rc<Cell<bool>>>,
        buffers: &Buffers,
    ) -> Self {
        let framing = Framing::from(head.framing());
        let mut bytes = buffers.take_written();
        codec::request_head(
            &mut bytes,
            head.method(),
            head.target().as_str(),
            head.fields(),
            |out| {
                head.write_more(out);
                out.extend_from_slice(more);
            },
            framing,
        );
        Self {
            asked: Asked::by(head.method()),
            can_repeat: body.is_none() && IDEMPOTENT.contains(head.method()),
            has_large_body: match framing {
                Framing::None => false,
                Framing::Length(bytes) => bytes > LARGE_BYTES,
                Framing::Chunked | Framing::Close => true,
            },
            outbound: Outbound::new(bytes, framing, body),
            was_sent: false,
            fault: None,
            reset,
        }
    }

    /// Whether sending it twice is as good as once and possible.
    pub(super) fn can_repeat(&self) -> bool {
        self.can_repeat
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
