//! A request's head, checked, and written as it goes to an endpoint.

use super::{
    Origin, Refusal, Rules, authority, forwarded,
    framing::Declared,
    name::{Meaning, meaning},
    refusal::{BODY_TOO_LARGE, CONNECTION, EXPECT, FIELD_COUNT, HOPS, HOST, LINE_LENGTH},
    target::{self, Target},
};
use crate::{
    codec::{
        self, Field, Framing, LINE_EXTRA, MAX_LINE_BYTES, MAX_REQUEST_FIELDS, Options, RequestHead, Version, named,
    },
    digits::Decimal,
};

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
    let own;
    let host = match (found.host, target.authority) {
        (Some(host), _) if !authority::is_valid(host) => return Err(HOST),
        (None, _) if head.version == Version::Current => return Err(HOST),
        (_, Some(authority)) => authority.as_bytes(),
        (Some(host), None) => host,
        (None, None) => {
            own = context.origin.authority(); // an HTTP/1.0 client meant where it connected to
            own.as_bytes()
        }
    };
    let framing = found.declared.framing(head.version)?;
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
        is_persistent: !found.options.close && (head.version == Version::Current || found.options.keep_alive),
        takes_trailers: found.takes_trailers,
        is_grpc: found.is_grpc && head.method == "POST",
    };
    if passed.passage == Passage::Here {
        return Ok(passed);
    }
    if context.rules.max_body.is_some_and(|max| matches!(framing, Framing::Length(length) if length > max)) {
        return Err(BODY_TOO_LARGE);
    }
    passed.dropped = found.write(head, &target, host, context, out)?;
    codec::framing(out, framing);
    out.extend_from_slice(codec::CRLF);
    Ok(passed)
}

/// RFC 9110 §10.1.1: there is one expectation.
fn expect(head: &RequestHead<'_>) -> Result<(), Refusal> {
    let mut expected = head.fields.iter().filter(|field| meaning(field.name.as_bytes()) == Meaning::Expect);
    if expected.all(|field| field.value.eq_ignore_ascii_case(b"100-continue")) { Ok(()) } else { Err(EXPECT) }
}

/// What one look at each field brings.
struct Found<'a> {
    meanings: [Meaning; MAX_REQUEST_FIELDS],
    /// A bit for each meaning that occurs.
    occur: u16,
    host: Option<&'a [u8]>,
    declared: Declared,
    options: Options,
    takes_trailers: bool,
    is_grpc: bool,
    /// What `Max-Forwards` is to say, if that is another number.
    hops: Option<Decimal>,
}

impl<'a> Found<'a> {
    fn in_fields(head: &RequestHead<'a>) -> Result<Self, Refusal> {
        let mut found = Self {
            meanings: [Meaning::Plain; MAX_REQUEST_FIELDS],
            occur: 0,
            host: None,
            declared: Declared::default(),
            options: Options::default(),
            takes_trailers: false,
            is_grpc: false,
            hops: None,
        };
        if head.fields.len() > MAX_REQUEST_FIELDS {
            return Err(FIELD_COUNT);
        }
        for (field, place) in head.fields.iter().zip(&mut found.meanings) {
            if field.name.len() + field.value.len() + LINE_EXTRA > MAX_LINE_BYTES {
                return Err(LINE_LENGTH);
            }
            *place = meaning(field.name.as_bytes());
        }
        for (field, meaning) in head.fields.iter().zip(found.meanings) {
            if meaning != Meaning::Plain {
                found.note(meaning, field.value)?;
            }
        }
        Ok(found)
    }

