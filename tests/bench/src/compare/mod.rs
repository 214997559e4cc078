//! `compare`: our proxy beside others, in the same minutes on the same cores.

mod result;
mod rounds;
mod summary;
mod table;

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use self::result::{Count, Result};
use crate::counted::{Subject, calls, idle, instructions};
use crate::output::say;
use crate::rig::{Backend, Peer, Place, Program, Setting};
use crate::works::Work;

/// Between them is the slope that idle connections cost.
const IDLE: (usize, usize) = (1_000, 10_000);
const ENDPOINTS: [usize; 3] = [10, 1_000, 5_000];
const THREADS: [u16; 2] = [1, 2];

/// What is compared.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The works that are timed.
    #[arg(long, value_delimiter = ',', default_value = "1k,64k,1m,close,low", value_parser = crate::work)]
    works: Vec<&'static Work>,
    /// The proxies; one that is not installed is a dash in the table.
    #[arg(long, value_delimiter = ',', default_value = "evenkeel,nginx,haproxy,envoy", value_parser = peer)]
    peers: Vec<&'static Peer>,
    /// The proxy that the others are divided by.
    #[arg(long, default_value = "nginx", value_parser = peer)]
    base: &'static Peer,
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Multiplies the number of timed requests.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// What is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "times,instructions,calls,idle,endpoints,threads")]
    parts: Vec<Part>,
}

/// A part of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Part {
    /// CPU time of each work.
    Times,
    /// User instructions of the work 1k.
    Instructions,
    /// System calls at one connection.
    Calls,
    /// Memory of an idle connection.
    Idle,
    /// Instructions of our proxy with 10, 1,000 and 5,000 endpoints.
    Endpoints,
    /// Instructions of our proxy with one thread and with two.
    Threads,
}

fn peer(name: &str) -> std::result::Result<&'static Peer, String> {
    let names = || crate::rig::PEERS.map(|peer| peer.name).join(", ");
    Peer::named(name).ok_or_else(|| format!("there is no such proxy; choose one of {}", names()))
}

/// Measures, prints the tables and writes `result.json` after each part.
pub(crate) fn run(place: &Place, options: &Options) -> anyhow::Result<()> {
    let peers: Vec<_> = options.peers.iter().copied().filter(|peer| peer.installed(place).is_some()).collect();
    if peers.is_empty() {
        bail!("none of these proxies is installed");
    }
    let mut result = Result::new(place, &peers, options);
    let backend = Backend::start(place)?;
    for part in [Part::Times, Part::Instructions, Part::Calls, Part::Idle, Part::Endpoints, Part::Threads] {
        if !options.parts.contains(&part) {
            continue;
        }
        match part {
            Part::Times => times(place, options, &peers, &backend, &mut result)?,
            Part::Instructions => each(&peers, &mut result, "instructions, 1k", |peer| count_1k(place, peer))?,
            Part::Calls => each(&peers, &mut result, "system calls, one connection", |peer| count_calls(place, peer))?,
            Part::Idle => each(&peers, &mut result, "kB an idle connection", |peer| count_idle(place, peer))?,
            Part::Endpoints => endpoints(place, &mut result)?,
            Part::Threads => threads(place, &mut result)?,
        }
        result.write(place)?;
    }
    say(&table::whole(options, &result))?;
    say(&format!("every run: {}", place.results.join("result.json").display()))
}

fn times(
    place: &Place,
    options: &Options,
    peers: &[&'static Peer],
    backend: &Backend,
    result: &mut Result,
) -> anyhow::Result<()> {
    let rig = rounds::Rig::start(place, peers, backend)?;
    for work in &options.works {
        result.runs.extend(rig.rounds(work, options.rounds, options.scale)?);
        say(&table::work(options, work, &result.runs))?;
        result.write(place)?;
    }
    rig.stop()
}

/// Counts one thing of each proxy. One that the tool cannot run is a dash.
fn each(
    peers: &[&'static Peer],
    result: &mut Result,
    what: &str,
    count: impl Fn(&'static Peer) -> anyhow::Result<(f64, String)>,
) -> anyhow::Result<()> {
    for &peer in peers {
        match count(peer) {
            Ok((value, detail)) => result.add(Count::new(what, peer.name, value, detail))?,
            Err(error) if peer.program == Program::Evenkeel => return Err(error),
            Err(error) => say(&format!("{what}: {} cannot be counted: {error:#}", peer.name))?,
        }
    }
    Ok(())
}

fn named(name: &str) -> anyhow::Result<&'static Work> {
    Work::named(name).with_context(|| format!("the work {name}"))
}

fn count_1k(place: &Place, peer: &'static Peer) -> anyhow::Result<(f64, String)> {
    let subject = Subject { peer, setting: Setting::default(), work: named("1k")? };
    Ok((instructions(place, &subject)?, String::new()))
}

fn count_calls(place: &Place, peer: &'static Peer) -> anyhow::Result<(f64, String)> {
    let calls = calls(place, &Subject { peer, setting: Setting::default(), work: named("one")? })?;
    let list: Vec<_> = calls.iter().map(|(name, calls)| format!("{name} {calls:.2}")).collect();
    Ok((calls.values().sum(), list.join(", ")))
}

fn count_idle(place: &Place, peer: &'static Peer) -> anyhow::Result<(f64, String)> {
    let idle = idle(place, peer, IDLE.0, IDLE.1)?;
    let detail = format!("base {} kB, 1,000: {}, 10,000: {}, after: {}", idle.base, idle.few, idle.many, idle.after);
    Ok((idle.slope, detail))
}

fn endpoints(place: &Place, result: &mut Result) -> anyhow::Result<()> {
    for endpoints in ENDPOINTS {
        let setting = Setting { endpoints, ..Setting::default() };
        let subject = Subject { setting, ..Subject::evenkeel(named("fresh")?) };
        let name = format!("instructions, fresh, {endpoints} endpoints");
        result.add(Count::new(&name, "evenkeel", instructions(place, &subject)?, String::new()))?;
    }
    Ok(())
}

fn threads(place: &Place, result: &mut Result) -> anyhow::Result<()> {
    for threads in THREADS {
        let setting = Setting { threads, ..Setting::default() };
        let subject = Subject { setting, ..Subject::evenkeel(named("1k")?) };
        let name = format!("instructions, 1k, {threads} threads");
        result.add(Count::new(&name, "evenkeel", instructions(place, &subject)?, String::new()))?;
    }
    Ok(())
}
