//! The head of an endpoint's answer as it comes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use crate::{
    codec::{Asked, HeadError, MAX_HEAD_BYTES, ResponseHead, is_worth_a_look, parse_response},
    guard::LineRules,
};

/// One read takes a usual head, and the whole of a small answer.
const HEAD_READ_BYTES: usize = 8 * 1024;
/// Answers before the final one.
const MAX_INFORMATIONAL: u8 = 16;
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
pub(super) struct HeadReader<'a> {
    buffer: BytesMut,
    /// The head as it goes to the client, but for its end.
    written: Vec<u8>,
    rules: &'a LineRules,
    asked: Asked,
    /// Whether a byte has come.
    begun: bool,
    informational: u8,
}

impl<'a> HeadReader<'a> {
    /// With empty buffers for what is read and what is written.
    pub(super) fn new(buffer: BytesMut, written: Vec<u8>, rules: &'a LineRules, asked: Asked) -> Self {
        Self { buffer, written, rules, asked, begun: false, informational: 0 }
    }

    /// The buffers: that of what is read is empty once the head is there, the other has it.
    pub(super) fn into_buffers(self) -> (BytesMut, Vec<u8>) {
        (self.buffer, self.written)
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
            if is_worth_a_look(&self.buffer, before, MAX_HEAD_BYTES)
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
        while !self.buffer.is_empty() {
            let strips = |name: &[u8]| self.rules.strips(name);
            let Some((head, end)) = parse_response(&self.buffer, self.asked, strips, &mut self.written)? else {
                return Ok(None);
            };
            self.buffer.advance(end);
            if !head.status.is_informational() {
                let behind = if self.buffer.is_empty() { Bytes::new() } else { self.buffer.split().freeze() };
                return Ok(Some((head, behind)));
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
