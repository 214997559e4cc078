//! The request's target: four forms come in (RFC 9112 §3.2), origin-form goes out.

use http::{HeaderValue, Method, Uri, uri::PathAndQuery};

use super::{
    authority,
    refusal::{ASTERISK, HOST, METHOD, METHOD_LENGTH, Refusal, SCHEME, TARGET, TARGET_LENGTH},
};

/// RFC 9112 §3 wants at least 8,000; nginx takes 8 KiB.
const MAX_TARGET_BYTES: usize = 16 * 1024;
const MAX_METHOD_BYTES: usize = 32;

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Origin-form; `*` of OPTIONS.
    pub(super) path: PathAndQuery,
    /// Of an absolute-form: it replaces `Host`.
    pub(super) authority: Option<HeaderValue>,
}

/// Checks method and target.
pub(super) fn check(method: &Method, uri: Uri) -> Result<Target, Refusal> {
    if [Method::CONNECT, Method::TRACE].contains(method) {
        return Err(METHOD);
    }
    if method.as_str().len() > MAX_METHOD_BYTES {
        return Err(METHOD_LENGTH);
    }
    let parts = uri.into_parts();
    let authority = parts.authority.as_ref().map_or("", |authority| authority.as_str());
    let path = match (&parts.scheme, parts.path_and_query) {
        (None, None) => return Err(METHOD), // authority-form
        (_, Some(path)) => path,
        (Some(_), None) => PathAndQuery::from_static(""),
    };
    if authority.len() + path.as_str().len() > MAX_TARGET_BYTES {
        return Err(TARGET_LENGTH);
    }
    if !path.as_str().bytes().fold(true, |visible, byte| visible & byte.is_ascii_graphic()) {
        return Err(TARGET);
    }
    match parts.scheme {
        None => relative(method, path),
        Some(scheme) if [http::uri::Scheme::HTTP, http::uri::Scheme::HTTPS].contains(&scheme) => {
            absolute(path, authority)
        }
        Some(_) => Err(SCHEME),
    }
}

fn relative(method: &Method, path: PathAndQuery) -> Result<Target, Refusal> {
    match path.as_str().as_bytes() {
        [b'/', ..] => Ok(Target { path, authority: None }),
        b"*" if *method == Method::OPTIONS => Ok(Target { path, authority: None }),
        b"*" => Err(ASTERISK),
        _ => Err(TARGET),
    }
}

/// Without a path it is the root. (Of OPTIONS it would be the server as a whole, but the parser gives both the same path.)
fn absolute(path: PathAndQuery, authority: &str) -> Result<Target, Refusal> {
    if !authority::is_valid(authority.as_bytes()) {
        return Err(HOST);
    }
    let authority = Some(HeaderValue::from_str(authority).map_err(|_| HOST)?);
    let path = match path.as_str() {
        "" => PathAndQuery::from_static("/"),
        text if text.starts_with('/') => path,
        text => PathAndQuery::try_from(format!("/{text}")).map_err(|_| TARGET)?,
    };
    Ok(Target { path, authority })
}
