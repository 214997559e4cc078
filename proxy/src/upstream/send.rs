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
        Self { head, body, framing, loaded: Loaded::NOTHING, sent: 0, head_sent: false }
    }

    /// Whether all of it has been sent.
    pub(crate) fn is_done(&self) -> bool {
        self.head_sent && self.body.is_none() && self.loaded.len() == 0
    }

    /// Whether no byte has been sent.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.head_sent && self.sent == 0
    }

    /// Begins anew, for another attempt: what was taken of the body is still loaded if nothing was sent. The caller sees to
    /// it that a request whose body went with an earlier attempt is not repeated.
    pub(crate) fn rewind(&mut self) {
        (self.sent, self.head_sent) = (0, false);
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
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Err(error)) => return Poll::Ready(Err(error)),
            Some(Ok(frame)) => Some(frame),
            None => None,
        };
        let over = frame.is_none() || body.is_end_stream();
        match frame.map(http_body::Frame::into_data) {
            Some(Ok(data)) => self.load(data),
            Some(Err(frame)) => self.end(&frame.into_trailers().unwrap_or_default()),
            None => self.end(&http::HeaderMap::new()),
        }
        if over && self.body.is_some() {
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
        self.body = None;
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
