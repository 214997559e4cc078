//! `flood`: the proxy under those who want to bring it down. Memory stays bounded, and everybody else is served.

mod attack;
mod cases;
mod observe;
mod output;
mod rig;
mod verdict;

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Parser;
use evenkeel_tests::descriptors;

use self::cases::{CASES, Case};
use self::rig::Rig;
use self::verdict::Verdict;

/// Floods the proxy. Run it by `tests/flood/run`, which makes the network namespace that it needs.
#[derive(Debug, Parser)]
#[command(name = "flood")]
struct Cli {
    /// The proxy. Default: the one beside this program.
    #[arg(long, value_name = "PATH")]
    proxy: Option<PathBuf>,
    /// How long each of them lasts.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Only these.
    #[arg(value_parser = case)]
    cases: Vec<&'static Case>,
}

fn case(name: &str) -> Result<&'static Case, String> {
    let names = || CASES.each_ref().map(|case| case.name).join(", ");
    CASES.iter().find(|case| case.name == name).ok_or_else(|| format!("there is no such flood; choose of {}", names()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut cli = Cli::parse();
    let is_alone = std::env::var("EVENKEEL_NETNS").is_ok_and(|state| state == "ready");
    ensure!(is_alone, "run tests/flood/run instead: it makes the network namespace that this needs");
    let descriptors = descriptors::raise_limit()?; // one a connection, here and in the proxy, which inherits it
    bound_kernel_buffers();
    if cli.cases.is_empty() {
        cli.cases = CASES.iter().collect();
    }
    let mut failed = Vec::new();
    for (number, case) in cli.cases.iter().enumerate() {
        let case = case.within(descriptors);
        let rig = Rig::start(&case, u8::try_from(number)?, cli.proxy.as_deref())?;
        let verdict = run(&case, &rig, cli.seconds).await.with_context(|| format!("flood {}", case.name))?;
        output::line(&verdict.to_string());
        failed.extend(verdict.complaints().into_iter().map(|complaint| format!("{}: {complaint}", case.name)));
    }
    ensure!(failed.is_empty(), "the proxy did not stand it:\n{}", failed.join("\n"));
    Ok(())
}

async fn run(case: &Case, rig: &Rig, seconds: u64) -> anyhow::Result<Verdict> {
    let watch = observe::Observer::start(case, rig).await?;
    let told = attack::run(case, rig, seconds).await?;
    rig.is_left_alone_by_all_but(watch.connections).await?;
    let observed = watch.finish().await?;
    rig.serves_newcomers().await?;
    Ok(Verdict { case: case.clone(), told, observed })
}

/// Of this namespace alone. Else the kernel takes half a megabyte of an answer for each client that does not read, and more of
/// what its endpoint sends: then it is the kernel's memory that such clients use up, and less of the proxy's.
fn bound_kernel_buffers() {
    for (name, sizes) in [("tcp_wmem", "4096 16384 131072"), ("tcp_rmem", "4096 131072 131072")] {
        if let Err(error) = std::fs::write(format!("/proc/sys/net/ipv4/{name}"), sizes) {
            output::line(&format!("{name} stays as it is, slow readers will cost the kernel more: {error}"));
        }
    }
}
