//! Answers of our own.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::ResponseBody;
use crate::{
    balance::{Reason, Side},
    guard::REASON,
};

/// What a 405 must name (RFC 9110 §15.5.6): methods that we do not serve are few, so these are the usual ones.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// An empty answer of the server as a whole.
pub(super) fn empty() -> Response<ResponseBody> {
    Response::new(ResponseBody::local(Bytes::new()))
}

/// An answer that says why there is none from an endpoint.
pub(super) fn failed(status: u16, reason: Reason, detail: &str) -> Response<ResponseBody> {
    let text = format!("{status} {reason}: {detail}\n");
    let mut response = Response::new(ResponseBody::local(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(REASON.clone(), HeaderValue::from_static(reason.code()));
    if status == 405 {
        headers.insert(header::ALLOW, METHODS);
    }
    if reason.side() == Side::Client {
        // What follows such a request on the connection cannot be trusted.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
