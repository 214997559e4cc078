//! Reading the head of a request: nearly always it is whole with the first read, which goes into a buffer that all clients
//! of a thread share, so that nobody holds one who does not ask.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Buf as _;
use tokio::io::ReadBuf;

use super::{Worker, client::Client, pace::Phase};
use crate::{
    codec::{MAX_REQUEST_HEAD_BYTES, is_worth_a_look, parse_request},
    forward::{self, Admitted},
    guard::Refusal,
};

/// The next request, looked at; none: the client left.
pub(super) fn poll_head(worker: &Rc<Worker>, client: &Rc<Client>, cx: &mut Context<'_>) -> Poll<Option<Admitted>> {
    let mut input = client.take_unread();
    if client.pace.phase() == Phase::Idle && begins(&input) {
        client.pace.read(); // it came behind the request before
        if let Some((admitted, end)) = look(worker, client, &input, 0) {
            input.advance(end);
            client.unread(input);
            return Poll::Ready(Some(admitted));
        }
    }
    loop {
        let mut scratch = worker.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        match client.poll_read(cx, &mut buffer) {
            Poll::Pending => {
                client.unread(input);
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
            Poll::Ready(_) => return Poll::Ready(None),
        }
        let read = buffer.filled();
        if begins(read) {
            client.pace.read();
        }
        let scanned = input.len();
        let found = if scanned == 0 {
            look(worker, client, read, 0).inspect(|(_, end)| input.extend_from_slice(&read[*end..]))
        } else {
            input.extend_from_slice(read);
            look(worker, client, &input, scanned).inspect(|(_, end)| input.advance(*end))
        };
        if let Some((admitted, _)) = found {
            client.unread(input);
            return Poll::Ready(Some(admitted));
        }
        if scanned == 0 {
            input.extend_from_slice(read);
        }
    }
}

/// Whether there is more than the end of a line, which some send behind a body (RFC 9112 §2.2).
fn begins(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
}

/// Looks at a request, if its head is all there; tells where that ends. `scanned` bytes were looked at before.
fn look(worker: &Rc<Worker>, client: &Rc<Client>, bytes: &[u8], scanned: usize) -> Option<(Admitted, usize)> {
    if !is_worth_a_look(bytes, scanned, MAX_REQUEST_HEAD_BYTES) {
        return None;
    }
    match parse_request(bytes, |head| forward::admit(worker, client, head)) {
        Ok(found) => found,
        Err(error) => Some((forward::refuse(worker, client, &Refusal::of_head(error)), bytes.len())),
    }
}
