//! Fields of messages that a pool may change, by name and value.

/// The most fields of one list (Gateway API has the same).
pub const MAX_FIELDS: usize = 16;
/// The longest name.
pub const MAX_NAME: usize = 256;
/// The longest value.
pub const MAX_VALUE: usize = 4096;

/// Names that frame or route messages, belong to one connection, or that the proxy sets itself.
pub const RESERVED: [&str; 15] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-real-ip",
    "x-request-id",
];
/// All names that begin so are reserved, too.
pub const RESERVED_PREFIX: &str = "x-forwarded-";

/// Why an answer is not an endpoint's: the proxy alone says it, and a pool may remove it.
pub const REASON: &str = "evenkeel-reason";

/// Whether a text is a token (RFC 9110 §5.6.2) of a length that we take.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_token)
}

/// Whether a byte may stand in a token.
#[must_use]
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a text can be the name of a query's parameter as it is written: visible ASCII without what ends a name or the
/// query.
#[must_use]
pub fn is_parameter(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"&=#".contains(&byte))
}

/// Whether nobody but the proxy may change a field of that name.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED.contains(&name.as_str()) || name.starts_with(RESERVED_PREFIX)
}

/// Whether nobody but the proxy may write a field of that name.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    is_reserved(name) || name.eq_ignore_ascii_case(REASON)
}

/// Whether a text is a value: visible ASCII, with blanks only inside.
#[must_use]
pub fn is_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let is_visible = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    bytes.len() <= MAX_VALUE
        && is_visible(bytes.first())
        && is_visible(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_graphic() || b" \t".contains(byte))
}
