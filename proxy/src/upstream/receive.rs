//! An endpoint's answer as it comes: the head, then the body in pieces that share the read buffers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use crate::codec::{
    Asked, BodyDecoder, BodyError, HeadError, MAX_HEAD_BYTES, Piece, ResponseHead, may_be_whole, parse_response,
};

/// One read takes a usual head, and the whole of a small answer.
const HEAD_READ_BYTES: usize = 8 * 1024;
/// Answers before the final one.
const MAX_INFORMATIONAL: u8 = 16;
/// The first read of a body of unknown length; each that fills its buffer doubles the next.
const LEAST_READ_BYTES: usize = 16 * 1024;
/// Large bodies are read in such pieces: a system call for each piece, and memory for one or two of them.
const MOST_READ_BYTES: usize = 256 * 1024;

/// Why there is no head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadHeadError {
    /// The connection ended or broke before the first byte.
    #[error("the connection ended before the answer: {0}")]
    Closed(io::Error),
    /// It did within the head.
    #[error("the connection ended within the head: {0}")]
    Cut(io::Error),
    #[error("the answer's head is not HTTP: {0}")]
    Malformed(#[from] HeadError),
    #[error("an answer to an upgrade that nobody asked for")]
    Switched,
    #[error("more than {MAX_INFORMATIONAL} answers before the final one")]
    Informational,
}

/// Reads a head, and passes over those before the final one.
#[derive(Debug)]
pub(super) struct HeadReader {
    buffer: BytesMut,
    /// Empty: for those of the head.
    fields: HeaderMap,
    asked: Asked,
    /// Whether a byte has come.
    begun: bool,
    informational: u8,
}

impl HeadReader {
    pub(super) fn new(buffer: BytesMut, fields: HeaderMap, asked: Asked) -> Self {
        Self { buffer, fields, asked, begun: false, informational: 0 }
    }

    /// The buffer, which is empty once the head is there.
    pub(super) fn into_buffer(self) -> BytesMut {
        self.buffer
    }

    /// The head, and what was read behind it.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
    ) -> Poll<Result<(ResponseHead, Bytes), ReadHeadError>> {
        loop {
            let before = self.buffer.len();
            self.buffer.reserve(HEAD_READ_BYTES);
            match ready!(poll_read_buf(Pin::new(&mut *stream), cx, &mut self.buffer)) {
                Ok(0) => return Poll::Ready(Err(self.ended(io::ErrorKind::UnexpectedEof.into()))),
                Err(error) => return Poll::Ready(Err(self.ended(error))),
                Ok(_) => {}
            }
            self.begun = true;
            let full = self.buffer.len() >= MAX_HEAD_BYTES;
            if (before == 0 || full || may_be_whole(&self.buffer, before))
                && let Some(whole) = self.parse()?
            {
                return Poll::Ready(Ok(whole));
            }
        }
    }

    fn ended(&self, error: io::Error) -> ReadHeadError {
        if self.begun { ReadHeadError::Cut(error) } else { ReadHeadError::Closed(error) }
    }

    /// Parses what is there: a final head, or none yet.
    fn parse(&mut self) -> Result<Option<(ResponseHead, Bytes)>, ReadHeadError> {
        let mut bytes = self.buffer.split().freeze();
        while !bytes.is_empty() {
            let Some((head, end)) = parse_response(&bytes, self.asked, &mut self.fields)? else {
                self.buffer.extend_from_slice(&bytes);
                return Ok(None);
            };
            bytes.advance(end);
            if !head.status.is_informational() {
                return Ok(Some((head, bytes)));
            }
            self.informational += 1;
            if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
                return Err(ReadHeadError::Switched);
            }
            if self.informational > MAX_INFORMATIONAL {
                return Err(ReadHeadError::Informational);
            }
        }
        Ok(None)
    }
}

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
#[derive(Debug)]
pub(crate) struct Inbound {
    decoder: BodyDecoder,
    /// Read, but not passed on.
    input: Bytes,
    buffer: BytesMut,
    next_read: usize,
}

impl Inbound {
    /// The body behind a head, of which so much was read with it.
    pub(super) fn new(head: &ResponseHead, input: Bytes) -> Self {
        Self { decoder: BodyDecoder::new(head.framing), input, buffer: BytesMut::new(), next_read: LEAST_READ_BYTES }
    }

    /// Whether nothing is to come.
    pub(crate) fn is_done(&self) -> bool {
        self.decoder.is_done()
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
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
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

    fn poll_fill(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<usize>> {
        // One byte more than is to come: a read that does not fill its buffer tells that the socket is empty, and surplus
        // bytes are seen.
        let left = self.decoder.left().map(|left| usize::try_from(left).unwrap_or(usize::MAX).saturating_add(1));
        let wanted = left.unwrap_or(self.next_read).min(MOST_READ_BYTES);
        self.buffer.reserve(wanted);
        let read = ready!(poll_read_buf(Pin::new(stream), cx, &mut self.buffer))?;
        if read >= self.next_read {
            self.next_read = (self.next_read * 2).min(MOST_READ_BYTES);
        }
        self.input = self.buffer.split().freeze();
        Poll::Ready(Ok(read))
    }
}
