//! One exchange on a connection, up to the head of the answer.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::{
    Buffers, Connection,
    receive::{HeadReader, ReadHeadError},
};
use crate::{
    codec::{Asked, ResponseHead},
    guard::LineRules,
    waits::{Wait, Waits},
    wire::{Inbound, Outbound, SendError},
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError<E> {
    /// None in time.
    #[error("no answer in time")]
    Timeout,
    /// The client's body broke.
    #[error("the request's body broke")]
    Body(E),
    /// The socket took no byte of the request. What came all the same is no answer to it.
    #[error("nothing could be sent: {0}")]
    Unsent(io::Error),
    /// The connection ended before the first byte of an answer.
    #[error("no byte of an answer: {0}")]
    Closed(io::Error),
    /// The connection ended within the answer's head.
    #[error("half a head: {0}")]
    Cut(io::Error),
    /// What came is not an answer.
    #[error(transparent)]
    Malformed(ReadHeadError),
}

impl<E> ExchangeError<E> {
    /// Whether the endpoint's machine stopped to answer: what else leads there is as dead.
    pub(crate) fn is_dead_peer(&self) -> bool {
        let (Self::Unsent(error) | Self::Closed(error) | Self::Cut(error)) = self else { return false };
        error.kind() == io::ErrorKind::TimedOut
    }
}

/// What an exchange goes on with.
pub(crate) struct Means<'a> {
    /// The thread's buffers.
    pub(crate) buffers: &'a Buffers,
    /// The thread's waits.
    pub(crate) waits: &'a Waits,
    /// From the last byte of the request to the answer's head.
    pub(crate) limit: Duration,
    /// What the pool changes in the answer's head.
    pub(crate) rules: &'a LineRules,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) head: ResponseHead,
    /// As it goes to the client, but for its end.
    pub(crate) written: Vec<u8>,
    /// What follows it.
    pub(crate) inbound: Inbound,
    /// When the endpoint had all of the request.
    pub(crate) sent: Sent,
}

/// When an endpoint had all of a request: what came before is the client's time, and not the endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// As soon as it was asked.
    AtOnce,
    /// When the client had sent its body.
    At(Instant),
    /// Not yet, when the answer came.
    NotYet,
}

/// Sends a request and reads the head of its answer, which may come before the request is sent to its end.
pub(crate) async fn exchange<B>(
    connection: &mut Connection,
    outbound: &mut Outbound<B>,
    asked: Asked,
    means: &Means<'_>,
) -> Result<Answered, ExchangeError<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    connection.requests += 1;
    let mut step = Step { broken: None, wait: None, sent: None };
    let buffers = means.buffers;
    let mut reader = HeadReader::new(buffers.take_read(), buffers.take_written(), means.rules, asked);
    let answered = poll_fn(|cx| step.poll(cx, connection, outbound, &mut reader, means)).await;
    let (read, written) = reader.into_buffers();
    buffers.give_read(read);
    let (head, behind) = match answered {
        Ok(answered) => answered,
        Err(error) => {
            buffers.give_written(written);
            return Err(error);
        }
    };
    connection.idle_hint = head.idle_hint.map(Duration::from_secs);
    let inbound = Inbound::new(head.framing, behind);
    let sent = match step.sent {
        _ if !outbound.is_done() => Sent::NotYet,
        None => Sent::AtOnce,
        Some(last) => Sent::At(last),
    };
    Ok(Answered { head, written, inbound, sent })
}

/// A head, and what was read behind it.
type HeadAndMore = (ResponseHead, Bytes);

/// How far an exchange has come.
struct Step {
    /// Why no more of the request can be sent. An answer may be there all the same (RFC 9112 §9.5).
    broken: Option<io::Error>,
    wait: Option<Wait>,
    /// When the last of the request was sent, or not yet, if it was not sent at once.
    sent: Option<Instant>,
}

impl Step {
    fn poll<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
        outbound: &mut Outbound<B>,
        reader: &mut HeadReader<'_>,
        means: &Means<'_>,
    ) -> Poll<Result<HeadAndMore, ExchangeError<B::Error>>> {
        let stream = &mut connection.stream;
        if self.broken.is_none() && !outbound.is_done() {
            match outbound.poll_send(cx, stream) {
                Poll::Ready(Err(SendError::Body(error))) => return Poll::Ready(Err(ExchangeError::Body(error))),
                Poll::Ready(Err(SendError::Socket(error))) => self.broken = Some(error),
                Poll::Ready(Ok(())) if self.sent.is_some() => self.sent = Some(Instant::now()),
                Poll::Ready(Ok(())) => {}
                Poll::Pending => self.sent = Some(self.sent.unwrap_or_else(Instant::now)),
            }
        }
        match reader.poll_read(cx, stream) {
            Poll::Ready(read) if outbound.is_untouched() => return Poll::Ready(Err(self.unsent(read))),
            Poll::Ready(Ok(answer)) => return Poll::Ready(Ok(answer)),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed(error))),
            Poll::Pending => {}
        }
        if self.broken.is_none() && !outbound.is_done() {
            return Poll::Pending; // the limit begins at the request's end
        }
        let wait = self.wait.get_or_insert_with(|| means.waits.begin(means.limit));
        wait.poll(cx).map(|()| Err(ExchangeError::Timeout))
    }

    /// Whatever was read before a byte of the request was written.
    fn unsent<E>(&mut self, read: Result<HeadAndMore, ReadHeadError>) -> ExchangeError<E> {
        ExchangeError::Unsent(match (self.broken.take(), read) {
            (Some(error), _) | (None, Err(ReadHeadError::Closed(error) | ReadHeadError::Cut(error))) => error,
            (None, _) => io::Error::new(io::ErrorKind::InvalidData, "an answer came before the request"),
        })
    }

    fn failed<E>(&mut self, error: ReadHeadError) -> ExchangeError<E> {
        match error {
            ReadHeadError::Closed(error) => ExchangeError::Closed(self.broken.take().unwrap_or(error)),
            ReadHeadError::Cut(error) => ExchangeError::Cut(error),
            other => ExchangeError::Malformed(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;
    use crate::codec::Framing;

    #[tokio::test]
    async fn what_comes_though_nothing_could_be_sent_is_no_answer() {
        for early in [&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"[..], b"HTTP/1.1 2", b"SSH-2.0\r\n", b""] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let mut endpoint = listener.accept().await.unwrap().0;
            endpoint.write_all(early).await.unwrap();
            stream.shutdown().await.unwrap(); // so that every write fails
            drop(endpoint);
            let mut connection = Connection::new(stream, Instant::now());
            let mut outbound = Outbound::<Empty<Bytes>>::new(b"GET / HTTP/1.1\r\n\r\n".into(), Framing::None, None);
            let (buffers, waits) = (Buffers::default(), Waits::new(Instant::now()));
            let rules = LineRules::default();
            let means = Means { buffers: &buffers, waits: &waits, limit: Duration::from_secs(5), rules: &rules };
            let answered = exchange(&mut connection, &mut outbound, Asked::Other, &means).await;
            assert!(matches!(answered, Err(ExchangeError::Unsent(_))), "{early:?}: {answered:?}");
        }
    }
}
