//! Answers of our own.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::ResponseBody;
use crate::balance::Reason;

/// The field that says why an answer is not an endpoint's own.
pub(super) static REASON: HeaderName = HeaderName::from_static("evenkeel-reason");

/// An answer that says why there is none from an endpoint.
pub(super) fn failed(status: u16, reason: Reason, detail: &str) -> Response<ResponseBody> {
    let text = format!("{status} {reason}: {detail}\n");
    let mut response = Response::new(ResponseBody::local(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(REASON.clone(), HeaderValue::from_static(reason.code()));
    if reason == Reason::BadRequest {
        // What follows such a request on the connection cannot be trusted.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
