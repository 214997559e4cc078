//! The bodies of answers: a text, so many bytes, or the request's own body.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Large enough to fill a socket buffer in a few writes, small enough to stay in the cache.
const BLOCK_BYTES: usize = 65_536;
static BLOCK: [u8; BLOCK_BYTES] = [b'x'; BLOCK_BYTES];

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Reply {
    /// A text in one piece, with its length declared or not.
    Text { text: Bytes, sized: bool },
    /// So many bytes `x`, with the length declared or not.
    Fill { left: u64, sized: bool },
    /// The request's body, as it comes in.
    Echo(Incoming),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let data = match self.get_mut() {
            Self::Text { text, .. } => std::mem::take(text),
            Self::Fill { left, .. } => next_block(left),
            Self::Echo(body) => return Pin::new(body).poll_frame(cx),
        };
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text { text, .. } => text.is_empty(),
            Self::Fill { left, .. } => *left == 0,
            Self::Echo(body) => body.is_end_stream(),
        }
    }

    /// hyper sends `Content-Length` if this is exact, chunks if it is not.
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text { text, sized: true } => SizeHint::with_exact(text.len() as u64),
            Self::Fill { left, sized: true } => SizeHint::with_exact(*left),
            Self::Echo(body) => body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

fn next_block(left: &mut u64) -> Bytes {
    let size = usize::try_from(*left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
    *left -= size as u64;
    Bytes::from_static(&BLOCK[..size])
}
