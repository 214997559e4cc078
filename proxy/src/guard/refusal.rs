//! Why a request is not forwarded.

use crate::{balance::Reason, codec::RequestError};

/// Why a request is not forwarded. Whoever is refused loses the connection: what follows on it cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The answer's status.
    pub(crate) status: u16,
    /// Why, for metrics and logs.
    pub(crate) reason: Reason,
    /// What is wrong, for whoever reads the answer.
    pub(crate) detail: &'static str,
}

impl Refusal {
    /// Of a head that is not even one.
    pub(crate) fn of_head(error: RequestError) -> Self {
        match error {
            RequestError::Syntax(_) => SYNTAX,
            RequestError::EmptyLines => EMPTY_LINES,
            RequestError::Http2 => HTTP_2,
            RequestError::Version => VERSION,
            RequestError::Target => TARGET_LENGTH,
            RequestError::Fields => FIELD_COUNT,
            RequestError::TooLarge => HEAD_LENGTH,
        }
    }

    /// Of what the client sent.
    pub(crate) const fn of_client(status: u16, detail: &'static str) -> Self {
        Self { status, reason: Reason::BadRequest, detail }
    }
}

const SYNTAX: Refusal = Refusal::of_client(400, "the request's head is not HTTP/1.1");
const EMPTY_LINES: Refusal = Refusal::of_client(400, "there are more than 4 empty lines before the request");
const HTTP_2: Refusal = Refusal::of_client(400, "this listener speaks HTTP/1.1");
const VERSION: Refusal = Refusal::of_client(505, "this listener speaks HTTP/1.0 and HTTP/1.1");
const HEAD_LENGTH: Refusal = Refusal::of_client(431, "the request's head is larger than 32 KiB");
pub(super) const HOST: Refusal =
    Refusal::of_client(400, "a request has exactly one Host, a name or address with or without a port");
pub(super) const TARGET: Refusal =
    Refusal::of_client(400, "the target is a path of visible ASCII characters without #");
pub(super) const SCHEME: Refusal = Refusal::of_client(400, "a whole URL as target begins with http:// or https://");
pub(super) const ASTERISK: Refusal = Refusal::of_client(400, "the target * belongs to OPTIONS alone");
pub(super) const TARGET_LENGTH: Refusal = Refusal::of_client(414, "the target is longer than 16 KiB");
pub(super) const METHOD: Refusal = Refusal::of_client(405, "CONNECT and TRACE are not served");
pub(super) const METHOD_LENGTH: Refusal = Refusal::of_client(400, "a method has at most 32 characters");
pub(super) const LINE_LENGTH: Refusal = Refusal::of_client(431, "a field is longer than 16 KiB");
pub(super) const FIELD_COUNT: Refusal = Refusal::of_client(431, "there are more than 100 fields");
pub(super) const CONNECTION: Refusal = Refusal::of_client(431, "Connection names more than 100 fields");
pub(super) const LENGTH: Refusal = Refusal::of_client(400, "Content-Length is one number");
pub(super) const TWO_FRAMINGS: Refusal = Refusal::of_client(400, "a body has a Content-Length or is chunked, not both");
pub(super) const CODING: Refusal = Refusal::of_client(501, "the only transfer coding that is served is chunked");
pub(super) const CODINGS: Refusal = Refusal::of_client(400, "chunked stands in Transfer-Encoding once, in HTTP/1.1");
pub(super) const EXPECT: Refusal = Refusal::of_client(417, "Expect knows 100-continue alone");
pub(super) const HOPS: Refusal = Refusal::of_client(400, "Max-Forwards is one number");
/// Of a head that does not come to its end.
pub(crate) const SLOW_HEAD: Refusal =
    Refusal { reason: Reason::SlowClient, ..Refusal::of_client(408, "the request's head came not in time") };
/// Also told of a body without a length, once it has grown too large.
pub(crate) const BODY_TOO_LARGE: Refusal =
    Refusal::of_client(413, "the body is larger than the pool's limits.requestBody");