    fn note(&mut self, meaning: Meaning, value: &'a [u8]) -> Result<(), Refusal> {
        self.occur |= 1 << meaning as u16;
        match meaning {
            // RFC 9112 §3.2: exactly one.
            Meaning::Host => return if self.host.replace(value).is_some() { Err(HOST) } else { Ok(()) },
            Meaning::Length => self.declared.add_length(value)?,
            Meaning::Coding => self.declared.add_coding(value)?,
            Meaning::Connection => self.options.add(value),
            // Of `TE` only `trailers` means anything beyond this connection.
            Meaning::Te => {
                self.takes_trailers |= codec::members(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            Meaning::Type => self.is_grpc |= value.starts_with(b"application/grpc"),
            _ => {}
        }
        Ok(())
    }

    fn has(&self, meaning: Meaning) -> bool {
        self.occur & (1 << meaning as u16) != 0
    }

    /// RFC 9110 §7.6.2, of OPTIONS alone: TRACE is not served. Whether this is the last hop.
    fn decrease_hops(&mut self, head: &RequestHead<'_>) -> Result<bool, Refusal> {
        let mut values = self.of(head.fields, Meaning::MaxForwards);
        let (Some(field), None) = (values.next(), values.next()) else { return Err(HOPS) };
        let left = codec::digits(field.value).ok_or(HOPS)?.checked_sub(1);
        self.hops = left.map(Decimal::new);
        Ok(left.is_none())
    }

    fn of<'f>(
        &self,
        fields: &'f [Field<'f>],
        wanted: Meaning,
    ) -> impl Iterator<Item = &'f Field<'f>> + Clone + use<'f> {
        let meanings = self.meanings;
        fields.iter().zip(meanings).filter(move |(_, meaning)| *meaning == wanted).map(|(field, _)| field)
    }

    /// Writes what passes, but for the framing. Tells how many fields were dropped for their names.
    fn write(
        &self,
        head: &RequestHead<'_>,
        target: &Target<'_>,
        host: &[u8],
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<usize, Refusal> {
        let rules = &context.rules.request;
        let named = self.named(head.fields)?;
        let mut dropped = 0;
        codec::request_line(out, head.method, &target.path);
        codec::field(out, b"host", host);
        for (Field { name, value }, meaning) in head.fields.iter().zip(self.meanings) {
            let name = name.as_bytes();
            match meaning {
                // What `Connection` names goes (RFC 9110 §7.6.1).
                Meaning::Plain | Meaning::Type if named.iter().any(|named| named.eq_ignore_ascii_case(name)) => {}
                Meaning::Ambiguous => {
                    dropped += usize::from(!named.iter().any(|named| named.eq_ignore_ascii_case(name)));
                }
                Meaning::Plain | Meaning::Type | Meaning::RequestId if !rules.strips(name) => {
                    codec::field(out, name, value);
                }
                Meaning::MaxForwards => {
                    codec::field(out, name, self.hops.as_ref().map_or(*value, Decimal::digits));
                }
                _ => {}
            }
        }
        if self.takes_trailers {
            out.extend_from_slice(b"te: trailers\r\n");
        }
        self.write_origin(head.fields, host, context, out);
        out.extend_from_slice(rules.lines());
        Ok(dropped)
    }

    /// Says where the request came from, and gives it a name if it has none. What an untrusted peer says of that is replaced.
    fn write_origin(&self, fields: &[Field<'_>], host: &[u8], context: &Context<'_>, out: &mut Vec<u8>) {
        let Context { origin, rules, id } = context;
        if self.has(Meaning::Forwarded) && origin.is_of(&rules.trusted) {
            let said = self.of(fields, Meaning::Forwarded).filter(|field| !rules.request.strips(field.name.as_bytes()));
            forwarded::complete(out, &said, origin, host);
        } else {
            forwarded::tell(out, origin, host);
        }
        if !self.has(Meaning::RequestId) {
            forwarded::name(out, *id);
        }
    }

    /// What `Connection` names besides its own options. That it names what frames or routes the message or is ours has no
    /// effect.
    fn named<'f>(&self, fields: &'f [Field<'f>]) -> Result<Vec<&'f [u8]>, Refusal> {
        if !self.options.names {
            return Ok(Vec::new()); // which nearly all do not
        }
        let lines = self.of(fields, Meaning::Connection).map(|field| field.value);
        named(lines, MAX_REQUEST_FIELDS).ok_or(CONNECTION)
    }
}
