//! `bench`: what a request costs, against a baseline (`check`) and against other proxies (`compare`).

mod backend;
mod baseline;
mod compare;
mod counted;
mod load;
mod net;
mod output;
mod profile;
mod rig;
mod show;
mod works;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use evenkeel_tests::descriptors;

use self::baseline::Use;
use self::rig::Place;
use self::works::Work;

/// Measures the proxy. Run it by `tests/bench/run`, which makes the network namespace that it needs.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    /// The proxy to measure. Default: the one beside this program.
    #[arg(long, global = true, value_name = "PATH")]
    proxy: Option<PathBuf>,
    /// The pool that it serves, without the feature whose cost is looked for. Default: tests/bench/peers/evenkeel.yaml.
    #[arg(long, global = true, value_name = "FILE")]
    pool: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure beside other proxies; prints tables and writes target/bench/result.json.
    Compare(compare::Options),
    /// Show what each proxy forwards and answers: before anything is compared.
    Show,
    /// Compare instructions, system calls and memory with tests/bench/baseline.json.
    Check,
    /// Rewrite tests/bench/baseline.json.
    Baseline,
    /// Show in which functions a request spends its instructions.
    Profile {
        #[arg(long, default_value = "1k", value_parser = work)]
        work: &'static Work,
        /// How many functions.
        #[arg(long, default_value_t = 20)]
        shown: usize,
    },
    /// The load generator.
    #[command(hide = true)]
    Load(load::Options),
    /// The cheapest honest backend.
    #[command(hide = true)]
    Backend(backend::Options),
}

fn work(name: &str) -> Result<&'static Work, String> {
    let names = || works::WORKS.map(|work| work.name).join(", ");
    Work::named(name).ok_or_else(|| format!("there is no such work; choose one of {}", names()))
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    descriptors::raise_limit()?; // one a connection, here and in the proxies, which inherit it
    let place = || Place::find(cli.proxy, cli.pool);
    match cli.command {
        Command::Compare(options) => compare::run(&place()?, &options),
        Command::Show => show::run(&place()?),
        Command::Check => baseline::run(&place()?, Use::Compare),
        Command::Baseline => baseline::run(&place()?, Use::Rewrite),
        Command::Profile { work, shown } => profile::run(&place()?, work, shown),
        Command::Load(options) => load::run(&options),
        Command::Backend(options) => backend::run(&options),
    }
}
