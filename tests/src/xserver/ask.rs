//! What a request asks of the server through its query: `?delay=100ms&status=503&bytes=65536&chunked=true&close=true&reset=true`.

use std::time::Duration;

use http::StatusCode;

use crate::duration;

/// The wishes of one request. Keys that it does not know are left alone: clients add queries of their own.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ask {
    pub(super) delay: Option<Duration>,
    pub(super) status: Option<StatusCode>,
    pub(super) bytes: Option<u64>,
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) reset: bool,
    /// Of `POST /health`: the health from now on.
    pub(super) ok: Option<bool>,
}

impl Ask {
    /// Reads a query; the error says which value is wrong.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut ask = Self::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, "true"));
            match key {
                "delay" => ask.delay = Some(duration::parse(value).map_err(|error| format!("delay: {error}"))?),
                "status" => ask.status = Some(status(value)?),
                "bytes" => ask.bytes = Some(value.parse().map_err(|_| format!("bytes: {value:?} is not a number"))?),
                "chunked" => ask.chunked = boolean(key, value)?,
                "close" => ask.close = boolean(key, value)?,
                "reset" => ask.reset = boolean(key, value)?,
                "ok" => ask.ok = Some(boolean(key, value)?),
                _ => {}
            }
        }
        Ok(ask)
    }
}

/// A final status; an informational one would leave the client waiting for the answer.
pub(super) fn status(text: &str) -> Result<StatusCode, String> {
    let code = text.parse().ok().filter(|code| (200..=599).contains(code));
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    status.ok_or_else(|| format!("status: {text:?} is not in 200..599"))
}

fn boolean(key: &str, value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| format!("{key}: {value:?} is neither true nor false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_wish() {
        let ask = Ask::parse("delay=5ms&status=503&bytes=7&chunked&close=true&reset=false&ok=false&other=1");
        let expected = Ask {
            delay: Some(Duration::from_millis(5)),
            status: Some(StatusCode::SERVICE_UNAVAILABLE),
            bytes: Some(7),
            chunked: true,
            close: true,
            reset: false,
            ok: Some(false),
        };
        assert_eq!(ask, Ok(expected));
        assert_eq!(Ask::parse(""), Ok(Ask::default()));
    }

    #[test]
    fn says_which_value_is_wrong() {
        for (query, key) in [
            ("delay=5", "delay"),
            ("status=100", "status"),
            ("status=x", "status"),
            ("bytes=-1", "bytes"),
            ("ok=1", "ok"),
        ] {
            let error = Ask::parse(query).unwrap_err();
            assert!(error.starts_with(key), "{query}: {error}");
        }
    }
}
