//! Answers as the client's connection gets them, and those of our own.

use bytes::Bytes;
use http::StatusCode;

use super::ResponseBody;
use crate::{
    balance::{Reason, Side},
    codec::{self, Framing},
    guard::LineRules,
};

/// What a 405 must name (RFC 9110 §15.5.6): methods that we do not serve are few, so these are the usual ones.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// Says why an answer is not an endpoint's own.
const REASON: &str = "evenkeel-reason";

/// An answer on its way.
pub(crate) struct Reply {
    /// The head: status line and fields, but for those that its connection adds, and the end.
    pub(crate) written: Vec<u8>,
    /// Whether it says when it was made.
    pub(crate) has_date: bool,
    /// Where the body ends.
    pub(crate) framing: Framing,
    /// Whether the connection must end with it.
    pub(crate) closes: bool,
    pub(crate) body: ResponseBody,
}

/// An empty answer of the server as a whole.
pub(super) fn empty(rules: &LineRules) -> Reply {
    local(StatusCode::OK, &[], rules, Bytes::new())
}

/// An answer that says why there is none from an endpoint.
pub(super) fn failed(rules: &LineRules, status: u16, reason: Reason, detail: &str) -> Reply {
    let text = format!("{status} {reason}: {detail}\n");
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let allow = (status == StatusCode::METHOD_NOT_ALLOWED).then_some(("allow", METHODS));
    let fields = [Some(("content-type", "text/plain; charset=utf-8")), Some((REASON, reason.code())), allow];
    let mut reply = local(status, &fields, rules, Bytes::from(text));
    // What follows such a request on the connection cannot be trusted.
    reply.closes = reason.side() == Side::Client;
    reply
}

fn local(status: StatusCode, fields: &[Option<(&str, &str)>], rules: &LineRules, text: Bytes) -> Reply {
    let mut written = Vec::with_capacity(512);
    codec::status_line(&mut written, status);
    for (name, value) in fields.iter().flatten().filter(|(name, _)| !rules.strips(name.as_bytes())) {
        codec::field(&mut written, name.as_bytes(), value.as_bytes());
    }
    written.extend_from_slice(rules.lines());
    let framing = Framing::Length(text.len() as u64);
    Reply { written, has_date: rules.has_date(), framing, closes: false, body: ResponseBody::local(text) }
}

/// Says in a head why it is not the one that was hoped for.
pub(super) fn add_reason(written: &mut Vec<u8>, rules: &LineRules, reason: Reason) {
    if !rules.strips(REASON.as_bytes()) {
        codec::field(written, REASON.as_bytes(), reason.code().as_bytes());
    }
}
