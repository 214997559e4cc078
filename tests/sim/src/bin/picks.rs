//! `picks`: what a pick costs, in instructions as callgrind counts them: the difference between a run of many picks and one of fewer.

use std::{
    io::Write as _,
    net::Ipv4Addr,
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use evenkeel_crds::{
    RoutingTable,
    api::{Algorithm, HashTable},
    table::{
        BackendPolicy, BackendSource, ConsistentHashPolicy, EndpointRow, EndpointState, Endpoints, Fleet, HashKey,
        Policy,
    },
};
use evenkeel_proxy::balance::{Context, Plan, Registry, Seen, Surroundings, ThreadState, View, pick};

/// Counts what a pick costs.
#[derive(Debug, Parser)]
#[command(name = "picks")]
struct Cli {
    /// Do picks: the number of the case, and how many. Without it all cases are counted.
    #[arg(num_args = 2, value_names = ["CASE", "PICKS"])]
    one: Vec<u32>,
}

/// A rule, over so many endpoints, and how many instructions a pick may cost: a tenth more than it did in CI's build, which takes
/// about twice as many as a release.
struct Case {
    algorithm: Algorithm,
    endpoints: u32,
    most: u64,
}

const CASES: [Case; 12] = [
    Case { algorithm: Algorithm::RoundRobin, endpoints: 3, most: 490 },
    Case { algorithm: Algorithm::RoundRobin, endpoints: 5_000, most: 1_320 },
    Case { algorithm: Algorithm::LeastRequest, endpoints: 3, most: 1_930 },
    Case { algorithm: Algorithm::LeastRequest, endpoints: 8, most: 3_750 },
    Case { algorithm: Algorithm::LeastRequest, endpoints: 5_000, most: 2_840 },
    Case { algorithm: Algorithm::Random, endpoints: 5_000, most: 425 },
    Case { algorithm: Algorithm::PeakEwma, endpoints: 3, most: 1_640 },
    Case { algorithm: Algorithm::PeakEwma, endpoints: 5_000, most: 2_440 },
    Case { algorithm: Algorithm::Score, endpoints: 3, most: 2_610 },
    Case { algorithm: Algorithm::Score, endpoints: 5_000, most: 6_550 },
    Case { algorithm: Algorithm::ConsistentHash, endpoints: 3, most: 1_110 },
    Case { algorithm: Algorithm::ConsistentHash, endpoints: 5_000, most: 1_220 },
];

/// The difference is free of what a process needs to begin and to end.
const FEWER: u32 = 2_000;
const MANY: u32 = 12_000;

fn main() -> anyhow::Result<ExitCode> {
    if let [case, picks] = Cli::parse().one[..] {
        let case = usize::try_from(case).ok().and_then(|case| CASES.get(case)).context("no such case")?;
        do_picks(case, picks)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stdout().lock();
    let mut is_good = true;
    writeln!(out, "{:<16}{:>10}{:>14}{:>8}", "rule", "endpoints", "instructions", "limit")?;
    for (number, Case { algorithm, endpoints, most }) in CASES.iter().enumerate() {
        let cost = (count(number, MANY)? - count(number, FEWER)?) / u64::from(MANY - FEWER);
        let verdict = if cost > *most { "  too much" } else { "" };
        is_good &= cost <= *most;
        writeln!(out, "{:<16}{endpoints:>10}{cost:>14}{most:>8}{verdict}", format!("{algorithm:?}"))?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many instructions a run takes.
fn count(case: usize, picks: u32) -> anyhow::Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    let output = command.args([case.to_string(), picks.to_string()]).output().context("valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{said}");
    }
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    collected.and_then(|(_, count)| count.trim().parse().ok()).with_context(|| format!("no count in {said}"))
}

fn do_picks(case: &Case, picks: u32) -> anyhow::Result<()> {
    let mut registry = Registry::new(1);
    let plan = Plan::compile(&table(case), &mut registry, 0);
    let view = View::of(Arc::new(plan), &Surroundings::default());
    let learns = view.plan.rule.learns();
    for (index, endpoint) in (0..).zip(view.plan.backends.iter().flat_map(|backend| &backend.endpoints)) {
        let seen = Seen { latency: Duration::from_micros(10_000 + index * 7 % 20_000), failed: false };
        (0..10).for_each(|_| endpoint.state.report(0, seen, learns));
    }
    let mut state = ThreadState::new(1);
    let keys: Vec<_> = (0..64).map(|number| format!("user-{number}").into_bytes()).collect();
    for number in 0..picks {
        let key = &keys[usize::try_from(number % 64)?];
        let context = Context { tried: &[], key: Some(key), now: u64::from(number) };
        let picked = pick(&view, &mut state, &context)?;
        std::hint::black_box(picked);
    }
    Ok(())
}

/// One backend whose endpoints have different weights.
fn table(case: &Case) -> RoutingTable {
    let mut policy = Policy::new("shop", "web", 1, 8080);
    policy.load_balancing.algorithm = case.algorithm;
    policy.load_balancing.consistent_hash = (case.algorithm == Algorithm::ConsistentHash)
        .then_some(ConsistentHashPolicy { key: HashKey::Path, table: HashTable::Ring, max_load_percent: Some(125) });
    let name = String::from("only");
    policy.backends.push(BackendPolicy { name: name.clone(), weight: 1, backup: false, source: BackendSource::Static });
    let row = |number: u32| EndpointRow {
        address: Ipv4Addr::from_bits(0x0a00_0001 + number).into(),
        port: 80,
        weight: 1 + number % 3,
        zone: String::new(),
        state: EndpointState::Ready,
        since: 0,
        pod: String::new(),
    };
    let endpoints = Endpoints { backends: [(name, (0..case.endpoints).map(row).collect())].into() };
    RoutingTable { policy, endpoints, fleet: Fleet::default() }
}
