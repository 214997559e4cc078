//! A body as it is read, whatever delimits it.

use bytes::Bytes;
use http::HeaderMap;

use super::{Framing, chunks::ChunkDecoder};

/// Reads a body, however its bytes are split into reads.
#[derive(Debug, Default)]
pub(crate) enum BodyDecoder {
    /// So many bytes are to come.
    Length(u64),
    /// Chunks are to come.
    Chunked(ChunkedBody),
    /// The end of the connection is the end.
    Close,
    /// It is over.
    #[default]
    Done,
}

/// A body in chunks.
#[derive(Debug, Default)]
pub(crate) struct ChunkedBody(ChunkDecoder);

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Some bytes, at least one.
    Data(Bytes),
    /// The fields after the last chunk. Nothing follows.
    Trailers(HeaderMap),
    /// The input is used up, the body is not over.
    More,
    /// The body is over. What is left of the input does not belong to it.
    End,
}

/// Why a body is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("a malformed chunk")]
    Chunk,
    #[error("malformed trailers")]
    Trailers,
    #[error("the body is cut short")]
    Truncated,
}

impl BodyDecoder {
    /// For a body framed like that.
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(ChunkedBody::default()),
            Framing::Close => Self::Close,
        }
    }

    /// For the body of a request, whose trailers have the limits of a request's head.
    pub(crate) fn of_request(framing: Framing) -> Self {
        match framing {
            Framing::Chunked => Self::Chunked(ChunkedBody(ChunkDecoder::of_request())),
            other => Self::new(other),
        }
    }

    /// Takes the next piece off the input.
    pub(crate) fn decode(&mut self, input: &mut Bytes) -> Result<Piece, BodyError> {
        match self {
            Self::Done => Ok(Piece::End),
            Self::Chunked(ChunkedBody(chunks)) => chunks.decode(input),
            Self::Length(_) | Self::Close if input.is_empty() => Ok(Piece::More),
            Self::Close => Ok(Piece::Data(std::mem::take(input))),
            Self::Length(left) => {
                let data = input.split_to(usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()));
                *left -= data.len() as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Piece::Data(data))
            }
        }
    }

    /// Whether nothing of the body is to come.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Chunked(ChunkedBody(chunks)) => chunks.is_done(),
            Self::Length(_) | Self::Close => false,
        }
    }

    /// The connection ended regularly: the end of the body, or a body cut short.
    pub(crate) fn end_of_stream(&mut self) -> Result<(), BodyError> {
        match self {
            Self::Close => *self = Self::Done,
            _ if self.is_done() => {}
            _ => return Err(BodyError::Truncated),
        }
        Ok(())
    }

    /// How many bytes are to come, if that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Done => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::Close => None,
        }
    }
}
