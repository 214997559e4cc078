//! The head of a response, parsed over `httparse` (strict by its defaults) and written anew while its bytes are at hand.

use std::mem::MaybeUninit;

use http::StatusCode;

use super::{
    Framing,
    fields::{self, Kind, Options, named},
    framing::{Declared, FramingError},
    request::{Field, Version},
    write,
};

/// The largest head of a response. nginx takes 4–8 KiB by default; Envoy 60 KiB.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The most fields of a response.
pub(super) const MAX_FIELDS: usize = 200;

/// What a response answers: one to HEAD has no body, whatever its fields say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A HEAD request.
    Head,
    /// Any other.
    Other,
}

/// What a response's head says; its fields are written already.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    /// 100 to 599.
    pub(crate) status: StatusCode,
    /// Where the body ends.
    pub(crate) framing: Framing,
    /// Whether the connection can take a request after this message.
    pub(crate) persistent: bool,
    /// For how many seconds the endpoint keeps an idle connection, if it says so.
    pub(crate) idle_hint: Option<u64>,
    /// Whether what passes of it says when it was made.
    pub(crate) has_date: bool,
}

/// Why bytes are not the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("malformed: {0}")]
    Syntax(#[from] httparse::Error),
    #[error("it does not begin with a status line")]
    Start,
    #[error("status {0} is not 100 to 599")]
    Status(u16),
    #[error("larger than {MAX_HEAD_BYTES} bytes")]
    TooLarge,
    #[error("Connection names more than {MAX_FIELDS} fields")]
    Named,
    #[error(transparent)]
    Framing(#[from] FramingError),
}

impl Asked {
    /// What a request of this method asks.
    pub(crate) fn by(method: &str) -> Self {
        if method == "HEAD" { Self::Head } else { Self::Other }
    }
}

/// Whether the bytes from `scanned` on bring the empty line that ends a head. To parse only then keeps the work linear
/// when a head comes byte by byte.
pub(crate) fn may_be_whole(bytes: &[u8], scanned: usize) -> bool {
    let from = scanned.saturating_sub(2);
    let mut ends = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| from + at);
    ends.any(|at| matches!(bytes[..at], [.., b'\n'] | [.., b'\n', b'\r']))
}

/// Whether to parse a head of which `scanned` bytes were parsed before: at first, since what is none is told at once; when it
/// may be whole; and when no more is read of it.
pub(crate) fn is_worth_a_look(bytes: &[u8], scanned: usize, most: usize) -> bool {
    scanned == 0 || bytes.len() >= most || may_be_whole(bytes, scanned)
}

/// Parses a head and tells where it ends. None: it is not all there yet. Writes its status line and what of its fields passes
/// into `out`, but for the framing, which is the writer's. `strips` tells names that do not pass, beside those that never do.
pub(crate) fn parse_response(
    bytes: &[u8],
    asked: Asked,
    strips: impl Fn(&[u8]) -> bool,
    out: &mut Vec<u8>,
) -> Result<Option<(ResponseHead, usize)>, HeadError> {
    if bytes.first().is_some_and(|first| *first != b'H') {
        return Err(HeadError::Start); // httparse would pass over empty lines: bytes that belong to no message
    }
    let mut parts = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let end = match config.parse_response_with_uninit_headers(&mut parsed, bytes, &mut parts)? {
        httparse::Status::Complete(end) if end <= MAX_HEAD_BYTES => end,
        httparse::Status::Partial if bytes.len() < MAX_HEAD_BYTES => return Ok(None),
        _ => return Err(HeadError::TooLarge),
    };
    let code = parsed.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).ok().filter(|status| status.as_u16() < 600);
    let status = status.ok_or(HeadError::Status(code))?;
    let version = if parsed.version == Some(1) { Version::Current } else { Version::Old };
    let gathered = Gathered::from(parsed.headers)?;
    let mut head = gathered.head(status, version, asked)?;
    out.clear();
    write::status_line(out, status);
    head.has_date = gathered.write(parsed.headers, &head, asked, strips, out);
    Ok(Some((head, end)))
}

/// What one pass over the fields brings.
#[derive(Default)]
struct Gathered<'a> {
    declared: Declared,
    options: Options,
    idle_hint: Option<u64>,
    /// What `Connection` names beside its own options: few do.
    named: Vec<&'a [u8]>,
}

impl<'a> Gathered<'a> {
    fn from(fields: &[Field<'a>]) -> Result<Self, HeadError> {
        let mut all = Self::default();
        for Field { name, value } in fields {
            match fields::kind(name.as_bytes()) {
                Kind::Length => drop(all.declared.add_length(value)?),
                Kind::Coding => all.declared.add_coding(value)?,
                Kind::Connection => all.options.add(value),
                Kind::KeepAlive => all.idle_hint = fields::idle_hint(value),
                Kind::Passes | Kind::Date | Kind::Dropped => {}
            }
        }
        if all.options.names {
            let lines = fields.iter().filter(|field| fields::kind(field.name.as_bytes()) == Kind::Connection);
            all.named = named(lines.map(|field| field.value), MAX_FIELDS).ok_or(HeadError::Named)?;
        }
        Ok(all)
    }

    fn head(&self, status: StatusCode, version: Version, asked: Asked) -> Result<ResponseHead, HeadError> {
        if self.declared.chunked && version == Version::Old {
            return Err(FramingError::CodingInOldVersion.into());
        }
        let framing = match (self.declared.chunked, self.declared.length) {
            _ if is_bare(status) || asked == Asked::Head => Framing::None,
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::Close,
        };
        let persistent = self.options.allow_more(version) && framing != Framing::Close && !self.declared.is_twofold();
        Ok(ResponseHead { status, framing, persistent, idle_hint: self.idle_hint, has_date: false })
    }

    /// Writes what passes; tells whether there is a `Date` among it.
    fn write(
        &self,
        fields: &[Field<'_>],
        head: &ResponseHead,
        asked: Asked,
        strips: impl Fn(&[u8]) -> bool,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut has_date = false;
        for Field { name, value } in fields {
            let name = name.as_bytes();
            let kind = fields::kind(name);
            if !matches!(kind, Kind::Passes | Kind::Date)
                || strips(name)
                || self.named.iter().any(|named| named.eq_ignore_ascii_case(name))
            {
                continue;
            }
            write::field(out, name, value);
            has_date |= kind == Kind::Date;
        }
        // How long the body would be: RFC 9110 §8.6 has it neither with 204 nor with 1xx; beside chunks it does not count.
        let would_have = asked == Asked::Head || head.status == StatusCode::NOT_MODIFIED;
        let never = head.status.is_informational() || head.status == StatusCode::NO_CONTENT;
        if let Some(length) = self.declared.length
            && would_have
            && !never
            && !self.declared.chunked
        {
            write::framing(out, Framing::Length(length));
        }
        has_date
    }
}

fn is_bare(status: StatusCode) -> bool {
    status.is_informational() || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}
