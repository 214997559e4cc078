//! The head of a request as it stands in the bytes that were read, parsed over `httparse` (strict by its defaults). Nothing is
//! copied: who looks at it does so before the bytes go.

use std::mem::MaybeUninit;

/// The largest head of a request (nginx: 1 KiB and four times 8).
pub(crate) const MAX_REQUEST_HEAD_BYTES: usize = 32 * 1024;
/// RFC 9112 §3 wants at least 8,000; nginx takes 8 KiB.
pub(crate) const MAX_TARGET_BYTES: usize = 16 * 1024;
/// Many tiny fields cost more than one large one (Envoy and hyper: 100 as well).
pub(crate) const MAX_REQUEST_FIELDS: usize = 100;
/// nginx takes 8 KiB, all of its four buffers 32.
pub(crate) const MAX_LINE_BYTES: usize = 16 * 1024;
/// `": "` and the end of the line.
pub(crate) const LINE_EXTRA: usize = 4;
/// Empty lines before a request (RFC 9112 §2.2 asks for one at least).
const MAX_EMPTY_LINES: usize = 4;

/// A field as it came: a name that is a token, and a value without the white space around it.
pub(crate) type Field<'a> = httparse::Header<'a>;

/// Which HTTP/1 a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.0
    Old,
    /// HTTP/1.1
    Current,
}

/// A head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'a> {
    /// A token.
    pub(crate) method: &'a str,
    /// Not empty.
    pub(crate) target: &'a str,
    pub(crate) version: Version,
    /// In the order in which they came.
    pub(crate) fields: &'a [Field<'a>],
}

/// Why bytes are not the head of a request that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("malformed: {0}")]
    Syntax(httparse::Error),
    #[error("more than {MAX_EMPTY_LINES} empty lines before it")]
    EmptyLines,
    #[error("the preface of HTTP/2")]
    Http2,
    #[error("a version other than HTTP/1")]
    Version,
    #[error("a target of more than {MAX_TARGET_BYTES} bytes")]
    Target,
    #[error("more than {MAX_REQUEST_FIELDS} fields")]
    Fields,
    #[error("larger than {MAX_REQUEST_HEAD_BYTES} bytes")]
    TooLarge,
}

impl<'a> RequestHead<'a> {
    /// The first value of a field; its name in any case.
    pub(crate) fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }
}

/// Parses a head, shows it, and tells where it ends. None: it is not all there yet.
pub(crate) fn parse_request<R>(
    bytes: &[u8],
    show: impl FnOnce(&RequestHead<'_>) -> R,
) -> Result<Option<(R, usize)>, RequestError> {
    let begin = skip_empty_lines(bytes)?;
    let bytes = &bytes[begin..];
    let mut room = [const { MaybeUninit::uninit() }; MAX_REQUEST_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let end = match parsed.parse_with_uninit_headers(bytes, &mut room) {
        Ok(httparse::Status::Complete(end)) if end <= MAX_REQUEST_HEAD_BYTES => end,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_REQUEST_HEAD_BYTES => return Ok(None),
        Ok(_) => return Err(too_large(bytes)),
        Err(error) => return Err(why(error, bytes)),
    };
    let httparse::Request { method: Some(method), path: Some(target), version: Some(version), headers } = parsed else {
        return Ok(None); // of a whole head all are there
    };
    let version = if version == 1 { Version::Current } else { Version::Old };
    Ok(Some((show(&RequestHead { method, target, version, fields: headers }), begin + end)))
}

fn skip_empty_lines(bytes: &[u8]) -> Result<usize, RequestError> {
    let mut at = 0;
    for _ in 0..=MAX_EMPTY_LINES {
        match bytes[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [b'\n', ..] => at += 1,
            _ => return Ok(at),
        }
    }
    Err(RequestError::EmptyLines)
}

#[cold]
fn too_large(bytes: &[u8]) -> RequestError {
    let target = bytes.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if target.len() > MAX_TARGET_BYTES { RequestError::Target } else { RequestError::TooLarge }
}

#[cold]
fn why(error: httparse::Error, bytes: &[u8]) -> RequestError {
    match error {
        httparse::Error::TooManyHeaders => RequestError::Fields,
        httparse::Error::Version if bytes.starts_with(b"PRI * HTTP/2.0") => RequestError::Http2,
        httparse::Error::Version if is_of_another_major(bytes) => RequestError::Version,
        other => RequestError::Syntax(other),
    }
}

/// Whether the first line ends in `HTTP/`, a digit but 1, a dot and a digit.
fn is_of_another_major(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let version = line.strip_suffix(b"\r").unwrap_or(line).rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', b'0'..=b'9'] if *major != b'1')
}
