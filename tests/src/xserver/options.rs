//! The command line of `xserver`, and the servers that it describes.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use http::StatusCode;

use super::{Behaviour, ask};
use crate::duration;

/// A test backend: answers HTTP/1.1 with its name, and misbehaves on demand.
///
/// Every answer has the field `X-Server: NAME` and by default the JSON {server, hostname, ip, path, method, time, message}.
/// Paths: /health (POST /health?ok=false sets it), /headers (the request's fields as JSON), /echo (the request's body).
/// Queries, on every path: delay=100ms, status=503, bytes=65536, chunked=true, close=true, reset=true.
/// Prints `listening NAME ADDR` for each server when it is ready. SIGTERM and SIGINT end it well, a second one at once.
#[derive(Clone, Debug, Parser)]
#[command(name = "xserver", version, verbatim_doc_comment)]
pub struct Options {
    /// Address to listen on; port 0 lets the kernel choose. Repeat it with --name for several servers in one process.
    #[arg(long, required = true, value_name = "ADDR")]
    pub listen: Vec<SocketAddr>,
    /// Name of the server; one for each --listen, in the same order. Default: `$POD_NAME`, else the host's name.
    #[arg(long, env = "NAME", value_name = "NAME")]
    pub name: Vec<String>,
    /// The message of each answer [default: hello from NAME].
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Wait before each answer, such as 10ms.
    #[arg(long, default_value = "0s", value_parser = duration::parse, value_name = "TIME")]
    pub delay: Duration,
    /// How many of a hundred answers are a 500.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100), value_name = "N")]
    pub fail_percent: u8,
    /// Status of all other answers.
    #[arg(long, default_value = "200", value_parser = ask::status, value_name = "CODE")]
    pub status: StatusCode,
    /// Start with /health answering 503.
    #[arg(long)]
    pub unhealthy: bool,
    /// Close connections that have been idle for so long.
    #[arg(long, default_value = "75s", value_parser = duration::parse, value_name = "TIME")]
    pub keep_alive_timeout: Duration,
    /// After SIGTERM go on accepting for so long, as a well-behaved pod does until all clients know that it leaves.
    #[arg(long, default_value = "0s", value_parser = duration::parse, value_name = "TIME")]
    pub drain: Duration,
    /// After that, how long requests in flight may still take.
    #[arg(long, default_value = "30s", value_parser = duration::parse, value_name = "TIME")]
    pub grace: Duration,
    /// Threads that answer.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub threads: u16,
}

impl Options {
    /// Address and name of each server; the error says what does not fit.
    pub fn servers(&self) -> Result<Vec<(SocketAddr, String)>, String> {
        let names =
            if self.name.is_empty() && self.listen.len() == 1 { vec![default_name()] } else { self.name.clone() };
        if names.len() != self.listen.len() {
            let (listens, names) = (self.listen.len(), names.len());
            return Err(format!("{listens} --listen but {names} --name: give one --name for each --listen"));
        }
        Ok(self.listen.iter().copied().zip(names).collect())
    }

    /// The behaviour of all servers of the process.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        Behaviour {
            message: self.message.clone(),
            delay: self.delay,
            fail_percent: self.fail_percent,
            status: self.status,
            healthy: !self.unhealthy,
            keep_alive: self.keep_alive_timeout,
            drain: self.drain,
            grace: self.grace,
        }
    }
}

fn default_name() -> String {
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    std::env::var("POD_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_addresses_with_names() {
        let line = "xserver --listen 127.0.0.1:1 --name a --listen 127.0.0.1:2 --name b";
        let options = Options::parse_from(line.split(' '));
        let named: Vec<_> = options.servers().unwrap().into_iter().map(|(addr, name)| (addr.port(), name)).collect();
        assert_eq!(named, [(1, "a".to_owned()), (2, "b".to_owned())]);
    }

    #[test]
    fn every_address_needs_a_name() {
        let line = "xserver --listen 127.0.0.1:1 --listen 127.0.0.1:2 --name b";
        assert!(Options::parse_from(line.split(' ')).servers().unwrap_err().contains("--name"));
    }
}
