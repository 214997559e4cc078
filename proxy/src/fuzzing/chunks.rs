//! A body in chunks: the same bytes come out however they came in, and a second reader finds them too.

use bytes::Bytes;
use http::HeaderMap;

use super::reader;
use crate::codec::{BodyDecoder, BodyError, CRLF, ChunkSize, Framing, Piece, last_chunk};

/// What a body came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) data: Vec<u8>,
    pub(super) trailers: HeaderMap,
    pub(super) end: End,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// The input ended before the body did.
    #[default]
    Open,
    /// So many bytes of the input belong to it.
    After(usize),
    Broken(BodyError),
}

/// However a body is split into reads, it is the same one, and never longer than what was sent.
pub(super) fn run(bytes: &[u8]) {
    let Some((seed, input)) = super::split(bytes) else { return };
    let whole = decode(Framing::Chunked, input, |rest| rest);
    let mut random = fastrand::Rng::with_seed(seed.into());
    let split = decode(Framing::Chunked, input, |rest| random.usize(1..=rest.min(1 + usize::from(seed))));
    assert_eq!(whole, split, "the same body in other pieces");
    assert!(whole.data.len() <= input.len());
    match (reader::chunked(input), &whole.end) {
        (Some((data, _, rest)), End::After(taken)) => {
            assert!(whole.data == data, "two readers, two bodies");
            assert_eq!(input.len() - taken, rest.len(), "two readers, two ends");
        }
        (Some(_), other) => assert!(is_beyond_limits(input), "{other:?}, though it is a proper body"),
        // It knows neither quoted extensions nor white space around them, and nothing else that is proper.
        (None, End::After(taken)) => assert!(input[..*taken].contains(&b';'), "taken, though it is not proper"),
        (None, _) => {}
    }
    if matches!(whole.end, End::After(_)) {
        is_written_as_read(&whole);
    }
}

/// What we pass on is what we read.
fn is_written_as_read(body: &Decoded) {
    let mut written = Vec::new();
    for piece in body.data.chunks(1000) {
        written.extend([ChunkSize::new(piece.len()).line(), piece, CRLF].concat());
    }
    written.extend(last_chunk(&body.trailers));
    let (data, trailers, rest) = reader::chunked(&written).expect("what we write is a proper body");
    assert!(data == body.data && rest.is_empty());
    assert_eq!(trailers.len(), body.trailers.len());
    assert!(body.trailers.keys().all(|name| name != "host" && name != "content-length" && name != "cookie"));
}

/// The plain reader has no limits; nor does it know which bytes a trailer must not have.
fn is_beyond_limits(input: &[u8]) -> bool {
    let lines = input.split(|byte| *byte == b'\n').count();
    input.contains(&b';') && input.len() > 16 << 10 || lines > 200 || input.len() > 64 << 10
}

/// Decodes in reads of the sizes that `next` chooses from what is left.
pub(super) fn decode(framing: Framing, input: &[u8], mut next: impl FnMut(usize) -> usize) -> Decoded {
    let (mut reading, mut decoded) = (BodyDecoder::new(framing), Decoded::default());
    let mut at = 0;
    loop {
        let length = if at == input.len() { 0 } else { next(input.len() - at) };
        let mut read = Bytes::copy_from_slice(&input[at..at + length]);
        at += length;
        loop {
            match reading.decode(&mut read) {
                Ok(Piece::Data(data)) => {
                    assert!(!data.is_empty(), "a piece of nothing");
                    decoded.data.extend_from_slice(&data);
                }
                Ok(Piece::Trailers(fields)) => decoded.trailers = fields,
                Ok(Piece::More) => break,
                Ok(Piece::End) => {
                    assert!(reading.is_done());
                    return Decoded { end: End::After(at - read.len()), ..decoded };
                }
                Err(error) => return Decoded { end: End::Broken(error), ..decoded },
            }
        }
        assert!(read.is_empty(), "more is wanted, though there is some");
        if at == input.len() {
            return decoded;
        }
    }
}
