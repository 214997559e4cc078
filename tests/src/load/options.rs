//! The command line of `load`, as given and not yet resolved.

use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::settings::{Settings, Stop, Target};
use crate::duration;

/// Often enough to see a change within a millisecond; more would only heat the machine that is measured.
const WATCH_RATE: f64 = 1_000.0;

/// A load client: counts answers by the field X-Server, failures by kind, and tells latency from the scheduled time.
///
/// Prints a JSON line each second and one at the end (`"summary":true`); exit code 1 if a request failed.
/// A failure is any answer but 2xx, a connection that is refused, reset or closed, a name without address, or no answer in time.
/// One replay after a close of a *reused* connection before the first byte of the answer is allowed, and counted.
/// SIGTERM and SIGINT end the run, at once or after --linger: what is under way is finished, then the summary is printed.
/// A second one ends it at once.
#[derive(Clone, Debug, Parser)]
#[command(name = "load", version, verbatim_doc_comment)]
pub struct Options {
    /// `http://HOST:PORT/PATH`; a name is looked up by /etc/resolv.conf and /etc/hosts, also in an image without libc.
    #[arg(long)]
    pub url: String,
    /// Requests a second, on a schedule that no slow answer holds up. Without: each connection sends again at once.
    #[arg(long, value_parser = rate, value_name = "N")]
    pub rate: Option<f64>,
    /// How long to send, such as 30s. Without this and --requests: until SIGTERM.
    #[arg(long, value_parser = duration::parse, conflicts_with = "requests", value_name = "TIME")]
    pub duration: Option<Duration>,
    /// How many requests to send.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub requests: Option<u64>,
    /// How many may be under way; if all are, the next is late, and its latency says so.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "N")]
    pub concurrency: u16,
    /// How many of a hundred requests use a kept-alive connection; each other one has a connection of its own.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100), value_name = "N")]
    pub keep_alive_percent: u8,
    /// How long a request may take, from its lookup to the end of its answer.
    #[arg(long, default_value = "10s", value_parser = duration::parse, value_name = "TIME")]
    pub timeout: Duration,
    /// Method of the requests.
    #[arg(long, default_value = "GET")]
    pub method: Method,
    /// Send a body of so many bytes.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1 << 30), value_name = "N")]
    pub body_bytes: u32,
    /// A field of each request; repeatable.
    #[arg(long, value_parser = header, value_name = "NAME: VALUE")]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// Print the last line alone.
    #[arg(long)]
    pub summary_only: bool,
    /// Exit with 0 even if requests failed.
    #[arg(long)]
    pub fail_ok: bool,
    /// Go on sending for so long after SIGTERM, as an application does that has something left to say.
    #[arg(long, default_value = "0s", value_parser = duration::parse, value_name = "TIME")]
    pub linger: Duration,
    /// Ask about once a millisecond on one connection, and print a line with the time whenever another server answers.
    #[arg(long, conflicts_with_all = ["keep_alive_percent", "concurrency"])]
    pub watch_change: bool,
}

impl Options {
    /// Puts defaults in; the error says what does not fit.
    pub fn resolve(&self) -> Result<Settings, String> {
        let (target, host) = Target::parse(&self.url)?;
        let watched = |ordinary: usize| if self.watch_change { 1 } else { ordinary };
        Ok(Settings {
            target,
            method: self.method.clone(),
            headers: self.headers(host),
            body: Bytes::from(vec![b'x'; self.body_bytes as usize]),
            rate: self.rate.or(self.watch_change.then_some(WATCH_RATE)),
            stop: match (self.requests, self.duration) {
                (Some(requests), _) => Stop::Requests(requests),
                (None, Some(duration)) => Stop::After(duration),
                (None, None) => Stop::Signal,
            },
            concurrency: watched(self.concurrency.into()),
            keep_alive_percent: self.keep_alive_percent,
            timeout: self.timeout,
            watch_change: self.watch_change,
        })
    }

    /// The fields that every request has, then those of the command line, which win.
    fn headers(&self, host: HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static("evenkeel-load"));
        if self.body_bytes > 0 {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        }
        for (name, _) in &self.header {
            headers.remove(name);
        }
        for (name, value) in self.header.iter().cloned() {
            headers.append(name, value);
        }
        headers
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| "a rate is a number from 0.001 to 1000000".to_owned())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write 'name: value'")?;
    let name = name.trim().parse().map_err(|_| format!("{name:?} is not a field name"))?;
    let value = value.trim().parse().map_err(|_| format!("{value:?} is not a field value"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(arguments: &str) -> Settings {
        Options::parse_from(format!("load --url http://a:1/ {arguments}").split_whitespace()).resolve().unwrap()
    }

    #[test]
    fn without_limit_it_runs_until_a_signal() {
        assert_eq!(resolve("").stop, Stop::Signal);
        assert_eq!(resolve("--requests 5").stop, Stop::Requests(5));
        assert_eq!(resolve("--duration 2s").stop, Stop::After(Duration::from_secs(2)));
    }

    #[test]
    fn given_fields_replace_the_usual_ones() {
        let headers = resolve("--header host:b --header x:1 --header x:2").headers;
        assert_eq!(headers["host"], "b");
        assert_eq!(headers.get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn watching_is_one_connection_at_a_thousand_a_second() {
        let settings = resolve("--watch-change");
        assert_eq!((settings.rate, settings.concurrency, settings.keep_alive_percent), (Some(1_000.0), 1, 100));
    }
}
