//! A request's head, checked, stripped and completed.

use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts, uri::PathAndQuery};

use super::{
    Framing, Origin, Refusal, Rules, authority,
    fields::{Found, remove_all, strip_hop_by_hop},
    forwarded::{self, More},
    framing,
    name::Meaning,
    refusal::{BODY_TOO_LARGE, EXPECT, HOPS, HOST},
    target,
};
use crate::codec;

/// A head as it goes to an endpoint.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    method: Method,
    target: PathAndQuery,
    fields: HeaderMap,
    more: More<'a>,
    framing: Framing,
    dropped: usize,
}

/// What becomes of a request that may pass.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all are of the large one, and none lives long")]
pub(crate) enum Passage<'a> {
    /// It goes to an endpoint.
    Forward(Head<'a>),
    /// It asks the server as a whole, and that is us: an empty 200.
    Here,
}

/// What the guard is told besides the head.
#[derive(Debug)]
pub(crate) struct Context<'a, 'r> {
    /// Who asks.
    pub(crate) origin: &'a Origin,
    /// What the pool says.
    pub(crate) rules: &'r Rules,
    /// A random number that no other request has.
    pub(crate) id: u128,
}

impl<'a> Head<'a> {
    /// Checks a head as a parser has it, and makes it ready to forward.
    pub(crate) fn check(parts: Parts, context: &Context<'a, '_>) -> Result<Passage<'a>, Refusal> {
        let Parts { method, uri, version, headers: mut fields, .. } = parts;
        let target = target::check(&method, uri)?;
        let found = Found::in_fields(&fields)?;
        host(&mut fields, found, version, target.authority, context.origin)?;
        let framing = if found.has(Meaning::Framing) { framing::take(&mut fields, version)? } else { Framing::None };
        if found.has(Meaning::Expect) {
            expect(&mut fields)?;
        }
        if target.path == "*" || is_last_hop(&method, &mut fields, found)? {
            return Ok(Passage::Here);
        }
        if context.rules.max_body.is_some_and(|max| matches!(framing, Framing::Length(length) if length > max)) {
            return Err(BODY_TOO_LARGE);
        }
        strip_hop_by_hop(&mut fields, found);
        let dropped = if found.has(Meaning::Ambiguous) { remove_all(&mut fields, Meaning::Ambiguous) } else { 0 };
        context.rules.request.strip(&mut fields, found.lengths);
        let more = forwarded::tell(&mut fields, found, context.origin, context.rules, context.id);
        Ok(Passage::Forward(Self { method, target: target.path, fields, more, framing, dropped }))
    }

    /// The method, as it came.
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// The target in origin-form, byte for byte as it came.
    pub(crate) fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// The fields, without any that frames the body, and without those of [`Head::write_more`].
    pub(crate) fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// Appends, as whole lines, what we say of the request: where it came from, and its name.
    pub(crate) fn write_more(&self, out: &mut Vec<u8>) {
        self.more.write(&self.fields, out);
    }

    /// The fields, to be used again for others.
    pub(crate) fn into_fields(self) -> HeaderMap {
        self.fields
    }

    /// How many names were dropped, since others could take them for different ones.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped
    }

    /// Where the body ends.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }
}

/// RFC 9112 §3.2: exactly one `Host` in HTTP/1.1. An HTTP/1.0 client may leave it out: it meant where it connected to.
fn host(
    fields: &mut HeaderMap,
    found: Found,
    version: Version,
    authority: Option<HeaderValue>,
    origin: &Origin,
) -> Result<(), Refusal> {
    let mut hosts = fields.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if authority::is_valid(host.as_bytes()) => {}
        (None, None) if !found.has(Meaning::Host) && version == Version::HTTP_10 => {
            fields.insert(header::HOST, origin.authority());
        }
        _ => return Err(HOST),
    }
    if let Some(authority) = authority {
        fields.insert(header::HOST, authority);
    }
    Ok(())
}

/// Whoever parses answers an expectation itself, when the body is first wanted.
fn expect(fields: &mut HeaderMap) -> Result<(), Refusal> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !fields.get_all(header::EXPECT).iter().all(known) {
        return Err(EXPECT);
    }
    fields.remove(header::EXPECT);
    Ok(())
}

/// RFC 9110 §7.6.2, of OPTIONS alone: TRACE is not served.
fn is_last_hop(method: &Method, fields: &mut HeaderMap, found: Found) -> Result<bool, Refusal> {
    if !found.has(Meaning::MaxForwards) || *method != Method::OPTIONS {
        return Ok(false);
    }
    let mut values = fields.get_all(header::MAX_FORWARDS).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(HOPS) };
    match codec::digits(value.as_bytes()).ok_or(HOPS)?.checked_sub(1) {
        Some(left) => {
            fields.insert(header::MAX_FORWARDS, HeaderValue::from(left));
            Ok(false)
        }
        None => Ok(true),
    }
}
