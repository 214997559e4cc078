//! A client's request as it goes to an endpoint: checked, stripped, in origin-form.

use std::{cell::Cell, rc::Rc};

use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header, uri::PathAndQuery};
use http_body::Body as _;
use hyper::body::Incoming;

use super::{Client, RequestBody, body::Written, fields};

/// What a socket takes at once from whoever sends, whether it is read or not.
const LARGE_BYTES: u64 = 32 * 1024;

/// Why a request is not forwarded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) detail: &'static str,
}

/// A request that can be sent: once, or again as long as nothing of its body was needed.
pub(super) struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// None once it went to an endpoint, or if there is no body.
    body: Option<Incoming>,
    has_body: bool,
    has_large_body: bool,
    /// How far the body has been written.
    pub(super) written: Written,
    /// To be set if an answer breaks off: for clients who would take the end of the connection for its end.
    pub(super) reset: Option<Rc<Cell<bool>>>,
}

impl Outgoing {
    pub(super) fn new(request: Request<Incoming>, client: &Client) -> Result<Self, Refusal> {
        let (mut head, body) = request.into_parts();
        refuse(&head.method, &head.headers)?;
        check_host(&mut head.headers, head.version, client)?;
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        if let Some(authority) = head.uri.authority() {
            // Absolute-form: its authority replaces Host (RFC 9112 §3.2.2).
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| BAD_HOST)?;
            head.headers.insert(header::HOST, host);
        }
        fields::strip_hop_by_hop(&mut head.headers);
        head.headers.remove(header::EXPECT);
        fields::set_forwarded(&mut head.headers, &client.address);
        let has_body = !body.is_end_stream();
        let has_large_body = body.size_hint().upper().is_none_or(|bytes| bytes > LARGE_BYTES);
        if has_body && body.size_hint().exact().is_none() {
            // Said aloud: hyper drops the body of a GET or HEAD whose length it does not know.
            head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Ok(Self {
            method: head.method,
            uri: Uri::from(path),
            headers: head.headers,
            body: has_body.then_some(body),
            has_body,
            has_large_body,
            written: Written::default(),
            reset: (head.version < Version::HTTP_11).then(|| Rc::clone(&client.reset)),
        })
    }

    /// Whether sending it twice is as good as once (RFC 9110 §9.2.2) and possible.
    pub(super) fn can_repeat(&self) -> bool {
        let idempotent = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];
        !self.has_body && idempotent.contains(&self.method)
    }

    pub(super) fn has_body(&self) -> bool {
        self.has_body
    }

    /// Whether an endpoint that does not read would hold the body up.
    pub(super) fn has_large_body(&self) -> bool {
        self.has_large_body
    }

    /// The request for one attempt; none if its body went with an earlier one.
    pub(super) fn next(&mut self) -> Option<Request<RequestBody>> {
        if self.has_body && self.body.is_none() {
            return None;
        }
        let body = RequestBody::new(self.body.take(), self.written.clone());
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() =
            if self.can_repeat() { self.headers.clone() } else { std::mem::take(&mut self.headers) };
        Some(request)
    }

    /// Takes back a request of which nothing was sent.
    pub(super) fn take_back(&mut self, request: Request<RequestBody>) {
        let (head, body) = request.into_parts();
        self.headers = head.headers;
        self.body = body.into_incoming();
    }
}

const BAD_HOST: Refusal = Refusal { status: 400, detail: "a request has exactly one Host, with one name or address" };

fn refuse(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    if [Method::CONNECT, Method::TRACE].contains(method) {
        return Err(Refusal { status: 405, detail: "CONNECT and TRACE are not served" });
    }
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(header::EXPECT).iter().all(known) {
        Ok(())
    } else {
        Err(Refusal { status: 417, detail: "Expect knows 100-continue alone" })
    }
}

/// RFC 9112 §3.2: exactly one `Host` in HTTP/1.1. An HTTP/1.0 client may leave it out: it meant where it connected to.
fn check_host(headers: &mut HeaderMap, version: Version, client: &Client) -> Result<(), Refusal> {
    match headers.get_all(header::HOST).iter().count() {
        1 => Ok(()),
        0 if version < Version::HTTP_11 => {
            headers.insert(header::HOST, client.local.clone());
            Ok(())
        }
        _ => Err(BAD_HOST),
    }
}
