//! A message on its way: head and first bytes of the body in one write, the rest as it comes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use tokio::io::AsyncWrite;

use crate::codec::{CRLF, ChunkSize, Framing, LAST_CHUNK, last_chunk};

/// A message: its head as bytes, which are sent again as they are if an attempt is repeated, and its body.
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

/// What is kept of a body, to be sent again. A copy: a piece of a few bytes would hold on to the whole buffer that it was read
/// into.
#[derive(Debug, Default)]
struct Kept {
    bytes: BytesMut,
    /// How many of them are loaded. All are: what follows comes from the client.
    loaded: usize,
}

/// The largest body that is kept (Linkerd: the same).
pub(crate) const MAX_KEPT_BYTES: usize = 64 * 1024;

impl Kept {
    /// Keeps a piece that is about to be sent; false if there is no room.
    fn push(&mut self, piece: &Bytes) -> bool {
        let has_room = self.bytes.len() + piece.len() <= MAX_KEPT_BYTES;
        if has_room {
            self.bytes.extend_from_slice(piece);
            self.loaded = self.bytes.len();
        }
        has_room
    }

    /// What is to be sent again, in one piece.
    fn rest(&mut self) -> Option<Bytes> {
        let rest = Bytes::copy_from_slice(&self.bytes[self.loaded..]);
        self.loaded = self.bytes.len();
        (!rest.is_empty()).then_some(rest)
    }
}

/// Why a message did not come to its end.
#[derive(Debug)]
pub(crate) enum SendError<E> {
    /// The connection broke.
    Socket(io::Error),
    /// Its body did.
    Body(E),
}

impl Loaded {
    const NOTHING: Self = Self { size: ChunkSize::NONE, data: Bytes::new(), end: Bytes::new() };

    fn len(&self) -> usize {
        self.size.line().len() + self.data.len() + self.end.len()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Outbound<B> {
    /// A message of these bytes; a body that is over already is none.
    pub(crate) fn new(head: Vec<u8>, framing: Framing, body: Option<B>) -> Self {
        let is_open = body.is_some();
        Self { head, body, is_open, kept: None, framing, loaded: Loaded::NOTHING, sent: 0, head_sent: false }
    }

    /// Keeps what is sent of the body, as long as it is small.
    pub(crate) fn keep_body(&mut self) {
        self.kept = Some(Box::default());
    }

    /// Keeps no more of the body than is still to be sent.
    pub(crate) fn forget_body(&mut self) {
        self.kept.take_if(|kept| kept.loaded == kept.bytes.len());
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
            (kept.loaded, self.is_open, self.loaded) = (0, true, Loaded::NOTHING);
        }
    }

    /// What is left of its body, if that is not over.
    pub(crate) fn body(&mut self) -> Option<&mut B> {
        self.body.as_mut()
    }

    /// The head's buffer, when no further attempt follows.
    pub(crate) fn take_head(&mut self) -> Vec<u8> {
        if self.head_sent { std::mem::take(&mut self.head) } else { Vec::new() }
    }

    /// Sends on.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
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
        if let Some(piece) = self.kept.as_mut().and_then(|kept| kept.rest()) {
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
    fn poll_write(&mut self, cx: &mut Context<'_>, stream: &mut (impl AsyncWrite + Unpin)) -> Poll<io::Result<()>> {
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
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpSocket, TcpStream},
    };

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
        for framing in [Framing::Length(6), Framing::Chunked] {
            for polls in 1..=5 {
                let mut outbound = put(framing, &["abc", "de", "f"]);
                let part = attempt(&mut outbound, polls).await;
                for _ in 0..2 {
                    assert!(outbound.keeps_body());
                    let seen = attempt(&mut outbound, 100).await;
                    assert_eq!(body(framing, &seen), "abcdef", "{seen:?} after {part:?}");
                    assert!(outbound.is_done());
                }
            }
        }
    }

    /// The body of what an endpoint saw, if it is whole.
    fn body(framing: Framing, seen: &str) -> String {
        let seen = seen.strip_prefix("PUT\r\n\r\n").unwrap_or_default();
        if framing != Framing::Chunked {
            return seen.to_owned();
        }
        let chunks = seen.strip_suffix("0\r\n\r\n").unwrap_or_default().split_terminator("\r\n");
        chunks.skip(1).step_by(2).collect()
    }

    #[tokio::test]
    async fn who_answers_a_repeated_request_early_still_gets_its_whole_body() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let piece: &'static str = "x".repeat(10_000).leak();
        for framing in [Framing::Length(60_000), Framing::Chunked] {
            let mut outbound = put(framing, &[piece; 6]);
            attempt(&mut outbound, 9).await;
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_send_buffer_size(4096).unwrap();
            let mut stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
            let mut endpoint = listener.accept().await.unwrap().0;
            outbound.rewind();
            let is_sent = poll_fn(|cx| Poll::Ready(outbound.poll_send(cx, &mut stream).is_ready())).await;
            assert!(!is_sent, "the sockets take less than the body");
            outbound.forget_body(); // its answer is here
            let sending = async {
                poll_fn(|cx| outbound.poll_send(cx, &mut stream)).await.unwrap_or_else(|_| panic!("sent"));
                drop(stream);
            };
            let mut seen = String::new();
            let ((), read) = tokio::join!(sending, endpoint.read_to_string(&mut seen));
            assert!(read.is_ok() && outbound.is_done());
            assert!(body(framing, &seen) == piece.repeat(6), "{} bytes", seen.len());
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
    async fn more_than_64_kib_are_not_kept_in_however_many_pieces() {
        let large: &'static str = "x".repeat(MAX_KEPT_BYTES).leak();
        for (pieces, kept) in [(vec![large], true), (vec![large, "x"], false), (vec!["x"; 400], true)] {
            let mut outbound = put(Framing::Chunked, &pieces);
            let bytes = attempt(&mut outbound, 1000).await.len();
            assert_eq!(outbound.keeps_body(), kept, "{bytes} bytes");
        }
    }
}
