//! One look at each field: what it means is noted, and then it is written or not by that alone.

use super::{
    Context, Refusal, forwarded, framing,
    name::{Meaning, meaning},
    refusal::{CONNECTION, FIELD_COUNT, HOPS, HOST, LINE_LENGTH},
    target::Target,
};
use crate::{
    codec::{self, Declared, Field, LINE_EXTRA, MAX_LINE_BYTES, MAX_REQUEST_FIELDS, Options, RequestHead, named},
    digits::Decimal,
};

/// What one look at each field brings.
pub(super) struct Found<'a> {
    meanings: [Meaning; MAX_REQUEST_FIELDS],
    /// A bit for each meaning that occurs.
    occur: u16,
    pub(super) host: Option<&'a [u8]>,
    pub(super) declared: Declared,
    pub(super) options: Options,
    pub(super) takes_trailers: bool,
    pub(super) is_grpc: bool,
    /// What `Max-Forwards` is to say, if that is another number.
    hops: Option<Decimal>,
}

impl<'a> Found<'a> {
    /// Looks at each.
    pub(super) fn in_fields(head: &RequestHead<'a>) -> Result<Self, Refusal> {
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
            Meaning::Length => framing::add_length(&mut self.declared, value)?,
            Meaning::Coding => framing::add_coding(&mut self.declared, value)?,
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

    /// Whether some field means that.
    pub(super) fn has(&self, meaning: Meaning) -> bool {
        self.occur & (1 << meaning as u16) != 0
    }

    /// RFC 9110 §7.6.2, of OPTIONS alone: TRACE is not served. Whether this is the last hop.
    pub(super) fn decrease_hops(&mut self, head: &RequestHead<'_>) -> Result<bool, Refusal> {
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
    pub(super) fn write(
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
