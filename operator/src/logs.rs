//! Logs: fields first, then a sentence, as text for people or as JSON.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::options::{LogFormat, LogOptions};

/// It says of each request that failed that it failed, as an error. Whoever sent it says so as well, with the reason.
const OTHERS: &str = "kube_client::client::builder";

/// Starts to write logs to standard error.
pub fn start(options: &LogOptions) -> anyhow::Result<()> {
    let mut filter: EnvFilter =
        options.level.parse().with_context(|| format!("--log-level {:?} cannot be read", options.level))?;
    if !options.level.contains(OTHERS) {
        filter = filter.add_directive(format!("{OTHERS}=off").parse()?);
    }
    // A line that cannot be written is lost. The crate would say so on standard error, which then panics.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    let started = match options.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logs cannot be started: {error}"))
}
