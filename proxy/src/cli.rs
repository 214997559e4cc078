//! The command line.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use evenkeel_crds::names;

use crate::threads;

/// The data plane of Evenkeel: shares the traffic of BalancerPools among their endpoints.
#[derive(Debug, Parser)]
#[command(name = "evenkeel-proxy", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub enum Command {
    /// Serve the traffic of pools until SIGTERM or SIGINT.
    Run(Run),
    /// Say what is wrong with BalancerPool files, by line and field; exit 1 if anything is.
    Check {
        /// The files, one BalancerPool each.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// The options of `run`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Run {
    /// Pools from BalancerPool files, without a cluster. The files are watched.
    #[arg(long, value_name = "FILE", num_args = 1.., group = "source")]
    pub pool: Vec<PathBuf>,

    /// Pools from the ConfigMaps that the operator publishes, watched through the API server.
    #[arg(long, value_name = "NAMESPACE/POOL", num_args = 1.., group = "source")]
    pub watch: Vec<PoolName>,

    /// Pools from the same ConfigMaps, mounted as directories: for pods without access to the API server.
    #[arg(long, value_name = "DIR", num_args = 1.., group = "source")]
    pub tables: Vec<PathBuf>,

    /// Serve one application, as a container beside it: binds 127.0.0.1, has one worker thread, and ends when the
    /// application's connections have ended.
    #[arg(long)]
    pub sidecar: bool,

    /// Keep a copy of each pool's table in this directory, and start from it where the API server does not answer.
    // Not `requires`: that counts for nothing where another source shuts --watch out.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["pool", "tables"])]
    pub last_good: Option<PathBuf>,

    /// The address that listeners bind. Default: 127.0.0.1 with --pool or --sidecar, else all addresses.
    #[arg(long, value_name = "IP")]
    pub bind: Option<IpAddr>,

    /// Where /startupz, /livez, /readyz, /status, /metrics and, to who sits at the machine, /table answer. Default: 127.0.0.1:9440, in a pod all addresses.
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,

    /// Worker threads. Default: one with --sidecar; else the CPU limit rounded up; without one the CPU request, else one a
    /// core, at most 4.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,

    /// So many clients may be connected; one more is closed at once, and counted. Each needs two descriptors. Default: 10000, or
    /// half of the descriptors above 512 if that is less.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: Option<u32>,

    /// What SIGTERM waits for. Default: application with --sidecar, else clients.
    #[arg(long, value_enum, value_name = "WHOM")]
    pub drain: Option<Drain>,

    /// The zone that this runs in, for pools that prefer endpoints nearby. Default: as the pool's table has it for this pod.
    #[arg(long, value_name = "ZONE", env = "EVENKEEL_ZONE")]
    pub zone: Option<String>,

    /// How to reach the API server. Default: as a pod.
    #[arg(long, value_name = "FILE", requires = "watch")]
    pub kubeconfig: Option<PathBuf>,

    /// The format of logs.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "EVENKEEL_LOG_FORMAT")]
    pub log_format: LogFormat,

    /// The least level that is logged: error, warn, info, debug or trace.
    #[arg(long, default_value = "info", env = "EVENKEEL_LOG_LEVEL")]
    pub log_level: tracing::Level,

    /// The name of the pod that this runs in.
    #[arg(long, env = "POD_NAME", hide = true)]
    pub pod_name: Option<String>,

    /// The container's CPU request in thousandths of a core.
    #[arg(long, env = "EVENKEEL_CPU_REQUEST", hide = true)]
    pub cpu_request: Option<u64>,
}

/// The format of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// Whom the end of the process waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Drain {
    /// Clients that hear of the end by their Service: serves 5 s more, then finishes what is under way, at most 60 s.
    Clients,
    /// One application in the same pod: serves until it had no connection for 1 s, at most 22 s.
    Application,
}

/// A pool's namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl std::str::FromStr for PoolName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if names::is_dns_label(namespace) && names::is_dns_label(name) => {
                Ok(Self { namespace: namespace.into(), name: name.into() })
            }
            _ => Err("write NAMESPACE/POOL, for example shop/web".into()),
        }
    }
}

impl std::fmt::Display for PoolName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Run {
    /// How many worker threads.
    #[must_use]
    pub fn worker_threads(&self) -> usize {
        match self.threads {
            Some(threads) => threads.into(),
            // One application seldom needs more than a core for its requests, and every thread costs memory in every pod.
            None if self.sidecar => 1,
            None => threads::by_default(self.cpu_request),
        }
    }

    /// Whom the end of the process waits for.
    #[must_use]
    pub fn drains_for(&self) -> Drain {
        self.drain.unwrap_or(if self.sidecar { Drain::Application } else { Drain::Clients })
    }

    /// The addresses to bind, the next if one cannot be.
    #[must_use]
    pub fn binds(&self) -> Vec<IpAddr> {
        match self.bind {
            Some(address) => vec![address],
            None if self.sidecar || !self.pool.is_empty() => vec![Ipv4Addr::LOCALHOST.into()],
            None => ANY.to_vec(),
        }
    }

    /// The admin port's addresses, the next if one cannot be bound.
    #[must_use]
    pub fn admins(&self) -> Vec<SocketAddr> {
        match (self.admin, &self.pod_name) {
            (Some(address), _) => vec![address],
            (None, None) => vec![(Ipv4Addr::LOCALHOST, names::ADMIN_PORT).into()],
            (None, Some(_)) => ANY.map(|address| (address, names::ADMIN_PORT).into()).to_vec(),
        }
    }
}

/// All addresses of both families; where there is no IPv6, those of IPv4.
const ANY: [IpAddr; 2] = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn pools_are_named_by_namespace_and_name() {
        assert_eq!("shop/web".parse(), Ok(PoolName { namespace: "shop".into(), name: "web".into() }));
        for bad in ["web", "shop/", "/web", "a/b/c", "Shop/web"] {
            assert!(bad.parse::<PoolName>().is_err(), "{bad}");
        }
    }

    fn run(arguments: &str) -> Result<Run, clap::Error> {
        let arguments = ["evenkeel-proxy", "run"].into_iter().chain(arguments.split(' '));
        Cli::try_parse_from(arguments).map(|cli| match cli.command {
            Command::Run(run) => run,
            Command::Check { .. } => unreachable!("run was asked for"),
        })
    }

    #[test]
    fn a_sidecar_serves_the_loopback_with_one_thread_and_ends_with_the_application() {
        let sidecar = run("--sidecar --watch shop/a shop/b --last-good /var/lib/evenkeel").expect("good");
        assert_eq!((sidecar.binds(), sidecar.worker_threads()), (vec![Ipv4Addr::LOCALHOST.into()], 1));
        assert_eq!((sidecar.drains_for(), sidecar.watch.len()), (Drain::Application, 2));

        let otherwise = run("--sidecar --tables /a /b --bind ::1 --threads 3 --drain clients").expect("good");
        assert_eq!((otherwise.binds(), otherwise.worker_threads()), (vec![Ipv6Addr::LOCALHOST.into()], 3));
        assert_eq!((otherwise.drains_for(), otherwise.tables.len()), (Drain::Clients, 2));

        let deployed = run("--watch shop/a").expect("good");
        assert_eq!((deployed.binds(), deployed.drains_for()), (ANY.to_vec(), Drain::Clients));
    }

    #[test]
    fn sources_are_not_mixed_and_a_copy_is_of_what_is_watched() {
        for bad in ["--sidecar", "--tables /a --watch shop/a", "--pool a --tables /a", "--tables /a --last-good /b"] {
            assert!(run(bad).is_err(), "{bad}");
        }
    }
}
