//! An answer on its way to the client: what its head says of the connection, and all that may hold it up.

use std::task::{Context, Poll};

use super::{Worker, client::Client, closing::Ending};
use crate::{
    codec::{self, Asked, Framing, Version},
    forward::{Reply, ResponseBody, Terms},
    shared::Stage,
    wire::{Outbound, SendError},
};

/// An answer that is being sent.
pub(super) struct Replying {
    outbound: Outbound<ResponseBody>,
    framing: Framing,
    after: After,
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It takes another request.
    Stays,
    /// It ends.
    Ends,
    /// It ends, and what the client sent behind is not looked at.
    Refused,
}

impl After {
    fn of(stays: bool, refuses: bool) -> Self {
        match (stays, refuses) {
            (true, _) => Self::Stays,
            (false, true) => Self::Refused,
            (false, false) => Self::Ends,
        }
    }
}

/// Says in a head what becomes of the connection, and where the body ends.
fn end_head(written: &mut Vec<u8>, stays: bool, version: Version, framing: Framing) {
    match (stays, version) {
        (false, _) => written.extend_from_slice(b"connection: close\r\n"),
        (true, Version::Old) => written.extend_from_slice(b"connection: keep-alive\r\n"),
        (true, Version::Current) => {}
    }
    codec::framing(written, framing);
    written.extend_from_slice(codec::CRLF);
}

impl Replying {
    /// Completes the head.
    pub(super) fn begin(worker: &Worker, client: &Client, reply: Reply, terms: Terms) -> Self {
        client.pace.answer();
        let Reply { mut written, has_date, framing, closes, body } = reply;
        let framing = match (framing, terms.version) {
            (Framing::Chunked | Framing::Close, Version::Current) => Framing::Chunked,
            (Framing::Chunked | Framing::Close, Version::Old) => Framing::Close,
            (framing, _) => framing,
        };
        // Asked now: the process may have been told to end while the endpoint took its time.
        let stays = terms.is_persistent
            && !closes
            && framing != Framing::Close
            && !client.expects()
            && !worker.is_at(Stage::Closing)
            && !client.pace.is_worn();
        if !has_date {
            worker.date.write(&mut written);
        }
        end_head(&mut written, stays, terms.version, framing);
        // Where the end of the connection is that of the answer, nobody may take a part for it.
        if framing == Framing::Close || client.is_cut_off() {
            client.set_reset(true);
        }
        let has_body = terms.asked != Asked::Head && framing.has_body();
        let outbound = Outbound::new(written, framing, has_body.then_some(body));
        Self { outbound, framing, after: After::of(stays, closes) }
    }

    /// Sends on. An error: how the connection ends.
    pub(super) fn poll(&mut self, worker: &Worker, client: &Client, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        match self.outbound.poll_send(cx, &mut client.writing()) {
            Poll::Ready(Ok(())) => {
                if self.framing == Framing::Close {
                    client.set_reset(false);
                }
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(SendError::Socket(_))) => return Poll::Ready(Err(Ending::Clean)), // it left
            Poll::Ready(Err(SendError::Body(_))) => return Poll::Ready(Err(self.broken(Ending::Unread))),
            Poll::Pending => {}
        }
        let is_sending = client.pace.is_sending();
        let body = self.outbound.body();
        let is_late = match body {
            Some(body) if is_sending => body.poll_untaken(cx).is_ready(),
            Some(body) if client.pace.is_over() => {
                tracing::debug!("nothing of an answer came for too long");
                body.time_out();
                true
            }
            _ => false,
        };
        if is_late || client.pace.is_over() {
            tracing::debug!(is_sending, "an answer is given up");
            return Poll::Ready(Err(Ending::Reset)); // no client may take it for whole
        }
        client.poll_leave(cx, &mut worker.scratch.borrow_mut()).map(|()| Err(self.broken(Ending::Clean)))
    }

    /// How the connection ends after a part of an answer: where its end is that of the answer, a reset tells the two apart.
    fn broken(&self, otherwise: Ending) -> Ending {
        if self.framing == Framing::Close { Ending::Reset } else { otherwise }
    }

    /// Gives back what it held.
    pub(super) fn end(mut self, worker: &Worker) -> After {
        worker.buffers.give_written(self.outbound.take_head());
        self.after
    }
}
