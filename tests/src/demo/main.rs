//! `demo`: three servers, a proxy and steady traffic on this machine, to see weights change without a cluster.

mod frame;
mod judge;
mod live;
mod once;
mod options;
mod place;
mod pool;
mod proxy;
mod servers;
mod stand;
mod status;
mod terminal;
mod text;

use std::process::ExitCode;

use clap::Parser as _;
use evenkeel_tests::signals::EndSignals;
use options::Options;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::from);
    runtime.and_then(|runtime| runtime.block_on(demo(&options))).unwrap_or_else(|error| {
        eprintln!("demo: {error:#}");
        ExitCode::FAILURE
    })
}

async fn demo(options: &Options) -> anyhow::Result<ExitCode> {
    let signals = EndSignals::take()?;
    if options.once { once::run(options, signals).await } else { live::run(options, signals).await }
}
