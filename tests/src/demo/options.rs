//! The command line of `demo`, and the ports that follow from it.

use std::path::PathBuf;

use clap::Parser;

/// The proxy's default, also here, so that what the documentation says of it can be tried.
const ADMIN_PORT: u16 = 9440;

/// Three servers, a proxy and steady traffic on this machine: edit the pool's file and see the shares follow.
///
/// Shows a table that is redrawn each second, until Ctrl-C; plain lines if the output is no terminal.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo", version, verbatim_doc_comment)]
pub(crate) struct Options {
    /// Unattended: 1,000 requests at 70/30/0, then at 20/80/0, then with a broken file; exit 1 if anything is not as promised.
    #[arg(long)]
    pub(crate) once: bool,
    /// Use this pool instead of a copy of the example; a server is started for each of its loopback endpoints.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["once", "free_ports", "listen_port"])]
    pub(crate) file: Option<PathBuf>,
    /// Port of the pool's listener, instead of the example's.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..))]
    pub(crate) listen_port: Option<u16>,
    /// Port of the proxy's /status and /metrics [default: 9440].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) admin_port: Option<u16>,
    /// Let the kernel choose all ports that are not given. Always so with --once.
    #[arg(long)]
    pub(crate) free_ports: bool,
    /// The proxy's program [default: evenkeel-proxy beside this program].
    #[arg(long, value_name = "PATH", env = "EVENKEEL_PROXY_BIN")]
    pub(crate) proxy: Option<PathBuf>,
}

/// Where a port number comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Port {
    /// It is this one.
    Fixed(u16),
    /// The kernel chooses one.
    Free,
}

impl Options {
    /// Whether the kernel chooses what is not given.
    pub(crate) fn chooses_ports(&self) -> bool {
        self.once || self.free_ports
    }

    /// The listener's port, where the file has `in_file`.
    pub(crate) fn listener(&self, in_file: u16) -> Port {
        self.port(self.listen_port, in_file)
    }

    /// The port of `/status`.
    pub(crate) fn admin(&self) -> Port {
        self.port(self.admin_port, ADMIN_PORT)
    }

    /// The port of an endpoint's server, where the file has `in_file`.
    pub(crate) fn endpoint(&self, in_file: u16) -> Port {
        self.port(None, in_file)
    }

    fn port(&self, given: Option<u16>, otherwise: u16) -> Port {
        match given {
            Some(port) => Port::Fixed(port),
            None if self.chooses_ports() => Port::Free,
            None => Port::Fixed(otherwise),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &str) -> Options {
        Options::parse_from(format!("demo {arguments}").split_whitespace())
    }

    #[test]
    fn given_ports_come_before_free_ones_before_those_of_the_file() {
        assert_eq!(options("").listener(8080), Port::Fixed(8080));
        assert_eq!(options("").admin(), Port::Fixed(9440));
        assert_eq!(options("--listen-port 8081").listener(8080), Port::Fixed(8081));
        assert_eq!(options("--once").endpoint(9101), Port::Free);
        let mixed = options("--free-ports --admin-port 9441");
        assert_eq!((mixed.listener(8080), mixed.admin()), (Port::Free, Port::Fixed(9441)));
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Options::command().debug_assert();
        assert!(Options::try_parse_from(["demo", "--once", "--file", "x"]).is_err());
    }
}
