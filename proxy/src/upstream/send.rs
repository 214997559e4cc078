//! A request on its way to an endpoint: head and first bytes of the body in one write, the rest as it comes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;
use tokio::{io::AsyncWrite as _, net::TcpStream};

use crate::codec::{CRLF, ChunkSize, Framing, LAST_CHUNK, last_chunk};

/// A request: its head as bytes, which are sent again as they are if an attempt is repeated, and its body.
#[derive(Debug)]
pub(crate) struct Outbound<B> {
    head: Vec<u8>,
    /// What follows of the body; none once it is over.
    body: Option<B>,
    /// Whether the end of the body is still to be loaded.
    is_open: bool,
    /// What was loaded of the body, if it may have to be sent again.
    kept: Option<Box<Kept>>,
    framing: Framing,
    loaded: Loaded,
    /// How much of head and what is loaded has been sent.
    sent: usize,
    head_sent: bool,
}

/// A piece of the body with what frames it.
#[derive(Debug)]
struct Loaded {
    size: ChunkSize,
    data: Bytes,
    end: Bytes,
}

/// What is kept of a body, to be sent again. The bytes are shared with who read them.
#[derive(Debug, Default)]
struct Kept {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// Which piece is to be sent next. All are sent: what follows comes from the client.
    next: usize,
}

/// The largest body that is kept (Linkerd: the same).
pub(crate) const MAX_KEPT_BYTES: usize = 64 * 1024;
/// Each piece may hold on to the buffer that it was read into.
const MAX_KEPT_PIECES: usize = 32;

impl Kept {
    /// Keeps a piece that is about to be sent; false if there is no room.
    fn push(&mut self, piece: &Bytes) -> bool {
        self.bytes += piece.len();
        self.pieces.push(piece.clone());
        self.next = self.pieces.len();
        self.bytes <= MAX_KEPT_BYTES && self.next <= MAX_KEPT_PIECES
    }

    fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.get(self.next)?.clone();
        self.next += 1;
        Some(piece)
    }
}

/// Why a request did not come to its end.
#[derive(Debug)]
pub(crate) enum SendError<E> {
    /// The connection broke.
    Socket(io::Error),
    /// The client's body did.
    Body(E),
}

impl Loaded {
    const NOTHING: Self = Self { size: ChunkSize::NONE, data: Bytes::new(), end: Bytes::new() };

