//! A client's request on its way to an endpoint: for one attempt, or for more.

use std::{cell::Cell, rc::Rc};

use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

use super::{ClientBody, RequestBody, body::Written};
use crate::guard::{Framing, Head};

/// What a socket takes at once from whoever sends, whether it is read or not.
const LARGE_BYTES: u64 = 32 * 1024;

/// A request that can be sent: once, or again as long as nothing of its body was needed.
pub(super) struct Outgoing {
    head: Head,
    /// None once it went to an endpoint, or if there is no body.
    body: Option<ClientBody>,
    /// How far the body has been written.
    pub(super) written: Written,
    /// To be set if an answer breaks off: for clients who would take the end of the connection for its end.
    pub(super) reset: Option<Rc<Cell<bool>>>,
}

impl Outgoing {
    /// `body` is that of the head, if it has one that is not empty.
    pub(super) fn new(head: Head, body: Option<ClientBody>, reset: Option<Rc<Cell<bool>>>) -> Self {
        Self { head, body, written: Written::default(), reset }
    }

    /// Whether sending it twice is as good as once (RFC 9110 §9.2.2) and possible.
    pub(super) fn can_repeat(&self) -> bool {
        let idempotent = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];
        !self.has_body() && idempotent.contains(self.head.method())
    }

    pub(super) fn has_body(&self) -> bool {
        !matches!(self.head.framing(), Framing::None | Framing::Length(0))
    }

    /// Whether an endpoint that does not read would hold the body up.
    pub(super) fn has_large_body(&self) -> bool {
        match self.head.framing() {
            Framing::None => false,
            Framing::Length(bytes) => bytes > LARGE_BYTES,
            Framing::Chunked => true,
        }
    }

    /// The request for one attempt; none if its body went with an earlier one.
    pub(super) fn next(&mut self) -> Option<Request<RequestBody>> {
        if self.has_body() && self.body.is_none() {
            return None;
        }
        let body = RequestBody::new(self.body.take(), self.written.clone());
        let mut request = Request::new(body);
        *request.method_mut() = self.head.method().clone();
        *request.uri_mut() = Uri::from(self.head.target().clone());
        *request.headers_mut() = self.fields();
        Some(request)
    }

    /// With the framing said aloud: hyper drops the body of a GET or HEAD whose length it does not know.
    fn fields(&self) -> HeaderMap {
        let mut fields = self.head.fields().clone();
        match self.head.framing() {
            Framing::None => None,
            Framing::Length(bytes) => fields.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes)),
            Framing::Chunked => fields.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        };
        fields
    }

    /// Takes back a request of which nothing was sent.
    pub(super) fn take_back(&mut self, request: Request<RequestBody>) {
        self.body = request.into_body().into_incoming();
    }
}
