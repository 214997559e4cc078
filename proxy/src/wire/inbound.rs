//! A body as it comes, in pieces that share the read buffers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use crate::codec::{BodyDecoder, BodyError, Framing, Piece};

/// The first read of a body of unknown length; each that fills its buffer doubles the next.
const LEAST_READ_BYTES: usize = 16 * 1024;
/// Large bodies are read in such pieces: a system call for each piece, and memory for one or two of them.
const MOST_READ_BYTES: usize = 256 * 1024;

/// Why a body is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Socket(#[from] io::Error),
}

impl ReadError {
    /// Whether the endpoint's machine stopped to answer: what else leads there is as dead.
    pub(crate) fn is_dead_peer(&self) -> bool {
        matches!(self, Self::Socket(error) if error.kind() == io::ErrorKind::TimedOut)
    }
}

/// A body on its way.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    decoder: BodyDecoder,
    /// Read, but not passed on.
    input: Bytes,
    buffer: BytesMut,
    next_read: usize,
    /// Whether room is made only for as much as came, and not held while nothing does.
    is_wary: bool,
}

impl Inbound {
    /// A body framed like that, of which so much was read with its head.
    pub(crate) fn new(framing: Framing, input: Bytes) -> Self {
        Self {
            decoder: BodyDecoder::new(framing),
            input,
            buffer: BytesMut::new(),
            next_read: LEAST_READ_BYTES,
            is_wary: false,
        }
    }

    /// A body of a request: whoever sends it may only say that it is large.
    pub(crate) fn of_client(framing: Framing) -> Self {
        let decoder = BodyDecoder::of_request(framing);
        Self { decoder, is_wary: true, ..Self::new(Framing::None, Bytes::new()) }
    }

    /// Whether nothing is to come.
    pub(crate) fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Gives it what was read elsewhere, if it has nothing more.
    pub(crate) fn feed(&mut self, read: impl FnOnce() -> Bytes) {
        if self.input.is_empty() {
            self.input = read();
        }
    }

    /// Whether more can be told of it without a read.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// What was read and is not of this body, once it is over.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.input)
    }

    /// Whether bytes came that belong to no message.
    pub(crate) fn has_surplus(&self) -> bool {
        self.decoder.is_done() && !self.input.is_empty()
    }

    /// Passes over what was read already; whether that was all, and nothing more.
    pub(crate) fn skip(&mut self) -> bool {
        while matches!(self.decoder.decode(&mut self.input), Ok(Piece::Data(_) | Piece::Trailers(_))) {}
        self.decoder.is_done() && self.input.is_empty()
    }

    /// How many bytes are to come, if that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.decoder.left()
    }

    /// The next piece; none at the end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<Result<Option<Frame<Bytes>>, ReadError>> {
        loop {
            match self.decoder.decode(&mut self.input)? {
                Piece::Data(data) => return Poll::Ready(Ok(Some(Frame::data(data)))),
                Piece::Trailers(fields) => return Poll::Ready(Ok(Some(Frame::trailers(fields)))),
                Piece::End => return Poll::Ready(Ok(None)),
                Piece::More => {}
            }
            if ready!(self.poll_fill(cx, stream))? == 0 {
                self.decoder.end_of_stream()?;
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, stream: &mut (impl AsyncRead + Unpin)) -> Poll<io::Result<usize>> {
        // One byte more than is to come: a read that does not fill its buffer tells that the socket is empty, and surplus
        // bytes are seen.
        let left = self.decoder.left().map(|left| usize::try_from(left).unwrap_or(usize::MAX).saturating_add(1));
        let most = if self.is_wary { self.next_read } else { MOST_READ_BYTES };
        let wanted = left.unwrap_or(self.next_read).min(most);
        self.buffer.reserve(wanted);
        let Poll::Ready(read) = poll_read_buf(Pin::new(stream), cx, &mut self.buffer) else {
            if self.is_wary {
                // The next piece may be long in coming, and small.
                (self.buffer, self.next_read) = (BytesMut::new(), LEAST_READ_BYTES);
            }
            return Poll::Pending;
        };
        let read = read?;
        if read >= self.next_read {
            self.next_read = (self.next_read * 2).min(MOST_READ_BYTES);
        }
        self.input = self.buffer.split().freeze();
        Poll::Ready(Ok(read))
    }
}