    fn len(&self) -> usize {
        self.size.line().len() + self.data.len() + self.end.len()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Outbound<B> {
    /// A request of these bytes; a body that is over already is none.
    pub(crate) fn new(head: Vec<u8>, framing: Framing, body: Option<B>) -> Self {
        let is_open = body.is_some();
        Self { head, body, is_open, kept: None, framing, loaded: Loaded::NOTHING, sent: 0, head_sent: false }
    }

    /// Keeps what is sent of the body, as long as it is small.
    pub(crate) fn keep_body(&mut self) {
        self.kept = Some(Box::default());
    }

    /// Keeps no more of the body.
    pub(crate) fn forget_body(&mut self) {
        self.kept = None;
    }

    /// Whether all that was sent of the body is kept.
    pub(crate) fn keeps_body(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether all that came of the body has been sent, and more is to come.
    pub(crate) fn awaits_body(&self) -> bool {
        self.head_sent && self.is_open && self.loaded.len() == 0
    }

    /// Whether all of it has been sent.
    pub(crate) fn is_done(&self) -> bool {
        self.head_sent && !self.is_open && self.loaded.len() == 0
    }

    /// Whether no byte has been sent.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.head_sent && self.sent == 0
    }

    /// Begins anew, for another attempt. What was taken of the body is still loaded if nothing was sent, else it is kept: the
    /// caller sees to it that no other request is repeated.
    pub(crate) fn rewind(&mut self) {
        if self.is_untouched() {
            return;
        }
        (self.sent, self.head_sent) = (0, false);
        if let Some(kept) = &mut self.kept {
            (kept.next, self.is_open, self.loaded) = (0, true, Loaded::NOTHING);
        }
    }

    /// The head's buffer, when no further attempt follows.
    pub(crate) fn take_head(&mut self) -> Vec<u8> {
        if self.head_sent { std::mem::take(&mut self.head) } else { Vec::new() }
    }

    /// Sends on.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
    ) -> Poll<Result<(), SendError<B::Error>>> {
        loop {
            // Before anything is written: the first bytes of a body that is here already go with the head.
            let loading = match self.loaded.len() {
                0 => self.poll_load(cx).map_err(SendError::Body)?,
                _ => Poll::Ready(()),
            };
            ready!(self.poll_write(cx, stream)).map_err(SendError::Socket)?;
            ready!(loading);
            if self.is_done() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Loads the next piece of the body.
    fn poll_load(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), B::Error>> {
        if !self.is_open {
            return Poll::Ready(Ok(()));
        }
        if let Some(piece) = self.kept.as_mut().and_then(|kept| kept.next()) {
            self.load(piece);
            return Poll::Ready(Ok(()));
        }
        let Some(body) = &mut self.body else {
            self.end(&http::HeaderMap::new());
            return Poll::Ready(Ok(()));
        };
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Err(error)) => return Poll::Ready(Err(error)),
            Some(Ok(frame)) => Some(frame),
            None => None,
        };
        let over = frame.is_none() || body.is_end_stream();
        match frame.map(http_body::Frame::into_data) {
            Some(Ok(data)) => {
                self.kept.take_if(|kept| !kept.push(&data));
                self.load(data);
            }
            Some(Err(frame)) => {
                self.kept = None; // without its trailers it would be another one
                self.end(&frame.into_trailers().unwrap_or_default());
            }
            None => self.end(&http::HeaderMap::new()),
        }
        if over && self.is_open {
            self.end(&http::HeaderMap::new()); // the last piece, and known to be
        }
        Poll::Ready(Ok(()))
    }

    fn load(&mut self, data: Bytes) {
        if self.framing == Framing::Chunked && !data.is_empty() {
            self.loaded.size = ChunkSize::new(data.len());
            self.loaded.end = Bytes::from_static(CRLF);
        }
        self.loaded.data = data;
    }

    fn end(&mut self, trailers: &http::HeaderMap) {
        (self.body, self.is_open) = (None, false);
        if self.framing != Framing::Chunked {
            return;
        }
        self.loaded.end = match (self.loaded.end.is_empty(), trailers.is_empty()) {
            (true, true) => Bytes::from_static(LAST_CHUNK),
            (true, false) => Bytes::from(last_chunk(trailers)),
            (false, _) => Bytes::from([CRLF, &last_chunk(trailers)].concat()),
        };
    }

    /// Writes the head, if it is not sent, and what is loaded.
    fn poll_write(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<()>> {
        let head = if self.head_sent { &[][..] } else { &self.head[..] };
        while self.sent < head.len() + self.loaded.len() {
            let written = if self.loaded.len() == 0 {
                ready!(Pin::new(&mut *stream).poll_write(cx, &head[self.sent..]))?
            } else {
                let parts = [head, self.loaded.size.line(), &self.loaded.data[..], &self.loaded.end[..]];
                let mut slices = parts.map(IoSlice::new);
                let mut slices = &mut slices[..];
                IoSlice::advance_slices(&mut slices, self.sent);
                ready!(Pin::new(&mut *stream).poll_write_vectored(cx, slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        (self.sent, self.head_sent, self.loaded) = (0, true, Loaded::NOTHING);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future::poll_fn};

    use http_body::Frame;
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;

    /// A body of these pieces, one a poll, with a pause before each.
    struct Pieces(VecDeque<Bytes>, bool);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn put(framing: Framing, pieces: &[&'static str]) -> Outbound<Pieces> {
        let body = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        let mut outbound = Outbound::new(b"PUT\r\n\r\n".into(), framing, Some(Pieces(body, false)));
        outbound.keep_body();
        outbound
    }

    /// What an endpoint sees of an attempt that ends after so many polls.
    async fn attempt(outbound: &mut Outbound<Pieces>, mut polls: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut endpoint = listener.accept().await.unwrap().0;
        outbound.rewind();
        poll_fn(|cx| {
            polls -= 1;
            let sent = outbound.poll_send(cx, &mut stream).map(|sent| assert!(sent.is_ok()));
            if polls == 0 { Poll::Ready(()) } else { sent }
        })
        .await;
        drop(stream);
        let mut seen = String::new();
        endpoint.read_to_string(&mut seen).await.unwrap();
        seen
    }

    #[tokio::test]
    async fn a_small_body_goes_whole_with_every_attempt_however_far_the_one_before_came() {
        for (framing, whole) in [
            (Framing::Length(6), "PUT\r\n\r\nabcdef"),
            (Framing::Chunked, "PUT\r\n\r\n3\r\nabc\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"),
        ] {
            for polls in 1..=5 {
                let mut outbound = put(framing, &["abc", "de", "f"]);
                let part = attempt(&mut outbound, polls).await;
                assert!(whole.starts_with(&part), "{part:?}");
                for _ in 0..2 {
                    assert!(outbound.keeps_body());
                    assert_eq!(attempt(&mut outbound, 100).await, whole, "after {part:?}");
                    assert!(outbound.is_done());
                }
            }
        }
    }

    #[tokio::test]
    async fn an_empty_body_in_chunks_ends_in_every_attempt() {
        let mut outbound = put(Framing::Chunked, &[]);
        for _ in 0..2 {
            assert_eq!(attempt(&mut outbound, 100).await, "PUT\r\n\r\n0\r\n\r\n");
        }
    }

    #[tokio::test]
    async fn more_than_64_kib_and_more_than_a_few_pieces_are_not_kept() {
        let large: &'static str = "x".repeat(MAX_KEPT_BYTES).leak();
        for (pieces, kept) in [
            (vec![large], true),
            (vec![large, "x"], false),
            (vec!["x"; MAX_KEPT_PIECES], true),
            (vec!["x"; MAX_KEPT_PIECES + 1], false),
        ] {
            let mut outbound = put(Framing::Chunked, &pieces);
            let bytes = attempt(&mut outbound, 1000).await.len();
            assert_eq!(outbound.keeps_body(), kept, "{bytes} bytes");
        }
    }
}
