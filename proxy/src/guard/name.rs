//! Which names mean something to the guard.

/// What a field's name means on its way through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing: it passes.
    Plain,
    /// `Host`
    Host,
    /// `Content-Length`
    Length,
    /// `Transfer-Encoding`
    Coding,
    /// `Content-Type`, which passes.
    Type,
    /// `Expect`
    Expect,
    /// `Connection`
    Connection,
    /// `Keep-Alive`, `Proxy-Connection`, `Upgrade`, `HTTP2-Settings`: of this connection, whether named or not.
    HopByHop,
    /// `TE`
    Te,
    /// `Max-Forwards`
    MaxForwards,
    /// `X-Forwarded-*`, `X-Real-IP`, `Forwarded`
    Forwarded,
    /// `X-Request-Id`
    RequestId,
    /// A name with `_`, which servers after CGI's manner take for one with `-`.
    Ambiguous,
}

/// By length first: most names are none of these, and are told apart by that alone. In any case.
pub(super) fn meaning(name: &[u8]) -> Meaning {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    let known = match name.len() {
        2 if is(b"te") => Meaning::Te,
        4 if is(b"host") => Meaning::Host,
        6 if is(b"expect") => Meaning::Expect,
        7 if is(b"upgrade") => Meaning::HopByHop,
        9 if is(b"forwarded") || is(b"x-real-ip") => Meaning::Forwarded,
        10 if is(b"connection") => Meaning::Connection,
        10 if is(b"keep-alive") => Meaning::HopByHop,
        12 if is(b"content-type") => Meaning::Type,
        12 if is(b"max-forwards") => Meaning::MaxForwards,
        12 if is(b"x-request-id") => Meaning::RequestId,
        14 if is(b"content-length") => Meaning::Length,
        14 if is(b"http2-settings") => Meaning::HopByHop,
        16 if is(b"proxy-connection") => Meaning::HopByHop,
        17 if is(b"transfer-encoding") => Meaning::Coding,
        13.. if name[..12].eq_ignore_ascii_case(b"x-forwarded-") => Meaning::Forwarded,
        _ => Meaning::Plain,
    };
    if known == Meaning::Plain && name.contains(&b'_') { Meaning::Ambiguous } else { known }
}
