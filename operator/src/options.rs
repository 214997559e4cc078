//! The command line.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::webhook::options::WebhookOptions;

/// Evenkeel's operator: publishes the routing tables of BalancerPools and runs their proxies.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Box<RunOptions>),
    /// Print the definition of BalancerPool as YAML.
    Crd,
}

/// How to run.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// Where the cluster is; without it, as a pod of the cluster. $KUBECONFIG and ~/.kube/config are never read.
    #[arg(long, env = "EVENKEEL_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// The namespaces whose pools to serve; empty: all.
    #[arg(long, env = "EVENKEEL_WATCH_NAMESPACES", value_name = "NAMESPACE,…", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// Where to answer /livez, /readyz and /metrics; `:PORT` is that port of all addresses.
    #[arg(long, env = "EVENKEEL_ADDRESS", value_name = "ADDRESS", default_value = ":8080")]
    pub address: ListenAddress,

    /// How replicas elect a leader.
    #[command(flatten)]
    pub lease: LeaseOptions,

    /// How proxies are run.
    #[command(flatten)]
    pub proxy: ProxyOptions,

    /// How pods get sidecars.
    #[command(flatten)]
    pub webhook: WebhookOptions,

    /// How logs are written.
    #[command(flatten)]
    pub log: LogOptions,
}

/// How replicas elect a leader.
#[derive(Clone, Debug, Default, Args)]
pub struct LeaseOptions {
    /// The namespace of the operator's own objects, such as its Lease; without it, in a pod, the pod's own.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// This replica's name in the Lease and in logs; without it, the host's. A random suffix is added.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
}

/// How proxies are run.
#[derive(Clone, Debug, Default, Args)]
pub struct ProxyOptions {
    /// The image of proxies. Without it, pools of mode Deployment get no proxies.
    #[arg(long = "proxy-image", env = "EVENKEEL_PROXY_IMAGE", value_name = "IMAGE")]
    pub image: Option<String>,

    /// When nodes pull that image; without it, Kubernetes' own rule.
    #[arg(long = "proxy-image-pull-policy", env = "EVENKEEL_PROXY_IMAGE_PULL_POLICY", value_name = "POLICY")]
    pub image_pull_policy: Option<PullPolicy>,
}

/// When nodes pull an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// When it is not there.
    IfNotPresent,
    /// Never.
    Never,
}

/// How logs are written.
#[derive(Clone, Debug, Args)]
pub struct LogOptions {
    /// The format of logs.
    #[arg(long = "log-format", env = "EVENKEEL_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub format: LogFormat,

    /// What to log: error, warn, info, debug, trace, or directives as `info,evenkeel_operator=debug`.
    #[arg(long = "log-level", env = "EVENKEEL_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub level: String,
}

/// The format of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// There.
    One(SocketAddr),
    /// On that port of all addresses, IPv6 and IPv4, or IPv4 alone where there is no IPv6.
    All(u16),
}

impl RunOptions {
    /// The file that says where the cluster is, if one is named. An empty variable names nothing.
    #[must_use]
    pub fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref().filter(|file| !file.as_os_str().is_empty())
    }

    /// The namespaces to serve, each once; none: all. An empty variable names nothing.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        let named = self.watch_namespaces.iter().map(|name| name.trim().to_owned());
        named.filter(|name| !name.is_empty()).collect()
    }
}

impl ProxyOptions {
    /// The image, if there is one. An empty variable names nothing.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref().filter(|image| !image.is_empty())
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error =
            || format!("{text:?} is no address; write ADDRESS:PORT or :PORT, for example 0.0.0.0:8080 or :8080");
        match text.strip_prefix(':') {
            Some(port) => port.parse().map(Self::All).map_err(|_| error()),
            None => text.parse().map(Self::One).map_err(|_| error()),
        }
    }
}

impl PullPolicy {
    /// The name in a pod's spec.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_read() {
        let line = "evenkeel-operator run --proxy-image proxy:1 --proxy-image-pull-policy Never --watch-namespaces a,,b,a \
                    --address :0 --log-format json --namespace here --identity a";
        let Command::Run(options) = Cli::try_parse_from(line.split_whitespace()).expect("valid flags").command else {
            panic!("not run");
        };
        assert_eq!(options.namespaces().into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(options.proxy.image(), Some("proxy:1"));
        assert_eq!(options.proxy.image_pull_policy, Some(PullPolicy::Never));
        assert_eq!(options.address, ListenAddress::All(0));
        assert_eq!(options.log.format, LogFormat::Json);
        assert_eq!((options.lease.namespace.as_deref(), options.lease.identity.as_deref()), (Some("here"), Some("a")));
    }

    #[test]
    fn addresses_are_told_from_anything_else() {
        assert_eq!("127.0.0.1:80".parse(), Ok(ListenAddress::One(([127, 0, 0, 1], 80).into())));
        for text in ["", "8080", ":", ":x", "localhost:80", ":70000"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text:?}");
        }
    }
}
