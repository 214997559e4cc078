//! Which names mean something to the guard.

use http::HeaderName;

/// What a field's name means on its way through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing: it passes.
    Plain,
    /// `Host`
    Host,
    /// `Content-Length` or `Transfer-Encoding`
    Framing,
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

/// By length first: most names are none of these, and are told apart by that alone.
pub(super) fn meaning(name: &HeaderName) -> Meaning {
    let name = name.as_str();
    let known = match name.len() {
        2 if name == "te" => Meaning::Te,
        4 if name == "host" => Meaning::Host,
        6 if name == "expect" => Meaning::Expect,
        7 if name == "upgrade" => Meaning::HopByHop,
        9 if name == "forwarded" || name == "x-real-ip" => Meaning::Forwarded,
        10 if name == "connection" => Meaning::Connection,
        10 if name == "keep-alive" => Meaning::HopByHop,
        12 if name == "max-forwards" => Meaning::MaxForwards,
        12 if name == "x-request-id" => Meaning::RequestId,
        14 if name == "content-length" => Meaning::Framing,
        14 if name == "http2-settings" => Meaning::HopByHop,
        16 if name == "proxy-connection" => Meaning::HopByHop,
        17 if name == "transfer-encoding" => Meaning::Framing,
        13.. if name.starts_with("x-forwarded-") => Meaning::Forwarded,
        _ => Meaning::Plain,
    };
    if known == Meaning::Plain && name.bytes().any(|byte| byte == b'_') { Meaning::Ambiguous } else { known }
}
