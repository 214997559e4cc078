//! HTTP/1.1 on the wire: heads, framing and bodies, as pure functions over bytes.
//!
//! Nothing here does I/O or reads a clock. What is read is strict (RFC 9112): a message whose end two readers could see at
//! different places is an error. What is written is written anew, never copied through.

mod body;
mod chunks;
mod fields;
mod framing;
mod head;
mod request;
mod trailers;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use body::{BodyDecoder, BodyError, Piece};
pub(crate) use fields::{Options, members, named};
pub(crate) use framing::{Declared, Framing, digits};
#[cfg(any(test, fuzzing))]
pub(crate) use head::may_be_whole;
pub(crate) use head::{Asked, HeadError, MAX_HEAD_BYTES, ResponseHead, is_worth_a_look, parse_response};
pub(crate) use request::{
    Field, LINE_EXTRA, MAX_LINE_BYTES, MAX_REQUEST_FIELDS, MAX_REQUEST_HEAD_BYTES, MAX_TARGET_BYTES, RequestError,
    RequestHead, Version, parse_request,
};
pub(crate) use trailers::may_trail;
pub(crate) use write::{CRLF, ChunkSize, LAST_CHUNK, field, framing, last_chunk, request_line, status_line};
