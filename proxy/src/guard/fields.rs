//! One pass over the fields: what is there that the guard must act upon. Then it acts on that alone.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    name::{Meaning, meaning},
    refusal::{FIELD_COUNT, LINE_LENGTH, Refusal},
    rules::NameLengths,
};
use crate::codec;

/// nginx takes 8 KiB, all of its four buffers 32.
const MAX_LINE_BYTES: usize = 16 * 1024;
/// Many tiny fields cost more than one large one (Envoy and hyper: 100 as well).
const MAX_FIELDS: usize = 100;
/// `": "` and the end of the line.
const LINE_EXTRA: usize = 4;

/// Says why an answer is not an endpoint's own.
pub(crate) static REASON: HeaderName = HeaderName::from_static("evenkeel-reason");
static TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// Which meanings occur among the fields, and which lengths of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    meanings: u16,
    pub(super) lengths: NameLengths,
}

impl Found {
    /// Looks at every field once.
    pub(super) fn in_fields(fields: &HeaderMap) -> Result<Self, Refusal> {
        if fields.len() > MAX_FIELDS {
            return Err(FIELD_COUNT);
        }
        let mut found = Self::default();
        for (name, value) in fields {
            if name.as_str().len() + value.len() + LINE_EXTRA > MAX_LINE_BYTES {
                return Err(LINE_LENGTH);
            }
            found.meanings |= 1 << meaning(name) as u16;
            found.lengths.add(name);
        }
        Ok(found)
    }

    /// Whether some field means that.
    pub(super) fn has(self, meaning: Meaning) -> bool {
        self.meanings & (1 << meaning as u16) != 0
    }
}

/// Removes what belongs to the client's connection only (RFC 9110 §7.6.1): `Connection`, every field that it names, and
/// those that old senders do not name.
pub(super) fn strip_hop_by_hop(fields: &mut HeaderMap, found: Found) {
    if found.has(Meaning::Connection) {
        for name in named_by_connection(fields) {
            fields.remove(name);
        }
        fields.remove(header::CONNECTION);
    }
    if found.has(Meaning::HopByHop) {
        remove_all(fields, Meaning::HopByHop);
    }
    if found.has(Meaning::Te) {
        strip_te(fields);
    }
}

/// Removes every field of a meaning, and tells how many names there were.
pub(super) fn remove_all(fields: &mut HeaderMap, unwanted: Meaning) -> usize {
    let names: Vec<_> = fields.keys().filter(|name| meaning(name) == unwanted).cloned().collect();
    for name in &names {
        fields.remove(name);
    }
    names.len()
}

/// What `Connection` names, but fields that frame or route the message or that are ours: naming them has no effect.
fn named_by_connection(fields: &HeaderMap) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for value in fields.get_all(header::CONNECTION) {
        for option in codec::members(value.as_bytes()) {
            // By far the most frequent ones, which no field needs to be searched for.
            if option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close") {
                continue;
            }
            let Ok(name) = HeaderName::from_bytes(option) else { continue };
            if matches!(meaning(&name), Meaning::Plain | Meaning::Ambiguous) {
                named.push(name);
            }
        }
    }
    named
}

/// Of `TE` only `trailers` means anything beyond this connection.
fn strip_te(fields: &mut HeaderMap) {
    let is_trailers = |coding: &[u8]| coding.eq_ignore_ascii_case(b"trailers");
    if fields.get_all(header::TE).iter().any(|value| codec::members(value.as_bytes()).any(is_trailers)) {
        fields.insert(header::TE, TRAILERS.clone());
    } else {
        fields.remove(header::TE);
    }
}
