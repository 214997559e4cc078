//! `evenkeel-operator`: the command.

use std::io::{self, Write as _};

use anyhow::{Context as _, anyhow};
use clap::Parser as _;
use evenkeel_crds::BalancerPool;
use evenkeel_operator::{
    logs,
    options::{Cli, Command, RunOptions},
    run,
};
use kube::CustomResourceExt as _;
use tokio::runtime::Builder;

/// One thread works, one is there when it is busy with a large table.
const THREADS: usize = 2;

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(options) => start(*options),
        Command::Crd => print_crd(),
    }
}

fn start(options: RunOptions) -> anyhow::Result<()> {
    logs::start(&options.log)?;
    // Before the first connection: without a provider rustls panics there.
    let provider = rustls::crypto::ring::default_provider().install_default();
    provider.map_err(|_| anyhow!("another crypto provider is installed"))?;
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let result = runtime.block_on(run::run(options));
    runtime.shutdown_background(); // watches and probes have nothing to finish
    result
}

fn print_crd() -> anyhow::Result<()> {
    let yaml = serde_yaml::to_string(&BalancerPool::crd()).context("cannot write the definition as YAML")?;
    io::stdout().write_all(yaml.as_bytes())?;
    Ok(())
}
