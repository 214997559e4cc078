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
mod keys;
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
    keys::KeyColumn,
    report::{Results, table::Table},
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
    /// Compare the constants of the default instead of the rules.
    #[arg(long)]
    variants: bool,
    /// Where JSON and pictures go.
    #[arg(long, default_value = "target/sim", value_name = "FOLDER")]
    out: PathBuf,
}

/// The name of row h, which has rules of its own.
const KEYS: &str = "h";

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let mut results = Results { seed: cli.seed, seeds: cli.seeds, rows: Vec::new() };
    let mut tables = vec![choices(&cli, &mut results)?];
    if is_wanted(KEYS, &cli.scenario) && !cli.variants {
        tables.push(moves(&cli, &mut results)?);
    }
    tables.retain(|table| !table.rows.is_empty());
    let known = || scenarios::all().into_iter().map(|scenario| scenario.name).chain([KEYS]).collect::<Vec<_>>();
    ensure!(!tables.is_empty(), "nothing has those names; the scenarios are {}", known().join(", "));
    report::write(&cli.out, "result.json", &serde_json::to_string_pretty(&results)?)?;
    let text: Vec<_> = tables.iter().map(Table::text).collect();
    io::stdout().write_all(text.join("\n").as_bytes())?;
    Ok(())
}

/// All scenarios but that of keys.
fn choices(cli: &Cli, results: &mut Results) -> anyhow::Result<Table> {
    let mut columns = if cli.variants { columns::variants() } else { COLUMNS.to_vec() };
    columns.retain(|column| is_wanted(column.name, &cli.rule));
    let is_ranked = |column: &Column| column.kind != Kind::Bound && column.only.is_none();
    let mut table = Table::new(columns.iter().map(|column| (column.name, is_ranked(column))));
    for scenario in scenarios::all().iter().filter(|scenario| is_wanted(scenario.name, &cli.scenario)) {
        let run = |column: &Column| (column.name, column.kind, run::run(scenario, column, cli.seeds(scenario.runs)));
        let outcomes: Vec<_> = columns.iter().map(run).collect();
        if !outcomes.is_empty() {
            report::add(&mut table, results, scenario.name, &scenario.rows, &outcomes);
            report::draw(&cli.out, scenario, &outcomes)?;
        }
    }
    Ok(table)
}

/// The scenario of keys.
fn moves(cli: &Cli, results: &mut Results) -> anyhow::Result<Table> {
    let columns: Vec<_> = keys::COLUMNS.iter().filter(|column| is_wanted(column.name, &cli.rule)).collect();
    let mut table = Table::new(columns.iter().map(|column| (column.name, true)));
    let kind = |column: &KeyColumn| if column.is_ours { Kind::Ours } else { Kind::Peer };
    let run = |column: &&KeyColumn| (column.name, kind(column), keys::run(column, cli.seeds(1)));
    let outcomes: Vec<_> = columns.iter().map(run).collect();
    if !outcomes.is_empty() {
        let rows = keys::rows();
        report::add(&mut table, results, KEYS, &rows, &outcomes);
        let title = "Keys that move when 1 of 10 endpoints leaves, in %";
        report::draw_bars(&cli.out, KEYS, title, (0, rows[0].label), &outcomes)?;
    }
    Ok(table)
}

impl Cli {
    fn seeds(&self, times: u64) -> impl Iterator<Item = u64> {
        run::seeds(self.seed, self.seeds * times)
    }
}

fn is_wanted(name: &str, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|only| name.starts_with(only.as_str()))
}
