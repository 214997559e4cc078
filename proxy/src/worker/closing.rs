//! How a client's connection ends: so that the client gets the answer, and nobody holds the connection for long.

use std::{borrow::Cow, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::stream::ClientStream;
use crate::guard::REASON;

/// What is still read of a client that was answered already, and for how long: what nobody reads turns the end into a reset,
/// which may overtake the answer.
const MAX_DRAINED_BYTES: u64 = 64 * 1024;
const MAX_DRAINED_TIME: Duration = Duration::from_secs(1);

/// Said to a client whose head did not come in time. Nothing else is on its way then, so that it can be written as it is.
const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 45\r\n\
    evenkeel-reason: SI\r\nconnection: close\r\n\r\n408 SI: the request's head came not in time\r\n";

/// Said to a client that speaks HTTP/2 without asking.
const NOT_HTTP_2: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 40\r\n\
    evenkeel-reason: DPE\r\nconnection: close\r\n\r\n400 DPE: this listener speaks HTTP/1.1\r\n";

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All is said, and read as far as it is here.
    Clean,
    /// All is said, but not all is read.
    Unread,
    /// The client's head did not come in time.
    TooSlow,
    /// The client began with HTTP/2.
    Http2,
}

/// Ends a connection. `is_told`: whether clients of the pool are told reasons.
pub(super) async fn close(stream: &mut ClientStream, ending: Ending, is_told: impl FnOnce() -> bool) {
    if stream.is_to_reset() {
        return; // with its drop: a clean end would be taken for the end of the answer
    }
    let last_words = match ending {
        Ending::Clean if !stream.has_more().await => return, // the system says the end when the socket is dropped
        Ending::Clean | Ending::Unread => &[],
        Ending::TooSlow => TOO_SLOW,
        Ending::Http2 => NOT_HTTP_2,
    };
    let stream = &mut stream.stream;
    let last_words = if last_words.is_empty() || is_told() { last_words.into() } else { without_reason(last_words) };
    let _ = stream.try_write(&last_words); // a socket that takes so little no more has a client that is gone
    // On the heap: few connections end so, and none should have the space for it all its life.
    Box::pin(drain(stream)).await;
}

/// An answer without the field that gives its reason.
fn without_reason(answer: &[u8]) -> Cow<'_, [u8]> {
    let is_reason = |line: &&[u8]| line.starts_with(REASON.as_str().as_bytes());
    answer.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_reason(line)).flatten().copied().collect()
}

/// Says the end, and reads what comes until the client says it too.
async fn drain(stream: &mut TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut block = [0; 4096];
    let mut rest = stream.take(MAX_DRAINED_BYTES);
    let _ = timeout(MAX_DRAINED_TIME, async { while matches!(rest.read(&mut block).await, Ok(1..)) {} }).await;
}
