//! A request's head, checked as a whole, and written as it goes to an endpoint.

use std::borrow::Cow;

use super::{
    Origin, Refusal, Rules, authority,
    found::Found,
    framing,
    name::{Meaning, meaning},
    refusal::{BODY_TOO_LARGE, EXPECT, HOST},
    target,
};
use crate::codec::{self, Framing, RequestHead, Version};

/// What is told of a request that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, none a state")]
pub(crate) struct Passed {
    pub(crate) passage: Passage,
    /// Where its body ends.
    pub(crate) framing: Framing,
    /// How many fields were dropped for their names, since others could take them for different ones.
    pub(crate) dropped: usize,
    /// Whether its client waits for a word before it sends the body.
    pub(crate) expects: bool,
    /// Whether its connection may take another request.
    pub(crate) is_persistent: bool,
    /// Whether its client takes fields after a body.
    pub(crate) takes_trailers: bool,
    /// Whether its body is of gRPC.
    pub(crate) is_grpc: bool,
}

/// Where a request goes that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// To an endpoint: its head is written.
    Forward,
    /// It asks the server as a whole, and that is us: an empty 200.
    Here,
}

/// What the guard is told besides the head.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Who asks.
    pub(crate) origin: &'a Origin,
    /// What the pool says.
    pub(crate) rules: &'a Rules,
    /// A random number that no other request has.
    pub(crate) id: u128,
}

/// Checks a head as the parser has it, and writes it as it goes to an endpoint, to its end.
pub(crate) fn check(head: &RequestHead<'_>, context: &Context<'_>, out: &mut Vec<u8>) -> Result<Passed, Refusal> {
    let target = target::check(head.method, head.target)?;
    let mut found = Found::in_fields(head)?;
    let host = host(found.host, target.authority, head.version, context.origin)?;
    let framing = framing::settle(found.declared, head.version)?;
    if found.has(Meaning::Expect) {
        expect(head)?;
    }
    let is_last = head.method == "OPTIONS" && found.has(Meaning::MaxForwards) && found.decrease_hops(head)?;
    let mut passed = Passed {
        passage: if target.path[1] == "*" || is_last { Passage::Here } else { Passage::Forward },
        framing,
        dropped: 0,
        // RFC 9110 §10.1.1: nobody waits in HTTP/1.0, nor for the body that there is not.
        expects: found.has(Meaning::Expect) && head.version == Version::Current,
        is_persistent: found.options.allow_more(head.version),
        takes_trailers: found.takes_trailers,
        is_grpc: found.is_grpc && head.method == "POST",
    };
    if passed.passage == Passage::Here {
        return Ok(passed);
    }
    if context.rules.max_body.is_some_and(|max| matches!(framing, Framing::Length(length) if length > max)) {
        return Err(BODY_TOO_LARGE);
    }
    passed.dropped = found.write(head, &target, &host, context, out)?;
    codec::framing(out, framing);
    out.extend_from_slice(codec::CRLF);
    Ok(passed)
}

/// RFC 9112 §3.2: exactly one `Host` in HTTP/1.1, which the authority of an absolute-form replaces. An HTTP/1.0 client may leave
/// it out: it meant where it connected to.
fn host<'a>(
    host: Option<&'a [u8]>,
    authority: Option<&'a str>,
    version: Version,
    origin: &Origin,
) -> Result<Cow<'a, [u8]>, Refusal> {
    match (host, authority) {
        (Some(host), _) if !authority::is_valid(host) => Err(HOST),
        (None, _) if version == Version::Current => Err(HOST),
        (_, Some(authority)) => Ok(authority.as_bytes().into()),
        (Some(host), None) => Ok(host.into()),
        (None, None) => Ok(origin.authority().into_bytes().into()),
    }
}

/// RFC 9110 §10.1.1: there is one expectation.
fn expect(head: &RequestHead<'_>) -> Result<(), Refusal> {
    let mut expected = head.fields.iter().filter(|field| meaning(field.name.as_bytes()) == Meaning::Expect);
    if expected.all(|field| field.value.eq_ignore_ascii_case(b"100-continue")) { Ok(()) } else { Err(EXPECT) }
}
