//! The request's target: four forms come in (RFC 9112 §3.2), origin-form goes out.

use super::{
    authority,
    refusal::{ASTERISK, HOST, METHOD, METHOD_LENGTH, Refusal, SCHEME, TARGET, TARGET_LENGTH},
};
use crate::codec::MAX_TARGET_BYTES;

const MAX_METHOD_BYTES: usize = 32;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Origin-form, in two parts of which the first is empty or `/`; `*` of OPTIONS.
    pub(super) path: [&'a str; 2],
    /// Of an absolute-form: it replaces `Host`.
    pub(super) authority: Option<&'a str>,
}

/// Checks method and target.
pub(super) fn check<'a>(method: &str, target: &'a str) -> Result<Target<'a>, Refusal> {
    if ["CONNECT", "TRACE"].contains(&method) {
        return Err(METHOD);
    }
    if method.len() > MAX_METHOD_BYTES {
        return Err(METHOD_LENGTH);
    }
    if target.len() > MAX_TARGET_BYTES {
        return Err(TARGET_LENGTH);
    }
    // A fragment is never sent (RFC 3986 §3.5): to one reader it would end the path, to another be a part of it.
    if !target.bytes().fold(true, |plain, byte| plain & (byte.is_ascii_graphic() && byte != b'#')) {
        return Err(TARGET);
    }
    match target.as_bytes() {
        [b'/', ..] => Ok(Target { path: ["", target], authority: None }),
        b"*" if method == "OPTIONS" => Ok(Target { path: ["", target], authority: None }),
        b"*" => Err(ASTERISK),
        _ => absolute(target),
    }
}

/// Scheme, authority and the rest of a URL (RFC 3986 §3), unchecked.
pub(crate) fn split(url: &str) -> Option<[&str; 3]> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    Some([scheme, authority, rest])
}

/// Without a path it is the root. (Of OPTIONS it would be the server as a whole, RFC 9112 §3.2.4; hardly anybody says it so.)
fn absolute(target: &str) -> Result<Target<'_>, Refusal> {
    let Some([scheme, authority, path]) = split(target) else {
        return Err(if authority::is_valid(target.as_bytes()) { METHOD } else { TARGET });
    };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(SCHEME);
    }
    if !authority::is_valid(authority.as_bytes()) {
        return Err(HOST);
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(Target { path: [slash, path], authority: Some(authority) })
}
