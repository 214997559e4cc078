//! `xserver`: the test backend as a process or a pod.

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use clap::{CommandFactory as _, Parser as _};
use evenkeel_tests::signals::EndSignals;
use evenkeel_tests::xserver::{Options, XServer};
use tokio::runtime::{Builder, Runtime};

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    runtime(options.threads)?.block_on(run(&options))
}

/// One thread needs no queue between threads: cheaper for every request.
fn runtime(threads: u16) -> io::Result<Runtime> {
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(usize::from(threads)).enable_all().build()
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let wanted = options.servers().unwrap_or_else(|problem| {
        Options::command().error(clap::error::ErrorKind::WrongNumberOfValues, problem).exit()
    });
    let mut signals = EndSignals::take()?;
    let mut servers = Vec::new();
    for (addr, name) in wanted {
        let server = XServer::start(addr, &name, options.behaviour()).await;
        let server = server.with_context(|| format!("{name}: cannot listen on {addr}"))?;
        writeln!(io::stdout(), "listening {name} {}", server.addr())?;
        servers.push(server);
    }
    signals.next().await;
    signals.exit_at_next();
    eprintln!("draining");
    stop(servers).await
}

async fn stop(servers: Vec<XServer>) -> anyhow::Result<()> {
    let servers: Vec<_> =
        servers.into_iter().map(|server| tokio::spawn(async move { (server.stop().await, server) })).collect();
    let mut unfinished = Vec::new();
    for stopping in servers {
        let (finished, server) = stopping.await?;
        eprintln!("{}: stopped after {} answers", server.name(), server.answered());
        if !finished {
            unfinished.push(server.name().to_owned());
        }
    }
    if !unfinished.is_empty() {
        bail!("requests were still in flight at the end of --grace: {}", unfinished.join(", "));
    }
    Ok(())
}
