//! `sim`: how rules of choosing an endpoint compare when something is uneven, in virtual time.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "times and counts of a simulation stay far below 2^52"
)]

mod columns;
mod demand;
mod engine;
mod measure;
mod peers;
mod report;
mod rule;
mod rules;
mod run;
mod scenarios;
mod server;
mod time;
mod world;

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::ensure;
use clap::Parser;

use self::{
    columns::{COLUMNS, Column, Kind},
    report::{Results, table::Table},
    run::Outcome,
    scenarios::Scenario,
};

/// Compares rules of choosing an endpoint in a simulated cluster.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Cli {
    /// Only the scenarios whose names begin so (a, b, c, …).
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Only the rules with these names.
    #[arg(long, value_name = "NAME")]
    rule: Vec<String>,
    /// The first seed. The same seed gives the same figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds; a figure is their median.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=101))]
    seeds: u64,
    /// Where JSON and pictures go.
    #[arg(long, default_value = "target/sim", value_name = "FOLDER")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let columns: Vec<_> = COLUMNS.iter().filter(|column| is_wanted(column.name, &cli.rule)).collect();
    let scenarios: Vec<_> =
        scenarios::all().into_iter().filter(|scenario| is_wanted(scenario.name, &cli.scenario)).collect();
    ensure!(
        !scenarios.is_empty(),
        "no scenario has that name; there are {}",
        names(scenarios::all().iter().map(|of| of.name))
    );
    ensure!(!columns.is_empty(), "no rule has that name; there are {}", names(COLUMNS.iter().map(|of| of.name)));
    let part = |column: &&Column| (column.name.to_owned(), column.kind != Kind::Bound);
    let mut table = Table { columns: columns.iter().map(part).collect(), rows: Vec::new() };
    let mut results = Results { seed: cli.seed, seeds: cli.seeds, rows: Vec::new() };
    for scenario in &scenarios {
        let outcomes = outcomes(scenario, &columns, &cli);
        report::add(&mut table, &mut results, scenario, &outcomes);
        report::draw(&cli.out, scenario, &outcomes)?;
    }
    report::write(&cli.out, "result.json", &serde_json::to_string_pretty(&results)?)?;
    io::stdout().write_all(table.text().as_bytes())?;
    Ok(())
}

fn outcomes<'a>(scenario: &Scenario, columns: &[&'a Column], cli: &Cli) -> Vec<(&'a Column, Outcome)> {
    columns.iter().map(|column| (*column, run::run(scenario, column, run::seeds(cli.seed, cli.seeds)))).collect()
}

fn is_wanted(name: &str, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|only| name.starts_with(only.as_str()))
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
